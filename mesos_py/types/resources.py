"""Exact resources: what an agent has, an offer holds, a task takes.

A ``Resources`` is an immutable bag of values (see :mod:`mesos_py.types.values`). Each value has a **key**: a name,
and for a reserved resource the role in brackets: ``cpus``, ``cpus(ads)``. Reserved and unreserved cpus are different
keys and never merge. On the wire it is a plain object, ``{"cpus": 1.5, "mem(ads)": 512, "ports": [[31000, 31005]]}``;
as text it is Mesos's form, ``cpus:1.5;mem(ads):512;ports:[31000-31005]``. ``mem`` and ``disk`` are in MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, final

from mesos_py.errors import UserError
from mesos_py.types.ids import Role
from mesos_py.types.roles import ANY_ROLE, ancestors, why_not_a_role
from mesos_py.types.values import (
    Ranges,
    Value,
    format_value,
    normal_ranges,
    parse_value,
    scalar_from,
    value_common,
    value_contains,
    value_from_wire,
    value_minus,
    value_plus,
    value_to_wire,
)

# ruff: noqa: SLF001  (instances look into one another: this is their hot path)

__all__ = ["EMPTY", "MAX_KEYS", "Resources", "key_name", "key_of", "key_role"]

MAX_KEYS: Final = 256
"""Keys that one bag from a stranger may have."""

_MAX_NAME = 255
_KINDS: Final[dict[str, type]] = {"cpus": int, "mem": int, "disk": int, "gpus": int, "ports": tuple}
"""What the predefined names stand for; any other name may be of any one kind."""

_NUMBER_TYPES: Final = frozenset({int, float})
_SHARED_KEYS = 8


# Keys


def key_of(name: str, role: Role = ANY_ROLE) -> str:
    """The key of a resource name, reserved to ``role`` unless that is ``*``."""
    return name if role == ANY_ROLE else f"{name}({role})"


def key_name(key: str) -> str:
    """The name in a key: ``cpus`` of ``cpus(ads)``."""
    return _split(key)[0]


def key_role(key: str) -> Role:
    """The role a key is reserved to, ``*`` for an unreserved one."""
    return _split(key)[1]


@lru_cache(maxsize=4096)
def _split(key: str) -> tuple[str, Role]:
    name, bracket, role = key.partition("(")
    return (name, Role(role[:-1])) if bracket else (name, ANY_ROLE)


@lru_cache(maxsize=4096)
def _checked_key(key: str) -> str:
    """The normal form of a key somebody gave us; UserError if it is none."""
    if not isinstance(key, str):
        raise UserError(f"{key!r:.100} is not a resource name")
    name, bracket, rest = key.strip().partition("(")
    name = name.strip()
    if not name or len(key) > _MAX_NAME or any(not c.isprintable() or c in " ;:(),[]{}\\/" for c in name):
        raise UserError(f"{key!r:.100} is not a resource name")
    if not bracket:
        return name
    if not rest.endswith(")"):
        raise UserError(f"resource {key!r} has no closing ')'")
    role = rest[:-1].strip()
    if why := why_not_a_role(role):
        raise UserError(f"resource {key!r}: {why}")
    return key_of(name, Role(role))


# Values


@final
class Resources:
    """An immutable bag of resources with exact arithmetic.

    >>> offered = Resources.parse("cpus:4;mem:1024;ports:[31000-31009]")
    >>> offered - Resources.of(cpus=0.1, mem=24)
    Resources('cpus:3.9;mem:1000;ports:[31000-31009]')
    """

    __slots__ = ("_values",)
    _values: Mapping[str, Value]

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """Take values already exact (thousandths, normal ranges); empty ones are left out."""
        self._values = {key: value for key, value in (values or {}).items() if value}

    # Making

    @classmethod
    def of(cls, *, role: Role = ANY_ROLE, **numbers: float) -> Resources:
        """Scalars by keyword: ``Resources.of(cpus=1.5, mem=128)``. Raises UserError."""
        return cls(_of_one_kind({_checked_key(key_of(name, role)): scalar_from(n) for name, n in numbers.items()}))

    @classmethod
    def parse(cls, text: str, default_role: Role = ANY_ROLE) -> Resources:
        """Read ``cpus:4;mem(ads):1024;ports:[1-5];disks:{a,b}``; a name given twice is added up. Raises UserError."""
        values: dict[str, Value] = {}
        for part in filter(None, (piece.strip() for piece in text.split(";"))):
            key, value = _parse_part(part, default_role)
            values[key] = value_plus(values[key], value) if key in values else value
        return cls(_of_one_kind(values))

    @classmethod
    def from_wire(cls, wire: object) -> Resources:
        """Read the object form. Raises UserError."""
        if not isinstance(wire, dict):
            raise UserError(f"resources must be an object, not {type(wire).__name__}")
        if len(wire) <= _SHARED_KEYS and _NUMBER_TYPES.issuperset(map(type, wire.values())):
            return _shared(tuple(wire.items()))
        return _read(wire)

    def to_wire(self) -> dict[str, float | list[list[int]] | list[str]]:
        """The object form, made afresh, keys in alphabetical order."""
        values = self._values
        return {key: value_to_wire(values[key]) for key in sorted(values)}

    # Arithmetic

    def __add__(self, other: Resources) -> Resources:
        """The union; raises UserError if a key is, say, a scalar here and ranges there."""
        values = dict(self._values)
        for key, value in other._values.items():
            values[key] = value_plus(values[key], value) if key in values else value
        return _bag(values)

    def __sub__(self, other: Resources) -> Resources:
        """The rest after taking ``other`` out; ValueError unless this contains it."""
        rest = self.less(other)
        if rest is None:
            raise ValueError(f"{self} does not contain {other}")
        return rest

    def less(self, other: Resources) -> Resources | None:
        """The rest after taking ``other`` out, None if this does not contain it."""
        values = dict(self._values)
        for key, value in other._values.items():
            mine = values.get(key, 0)
            if mine == value:
                del values[key]
            elif type(mine) is int and type(value) is int:  # by far the most
                if mine < value:
                    return None
                values[key] = mine - value
            elif value_contains(mine, value):
                values[key] = value_minus(mine, value)
            else:
                return None
        return _bag(values)

    def contains(self, other: Resources) -> bool:
        """True if ``other`` could be taken out of this."""
        values = self._values
        for key, value in other._values.items():  # noqa: SIM110  (all() over a generator takes twice as long)
            if not value_contains(values.get(key, 0), value):
                return False
        return True

    def without(self, parts: Iterable[Resources]) -> Resources | None:
        """The rest after taking each part out in turn, None if one does not fit.

        Stricter than taking out their sum: two parts cannot have the same port. And it never raises.
        """
        rest: Resources | None = self
        for part in parts:
            if rest is None:
                break
            rest = rest.less(part)
        return rest

    @classmethod
    def sum(cls, parts: Iterable[Resources]) -> Resources:
        """All parts added up."""
        return sum(parts, EMPTY)

    @classmethod
    def scalars(cls, parts: Iterable[Resources]) -> Resources:
        """The numbers of all parts added up by name, reserved and unreserved together; never raises.

        For parts of several agents, where one name may stand for a number here and a set there, and the same port is
        not the same thing.
        """
        amounts = Counter[str]()
        for part in parts:
            amounts.update(part.quantities())
        return cls(amounts)

    # Reading

    def scalar(self, name: str) -> int:
        """Thousandths of ``name``, reserved and unreserved together; 0 if there is none."""
        values = self._values
        mine = values.get(name, 0)
        total = mine if isinstance(mine, int) else 0
        for key, value in values.items():
            if isinstance(value, int) and "(" in key and _split(key)[0] == name:
                total += value
        return total

    @property
    def cpus(self) -> float:
        """Number of cpus, all roles together."""
        return self.scalar("cpus") / 1000

    @property
    def mem(self) -> float:
        """Memory in MB, all roles together."""
        return self.scalar("mem") / 1000

    @property
    def disk(self) -> float:
        """Disk in MB, all roles together."""
        return self.scalar("disk") / 1000

    @property
    def gpus(self) -> float:
        """Number of gpus, all roles together."""
        return self.scalar("gpus") / 1000

    @property
    def ports(self) -> Ranges:
        """Ranges of ports, all roles together."""
        return normal_ranges(
            pair
            for key, value in self._values.items()
            if _split(key)[0] == "ports" and isinstance(value, tuple)
            for pair in value
        )

    def get(self, key: str) -> Value | None:
        """The value under exactly this key."""
        return self._values.get(key)

    def items(self) -> Iterable[tuple[str, Value]]:
        """Keys and values."""
        return self._values.items()

    def quantities(self) -> dict[str, int]:
        """Thousandths of every scalar by name, roles merged."""
        result: dict[str, int] = {}
        for key, value in self._values.items():
            if isinstance(value, int):
                name = _split(key)[0] if "(" in key else key
                result[name] = result[name] + value if name in result else value
        return result

    def roles(self) -> set[Role]:
        """The roles something here is reserved to."""
        return {_split(key)[1] for key in self._values if "(" in key}

    # Roles

    @property
    def has_reservations(self) -> bool:
        """True if something here is reserved."""
        return "(" in "".join(self._values)

    def unreserved(self) -> Resources:
        """What is reserved to nobody."""
        return _bag({key: value for key, value in self._values.items() if "(" not in key})

    def reserved(self, role: Role | None = None) -> Resources:
        """What is reserved to exactly ``role``; to anybody if None."""
        return _bag(
            {key: value for key, value in self._values.items() if "(" in key and role in (None, _split(key)[1])}
        )

    def available_to(self, role: Role) -> Resources:
        """What may be offered to ``role``: the unreserved, and what is reserved to it or to a role above it."""
        if not self.has_reservations:
            return self
        fitting = {ANY_ROLE, *ancestors(role)}
        return _bag({key: value for key, value in self._values.items() if _split(key)[1] in fitting})

    def flatten(self) -> Resources:
        """The same with every reservation forgotten."""
        if not self.has_reservations:
            return self
        return Resources.sum(_bag({_split(key)[0]: value}) for key, value in self._values.items())

    def find(self, wanted: Resources) -> Resources | None:
        """Some part of this whose flat form is ``wanted`` (given unreserved); reserved parts are used first.

        >>> Resources.parse("cpus:2;cpus(ads):1").find(Resources.of(cpus=1.5))
        Resources('cpus:0.5;cpus(ads):1')
        """
        if not self.has_reservations:
            return wanted if self.contains(wanted) else None
        found: dict[str, Value] = {}
        for name, rest in wanted._values.items():
            keys = (key for key in self._values if _split(key)[0] == name)
            for key in sorted(keys, key=lambda key: ("(" not in key, key)):
                if part := value_common(self._values[key], rest):
                    found[key] = part
                    rest = value_minus(rest, part)  # noqa: PLW2901  (what is still to be found)
            if rest:
                return None
        return _bag(found)

    # The rest

    def __bool__(self) -> bool:
        return bool(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resources) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __str__(self) -> str:
        return ";".join(f"{key}:{format_value(value)}" for key, value in sorted(self._values.items()))

    def __repr__(self) -> str:
        return f"Resources({str(self)!r})"


EMPTY: Final = Resources()
"""No resources."""


_new: Final = object.__new__


def _bag(values: Mapping[str, Value]) -> Resources:
    """Take, without a copy, a dict that holds no empty value and that nobody else will change."""
    made = _new(Resources)
    made._values = values
    return made


def _parse_part(part: str, default_role: Role) -> tuple[str, Value]:
    key, colon, text = part.partition(":")
    value = parse_value(text)
    if not colon or isinstance(value, str):
        raise UserError(f"resource {part!r:.100} is not name:number, name:[a-b,...] or name:{{a,b,...}}")
    if isinstance(value, int) and value < 0:
        raise UserError(f"resource {part!r:.100} is negative")
    key = _checked_key(key)
    return key if "(" in key else key_of(key, default_role), value


def _read(wire: Mapping[str, object]) -> Resources:
    if len(wire) > MAX_KEYS:
        raise UserError(f"{len(wire)} resources are more than the {MAX_KEYS} there can be")
    values: dict[str, Value] = {}
    for key, value in wire.items():
        normal = _checked_key(key)
        if normal in values:
            raise UserError(f"resource {normal!r} is given twice")
        values[normal] = value_from_wire(value)
    return Resources(_of_one_kind(values))


@lru_cache(maxsize=4096)
def _shared(items: tuple[tuple[str, float], ...]) -> Resources:
    """The one bag for these numbers: most tasks of a cluster ask for one of a few sizes."""
    return _read(dict(items))


def _of_one_kind(values: dict[str, Value]) -> dict[str, Value]:
    """The same values; UserError if one name stands for two kinds: such bags could not be flattened or added."""
    kinds = _KINDS.copy()
    for key, value in values.items():
        name = _split(key)[0]
        if value and kinds.setdefault(name, type(value)) is not type(value):
            raise UserError(f"resource {name!r}: {format_value(value):.100} is not of the kind that {name!r} has")
    return values
