"""The smallest value of a message type: required fields only."""

from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from mesos_py.types.resources import Resources

_PLAIN: dict[Any, Any] = {str: "x", int: 1, float: 1.0, bool: False, bytes: b"x", Resources: Resources()}


def minimal(kind: Any, **given: Any) -> Any:
    """A value of this type; ``given`` are fields of the outermost Struct."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, NewType):
        return minimal(kind.__supertype__)
    origin = get_origin(kind)
    if origin is Annotated:
        return minimal(get_args(kind)[0])
    if origin is Literal:
        return get_args(kind)[0]
    if origin in (Union, UnionType):
        return None if type(None) in get_args(kind) else minimal(get_args(kind)[0])
    if origin is not None:
        return origin()
    if issubclass(kind, Enum):
        return next(iter(kind))
    assert issubclass(kind, Struct), kind
    needed = {f.name: f.type for f in msgspec.structs.fields(kind) if f.required and f.name not in given}
    return kind(**{name: minimal(hint) for name, hint in needed.items()}, **given)


def members(union: Any) -> list[type]:
    """The types of a union."""
    return list(get_args(union))
