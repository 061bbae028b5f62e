"""What a master can ask for."""

from msgspec import Struct

from mesos_py.master.registry import RegistryOperation
from mesos_py.messages.agent import ToAgent
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.scheduler import Event

__all__ = ["Announce", "Answer", "MasterEffect", "Persist", "SendEcho", "SendToAgent", "SendToFramework"]


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


class Answer(Struct, frozen=True, tag=True, gc=False):
    """Answer an operator: ``error`` is empty if it was done."""

    ticket: int
    message: str
    error: bool = False


MasterEffect = SendToFramework | SendToAgent | Announce | SendEcho | Persist | Answer
"""Whatever a master's core can ask for."""
