"""The number given to the customer: twelve digits, said in three groups of four, the last one a check digit.

Eleven digits that cannot be told from chance (see `store.numbering`) say nothing about volume; the Damm check digit
catches every single wrong digit and every swap of neighbours (H. M. Damm, 2004). Digits only, so that it can be said in
any language and typed on a telephone; the first is never 0, so that a spreadsheet keeps it whole.
"""

import re
import unicodedata
from typing import NewType

from stdnum import damm

Receipt = NewType("Receipt", str)

LENGTH = 12
FIRST_BODY, BODIES = 10**10, 9 * 10**10
"""The eleven digits before the check digit, as numbers: the first of them and how many there are."""
# One receipt is made per accept, and stdnum goes digit by digit: its own answers, for two digits behind each interim digit.
_PLACES = (10**10, 10**8, 10**6, 10**4, 10**2, 1)
_AFTER = [
    damm.checksum(f"{behind}{pair:02}")
    for interim in range(10)
    for behind in range(10)
    if damm.checksum(str(behind)) == interim
    for pair in range(100)
]
_SEPARATORS = re.compile(r"[\s\-‐-―._·]+")


def make_receipt(body: int) -> Receipt:
    """Eleven digits -> the receipt with its check digit."""
    if not FIRST_BODY <= body < FIRST_BODY + BODIES:
        raise ValueError("a receipt body has eleven digits, the first not 0")
    interim = 0
    for place in _PLACES:
        interim = _AFTER[100 * interim + body // place % 100]
    return Receipt(f"{body}{interim}")


def parse_receipt(text: str) -> Receipt | None:
    """What a person typed or said -> a receipt, or None. Spaces, dashes and full-width digits are tolerated."""
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    # NFKC leaves e.g. Arabic-Indic digits; int-like characters of any script count as their digit.
    if len(digits) != LENGTH or not digits.isdigit():
        return None
    try:
        digits = "".join(str(unicodedata.decimal(d)) for d in digits)
    except ValueError:
        return None
    return Receipt(digits) if digits[0] != "0" and damm.is_valid(digits) else None


def spoken(receipt: Receipt) -> str:
    """`471108154242` -> `4711 0815 4242`, the way it is shown and said."""
    return " ".join(receipt[i : i + 4] for i in range(0, LENGTH, 4))
