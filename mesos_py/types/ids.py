"""One type per identifier, so that a checker catches a task id where an agent id belongs.

Ids are made by counters under the id of who makes them (``<master>-F3``, ``<master>-A12``, ``<master>-O7``):
cheap to make, ordered, and the same again when a run is replayed.
"""

from typing import NewType

__all__ = [
    "AgentID",
    "ContainerID",
    "ExecutorID",
    "FrameworkID",
    "MasterID",
    "OfferID",
    "Principal",
    "Role",
    "TaskID",
    "why_not_an_id",
]

MasterID = NewType("MasterID", str)
AgentID = NewType("AgentID", str)
FrameworkID = NewType("FrameworkID", str)
ExecutorID = NewType("ExecutorID", str)
TaskID = NewType("TaskID", str)
OfferID = NewType("OfferID", str)
ContainerID = NewType("ContainerID", str)

Principal = NewType("Principal", str)
"""Who somebody is to the broker: its user name there."""

Role = NewType("Role", str)
"""A group of frameworks that shares resources; ``/`` separates the levels of a hierarchy."""

_FORBIDDEN = frozenset(map(chr, range(32))) | {"/", "\\", "\x7f"}


def why_not_an_id(value: str) -> str | None:
    """Why ``value`` cannot be a task or executor id, or None.

    The rules of Mesos (``src/common/validation.cpp``): 1 to 255 bytes, neither ``.`` nor ``..``,
    no control characters and no slashes, so that every id is also a safe file name.
    """
    if not value:
        return "an id may not be empty"
    size = len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
    if size > 255:
        return f"an id has at most 255 bytes, this one {size}"
    if value in (".", ".."):
        return f"an id may not be {value!r}"
    if not _FORBIDDEN.isdisjoint(value):
        return f"an id may not hold slashes or control characters: {value!r}"
    return None
