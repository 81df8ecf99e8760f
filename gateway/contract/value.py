"""Classes of values: immutable for whoever writes code, and cheap to make.

A frozen dataclass sets each field through a function call, which makes an Envelope cost three times as much; there is
one of each of these per request. So a type checker refuses an assignment here, and Python itself does not look.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def value(cls: type[T]) -> type[T]: ...
@overload
def value(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[T] | None = None, *, kw_only: bool = True) -> type[T] | Callable[[type[T]], type[T]]:
    """Keyword-only dataclass with slots; with `kw_only=False` its fields may be given in order too."""
    make = dataclass(slots=True, kw_only=kw_only)
    return make if cls is None else make(cls)
