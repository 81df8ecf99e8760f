"""The number given to the customer: twelve digits, said in three groups of four, the last one a check digit.

Eleven random digits say nothing about volume and cannot be guessed; the Damm check digit catches every single
wrong digit and every swap of neighbours (H. M. Damm, 2004). Digits only, so that it can be said in any language
and typed on a telephone; the first is never 0, so that a spreadsheet keeps it whole.
"""

import re
import unicodedata
from typing import NewType

from stdnum import damm

Receipt = NewType("Receipt", str)

LENGTH = 12
_SEPARATORS = re.compile(r"[\s\-‐-―._·]+")


def make_receipt(body: int) -> Receipt:
    """Eleven digits (10**10 <= body < 10**11) -> the receipt with its check digit."""
    if not 10**10 <= body < 10**11:
        raise ValueError("a receipt body has eleven digits, the first not 0")
    digits = str(body)
    return Receipt(digits + str(damm.calc_check_digit(digits)))


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
