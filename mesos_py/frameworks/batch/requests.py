"""What the commands ask the server for, and the ids that jobs go by.

A job is ``12``, or ``12[3]`` in an array, which is ``12[]`` as a whole. People see it with the server's name behind,
``12.head``, and may leave that away.

Anybody on the host can say anything to the server, so what its core computes with is limited here, by the types.
"""

import re
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from mesos_py.errors import UserError
from mesos_py.frameworks.batch.amounts import LONGEST_S, MAX_ARRAY

__all__ = [
    "MAX_NODES",
    "MAX_SCRIPT",
    "Condition",
    "Delete",
    "Dependency",
    "Hold",
    "JobRequest",
    "ListJobs",
    "ListNodes",
    "MemMB",
    "Nodes",
    "Release",
    "Request",
    "WalltimeS",
    "parse_job_id",
]

MAX_SCRIPT: Final = 32 * 1024
"""Bytes of a script, and of all its environment: both travel in one message."""
MAX_NODES: Final = 10_000
"""Of a job, and processes on each of them."""

Nodes = Annotated[int, Meta(ge=1, le=MAX_NODES)]
MemMB = Annotated[int, Meta(ge=1, le=10**12)]
"""No more than resources can hold."""
WalltimeS = Annotated[int, Meta(ge=1, le=LONGEST_S)]
_Priority = Annotated[int, Meta(ge=-1024, le=1023)]
_Index = Annotated[int, Meta(ge=0, le=999_999_999)]
_Slots = Annotated[int, Meta(ge=0, le=99_999_999)]
_Script = Annotated[str, Meta(max_length=MAX_SCRIPT)]
_Name = Annotated[str, Meta(pattern=r"\A[^/\x00-\x1f\x7f]+\Z", max_length=255)]
_Line = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]*\Z", max_length=255)]
_Path = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z", max_length=4096)]
_JobName = Annotated[str, Meta(pattern=r"\A(0|[1-9][0-9]{0,8})(\[(0|[1-9][0-9]{0,8})?\])?\Z")]
"""``12``, ``12[3]`` or ``12[]``."""

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
    job: _JobName


class JobRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="SUBMIT"):
    """A job to run, or an array of them."""

    script: _Script
    name: _Name
    nodes: Nodes = 1
    ppn: Nodes = 1
    mem_mb: MemMB | None = None
    """Of the whole job; by default its queue's."""
    walltime_s: WalltimeS | None = None
    queue: _Line = ""
    priority: _Priority = 0
    array: Annotated[list[_Index], Meta(max_length=MAX_ARRAY)] = field(default_factory=list)
    slots: _Slots = 0
    dependencies: Annotated[list[Dependency], Meta(max_length=1000)] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    work_dir: _Path
    """Where it was submitted, PBS_O_WORKDIR."""
    start_dir: _Path = ""
    """Where it starts; by default the user's home."""
    stdout: _Path = ""
    """A path, or a directory if it ends with a slash; by default NAME.oNUMBER in ``work_dir``."""
    stderr: _Path = ""
    join: Literal["", "oe", "eo"] = ""
    """``oe``: all goes to stdout, ``eo``: to stderr."""
    shell: _Path = ""
    """By default what the script's first line names."""
    rerunnable: bool = True
    held: bool = False
    account: _Line = ""


class Delete(Struct, frozen=True, kw_only=True, tag="DELETE"):
    """End these."""

    jobs: list[_JobName]


class Hold(Struct, frozen=True, kw_only=True, tag="HOLD"):
    """Do not start these."""

    jobs: list[_JobName]


class Release(Struct, frozen=True, kw_only=True, tag="RELEASE"):
    """They may start after all."""

    jobs: list[_JobName]


class ListJobs(Struct, frozen=True, kw_only=True, tag="LIST_JOBS"):
    """What about these; all that is known if none is named."""

    jobs: list[_JobName] = field(default_factory=list)


class ListNodes(Struct, frozen=True, kw_only=True, tag="LIST_NODES"):
    """What nodes are there and what runs on them."""


Request = JobRequest | Delete | Hold | Release | ListJobs | ListNodes
