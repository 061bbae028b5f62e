"""What operators decide of agents and of the machines they are on."""

from enum import StrEnum

from msgspec import Struct

__all__ = ["AgentMode", "Drain", "Unavailability", "Window"]


class AgentMode(StrEnum):
    """What an operator has decided of an agent."""

    ACTIVE = "ACTIVE"
    """It is offered."""
    DEACTIVATED = "DEACTIVATED"
    """It is not offered; what runs there runs on."""
    DRAINING = "DRAINING"
    """It is not offered, and what runs there is being ended."""
    DRAINED = "DRAINED"
    """It is not offered, and nothing runs there."""


class Drain(Struct, frozen=True, array_like=True, gc=False):
    """An operator's order that an agent be emptied; what is added later needs a default and goes at the end."""

    since: float
    """Seconds since the epoch, by the clock of the master that was asked."""
    max_grace_period_s: float | None = None
    """No task gets longer than this to end."""
    deadline: float | None = None
    """When what is left is killed without grace, seconds since the epoch."""
    mark_gone: bool = False
    """Once it is empty it is gone."""
    drained: float | None = None
    """When it was found empty, seconds since the epoch."""


class Unavailability(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """When a machine is to be taken out of the cluster; a plan, which nothing follows from by the clock alone."""

    start: float
    """Seconds since the epoch."""
    duration_s: float | None = None
    """None: until further notice."""


class Window(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A maintenance window: machines that are to be unavailable together."""

    hosts: list[str]
    """By the host names of their agents."""
    start: float
    """Seconds since the epoch."""
    duration_s: float | None = None
    """None: until further notice."""
