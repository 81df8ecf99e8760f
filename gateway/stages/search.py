"""What a complaint is found by: the words that the store marks, and the same words out of what an operator types."""

from collections.abc import Sequence

from gateway.contract.complaint import Complainant
from normalizers.identifier import read_document, read_phone

WAYS = ("phone", "document", "email", "openid")


def list_ways(complainant: Complainant) -> Sequence[str]:
    """`kind:value` of everything the complainant is known by."""
    named = [
        *(("phone", each) for each in complainant.phones),
        *(("document", each.number) for each in complainant.documents),
        *(("email", each) for each in complainant.emails),
        *(("openid", each) for each in (complainant.wechat_openid,) if each),
    ]
    return tuple(dict.fromkeys(_write(way, value) for way, value in named))


def read_way(way: str, typed: str) -> str:
    """The same for what a person typed, in any spelling. Raises ValueError where it is no such thing."""
    value = typed.strip()
    if way == "phone":
        value = read_phone(value)
    elif way == "document":
        found = read_document(value)
        value = found.value if found else ""
    if not value:
        raise ValueError(way)
    return _write(way, value)


def _write(way: str, value: str) -> str:
    return f"{way}:{value if way == 'openid' else value.casefold()}"
