"""What isolators and the containerizer ask of cgroups, the same for both versions of them.

::

    <hierarchy>/<cgroups_root>/<key of the agent's work_dir>/<container id>        one directory per container
"""

from typing import NamedTuple, Protocol

from cgroupspy.contenttypes import DeviceAccess

from mesos_py.types.ids import ContainerID

__all__ = [
    "Cgroups",
    "CpuControl",
    "DevicesControl",
    "IOControl",
    "MemoryControl",
    "MemoryUse",
    "OomSource",
    "PidsControl",
]


class CpuControl(Protocol):
    """How much cpu a container gets. All raise OSError."""

    def set_share(self, cpus: float) -> None:
        """What it gets, compared to others, when there is not enough for all."""

    def set_limit(self, cpus: float) -> None:
        """What it gets at most; infinite for no such limit."""

    def used_s(self) -> float:
        """Time on cpus, in seconds, user and system together."""

    def throttled_s(self) -> float:
        """Time held back by its limit, in seconds."""


class MemoryUse(NamedTuple):
    """What a container's memory is used for, in bytes."""

    rss: int
    cache: int
    swap: int


class OomSource(Protocol):
    """A descriptor that tells when the kernel finds no memory for a container within a limit."""

    fd: int
    events: int
    """What epoll shall wait for."""

    def take(self) -> bool:
        """Take what was told; True if there was something. Raises OSError when the cgroup is gone."""

    def close(self) -> None:
        """Give the descriptor back."""


class MemoryControl(Protocol):
    """How much memory a container has. Sizes are in bytes, infinite for no limit. All raise OSError."""

    def set_low(self, size: int) -> None:
        """What it keeps when the host is short of memory."""

    def set_limit(self, size: float, *, swap: bool) -> None:
        """What it has at most; without ``swap``, none of it may be swapped out beyond that."""

    def limit(self) -> float:
        """What it has at most."""

    def used(self) -> int:
        """What counts against the limit now."""

    def peak(self) -> int | None:
        """The most that it used; None if the kernel does not tell."""

    def used_for(self) -> MemoryUse:
        """What it uses memory for."""

    def reached_limit(self) -> bool:
        """Whether its own limit was reached: a container is also told when a cgroup above it is out of memory."""

    def was_killed(self) -> bool:
        """Whether its processes were killed, or are about to be, for reaching its own limit."""

    def oom_source(self) -> OomSource:
        """Watch for the next time; to be closed."""


class PidsControl(Protocol):
    """How many processes and threads a container has. All raise OSError."""

    def set_max(self, number: int | None) -> None:
        """How many there may be; None for any number."""

    def current(self) -> int:
        """How many there are."""


class IOControl(Protocol):
    """What a container reads from and writes to block devices. Raises OSError."""

    def totals(self) -> tuple[int, int]:
        """Bytes read and written."""


class DevicesControl(Protocol):
    """Which device nodes a container may use. All raise OSError."""

    def deny_all(self) -> None:
        """Let it use none; what was allowed before is forgotten."""

    def deny(self, device: DeviceAccess) -> None:
        """Let it use one no more."""

    def allow(self, device: DeviceAccess) -> None:
        """Let it use one."""

    def allowed(self) -> list[DeviceAccess]:
        """What it may use; everything if nothing was denied yet."""


class Cgroups(Protocol):
    """The cgroups of one agent's containers.

    They are found again by an agent that is started with the same ``work_dir``, and are no other agent's. Nothing
    outside the agent's own root is ever walked, made or removed. No call waits. ``create`` and the controls may be
    used in any thread.
    """

    version: int
    """Of cgroups: 1 or 2."""

    @property
    def root(self) -> str:
        """Where containers' cgroups are; under v1, below each hierarchy."""

    def why_not(self) -> str:
        """Why no cgroup can be made here, in one line; empty if it can."""

    def lacks(self, controller: str) -> str:
        """Why there is no control of cpu, memory, pids, io or devices here, in one line; empty if there is."""

    def use(self, controller: str) -> None:
        """Let every container created later have this; asked before ``open``. Nothing if it is lacking."""

    def open(self) -> None:
        """Make the root. Raises OSError."""

    def close(self) -> None:
        """Remove the root unless there are still containers."""

    def create(self, container_id: ContainerID) -> list[str]:
        """Make a container's cgroup: the directories whose cgroup.procs its first process must write itself to.

        They are in that order: whoever is in the first is found by ``kill``. Raises OSError.
        """

    def containers(self) -> list[ContainerID]:
        """Those that have a cgroup, also of earlier agent processes."""

    def pids(self, container_id: ContainerID) -> list[int]:
        """All its processes, in whatever session and in cgroups of its own making."""

    def freeze(self, container_id: ContainerID) -> None:
        """Begin to stop all its processes. Raises OSError."""

    def thaw(self, container_id: ContainerID) -> None:
        """Let them go on. Raises OSError."""

    def kill(self, container_id: ContainerID) -> bool:
        """Go one step towards the end of all its processes; True when there are none. To be called again until then."""

    def remove(self, container_id: ContainerID) -> bool:
        """Remove its cgroup; False if that is not possible yet. Safe to repeat, and if there is none."""

    def cpu(self, container_id: ContainerID) -> CpuControl:
        """Of one container."""

    def memory(self, container_id: ContainerID) -> MemoryControl:
        """Of one container."""

    def processes(self, container_id: ContainerID) -> PidsControl:
        """Of one container."""

    def io(self, container_id: ContainerID) -> IOControl:
        """Of one container."""

    def devices(self, container_id: ContainerID) -> DevicesControl:
        """Of one container; only where ``lacks('devices')`` is empty."""
