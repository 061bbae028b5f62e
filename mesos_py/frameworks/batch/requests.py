"""What the commands ask the server for, and the ids that jobs go by.

A job is ``12``, or ``12[3]`` in an array, which is ``12[]`` as a whole. People see it with the server's name behind,
``12.head``, and may leave that away.
"""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from mesos_py.errors import UserError

__all__ = [
    "Condition",
    "Delete",
    "Dependency",
    "Hold",
    "JobRequest",
    "ListJobs",
    "ListNodes",
    "Release",
    "Request",
    "parse_job_id",
]

_JOB_ID: Final = re.compile(r"(\d{1,9})(\[(\d{0,9})\])?(\..*)?", re.DOTALL)


def parse_job_id(text: str) -> tuple[int, int | None, bool]:
    """Number, index, and whether a whole array is meant: ``12[3]`` is (12, 3, False). Raises UserError."""
    found = _JOB_ID.fullmatch(text)
    if found is None:
        raise UserError(f"{text!r} is no job: 12, or 12[3] and 12[] for an array")
    index = int(found[3]) if found[3] else None
    return int(found[1]), index, found[2] is not None and index is None


class Condition(StrEnum):
    """When a dependency is met, of a job or of all jobs of an array."""

    AFTER = "after"
    """It has started."""
    AFTER_OK = "afterok"
    """It has ended, with 0."""
    AFTER_NOT_OK = "afternotok"
    """It has ended, but not with 0."""
    AFTER_ANY = "afterany"
    """It has ended."""


class Dependency(Struct, frozen=True, kw_only=True):
    """This job may start only then."""

    condition: Condition
    job: str


class JobRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="SUBMIT"):
    """A job to run, or an array of them."""

    script: str
    name: str
    nodes: int = 1
    ppn: int = 1
    mem_mb: int | None = None
    """Of the whole job; by default its queue's."""
    walltime_s: int | None = None
    queue: str = ""
    priority: int = 0
    array: list[int] = field(default_factory=list)
    slots: int = 0
    dependencies: list[Dependency] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    work_dir: str
    """Where it was submitted, PBS_O_WORKDIR."""
    start_dir: str = ""
    """Where it starts; by default the user's home."""
    stdout: str = ""
    """A path, or a directory if it ends with a slash; by default NAME.oNUMBER in ``work_dir``."""
    stderr: str = ""
    join: str = ""
    """``oe``: all goes to stdout, ``eo``: to stderr."""
    shell: str = ""
    """By default what the script's first line names."""
    rerunnable: bool = True
    held: bool = False
    account: str = ""


class Delete(Struct, frozen=True, kw_only=True, tag="DELETE"):
    """End these."""

    jobs: list[str]


class Hold(Struct, frozen=True, kw_only=True, tag="HOLD"):
    """Do not start these."""

    jobs: list[str]


class Release(Struct, frozen=True, kw_only=True, tag="RELEASE"):
    """They may start after all."""

    jobs: list[str]


class ListJobs(Struct, frozen=True, kw_only=True, tag="LIST_JOBS"):
    """What about these; all that is known if none is named."""

    jobs: list[str] = field(default_factory=list)


class ListNodes(Struct, frozen=True, kw_only=True, tag="LIST_NODES"):
    """What nodes are there and what runs on them."""


Request = JobRequest | Delete | Hold | Release | ListJobs | ListNodes
