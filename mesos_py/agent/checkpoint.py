"""The records of what an agent must not forget.

A record is written before the agent acts on it (``Checkpoint``), and the acting waits for ``Checkpointed``. Read again
in order they give the state: what runs where, which updates still have to reach their framework, and which orders were
obeyed already.
"""

from msgspec import Struct

from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, Role, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import ExecutorInfo, Reason, TaskInfo, TaskState, TaskStatus

__all__ = [
    "AgentNamed",
    "ContainerPid",
    "Ending",
    "ExecutorEnded",
    "ExecutorLaunched",
    "FrameworkSeen",
    "FrameworkShutdown",
    "KillOrdered",
    "Record",
    "SequenceSeen",
    "TaskForgotten",
    "TaskLaunched",
    "UpdateAcked",
    "UpdateMade",
]


class Ending(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a task that is being stopped will have ended as, and why."""

    state: TaskState
    reason: Reason | None = None
    message: str = ""
    healthy: bool | None = None


class AgentNamed(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A master admitted the agent under this id."""

    agent_id: AgentID


class SequenceSeen(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The newest epoch, and the last RunTasks obeyed in it (-1 for none yet)."""

    epoch: int
    sequence: int


class FrameworkSeen(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A framework as it was described with the tasks that follow."""

    framework_id: FrameworkID
    framework: FrameworkInfo


class FrameworkShutdown(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A framework was removed: its tasks are being stopped, nobody waits for its updates."""

    framework_id: FrameworkID


class ExecutorLaunched(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A custom executor is about to be started."""

    framework_id: FrameworkID
    executor: ExecutorInfo
    role: Role
    container_id: ContainerID
    sandbox: str


class ExecutorEnded(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A custom executor is no more."""

    framework_id: FrameworkID
    executor_id: ExecutorID


class TaskLaunched(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """A task was taken on: it is about to be started, handed to its executor, or refused."""

    framework_id: FrameworkID
    task: TaskInfo
    role: Role
    container_id: ContainerID | None
    """Its own, or its executor's; None for a refused one."""
    sandbox: str
    executor_id: ExecutorID | None = None
    group: str = ""
    """The same for all tasks of one group."""


class ContainerPid(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A container was started."""

    container_id: ContainerID
    pid: int


class KillOrdered(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A task is being stopped, with force from ``deadline`` on."""

    framework_id: FrameworkID
    task_id: TaskID
    ending: Ending
    deadline: float


class UpdateMade(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """A status was added to a task's stream."""

    framework_id: FrameworkID
    status: TaskStatus
    number: int | None = None
    """The executor's own, if a custom executor reported it."""


class UpdateAcked(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The framework has dealt with this update and those before."""

    framework_id: FrameworkID
    task_id: TaskID
    update_id: int


class TaskForgotten(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A task's last update was acknowledged, or nobody waits for it."""

    framework_id: FrameworkID
    task_id: TaskID


Record = (
    AgentNamed
    | SequenceSeen
    | FrameworkSeen
    | FrameworkShutdown
    | ExecutorLaunched
    | ExecutorEnded
    | TaskLaunched
    | ContainerPid
    | KillOrdered
    | UpdateMade
    | UpdateAcked
    | TaskForgotten
)
"""Whatever an agent writes down."""
