"""What a role is sure of, and what it may not exceed."""

import math
from collections.abc import Mapping

from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.types.ids import Role
from mesos_py.types.resources import Resources, key_role
from mesos_py.types.roles import ANY_ROLE, why_not_a_role
from mesos_py.types.values import format_scalar, scalar_from, scalar_to_number

__all__ = ["Quota", "amounts_from", "amounts_to_wire", "parse_amounts", "why_not_a_quota"]

_MAX_NAMES = 64


class Quota(Struct, frozen=True, omit_defaults=True, gc=False):
    """Of a role with all roles below it; thousandths of scalar resources by name, reserved and unreserved together."""

    guarantee: dict[str, int] = {}
    """It can have that much whenever it wants; 0 where nothing is said."""
    limit: dict[str, int] = {}
    """It is never given more; without end where nothing is said."""

    def __bool__(self) -> bool:
        """True if anything is said."""
        return bool(self.guarantee or self.limit)


def why_not_a_quota(role: Role, quota: Quota) -> str | None:
    """Why no role, or not this one, can have this quota whatever the cluster, or None."""
    if why := why_not_a_role(role):
        return why
    if "/" in role:
        return f"only a top-level role has a quota, which holds for all below it; {role!r} is below another"
    if max(len(quota.guarantee), len(quota.limit)) > _MAX_NAMES:
        return f"a quota speaks of at most {_MAX_NAMES} resources"
    for name, amount in quota.guarantee.items():
        limit = quota.limit.get(name, amount)
        if amount > limit:
            more, less = format_scalar(amount), format_scalar(limit)
            return f"role {role!r} cannot be sure of {more} {name} and limited to {less}"
    return None


def amounts_from(numbers: Mapping[str, float]) -> dict[str, int]:
    """Thousandths of what people write, such as ``{"cpus": 1.5, "gpus": 0}``. Raises UserError."""
    amounts: dict[str, int] = {}
    for text, number in numbers.items():
        [(name, _)] = Resources.from_wire({text: 1}).items()
        if key_role(name) != ANY_ROLE:
            raise UserError(f"a quota counts reserved and unreserved resources together: {text!r} names a role")
        if name in amounts:
            raise UserError(f"resource {name!r} is given twice")
        amounts[name] = scalar_from(number)
    return amounts


def amounts_to_wire(amounts: Mapping[str, int]) -> dict[str, float]:
    """The inverse, in alphabetical order."""
    return {name: scalar_to_number(amounts[name]) for name in sorted(amounts)}


def parse_amounts(text: str) -> dict[str, float]:
    """Read ``cpus:4;gpus:0`` as numbers by name. Raises UserError."""
    numbers: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, _, number = (word.strip() for word in part.partition(":"))
        value = _number(number)
        if value is None:
            raise UserError(f"{part!r:.100} is not of the form name:number, such as cpus:4")
        if name in numbers:
            raise UserError(f"resource {name!r} is given twice")
        numbers[name] = value
    return numbers


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
