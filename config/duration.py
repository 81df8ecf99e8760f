"""Lengths of time as people write them: `90s`, `15m`, `2h`, `1d`, or a number of seconds; how long something is kept:
`18mo`, `5y`.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_FORM = re.compile(r"(\d+)\s*([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_duration(value: object) -> object:
    """Text -> seconds; anything else is left to the type. Raises ValueError."""
    if not isinstance(value, str):
        return value
    found = _FORM.fullmatch(value.strip())
    if found is None:
        raise ValueError("write it like 90s, 15m, 2h or 1d")
    return int(found[1]) * _SECONDS[found[2]]


_KEPT = re.compile(r"(\d+)\s*(mo|y)")
_MONTHS = {"mo": 1, "y": 12}


def read_months(value: object) -> object:
    """Text -> months; empty: 0. Anything else is left to the type. Raises ValueError."""
    if not isinstance(value, str):
        return value
    found = _KEPT.fullmatch(value.strip())
    if found is None and value.strip():
        raise ValueError("write it like 18mo or 5y; empty: for ever")
    return int(found[1]) * _MONTHS[found[2]] if found else 0


Months = Annotated[int, BeforeValidator(read_months), Field(ge=0)]
Seconds = Annotated[int, BeforeValidator(read_duration), Field(ge=0)]
