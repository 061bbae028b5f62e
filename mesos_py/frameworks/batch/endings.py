"""What a job's end is: told by the ends of its shares, of which the first has run the script.

The first share's last word carries Outcome as JSON. What befell a node (it was lost, drained, never started the share)
is not the job's fault: it is started again if it may be, unless its script has ended by itself before.
"""

from typing import Final

import msgspec
from msgspec import Struct

from mesos_py.frameworks.batch.jobs import TERMINATED, Job, JobState, Share
from mesos_py.types.tasks import LIVE, TERMINAL, Reason, TaskState, TaskStatus

__all__ = [
    "FAILED_TO_START",
    "TERMINATED",
    "Outcome",
    "exit_status_of",
    "is_alive",
    "is_broken",
    "is_clear",
    "note",
    "requeue",
    "runs_again",
]

FAILED_TO_START: Final = -1
"""Exit status of a job whose script did not run, as PBS tells it."""
_MOST_ATTEMPTS: Final = 20
_LONGEST_REST_S: Final = 60.0
_BEFELL: Final = frozenset(
    {TaskState.GONE, TaskState.GONE_BY_OPERATOR, TaskState.DROPPED, TaskState.UNREACHABLE, TaskState.UNKNOWN}
)


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first share's last word."""

    exit_status: int
    cput_s: float = 0.0
    mem_mb: int = 0
    comment: str = ""
    lost: bool = False
    """It did not end by itself: nodes of it were missing from the start, or were lost."""


def is_alive(status: TaskStatus) -> bool:
    """It runs, or may."""
    return status.state in LIVE or status.state is TaskState.UNREACHABLE


def note(job: Job, status: TaskStatus) -> None:
    """A share has a new state."""
    share = next(share for share in job.shares if share.task_id == status.task_id)
    share.is_unreachable = status.state is TaskState.UNREACHABLE
    if status.state not in TERMINAL and status.state is not TaskState.UNKNOWN:
        if share.is_unreachable:
            job.comment = f"{share.hostname} is not reached"
        elif job.comment == f"{share.hostname} is not reached":
            job.comment = ""
        return
    if share.has_ended:
        return
    share.has_ended = True
    outcome, is_first = _outcome(status), share is job.shares[0]
    if outcome is not None and is_first:
        job.exit_status, job.cput_s, job.used_mem_mb = outcome.exit_status, outcome.cput_s, outcome.mem_mb
        job.is_settled = status.state in (TaskState.FINISHED, TaskState.FAILED) and not outcome.lost
        job.comment = outcome.comment or job.comment
    befell = status.state in _BEFELL or status.reason is Reason.AGENT_DRAINING
    if outcome is None:  # killed before it could say anything, and not by us
        befell = befell or (status.state is TaskState.KILLED and job.state is not JobState.EXITING)
    elif outcome.lost and outcome.exit_status == FAILED_TO_START:
        befell = True
    job.is_lost = job.is_lost or (befell and not job.is_deleted)
    if status.state is not TaskState.FINISHED and not (is_first and outcome is not None):
        _remark(job, share, status)


def _remark(job: Job, share: Share, status: TaskStatus) -> None:
    if not job.comment and not job.is_settled and job.state is not JobState.EXITING:
        why = status.message or (status.reason.replace("_", " ").lower() if status.reason else "")
        job.comment = f"{share.hostname}: {status.state}" + (f": {why}" if why else "")


def _outcome(status: TaskStatus) -> Outcome | None:
    try:
        return msgspec.json.decode(status.data, type=Outcome) if status.data else None
    except msgspec.MsgspecError:
        return None


def is_broken(job: Job) -> bool:
    """Its shares are to be ended: its script has, or it lacks a node."""
    first, *others = job.shares
    return job.state is JobState.RUNNING and (first.has_ended or any(share.has_ended for share in others))


def is_clear(job: Job) -> bool:
    """Nothing of it runs any more, as far as can be known; it is not if we do not know about its script."""
    if job.state is not JobState.EXITING:
        return False
    first, *others = job.shares
    known = first.has_ended or (first.is_unreachable and job.is_deleted)
    return known and all(share.has_ended or share.is_unreachable for share in others)


def runs_again(job: Job) -> bool:
    """Rather than ends."""
    lost = job.is_lost or any(share.is_unreachable for share in job.shares)
    may = job.rerunnable and not job.is_deleted and job.attempt + 1 < _MOST_ATTEMPTS
    return lost and may and not job.is_settled


def requeue(job: Job, now: float) -> None:
    """It waits for places as if it had just come, but for a while, longer each time, that it rests first."""
    job.rests_until = now + min(_LONGEST_REST_S, 2.0**job.attempt)
    job.state, job.started, job.exit_status = JobState.QUEUED, None, None
    job.shares, job.attempt = [], job.attempt + 1
    job.is_lost = job.is_settled = False
    job.comment = f"to be started again: {job.comment.removeprefix('to be started again: ')}"


def exit_status_of(job: Job) -> int:
    """Of a job that has ended."""
    if job.exit_status is not None:
        return job.exit_status
    return TERMINATED if job.is_deleted else FAILED_TO_START
