"""What can happen to an executor."""

from msgspec import Struct

from mesos_py.messages.executor import ExecutorEvent
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import Reason, TaskState

__all__ = ["AgentSaid", "Connected", "Disconnected", "Event", "Started", "Ticked", "UserMessage", "UserUpdated"]


class Started(Struct, frozen=True, tag=True, gc=False):
    """The process is up; the first event."""


class Connected(Struct, frozen=True, tag=True, gc=False):
    """Answers Connect: the agent's socket is open."""


class Disconnected(Struct, frozen=True, tag=True, gc=False):
    """The connection ended, or Connect failed."""


class AgentSaid(Struct, frozen=True, tag=True, gc=False):
    """A message of the agent."""

    event: ExecutorEvent


class UserUpdated(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The executor's author reports a task's new state."""

    task_id: TaskID
    state: TaskState
    message: str = ""
    data: bytes = b""
    healthy: bool | None = None
    reason: Reason | None = None


class UserMessage(Struct, frozen=True, tag=True, gc=False):
    """The executor's author has bytes for the scheduler."""

    data: bytes


class Ticked(Struct, frozen=True, tag=True, gc=False):
    """Time has passed."""


Event = Started | Connected | Disconnected | AgentSaid | UserUpdated | UserMessage | Ticked
"""Whatever an executor's core can be told."""
