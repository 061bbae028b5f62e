"""Lists are given in pages, so that no answer is larger than the one who asked wanted."""

from typing import Annotated, Generic, TypeVar

from litestar.params import Parameter
from msgspec import Struct

__all__ = ["Items", "Limit", "Offset", "cut"]

T = TypeVar("T")

Limit = Annotated[int, Parameter(ge=0, le=1000, description="At most so many items.")]
Offset = Annotated[int, Parameter(ge=0, le=10**12, description="Leave out so many items at the start.")]


class Items(Struct, Generic[T], frozen=True, kw_only=True):
    """Part of a list."""

    items: list[T]
    total: int
    """Of the whole list."""
    offset: int
    """Of the first item."""


P = TypeVar("P", bound=Items)  # type: ignore[type-arg]


def cut(page: type[P], items: list[T], offset: int, limit: int) -> P:
    """One page of a list."""
    return page(items=items[offset : offset + limit], total=len(items), offset=offset)
