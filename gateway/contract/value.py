"""Classes of values: immutable for whoever writes code, and cheap to make.

A frozen dataclass sets each field through a function call, which makes an Envelope cost three times as much; there is
one of each of these per request. So a type checker refuses an assignment here, and Python itself does not look.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[T]) -> type[T]:
    """Keyword-only dataclass with slots."""
    return dataclass(slots=True, kw_only=True)(cls)
