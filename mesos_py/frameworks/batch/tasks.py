"""Makes tasks of a job's shares: each is work for our executor, one per agent and attempt."""

import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from mesos_py import CommandInfo, ExecutorInfo, KillPolicy, Resources, TaskInfo
from mesos_py.frameworks.batch.jobs import NODE_RESOURCES, Job, Share, chunk_of
from mesos_py.frameworks.batch.order import NodeOrder, Peer, Script
from mesos_py.types.ids import ExecutorID

__all__ = ["Submission", "environment_of", "output_paths", "task_of"]

_GRACE_S = 8.0
"""Our executor ends the processes of the job within it."""


class Submission(Struct, frozen=True, kw_only=True):
    """What is kept of a request besides the job: it may be large, and an array has it once."""

    script: str
    environment: dict[str, str]
    secret: str


def task_of(job: Job, share: Share, submission: Submission, server: str, user: str, python: str = "") -> TaskInfo:
    """The task for this share.

    Args:
        job: With all its shares.
        share: One of them.
        submission: The script and its environment.
        server: Name of the batch server.
        user: Whom it runs as; empty for whom the agent runs as.
        python: The interpreter on the agents; ours by default.
    """
    place = job.shares.index(share)
    order = NodeOrder(
        job_id=f"{job.job_id}.{server}",
        secret=f"{submission.secret}/{job.job_id}/{job.attempt}",
        place=place,
        peers=[
            Peer(
                hostname=peer.hostname,
                address=urlsplit(peer.address).hostname or "",
                port=peer.port,
                slots=peer.count * job.ppn,
            )
            for peer in job.shares
        ],
        script=_script(job, submission, server) if place == 0 else None,
    )
    executor = ExecutorInfo(
        executor_id=ExecutorID(share.task_id),
        command=CommandInfo(argv=[python or sys.executable, "-m", "mesos_py.frameworks.batch.node"], user=user),
        resources=NODE_RESOURCES,
        shutdown_grace_period_s=_GRACE_S,
    )
    chunks = Resources.sum([chunk_of(job.nodes, job.ppn, job.mem_mb)] * share.count)
    return TaskInfo(
        task_id=share.task_id,
        name=job.name,
        resources=chunks + Resources({"ports": ((share.port, share.port),)}),
        executor=executor,
        data=msgspec.json.encode(order),
        labels={"job": job.job_id, "user": job.owner},
        kill_policy=KillPolicy(grace_period_s=_GRACE_S),
    )


def _script(job: Job, submission: Submission, server: str) -> Script:
    stdout, stderr = output_paths(job)
    return Script(
        text=submission.script,
        environment=environment_of(job, submission.environment, server),
        shell=job.shell,
        start_dir=job.start_dir,
        work_dir=job.work_dir,
        stdout=stdout,
        stderr=stderr,
        walltime_s=job.walltime_s,
    )


def environment_of(job: Job, given: Mapping[str, str], server: str) -> dict[str, str]:
    """What PBS promises a job, besides what its user gave. Where a value is known only on the node, it is set there."""
    fixed = {
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": f"{job.job_id}.{server}",
        "PBS_JOBNAME": job.name,
        "PBS_NUM_NODES": str(job.nodes),
        "PBS_NUM_PPN": str(job.ppn),
        "PBS_NP": str(job.nodes * job.ppn),
        "PBS_O_HOST": server,
        "PBS_O_QUEUE": job.queue,
        "PBS_O_WORKDIR": job.work_dir,
        "PBS_QUEUE": job.queue,
        "PBS_SERVER": server,
        "PBS_TASKNUM": "1",
        "PBS_VERSION": "mesos_py",
        "PBS_WALLTIME": str(job.walltime_s),
        "USER": job.owner,
        "LOGNAME": job.owner,
    }
    if job.index is not None:
        fixed["PBS_ARRAYID"] = fixed["PBS_ARRAY_INDEX"] = str(job.index)
    return {**given, **fixed}


def output_paths(job: Job) -> tuple[str, str]:
    """Where stdout and stderr go: ``NAME.oNUMBER`` in the directory of submission, unless the job says otherwise."""
    stdout, stderr = _path(job, job.stdout, "o"), _path(job, job.stderr, "e")
    match job.join:
        case "oe":
            return stdout, stdout
        case "eo":
            return stderr, stderr
        case _:
            return stdout, stderr


def _path(job: Job, said: str, letter: str) -> str:
    number = str(job.number) if job.index is None else f"{job.number}-{job.index}"
    path = PurePosixPath(job.work_dir, said)
    if not said or said.endswith("/") or not path.name:
        path /= f"{job.name}.{letter}{number}"
    elif job.index is not None:  # else the jobs of an array would all write to one file
        path = path.with_name(f"{path.name}-{job.index}")
    return str(path)
