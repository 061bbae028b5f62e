"""What the server knows of its jobs; all of it is kept in its state file."""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from mesos_py.frameworks.batch.planning import Wish
from mesos_py.frameworks.batch.requests import Dependency, MemMB, Nodes, WalltimeS
from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.resources import Resources

__all__ = ["LEAST", "NODE_RESOURCES", "TERMINATED", "Book", "Job", "JobState", "Queue", "Share", "chunk_of", "wish_of"]

NODE_RESOURCES: Final = Resources.of(mem=48)
"""Of our executor, which is once on each agent of a job."""
LEAST: Final = Resources.of(cpus=1)
"""An offer with less is of use to no job."""
TERMINATED: Final = 256 + 15
"""Exit status of a job that was ended by TERM, as PBS tells it: 256 and the signal."""

_Count = Annotated[int, Meta(ge=0)]
_AtLeastOne = Annotated[int, Meta(ge=1)]


class Queue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What jobs of a queue may have; 0 is no limit."""

    priority: int = 0
    """Jobs of a higher one go first."""
    max_nodes: _Count = 0
    max_walltime_s: _Count = 0
    max_running: _Count = 0
    max_user_running: _Count = 0
    max_user_queued: _Count = 0
    """Jobs of one user that have not ended, running ones among them."""
    walltime_s: _AtLeastOne = 3600
    """Of jobs that do not say theirs."""
    mem_mb: _AtLeastOne = 128
    """Of each process of jobs that do not say theirs."""
    users: list[str] = field(default_factory=list)
    """Who may use it; empty for everybody."""


class JobState(StrEnum):
    """PBS's letters."""

    QUEUED = "Q"
    HELD = "H"
    """By its user, or until its dependencies are met."""
    RUNNING = "R"
    EXITING = "E"
    """Its script has ended or is being ended, and its nodes are being cleared."""
    COMPLETED = "C"


class Share(Struct, kw_only=True):
    """A job's part on one agent; that of the first one runs the script."""

    task_id: TaskID
    agent_id: AgentID
    hostname: str
    address: str
    """Where our executor is reached if the host name does not resolve."""
    port: int
    count: int
    """Chunks."""
    has_ended: bool = False
    is_unreachable: bool = False


class Job(Struct, kw_only=True, omit_defaults=True):
    """One job; those of an array are jobs of their own with the same number."""

    number: int
    index: int | None = None
    name: str
    owner: str
    queue: str
    priority: int = 0
    nodes: Nodes
    ppn: Nodes
    mem_mb: MemMB
    """Of all chunks."""
    walltime_s: WalltimeS
    slots: int = 0
    """Of its array at once; 0 for no limit."""
    dependencies: list[Dependency] = field(default_factory=list)
    rerunnable: bool = True
    is_held: bool = False
    account: str = ""
    work_dir: str
    start_dir: str = ""
    stdout: str = ""
    stderr: str = ""
    join: str = ""
    shell: str = ""
    state: JobState = JobState.QUEUED
    submitted: float
    started: float | None = None
    """When it was last given its places."""
    ended: float | None = None
    exit_status: int | None = None
    comment: str = ""
    attempt: int = 0
    rests_until: float = 0.0
    """It is not started before, as its last attempt came to nothing; seconds."""
    shares: list[Share] = field(default_factory=list)
    is_deleted: bool = False
    is_lost: bool = False
    """This attempt has failed by what befell its nodes, not by its own fault."""
    is_settled: bool = False
    """Its script has ended by itself: that is its end, whatever befell its nodes."""
    cput_s: float = 0.0
    used_mem_mb: int = 0

    @property
    def job_id(self) -> str:
        """``12`` or ``12[3]``."""
        return str(self.number) if self.index is None else f"{self.number}[{self.index}]"

    @property
    def is_over(self) -> bool:
        """Nothing more will come of it."""
        return self.state is JobState.COMPLETED

    @property
    def is_on_nodes(self) -> bool:
        """It has places."""
        return self.state in (JobState.RUNNING, JobState.EXITING)

    def task_id(self, place: int) -> TaskID:
        """Of its share ``place`` in this attempt."""
        array = "" if self.index is None else f"-{self.index}"
        return TaskID(f"{self.number}{array}.{self.attempt}.{place}")


class Book(Struct, kw_only=True):
    """Everything that outlives the server's process."""

    next_number: int = 1
    jobs: dict[str, Job] = field(default_factory=dict)
    """By id, in the order of their submission."""
    usage: dict[str, float] = field(default_factory=dict)
    """Core-seconds of each user, halved with time."""
    usage_at: float = 0.0
    """When they were so."""


def chunk_of(nodes: int, ppn: int, mem_mb: int) -> Resources:
    """What one chunk takes of its agent."""
    return Resources.of(cpus=ppn, mem=-(-mem_mb // nodes))


def wish_of(job: Job) -> Wish:
    """What a job waits for."""
    chunk = chunk_of(job.nodes, job.ppn, job.mem_mb)
    return Wish(
        key=job.job_id, count=job.nodes, chunk=chunk, per_agent=NODE_RESOURCES, walltime_s=float(job.walltime_s)
    )
