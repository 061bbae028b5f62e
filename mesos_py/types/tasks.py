"""What a task is, and the states it goes through.

::

    STAGING ──▶ STARTING ──▶ RUNNING ──▶ KILLING ──▶ FINISHED FAILED KILLED        (the task's own end)
       │            │           │           │
       └────────────┴───────────┴───────────┴──────▶ ERROR DROPPED GONE GONE_BY_OPERATOR   (what befell it)
       └──────▶ UNREACHABLE ──▶ back to any of the above when its agent returns

``UNKNOWN`` is only ever an answer to a reconciliation: the master has no record of the task.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from mesos_py.types.host import Limit, RLimit, Volume
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, Role, TaskID
from mesos_py.types.resources import Resources

__all__ = [
    "DEFAULT_KILL_GRACE_S",
    "LIVE",
    "NEXT_STATES",
    "TERMINAL",
    "URI",
    "CommandInfo",
    "ExecutorInfo",
    "HealthCheck",
    "KillPolicy",
    "Reason",
    "Source",
    "TaskInfo",
    "TaskRecord",
    "TaskState",
    "TaskStatus",
]

DEFAULT_KILL_GRACE_S: Final = 3.0
"""Seconds between TERM and KILL when nobody says otherwise (Mesos ``src/launcher/executor.cpp``)."""


class TaskState(StrEnum):
    """Where a task is in its life."""

    STAGING = "STAGING"
    """The master accepted it; the agent has not started it yet."""
    STARTING = "STARTING"
    """The executor has it and prepares."""
    RUNNING = "RUNNING"
    """It runs."""
    KILLING = "KILLING"
    """It was told to stop and has its grace period."""
    FINISHED = "FINISHED"
    """It ended well."""
    FAILED = "FAILED"
    """It ended badly."""
    KILLED = "KILLED"
    """It was killed because somebody asked."""
    ERROR = "ERROR"
    """Its description was refused; it never started."""
    DROPPED = "DROPPED"
    """It never started, for a reason that may pass."""
    UNREACHABLE = "UNREACHABLE"
    """Its agent is silent; it may still run and may come back."""
    GONE = "GONE"
    """It was running and certainly is no longer."""
    GONE_BY_OPERATOR = "GONE_BY_OPERATOR"
    """An operator declared its agent gone (it may in truth still run), or it was killed as its agent is to be gone."""
    UNKNOWN = "UNKNOWN"
    """The master has no record of it."""


TERMINAL: Final = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
    }
)
"""States that end a task: its resources are free."""

LIVE: Final = frozenset({TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING})
"""States in which a task holds its resources."""

_ANYWHERE: Final = TERMINAL | {TaskState.UNREACHABLE}

NEXT_STATES: Final[dict[TaskState, frozenset[TaskState]]] = {
    TaskState.STAGING: _ANYWHERE | {TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING},
    TaskState.STARTING: _ANYWHERE | {TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING},
    TaskState.RUNNING: _ANYWHERE | {TaskState.RUNNING, TaskState.KILLING},
    TaskState.KILLING: _ANYWHERE | {TaskState.KILLING},
    TaskState.UNREACHABLE: LIVE | TERMINAL,
    TaskState.UNKNOWN: frozenset(),
} | {state: frozenset() for state in TERMINAL}
"""From each state, those that may follow. RUNNING follows itself when health or data change."""


class Source(StrEnum):
    """Who made a status."""

    MASTER = "MASTER"
    AGENT = "AGENT"
    EXECUTOR = "EXECUTOR"


class Reason(StrEnum):
    """Why a task is in its state; names as in Mesos (``docs/task-state-reasons.md``)."""

    COMMAND_EXECUTOR_FAILED = "COMMAND_EXECUTOR_FAILED"
    EXECUTOR_TERMINATED = "EXECUTOR_TERMINATED"
    FRAMEWORK_REMOVED = "FRAMEWORK_REMOVED"
    INVALID_FRAMEWORK_ID = "INVALID_FRAMEWORK_ID"
    INVALID_OFFERS = "INVALID_OFFERS"
    MASTER_DISCONNECTED = "MASTER_DISCONNECTED"
    CONTAINER_LIMITATION = "CONTAINER_LIMITATION"
    CONTAINER_LIMITATION_MEMORY = "CONTAINER_LIMITATION_MEMORY"
    CONTAINER_LIMITATION_DISK = "CONTAINER_LIMITATION_DISK"
    CONTAINER_LAUNCH_FAILED = "CONTAINER_LAUNCH_FAILED"
    CONTAINER_UPDATE_FAILED = "CONTAINER_UPDATE_FAILED"
    CONTAINER_PREEMPTED = "CONTAINER_PREEMPTED"
    RECONCILIATION = "RECONCILIATION"
    AGENT_DISCONNECTED = "AGENT_DISCONNECTED"
    AGENT_REMOVED = "AGENT_REMOVED"
    AGENT_REMOVED_BY_OPERATOR = "AGENT_REMOVED_BY_OPERATOR"
    AGENT_RESTARTED = "AGENT_RESTARTED"
    AGENT_REREGISTERED = "AGENT_REREGISTERED"
    AGENT_UNKNOWN = "AGENT_UNKNOWN"
    AGENT_DRAINING = "AGENT_DRAINING"
    """An operator wants its agent empty: run it elsewhere."""
    RESOURCES_UNKNOWN = "RESOURCES_UNKNOWN"
    EXECUTOR_REGISTRATION_TIMEOUT = "EXECUTOR_REGISTRATION_TIMEOUT"
    EXECUTOR_REREGISTRATION_TIMEOUT = "EXECUTOR_REREGISTRATION_TIMEOUT"
    TASK_INVALID = "TASK_INVALID"
    TASK_UNAUTHORIZED = "TASK_UNAUTHORIZED"
    TASK_UNKNOWN = "TASK_UNKNOWN"
    TASK_GROUP_INVALID = "TASK_GROUP_INVALID"
    TASK_GROUP_UNAUTHORIZED = "TASK_GROUP_UNAUTHORIZED"
    TASK_KILLED_DURING_LAUNCH = "TASK_KILLED_DURING_LAUNCH"
    TASK_HEALTH_CHECK_STATUS_UPDATED = "TASK_HEALTH_CHECK_STATUS_UPDATED"
    MAX_COMPLETION_TIME_REACHED = "MAX_COMPLETION_TIME_REACHED"


class URI(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file to fetch into the sandbox before the task starts."""

    value: str
    """``file:///path``, an absolute path on the agent, ``http://`` or ``https://``."""
    extract: bool = True
    """Unpack .tar, .tar.gz, .tgz, .tar.bz2, .tbz2, .tar.xz, .txz, .zip and .gz."""
    executable: bool = False
    """Make it executable; then it is not unpacked."""
    cache: bool = False
    """Keep it in the agent's cache for the next task that names it."""
    output_file: str = ""
    """Its relative path in the sandbox; by default the last part of ``value``."""
    sha256: str = ""
    """Refuse the file unless this is its digest (hexadecimal)."""
    max_bytes: int | None = None
    """Refuse the file if it is larger."""


class CommandInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What to run: a shell line (``value``) or, without a shell, an argument vector (``argv``); never both."""

    value: str = ""
    argv: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    uris: list[URI] = field(default_factory=list)
    """Fetched before it starts."""
    user: str = ""
    """Run as this user of the agent's host; by default the framework's user."""
    rlimits: dict[str, RLimit] = field(default_factory=dict)
    """By the name of RLIMIT_* in lower case, such as nofile; the agent has its own for the others."""
    volumes: list[Volume] = field(default_factory=list)
    """What it needs of the agent's host besides its sandbox."""


class ExecutorInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A framework's own program on the agent, which runs tasks for it."""

    executor_id: ExecutorID
    command: CommandInfo
    resources: Resources = field(default_factory=Resources)
    """What the executor itself needs besides its tasks."""
    name: str = ""
    data: bytes = b""
    labels: dict[str, str] = field(default_factory=dict)
    shutdown_grace_period_s: float = 5.0


class KillPolicy(Struct, frozen=True, kw_only=True, gc=False):
    """How a task is stopped: TERM, then KILL after the grace period (seconds)."""

    grace_period_s: float = DEFAULT_KILL_GRACE_S


class HealthCheck(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Exactly one of ``command``, ``http_port``, ``tcp_port``.

    The times are Mesos's defaults (``docs/health-checks.md``).
    """

    command: CommandInfo | None = None
    """Healthy if it exits 0; runs in the task's sandbox."""
    http_port: int | None = None
    """Healthy if a GET of http://127.0.0.1:PORT/http_path is answered with 200 to 399."""
    http_path: str = "/"
    tcp_port: int | None = None
    """Healthy if 127.0.0.1:PORT accepts a connection."""
    delay_s: float = 15.0
    interval_s: float = 10.0
    """From the end of one check to the start of the next."""
    timeout_s: float = 20.0
    """0 means none."""
    consecutive_failures: int = 3
    """This many failures in a row and the task is killed."""
    grace_period_s: float = 10.0
    """Failures within it do not count until the first success."""


class TaskInfo(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One task as a scheduler describes it: a command for the agent, or work for the framework's own executor."""

    task_id: TaskID
    resources: Resources
    name: str = ""
    command: CommandInfo | None = None
    executor: ExecutorInfo | None = None
    data: bytes = b""
    """For the executor; opaque to us."""
    labels: dict[str, str] = field(default_factory=dict)
    limits: dict[str, Limit] = field(default_factory=dict)
    """``cpus`` and ``mem`` up to which the task may burst; at least the request, ``"inf"`` for no bound."""
    kill_policy: KillPolicy = KillPolicy()
    health_check: HealthCheck | None = None
    max_completion_time_s: float | None = None
    """Kill and FAIL the task this long after it began to run."""


class TaskStatus(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step in a task's life, as told to its framework."""

    task_id: TaskID
    state: TaskState
    source: Source
    timestamp: float
    """Seconds since the epoch."""
    update_id: int | None = None
    """Present if, and only if, the update must be acknowledged; counts up per task."""
    agent_id: AgentID | None = None
    executor_id: ExecutorID | None = None
    container_id: ContainerID | None = None
    reason: Reason | None = None
    message: str = ""
    data: bytes = b""
    healthy: bool | None = None
    """Outcome of the health check, None if there is none or no result yet."""
    exit_code: int | None = None
    """Of the task's own process, if it ended by itself."""
    unreachable_time: float | None = None
    """When the agent was given up, seconds since the epoch."""
    labels: dict[str, str] = field(default_factory=dict)


class TaskRecord(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A task as an agent reports it to a master that may not know it."""

    task: TaskInfo
    role: Role
    state: TaskState
    """The latest on the agent, which the framework may not have heard yet."""
    status_state: TaskState
    """The state in the newest update that was sent."""
    update_id: int | None = None
    """Of that update, while it is not acknowledged."""
    container_id: ContainerID | None = None
    executor_id: ExecutorID | None = None
    """Of the custom executor that has it: the description of a task of a group names none."""
