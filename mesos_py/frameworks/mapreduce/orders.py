"""What an executor is told of an attempt, and what comes back."""

from msgspec import Struct

from mesos_py.frameworks.mapreduce.job import Job, Split

__all__ = ["Order", "Outcome", "Progress", "hadoop_attempt", "hadoop_task"]


class Order(Struct, frozen=True, kw_only=True):
    """One attempt at a piece of work."""

    attempt: str
    job_id: str
    job: Job
    kind: str
    """map or reduce."""
    index: int
    base: str
    """URL of the job's server, with its secret."""
    staging: str
    """Where the output is collected, on the submitting host."""
    split: Split | None = None
    """For a map."""
    maps: list[str] = []
    """For a reduce: URLs of its part of each map's output."""
    map_indices: list[int] = []
    """... and which maps these are."""
    map_count: int = 0
    """How many there must be: it may be that some had been lost again when this was asked for."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far an attempt is; may be lost."""

    attempt: str
    share: float
    status: str = ""


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an attempt ended."""

    failure: str = ""
    final: bool = False
    """It would fail again."""
    lost: list[int] = []
    """Maps whose output cannot be had any more."""
    counters: list[tuple[str, str, int]] = []
    staged: bool = False
    """Its output is in the staging directory already, under the attempt's name."""
    url: str = ""
    """Of the executor's server, with its secret."""
    ends: list[int] = []
    """Of a map: where the partitions end."""


def hadoop_task(job_id: str, kind: str, index: int) -> str:
    """How Hadoop names a piece of work, and log readers expect it."""
    return f"{job_id.replace('job', 'task', 1)}_{kind[0]}_{index:06d}"


def hadoop_attempt(job_id: str, attempt: str) -> str:
    """How it names our ``map-3.1``; its attempts count from 0."""
    kind, _, rest = attempt.partition("-")
    index, _, number = rest.partition(".")
    return f"{hadoop_task(job_id, kind, int(index)).replace('task', 'attempt', 1)}_{int(number) - 1}"
