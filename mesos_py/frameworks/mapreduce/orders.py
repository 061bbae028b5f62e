"""What an executor is told of an attempt, and what comes back."""

from msgspec import Struct

from mesos_py.frameworks.mapreduce.job import Job, Split

__all__ = ["Order", "Outcome", "Progress"]


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
