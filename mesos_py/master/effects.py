"""What a master can ask for."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from mesos_py.master.registry import RegistryOperation
from mesos_py.messages.agent import ToAgent
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import Event

__all__ = [
    "Announce",
    "Answer",
    "MasterEffect",
    "Outcome",
    "Persist",
    "Reply",
    "SendEcho",
    "SendToAgent",
    "SendToFramework",
]


class SendToFramework(Struct, frozen=True, tag=True, gc=False):
    """Send an event to a scheduler's queue."""

    queue: str
    json: bool
    event: Event


class SendToAgent(Struct, frozen=True, tag=True, gc=False):
    """Send a message to an agent's queue."""

    queue: str
    message: ToAgent


class Announce(Struct, frozen=True, tag=True, gc=False):
    """Tell everybody who leads."""

    beacon: Beacon


class SendEcho(Struct, frozen=True, tag=True, gc=False):
    """Send to our own inboxes; each that works answers with EchoHeard."""

    sent: float


class Persist(Struct, frozen=True, tag=True, gc=False):
    """Write an operation to the registry; answered by RegistryWritten with this serial or a higher one."""

    serial: int
    operation: RegistryOperation


class Outcome(StrEnum):
    """What became of an operator's request."""

    DONE = "DONE"
    INVALID = "INVALID"
    """It makes no sense, whatever the state of the cluster."""
    UNKNOWN = "UNKNOWN"
    """There is nothing of that name."""
    CONFLICT = "CONFLICT"
    """As things are it cannot be done."""
    FORBIDDEN = "FORBIDDEN"
    """Whoever asks may not have it done."""
    BUSY = "BUSY"
    """Not now; ask again."""


Reply = Callable[[Outcome, str], None]
"""Answers the operator who is being served."""


class Answer(Struct, frozen=True, tag=True, gc=False):
    """Answer an operator."""

    ticket: int
    outcome: Outcome
    message: str


MasterEffect = SendToFramework | SendToAgent | Announce | SendEcho | Persist | Answer
"""Whatever a master's core can ask for."""
