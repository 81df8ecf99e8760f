"""Which number of a call is the customer's."""

import re
from collections.abc import Collection

_SCHEME = re.compile(r"^(?:tel|sips?):", re.IGNORECASE)
_NUMBER = re.compile(r"\+?[0-9(][0-9 ()\-.]{5,22}[0-9]")
_NO_DIGIT = re.compile(r"\D")
_SHORTEST, _LONGEST = 7, 18
"""A number with country and access code has at most 18 digits; service numbers such as 95561 have fewer than 7."""


def find_customer_phone(own_numbers: Collection[str], *candidates: object) -> str:
    """The first candidate that is a telephone number and not the bank's own, without `tel:`; else empty."""
    for candidate in candidates:
        if not isinstance(candidate, (str, int)):
            continue
        number = _SCHEME.sub("", str(candidate).strip()).partition("@")[0]
        if not _NUMBER.fullmatch(number):
            continue
        digits = _NO_DIGIT.sub("", number)
        if not _SHORTEST <= len(digits) <= _LONGEST:
            continue
        # 008695561 is 95561 as a trunk writes it.
        if digits not in own_numbers and digits.removeprefix("00").removeprefix("86").lstrip("0") not in own_numbers:
            return number
    return ""
