"""Exact resources: what an agent has, an offer holds, a task takes.

A ``Resources`` is an immutable bag of values (see :mod:`mesos_py.types.values`). Each value has a **key**: a name,
and for a reserved resource the role in brackets: ``cpus``, ``cpus(ads)``. Reserved and unreserved cpus are different
keys and never merge. On the wire it is a plain object, ``{"cpus": 1.5, "mem(ads)": 512, "ports": [[31000, 31005]]}``;
as text it is Mesos's form, ``cpus:1.5;mem(ads):512;ports:[31000-31005]``. ``mem`` and ``disk`` are in MB.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Self

from mesos_py.errors import UserError
from mesos_py.types.ids import Role
from mesos_py.types.roles import ANY_ROLE, ancestors, why_not_a_role
from mesos_py.types.values import (
    Ranges,
    Value,
    format_value,
    normal_ranges,
    parse_value,
    ranges_contain,
    ranges_minus,
    scalar_from,
    value_from_wire,
    value_to_wire,
)

__all__ = ["EMPTY", "Resources", "key_name", "key_of", "key_role"]


@lru_cache(maxsize=4096)
def _split(key: str) -> tuple[str, Role]:
    name, bracket, role = key.partition("(")
    if not bracket:
        return name, ANY_ROLE
    return name, Role(role[:-1])


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
def _check_key(key: str) -> str:
    """The normal form of a key somebody gave us; UserError if it is none."""
    name, bracket, rest = key.strip().partition("(")
    name = name.strip()
    if not name or any(c.isspace() or c in ";:(),[]{}\\/" for c in name):
        raise UserError(f"{key!r} is not a resource name")
    if not bracket:
        return name
    if not rest.endswith(")"):
        raise UserError(f"resource {key!r} has no closing ')'")
    role = rest[:-1].strip()
    if why := why_not_a_role(role):
        raise UserError(f"resource {key!r}: {why}")
    return key_of(name, Role(role))


class Resources:
    """An immutable bag of resources with exact arithmetic.

    >>> offered = Resources.parse("cpus:4;mem:1024;ports:[31000-31009]")
    >>> offered - Resources.of(cpus=0.1, mem=24)
    Resources('cpus:3.9;mem:1000;ports:[31000-31009]')
    """

    __slots__ = ("_values",)
    _values: Final[Mapping[str, Value]]

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """Take values already exact (thousandths, normal ranges); empty ones are left out."""
        self._values = {key: value for key, value in (values or {}).items() if value}

    # Making

    @classmethod
    def of(cls, *, role: Role = ANY_ROLE, **numbers: float) -> Self:
        """Scalars by keyword: ``Resources.of(cpus=1.5, mem=128)``. Raises UserError."""
        return cls({_check_key(key_of(name, role)): scalar_from(number) for name, number in numbers.items()})

    @classmethod
    def parse(cls, text: str, default_role: Role = ANY_ROLE) -> Self:
        """Read ``cpus:4;mem(ads):1024;ports:[1-5];disks:{a,b}``; a name given twice is added up. Raises UserError."""
        total = cls()
        for part in filter(None, (piece.strip() for piece in text.split(";"))):
            key, colon, value_text = part.partition(":")
            value = parse_value(value_text)
            if not colon or isinstance(value, str):
                raise UserError(f"resource {part!r} is not name:number, name:[a-b,...] or name:{{a,b,...}}")
            key = _check_key(key)
            if default_role != ANY_ROLE and "(" not in key:
                key = key_of(key, default_role)
            try:
                total += cls({key: value})
            except TypeError:
                raise UserError(f"resource {key!r} is given as two kinds of value") from None
        return total

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the object form. Raises UserError."""
        if not isinstance(wire, dict):
            raise UserError(f"resources must be an object, not {type(wire).__name__}")
        try:
            return cls({_check_key(key): value_from_wire(value) for key, value in wire.items()})
        except (UserError, TypeError, AttributeError) as error:
            raise UserError(f"resources {wire!r:.200}: {error}") from None

    def to_wire(self) -> dict[str, float | list[list[int]] | list[str]]:
        """The object form, keys in alphabetical order."""
        return {key: value_to_wire(value) for key, value in sorted(self._values.items())}

    # Arithmetic

    def __add__(self, other: "Resources") -> Self:
        """The union; raises TypeError if a key is, say, a scalar here and ranges there."""
        if not self._values:
            return type(self)(other._values)
        values = dict(self._values)
        for key, value in other._values.items():
            mine = values.get(key)
            if mine is None:
                values[key] = value
            elif isinstance(mine, int) and isinstance(value, int):
                values[key] = mine + value
            elif isinstance(mine, frozenset) and isinstance(value, frozenset):
                values[key] = mine | value
            elif isinstance(mine, tuple) and isinstance(value, tuple):
                values[key] = normal_ranges(mine + value)
            else:
                raise TypeError(f"{key} is not of one kind: {mine!r} + {value!r}")
        return self._make(values)

    def __sub__(self, other: "Resources") -> Self:
        """The rest after taking ``other`` out; ValueError unless this contains it."""
        values = dict(self._values)
        for key, value in other._values.items():
            mine = values.get(key)
            rest: Value
            if (isinstance(mine, int) and isinstance(value, int) and mine >= value) or (
                isinstance(mine, frozenset) and isinstance(value, frozenset) and mine >= value
            ):
                rest = mine - value
            elif isinstance(mine, tuple) and isinstance(value, tuple) and ranges_contain(mine, value):
                rest = ranges_minus(mine, value)
            else:
                raise ValueError(f"{self} does not contain {other}")
            if rest:
                values[key] = rest
            else:
                del values[key]
        return self._make(values)

    def contains(self, other: "Resources") -> bool:
        """True if ``other`` could be taken out of this."""
        values = self._values
        for key, value in other._values.items():
            mine = values.get(key)
            if isinstance(mine, int) and isinstance(value, int):
                if mine < value:
                    return False
            elif isinstance(mine, frozenset) and isinstance(value, frozenset):
                if not mine >= value:
                    return False
            elif not (isinstance(mine, tuple) and isinstance(value, tuple) and ranges_contain(mine, value)):
                return False
        return True

    @classmethod
    def sum(cls, parts: "Iterable[Resources]") -> Self:
        """All parts added up."""
        total = cls()
        for part in parts:
            total += part
        return total

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
                name = _split(key)[0]
                result[name] = result.get(name, 0) + value
        return result

    def roles(self) -> set[Role]:
        """The roles something here is reserved to."""
        return {_split(key)[1] for key in self._values if "(" in key}

    # Roles

    def unreserved(self) -> Self:
        """What is reserved to nobody."""
        return self._make({key: value for key, value in self._values.items() if "(" not in key})

    def reserved(self, role: Role | None = None) -> Self:
        """What is reserved to exactly ``role``; to anybody if None."""
        return self._make(
            {key: value for key, value in self._values.items() if "(" in key and role in (None, _split(key)[1])}
        )

    def available_to(self, role: Role) -> Self:
        """What may be offered to ``role``: the unreserved, and what is reserved to it or to a role above it."""
        if not any("(" in key for key in self._values):
            return self
        above = set(ancestors(role))
        return self._make(
            {key: value for key, value in self._values.items() if "(" not in key or _split(key)[1] in above}
        )

    def flatten(self) -> Self:
        """The same with every reservation forgotten."""
        total = type(self)()
        for key, value in self._values.items():
            total += self._make({_split(key)[0]: value})
        return total

    def find(self, wanted: "Resources") -> Self | None:
        """Some part of this whose flat form is ``wanted`` (given unreserved); reserved parts are used first.

        >>> Resources.parse("cpus:2;cpus(ads):1").find(Resources.of(cpus=1.5))
        Resources('cpus:0.5;cpus(ads):1')
        """
        found: dict[str, Value] = {}
        for name, value in wanted._values.items():
            keys = sorted((key for key in self._values if _split(key)[0] == name), key=lambda key: "(" not in key)
            rest = value
            for key in keys:
                part = _common(self._values[key], rest)
                if part:
                    found[key] = part
                    rest = _less(rest, part)
            if rest:
                return None
        return self._make(found)

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

    @classmethod
    def _make(cls, values: Mapping[str, Value]) -> Self:
        """Take a dict that is known to hold no empty value."""
        made = cls.__new__(cls)
        made._values = values  # type: ignore[misc]
        return made


def _common(mine: Value, wanted: Value) -> Value:
    if isinstance(mine, int) and isinstance(wanted, int):
        return min(mine, wanted)
    if isinstance(mine, frozenset) and isinstance(wanted, frozenset):
        return mine & wanted
    if isinstance(mine, tuple) and isinstance(wanted, tuple):
        return ranges_minus(mine, ranges_minus(mine, wanted))
    return 0


def _less(value: Value, part: Value) -> Value:
    if isinstance(value, int) and isinstance(part, int):
        return value - part
    if isinstance(value, frozenset) and isinstance(part, frozenset):
        return value - part
    assert isinstance(value, tuple)
    assert isinstance(part, tuple)
    return ranges_minus(value, part)


EMPTY: Final = Resources()
"""No resources."""
