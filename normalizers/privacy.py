"""Numbers that identify a person (class C2 of JR/T 0171-2020) stay in the words, which are encrypted at rest, and are masked
wherever they are shown: card 6 + 4, ID number 3 + 4, mobile 3 + 4, name surname + *. What was removed as a secret
(`secret`) is listed by its tags.
"""

from collections.abc import Iterable, Sequence

from gateway.contract.complaint import Finding
from normalizers.identifier import Identifier, IdentifierKind
from normalizers.secret import find_removed

_REMOVED = "******"


def list_removed(texts: Iterable[str]) -> tuple[Finding, ...]:
    """One for each tag, whoever put it there: the gateway before it stored the bytes, or the rules that read them."""
    return tuple(Finding(kind=kind, masked=_REMOVED, action="removed") for text in texts for kind in find_removed(text))


def find_kept(identifiers: Sequence[Identifier]) -> tuple[Finding, ...]:
    """Each number once, masked."""
    masked = {(identifier.kind.value, mask(identifier.kind, identifier.value)): None for identifier in identifiers}
    return tuple(Finding(kind=kind, masked=value, action="kept") for kind, value in masked)


def mask(kind: IdentifierKind, value: str) -> str:
    match kind:
        case IdentifierKind.PHONE:
            return mask_phone(value)
        case IdentifierKind.EMAIL:
            return mask_email(value)
        case IdentifierKind.BANK_CARD:
            return mask_card(value)
        case _:
            return mask_id(value)


def mask_in_text(text: str, identifiers: Sequence[Identifier]) -> str:
    """`text` with the given identifiers (found in it) masked, for subjects and lists."""
    parts, at = [], 0
    for identifier in identifiers:
        parts += [text[at : identifier.start], mask(identifier.kind, identifier.value)]
        at = identifier.end
    return "".join([*parts, text[at:]])


def mask_card(number: str) -> str:
    """`6222021234567890` -> `622202******7890`."""
    return _mask(number, 6, 4)


def mask_id(number: str) -> str:
    """`11010119900307777X` -> `110***********777X`."""
    return _mask(number, 3, 4)


def mask_phone(number: str) -> str:
    """`13800138000` -> `138****8000`; short numbers keep their last two digits."""
    return _mask(number, 3, 4) if len(number) >= 10 else _mask(number, 0, 2)


def mask_name(name: str) -> str:
    """`张三丰` -> `张**`."""
    return name[:1] + "*" * (len(name) - 1)


def mask_email(address: str) -> str:
    """`somebody@example.com` -> `s***@example.com`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***{at}{domain}"


def _mask(value: str, head: int, tail: int) -> str:
    hidden = len(value) - head - tail
    return value[:head] + "*" * hidden + value[len(value) - tail :] if hidden > 0 else "*" * len(value)
