"""What the launcher is told about one container."""

from msgspec import Struct, field

from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import Reason

__all__ = ["Credentials", "Launch", "LaunchError", "Mount"]


class LaunchError(Exception):
    """A container cannot be started; the text says why, for the framework's author."""

    def __init__(self, message: str, reason: Reason = Reason.CONTAINER_LAUNCH_FAILED) -> None:
        super().__init__(message)
        self.reason = reason


class Credentials(Struct, frozen=True, gc=False):
    """Who a process is."""

    uid: int
    gid: int
    groups: list[int]


class Mount(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something mounted in the container's own mount namespace, in this order."""

    target: str
    source: str = ""
    """A path of the host to bind, with what is mounted below it; empty for a new file system."""
    type: str = ""
    """Of the new file system: tmpfs or proc."""
    options: str = ""
    """Of the new file system, as for mount(2)."""
    readonly: bool = False
    """With all that is mounted below it."""
    identity: tuple[int, int] | None = None
    """Device and inode number of what ``source`` must be: meanwhile somebody may have put something else there."""


class Launch(Struct, kw_only=True, omit_defaults=True):
    """What is about to be started. Isolators add to it; then it goes to the launcher as it is."""

    container_id: ContainerID
    sandbox: str
    """Working directory; stdout and stderr are opened in it."""
    argv: list[str]
    environment: dict[str, str]
    """All of it."""
    credentials: Credentials | None = None
    """None for the agent's own. The sandbox is given to them."""
    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Soft and hard limit by the name of RLIMIT_*, in lower case, such as nofile; -1 for none."""
    cgroups: list[str] = field(default_factory=list)
    """Directories of the cgroups that its first process enters."""
    namespaces: list[str] = field(default_factory=list)
    """Of its own: pid, mount, ipc, uts, network."""
    hostname: str = ""
    """In its own uts namespace."""
    mounts: list[Mount] = field(default_factory=list)
    no_new_privs: bool = False
    drop_capabilities: bool = False
    """Let it have no capability, and never get one."""
    oom_score_adj: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    """What isolators want to know of it after a restart of the agent."""
