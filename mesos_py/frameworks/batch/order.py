"""What the server tells our executor on each agent of a job: a task's data, as JSON."""

from msgspec import Struct, field

__all__ = ["NodeOrder", "Peer", "Script"]


class Peer(Struct, frozen=True, kw_only=True):
    """One agent of the job."""

    hostname: str
    address: str
    """Where it is if its name does not resolve."""
    port: int
    slots: int
    """Processes that the job may run there."""


class Script(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the first agent runs."""

    text: str
    environment: dict[str, str] = field(default_factory=dict)
    shell: str = ""
    start_dir: str = ""
    work_dir: str = "/"
    stdout: str
    stderr: str
    """Absolute paths; the same if both are joined."""
    walltime_s: int


class NodeOrder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One share."""

    job_id: str
    secret: str
    """Proves that who connects belongs to the job."""
    place: int
    """Among the peers; 0 runs the script."""
    peers: list[Peer]
    script: Script | None = None
