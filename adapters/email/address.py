"""What a mail address is here: enough to answer to and no more, so that no header can be smuggled in."""

import re

_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]{1,64}@[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]{1,253}")


def is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None


def find_address(text: str) -> str:
    """The first mail address in the text, its domain in lower case, or ''."""
    found = _ADDRESS.search(text)
    return fold_domain(found.group().strip("'`.")) if found else ""


def fold_domain(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain.lower().rstrip('.')}"


def read_domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
