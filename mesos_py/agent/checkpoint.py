"""The records of what an agent must not forget.

A record is written before the agent acts on it (``Checkpoint``), and the acting waits for ``Checkpointed``. Read again
in order they give the state: what runs where, which updates still have to reach their framework, and which orders were
obeyed already.

Releases read each other's records. A field is never renamed or given another meaning, and a new one has a default that
stands for what was meant before there was such a field; a reader ignores fields that it does not know. A new kind of
record may only add what an older release can do without, for that one skips it (and counts it).
"""

from msgspec import Struct, field

from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, MasterID, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo
from mesos_py.types.tasks import ExecutorInfo, Reason, TaskInfo, TaskState, TaskStatus

__all__ = [
    "AgentDescribed",
    "AgentNamed",
    "ContainerPid",
    "DrainEnded",
    "DrainOrdered",
    "Ending",
    "ExecutorEnded",
    "ExecutorLaunched",
    "ExecutorSeen",
    "FrameworkSeen",
    "FrameworkShutdown",
    "KillOrdered",
    "Record",
    "SequenceSeen",
    "ShutdownOrdered",
    "TaskCompleted",
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


class AgentDescribed(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """What the agent says of itself from now on; the first record of a journal."""

    info: AgentInfo


class AgentNamed(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A master admitted the agent under this id."""

    agent_id: AgentID


class SequenceSeen(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The newest epoch, and the last RunTasks obeyed in it (-1 for none yet)."""

    epoch: int
    sequence: int
    master_id: MasterID | None = None
    """Who counted up to there."""


class FrameworkSeen(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A framework as it was described with the tasks that follow."""

    framework_id: FrameworkID
    framework: FrameworkInfo


class FrameworkShutdown(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A framework was removed: its tasks are being stopped, nobody waits for its updates."""

    framework_id: FrameworkID


class ExecutorLaunched(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """A custom executor is about to be started."""

    framework_id: FrameworkID
    executor: ExecutorInfo
    role: Role
    container_id: ContainerID
    sandbox: str
    finished: dict[TaskID, int] = field(default_factory=dict)
    """Only in a journal that was written anew: the last update number of tasks that have ended."""


class ExecutorSeen(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A custom executor has connected for the first time."""

    container_id: ContainerID


class ShutdownOrdered(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A custom executor is being stopped with all its tasks, with force from ``deadline`` on."""

    framework_id: FrameworkID
    executor_id: ExecutorID
    ending: Ending
    deadline: float


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
    group_size: int = 0
    """How many tasks of the group are written down, one after the other; 0 if that is not known."""
    ended: bool = False
    """Only in a journal that was written anew: it is over, and the updates that follow wait for their framework."""


class ContainerPid(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """A container was started."""

    container_id: ContainerID
    pid: int
    at: float = 0.0
    """When; 0 if that is not known."""


class KillOrdered(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """A task is being stopped, with force from ``deadline`` on."""

    framework_id: FrameworkID
    task_id: TaskID
    ending: Ending
    deadline: float
    grace_period_s: float | None = None
    """From the order to the deadline; for a task of an executor what the framework wished, if it wished anything."""


class DrainOrdered(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """All that runs here is to end, and nothing is taken on until then."""

    max_grace_period_s: float | None = None
    """No task gets longer than this to end."""
    deadline: float | None = None
    """When what is left is killed without grace, by this host's clock."""
    mark_gone: bool = False
    """The agent will be gone then."""


class DrainEnded(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Nothing is left here: tasks are taken on again."""


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


class TaskCompleted(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, gc=False):
    """Only in a journal that was written anew: a task of which nothing but the memory is kept."""

    framework_id: FrameworkID
    task: TaskInfo
    role: Role
    container_id: ContainerID | None
    sandbox: str
    state: TaskState
    status: TaskStatus | None = None
    """The last."""


Record = (
    AgentDescribed
    | AgentNamed
    | SequenceSeen
    | FrameworkSeen
    | FrameworkShutdown
    | ExecutorLaunched
    | ExecutorSeen
    | ShutdownOrdered
    | ExecutorEnded
    | TaskLaunched
    | ContainerPid
    | KillOrdered
    | DrainOrdered
    | DrainEnded
    | UpdateMade
    | UpdateAcked
    | TaskForgotten
    | TaskCompleted
)
"""Whatever an agent writes down."""
