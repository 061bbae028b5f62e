"""Who used what: the fields of the accounting log, and what counts for users' turns."""

import re
from typing import Any, Final

from mesos_py.frameworks.batch.amounts import format_time
from mesos_py.frameworks.batch.jobs import Book, Job
from mesos_py.frameworks.batch.turns import charge

__all__ = ["charge_for", "exec_hosts", "fields", "line"]

_SPACE: Final = re.compile(r"\s")


def charge_for(book: Book, job: Job, now: float) -> None:
    """The job's places, for as long as it has had them, count as its owner's use."""
    if job.started is not None:
        charge(book, job.owner, job.nodes * job.ppn * max(0.0, now - job.started), now)


def exec_hosts(job: Job) -> str:
    """``host1/0+host1/1+host2/0``: a slot each."""
    slots = [f"{share.hostname}/{slot}" for share in job.shares for slot in range(share.count * job.ppn)]
    return "+".join(slots)


def fields(kind: str, job: Job) -> dict[str, Any]:
    """What PBS tells in a record of this kind."""
    if kind == "Q":
        return {"queue": job.queue}
    known: dict[str, Any] = {
        "user": job.owner,
        "account": job.account,
        "jobname": job.name,
        "queue": job.queue,
        "qtime": int(job.submitted),
        "start": None if job.started is None else int(job.started),
        "exec_host": exec_hosts(job),
        "Resource_List.nodes": f"{job.nodes}:ppn={job.ppn}",
        "Resource_List.mem": f"{job.mem_mb}mb",
        "Resource_List.walltime": format_time(job.walltime_s),
    }
    if kind == "E" and job.started is not None and job.ended is not None:
        known |= {
            "end": int(job.ended),
            "Exit_status": job.exit_status,
            "resources_used.cput": format_time(job.cput_s),
            "resources_used.mem": f"{job.used_mem_mb}mb",
            "resources_used.walltime": format_time(job.ended - job.started),
        }
    return {name: value for name, value in known.items() if value not in (None, "")}


def line(when: str, kind: str, job_id: str, values: dict[str, Any]) -> str:
    """``11/28/2026 04:00:00;E;12.head;user=ann queue=batch ...``; what users name is one word each."""
    words = [f"{name}={_SPACE.sub('_', str(value))}" for name, value in values.items()]
    return f"{when};{kind};{job_id};{' '.join(words)}\n"
