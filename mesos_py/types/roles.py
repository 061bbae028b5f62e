"""Role names and their hierarchy: ``eng/web`` is a child of ``eng``."""

from collections.abc import Iterator
from math import isfinite

from mesos_py.types.ids import Role

__all__ = ["ANY_ROLE", "ancestors", "is_within", "top_of", "why_not_a_role", "why_not_a_weight"]

_LONGEST = 255
"""Characters: bounds the levels that one role from a stranger can add to the hierarchy."""

ANY_ROLE = Role("*")
"""The default role, and as a reservation: unreserved."""


def why_not_a_role(role: str) -> str | None:
    """Why ``role`` is not a valid role name, or None (Mesos ``src/common/roles.cpp``)."""
    if role == ANY_ROLE:
        return None
    if len(role) > _LONGEST:
        return f"a role has at most {_LONGEST} characters, {role[:20]!r}... has {len(role)}"
    for part in role.split("/"):
        if part in ("", ".", "..", "*"):
            return f"role {role!r} has the empty or reserved component {part!r}"
        if part.startswith("-"):
            return f"role {role!r} has a component that begins with '-'"
        if any(c.isspace() or c in "\b\x7f;:(),\\" for c in part):
            return f"role {role!r} holds a white space, backspace or one of ; : ( ) , \\"
    return None


def why_not_a_weight(role: str, weight: float) -> str | None:
    """Why a role cannot have this weight, or None."""
    if isfinite(weight) and weight > 0:
        return None
    return f"the weight of role {role} must be a number above 0, not {weight:g}"


def ancestors(role: Role) -> Iterator[Role]:
    """The role itself, its parent, and so on to the top: ``a/b/c``, ``a/b``, ``a``."""
    end = len(role)
    while end > 0:
        yield Role(role[:end])
        end = role.rfind("/", 0, end)


def top_of(role: Role) -> Role:
    """The highest role above it, or itself: ``a`` of ``a/b/c``."""
    return Role(role.partition("/")[0])


def is_within(role: Role, ancestor: Role) -> bool:
    """True if ``role`` is ``ancestor`` or below it."""
    return role == ancestor or role.startswith(ancestor + "/")
