"""What an agent asks of whatever runs its containers, and what it hears back."""

from signal import Signals

from msgspec import Struct, field

from mesos_py.types.host import RLimit, Volume
from mesos_py.types.ids import ContainerID, ExecutorID, FrameworkID, TaskID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import URI, Reason

__all__ = [
    "ContainerExit",
    "ContainerFate",
    "ContainerLives",
    "ContainerSpec",
    "ContainerUsage",
    "NeverBegan",
    "signal_name",
]


class ContainerSpec(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One container: a process tree of one command, in one sandbox, under one set of limits."""

    container_id: ContainerID
    framework_id: FrameworkID
    sandbox: str
    """Absolute path of its own directory, which becomes its working directory; made by whoever runs it."""
    argv: list[str]
    """What to run, already with ``/bin/sh -c`` where a shell is wanted."""
    environment: dict[str, str] = field(default_factory=dict)
    """All of it: nothing is inherited from the agent."""
    uris: list[URI] = field(default_factory=list)
    """Fetched into the sandbox before the command starts."""
    user: str = ""
    """Whom to run as; empty for the agent's own user."""
    rlimits: dict[str, RLimit] = field(default_factory=dict)
    volumes: list[Volume] = field(default_factory=list)
    resources: Resources = field(default_factory=Resources)
    limits: dict[str, float] = field(default_factory=dict)
    task_id: TaskID | None = None
    executor_id: ExecutorID | None = None
    """Given for a custom executor: it also gets the agent's socket and a token in its environment."""


class ContainerExit(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How a container ended; nothing of it runs any more."""

    exit_code: int | None = None
    """None if a signal ended it, or nobody could learn how it ended."""
    signal: int | None = None
    reason: Reason | None = None
    """Given when the container was ended for a limit it broke, or could not be watched."""
    message: str = ""


class ContainerLives(Struct, frozen=True, tag=True, gc=False):
    """It runs; ``pid`` is its first process."""

    pid: int


class NeverBegan(Struct, frozen=True, tag=True, gc=False):
    """No process of it was ever started, nor will one be: it may be started."""


ContainerFate = ContainerLives | ContainerExit | NeverBegan
"""What became of a container of an earlier agent process."""


class ContainerUsage(Struct, kw_only=True, omit_defaults=True, gc=False):
    """What one container uses now; None for what nobody here can tell."""

    container_id: ContainerID
    processes: int | None = None
    cpu_s: float | None = None
    """Time its processes spent on cpus, in seconds, user and system together."""
    throttled_s: float | None = None
    """Time it was held back by its hard cpu limit."""
    memory_bytes: int | None = None
    """Resident and cached, as it counts against the limit."""
    memory_peak_bytes: int | None = None
    memory_limit_bytes: int | None = None
    io_read_bytes: int | None = None
    io_written_bytes: int | None = None
    disk_bytes: int | None = None
    """Of its sandbox, at the last look."""
    listening_ports: list[int] | None = None
    """TCP ports of the host that it listened on at the last look."""


def signal_name(number: int) -> str:
    """For people, such as SIGKILL; those of real time have none."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
