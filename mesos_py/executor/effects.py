"""What an executor can ask for: words to the agent, and calls of its author's code."""

from msgspec import Struct

from mesos_py.messages.executor import ExecutorCall, ExecutorSubscribed
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import KillPolicy, TaskInfo

__all__ = [
    "CallError",
    "CallKill",
    "CallLaunch",
    "CallLaunchGroup",
    "CallMessage",
    "CallShutdown",
    "CallSubscribed",
    "Connect",
    "Effect",
    "ExitNow",
    "SendToAgent",
]


class Connect(Struct, frozen=True, tag=True, gc=False):
    """Open the agent's socket; answered by Connected or Disconnected."""


class SendToAgent(Struct, frozen=True, tag=True, gc=False):
    """Write to the open socket."""

    call: ExecutorCall


class CallSubscribed(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: the agent knows us (again); this is whom we work for."""

    subscribed: ExecutorSubscribed


class CallLaunch(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: run this."""

    task: TaskInfo


class CallLaunchGroup(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: run these together."""

    tasks: list[TaskInfo]


class CallKill(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: stop this and report KILLED."""

    task_id: TaskID
    kill_policy: KillPolicy | None


class CallMessage(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: bytes from the scheduler."""

    data: bytes


class CallError(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: the agent refused something."""

    message: str


class CallShutdown(Struct, frozen=True, tag=True, gc=False):
    """Tell the author: stop everything within this time."""

    grace_period_s: float


class ExitNow(Struct, frozen=True, tag=True, gc=False):
    """End the process."""

    reason: str


Effect = (
    Connect
    | SendToAgent
    | CallSubscribed
    | CallLaunch
    | CallLaunchGroup
    | CallKill
    | CallMessage
    | CallError
    | CallShutdown
    | ExitNow
)
"""Whatever an executor's core can ask for."""
