"""Hypothesis strategies for values and messages, built from the types themselves.

A new message or field needs no line here: what a strategy must know is read from msgspec's description of the type.
"""

from functools import cache
from types import UnionType
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as kinds

from mesos_py.types.ids import Role
from mesos_py.types.resources import Resources, key_of
from mesos_py.types.values import MAX_SCALAR

MOST = 3
"""Items in one list or dict: enough to have neighbours."""

whole_numbers = st.integers(-(2**63), 2**64 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8)

role_parts = st.text("abcdefgh-_.0", min_size=1, max_size=4).filter(
    lambda part: part not in (".", "..") and not part.startswith("-")
)
roles = st.lists(role_parts, min_size=1, max_size=3).map("/".join).map(Role)

_NUMBERS = ("cpus", "mem", "disk", "gpus", "licences")
_pairs = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: [pair[0], pair[0] + pair[1]])
_ranges = st.lists(_pairs, min_size=1, max_size=5)
_sets = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)


def scalars(most: int = 10**7) -> st.SearchStrategy[float]:
    """Numbers of whole thousandths."""
    return st.integers(0, most).map(lambda thousandths: thousandths / 1000)


def wire_resources(reserved: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """Resources as they look on the wire."""
    role = st.sampled_from(["*", "ads", "ads/web", "ops"]) if reserved else st.just("*")
    scalar = st.tuples(st.sampled_from(_NUMBERS), role, scalars())
    ranges = st.tuples(st.sampled_from(["ports", "vlans"]), role, _ranges)
    sets = st.tuples(st.just("disks"), role, _sets)
    entry = st.one_of(scalar, scalar, ranges, sets)
    return st.lists(entry, max_size=5).map(
        lambda entries: {key_of(name, Role(role)): value for name, role, value in entries}
    )


def resources(reserved: bool = True) -> st.SearchStrategy[Resources]:
    """Bags of a few resources of every kind, so that two of them often meet in a key."""
    return wire_resources(reserved).map(Resources.from_wire)


def large_scalars() -> st.SearchStrategy[float]:
    """Numbers up to the largest that the wire takes."""
    return scalars(MAX_SCALAR)


@cache
def instances(of: Any) -> st.SearchStrategy[Any]:
    """Values of a Struct class, a union of them, or any annotation msgspec understands."""
    return _of_kind(kinds.type_info(of))


def message_types(family: UnionType) -> list[type[msgspec.Struct]]:
    """The members of a family such as ``Call``."""
    return list(get_args(family))


def tag_of(message: type[msgspec.Struct]) -> str:
    """The ``type`` a message has on the wire."""
    return str(message.__struct_config__.tag)


def _of_kind(kind: kinds.Type) -> st.SearchStrategy[Any]:  # one line per kind
    match kind:
        case kinds.StrType():
            return texts
        case kinds.IntType():
            return whole_numbers
        case kinds.FloatType():
            return numbers
        case kinds.BoolType():
            return st.booleans()
        case kinds.BytesType():
            return st.binary(max_size=8)
        case kinds.NoneType():
            return st.none()
        case kinds.EnumType(cls=enum):
            return st.sampled_from(list(enum))
        case kinds.LiteralType(values=values):
            return st.sampled_from(values)
        case kinds.ListType(item_type=item):
            return st.lists(_of_kind(item), max_size=MOST)
        case kinds.DictType(key_type=key, value_type=value):
            return st.dictionaries(_of_kind(key), _of_kind(value), max_size=MOST)
        case kinds.UnionType(types=types):
            return st.one_of([_of_kind(one) for one in types])
        case kinds.CustomType(cls=cls) if cls is Resources:
            return resources()
        case kinds.StructType(cls=cls, fields=fields):
            return _of_struct(cls, fields)
    raise NotImplementedError(f"no strategy for {kind}")


def _of_struct(cls: type[msgspec.Struct], fields: tuple[kinds.Field, ...]) -> st.SearchStrategy[Any]:
    required = {field.name: _of_kind(field.type) for field in fields if field.required}
    optional = {field.name: _of_kind(field.type) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: cls(**values))
