"""Between agents and the master.

Every message names its agent, because one broker queue may serve many agents of one process.
"""

from msgspec import Struct, field

from mesos_py.messages.beacon import Beacon
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo
from mesos_py.types.offers import Operation
from mesos_py.types.tasks import ExecutorInfo, KillPolicy, TaskRecord, TaskState, TaskStatus

__all__ = [
    "AgentAway",
    "AgentHeartbeat",
    "AgentRegistered",
    "AgentReregistered",
    "AskForBeacon",
    "DrainAgent",
    "ExecutorExited",
    "ExecutorRecord",
    "ExecutorToFramework",
    "FrameworkRecord",
    "FrameworkToExecutor",
    "FromAgent",
    "KillTask",
    "PleaseReregister",
    "ReconcileTasks",
    "RegisterAgent",
    "RegistrationRefused",
    "ReregisterAgent",
    "RunTasks",
    "ShutdownExecutor",
    "ShutdownFramework",
    "StatusUpdate",
    "ToAgent",
    "UnregisterAgent",
    "UpdateAcknowledged",
]


# Agent to master


class AskForBeacon(Struct, frozen=True, kw_only=True, tag="ASK_FOR_BEACON", gc=False):
    """Whoever leads, say so."""


class RegisterAgent(Struct, frozen=True, kw_only=True, tag="REGISTER_AGENT", gc=False):
    """Join for the first time. Repeat with back-off until answered."""

    agent: AgentInfo


class ExecutorRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A live executor as an agent reports it."""

    framework_id: FrameworkID
    executor: ExecutorInfo
    role: Role


class FrameworkRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A framework with something on the agent, and its tasks there."""

    framework_id: FrameworkID
    framework: FrameworkInfo
    tasks: list[TaskRecord]


class ReregisterAgent(Struct, frozen=True, kw_only=True, tag="REREGISTER_AGENT", omit_defaults=True, gc=False):
    """Come back with the id given before and all that runs. Repeat with back-off until answered."""

    agent_id: AgentID
    agent: AgentInfo
    frameworks: list[FrameworkRecord] = field(default_factory=list)
    executors: list[ExecutorRecord] = field(default_factory=list)


class UnregisterAgent(Struct, frozen=True, kw_only=True, tag="UNREGISTER_AGENT", gc=False):
    """Leave for good; nothing runs any more."""

    agent_id: AgentID


class AgentAway(Struct, frozen=True, kw_only=True, tag="AGENT_AWAY", gc=False):
    """My process ends and what I run goes on: offer nothing of me until I am back."""

    agent_id: AgentID


class AgentHeartbeat(Struct, frozen=True, kw_only=True, tag="AGENT_HEARTBEAT", omit_defaults=True, gc=False):
    """I am alive."""

    agent_id: AgentID
    executors: int | None = None
    """How many custom executors it has: whoever believes in more has missed an EXECUTOR_EXITED. None if not counted."""


class StatusUpdate(Struct, frozen=True, kw_only=True, tag="STATUS_UPDATE", omit_defaults=True, gc=False):
    """The head of a task's update stream, and the latest state behind it."""

    agent_id: AgentID
    framework_id: FrameworkID
    status: TaskStatus
    latest_state: TaskState | None = None
    """Given when it is further than the status: resources of an ended task are freed before its updates are read."""


class ExecutorExited(Struct, frozen=True, kw_only=True, tag="EXECUTOR_EXITED", gc=False):
    """A custom executor ended."""

    agent_id: AgentID
    framework_id: FrameworkID
    executor_id: ExecutorID
    status: int | None
    """Exit code; 128 + N for signal N; None if it cannot be known."""


class ExecutorToFramework(Struct, frozen=True, kw_only=True, tag="EXECUTOR_TO_FRAMEWORK", gc=False):
    """Bytes of an executor for its scheduler; best effort."""

    agent_id: AgentID
    framework_id: FrameworkID
    executor_id: ExecutorID
    data: bytes


FromAgent = (
    AskForBeacon
    | RegisterAgent
    | ReregisterAgent
    | UnregisterAgent
    | AgentAway
    | AgentHeartbeat
    | StatusUpdate
    | ExecutorExited
    | ExecutorToFramework
)
"""Whatever an agent may send to a master."""


# Master to agent


class AgentRegistered(Struct, frozen=True, kw_only=True, tag="AGENT_REGISTERED", gc=False):
    """Welcome; this is your id from now on."""

    name: str
    """Of the agent that asked: its process may host others."""
    agent_id: AgentID


class AgentReregistered(Struct, frozen=True, kw_only=True, tag="AGENT_REREGISTERED", gc=False):
    """Welcome back."""

    agent_id: AgentID


class RegistrationRefused(Struct, frozen=True, kw_only=True, tag="REGISTRATION_REFUSED", gc=False):
    """This agent may not join, or not any more; its tasks must end."""

    name: str
    agent_id: AgentID | None
    message: str


class PleaseReregister(Struct, frozen=True, kw_only=True, tag="PLEASE_REREGISTER", gc=False):
    """The master does not have this agent as connected."""

    agent_id: AgentID


class RunTasks(Struct, frozen=True, kw_only=True, tag="RUN_TASKS", gc=False):
    """Start tasks. Dropped by the agent unless ``sequence`` is higher than any it saw in this epoch."""

    agent_id: AgentID
    sequence: int
    framework_id: FrameworkID
    framework: FrameworkInfo
    """Without its filters, which agents have no use for."""
    role: Role
    operations: list[Operation]


class KillTask(Struct, frozen=True, kw_only=True, tag="KILL_TASK", omit_defaults=True, gc=False):
    """Stop a task."""

    agent_id: AgentID
    framework_id: FrameworkID
    task_id: TaskID
    kill_policy: KillPolicy | None = None


class DrainAgent(Struct, frozen=True, kw_only=True, tag="DRAIN_AGENT", omit_defaults=True, gc=False):
    """End all that runs here, and take on nothing until all of it has ended and its updates are acknowledged.

    Dropped by the agent unless ``sequence``, of the same count as that of RUN_TASKS, is higher than any it saw.
    """

    agent_id: AgentID
    sequence: int
    max_grace_period_s: float | None = None
    """No task gets longer than this to end."""
    deadline_s: float | None = None
    """So many seconds from now, what is left is killed without grace."""
    mark_gone: bool = False
    """The agent will be gone then: what is killed is GONE_BY_OPERATOR."""


class ShutdownExecutor(Struct, frozen=True, kw_only=True, tag="SHUTDOWN_EXECUTOR", gc=False):
    """Stop an executor and its tasks."""

    agent_id: AgentID
    framework_id: FrameworkID
    executor_id: ExecutorID


class ShutdownFramework(Struct, frozen=True, kw_only=True, tag="SHUTDOWN_FRAMEWORK", gc=False):
    """Stop all that a removed framework has here, and forget its updates."""

    agent_id: AgentID
    framework_id: FrameworkID


class UpdateAcknowledged(Struct, frozen=True, kw_only=True, tag="UPDATE_ACKNOWLEDGED", gc=False):
    """The framework has dealt with an update."""

    agent_id: AgentID
    framework_id: FrameworkID
    task_id: TaskID
    update_id: int


class ReconcileTasks(Struct, frozen=True, kw_only=True, tag="RECONCILE_TASKS", gc=False):
    """The master believes that these run here; answer DROPPED for each you do not know."""

    agent_id: AgentID
    framework_id: FrameworkID
    task_ids: list[TaskID]


class FrameworkToExecutor(Struct, frozen=True, kw_only=True, tag="FRAMEWORK_TO_EXECUTOR", gc=False):
    """Bytes of a scheduler for its executor; best effort."""

    agent_id: AgentID
    framework_id: FrameworkID
    executor_id: ExecutorID
    data: bytes


ToAgent = (
    AgentRegistered
    | AgentReregistered
    | RegistrationRefused
    | PleaseReregister
    | RunTasks
    | KillTask
    | DrainAgent
    | ShutdownExecutor
    | ShutdownFramework
    | UpdateAcknowledged
    | ReconcileTasks
    | FrameworkToExecutor
    | Beacon
)
"""Whatever a master may send to an agent."""
