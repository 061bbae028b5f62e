"""Between an executor and its agent: newline-delimited JSON over the agent's unix socket.

The agent starts the executor with ``MESOS_EXECUTOR_SOCKET`` (a path) and ``MESOS_EXECUTOR_TOKEN`` in its environment.
The executor connects, sends SUBSCRIBE with the token, and is sent SUBSCRIBED and then its tasks.
"""

from msgspec import Struct, field

from mesos_py.types.ids import AgentID, FrameworkID, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import ExecutorInfo, KillPolicy, Reason, TaskInfo, TaskState

__all__ = [
    "ExecutorAcknowledged",
    "ExecutorCall",
    "ExecutorError",
    "ExecutorEvent",
    "ExecutorMessage",
    "ExecutorSubscribe",
    "ExecutorSubscribed",
    "ExecutorUpdate",
    "KillExecutorTask",
    "LaunchTask",
    "LaunchTaskGroup",
    "SchedulerMessage",
    "ShutdownOrder",
]


# Executor to agent


class ExecutorUpdate(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="UPDATE", gc=False):
    """A task's new state. Keep it until ACKNOWLEDGED with the same ``number``."""

    task_id: TaskID
    state: TaskState
    number: int = 0
    """Chosen by the executor, growing per task; a repeated number is a repeated update."""
    message: str = ""
    data: bytes = b""
    reason: Reason | None = None
    healthy: bool | None = None


class ExecutorSubscribe(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="SUBSCRIBE", gc=False):
    """The first message on a connection; on a re-connection with all that is not acknowledged yet."""

    token: str
    unacknowledged_updates: list[ExecutorUpdate] = field(default_factory=list)


class ExecutorMessage(Struct, frozen=True, kw_only=True, tag="MESSAGE", gc=False):
    """Bytes for the scheduler; best effort."""

    data: bytes


ExecutorCall = ExecutorSubscribe | ExecutorUpdate | ExecutorMessage
"""Whatever an executor may send."""


# Agent to executor


class ExecutorSubscribed(Struct, frozen=True, kw_only=True, tag="SUBSCRIBED", gc=False):
    """The agent knows you."""

    executor: ExecutorInfo
    framework_id: FrameworkID
    framework: FrameworkInfo
    agent_id: AgentID
    hostname: str


class LaunchTask(Struct, frozen=True, kw_only=True, tag="LAUNCH", gc=False):
    """Run a task."""

    task: TaskInfo


class LaunchTaskGroup(Struct, frozen=True, kw_only=True, tag="LAUNCH_GROUP", gc=False):
    """Run tasks together."""

    tasks: list[TaskInfo]


class KillExecutorTask(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="KILL", gc=False):
    """Stop a task and report KILLED."""

    task_id: TaskID
    kill_policy: KillPolicy | None = None


class ExecutorAcknowledged(Struct, frozen=True, kw_only=True, tag="ACKNOWLEDGED", gc=False):
    """The agent has stored the update; it need not be kept."""

    task_id: TaskID
    number: int


class SchedulerMessage(Struct, frozen=True, kw_only=True, tag="MESSAGE", gc=False):
    """Bytes from the scheduler; best effort."""

    data: bytes


class ShutdownOrder(Struct, frozen=True, kw_only=True, tag="SHUTDOWN", gc=False):
    """Stop all tasks and exit within the grace period (seconds)."""

    grace_period_s: float


class ExecutorError(Struct, frozen=True, kw_only=True, tag="ERROR", gc=False):
    """What you sent was refused."""

    message: str


ExecutorEvent = (
    ExecutorSubscribed
    | LaunchTask
    | LaunchTaskGroup
    | KillExecutorTask
    | ExecutorAcknowledged
    | SchedulerMessage
    | ShutdownOrder
    | ExecutorError
)
"""Whatever an agent may send to an executor."""
