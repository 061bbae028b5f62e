"""Whether a job may be submitted, and what jobs a request makes."""

from collections.abc import Mapping
from typing import Final

from mesos_py.errors import UserError
from mesos_py.frameworks.batch.amounts import format_time
from mesos_py.frameworks.batch.config import BatchConfig
from mesos_py.frameworks.batch.events import Agent
from mesos_py.frameworks.batch.jobs import NODE_RESOURCES, Book, Job, Queue, chunk_of
from mesos_py.frameworks.batch.planning import Wish, room
from mesos_py.frameworks.batch.requests import JobRequest
from mesos_py.frameworks.batch.turns import jobs_of
from mesos_py.types.ids import AgentID

__all__ = ["MAX_JOBS", "check", "jobs_of_request"]

MAX_JOBS: Final = 20_000
"""That are known at once, ended ones among them."""


def check(request: JobRequest, config: BatchConfig, book: Book, agents: Mapping[AgentID, Agent], user: str) -> None:
    """Raises UserError if it cannot be, or may not."""
    name = request.queue or config.default_queue
    queue = config.queues.get(name)
    if queue is None:
        raise UserError(f"unknown queue {name}: there is {', '.join(config.queues)}")
    if queue.users and user not in queue.users:
        raise UserError(f"queue {name} is not for {user}")
    count = len(request.array) or 1
    if len(book.jobs) + count > MAX_JOBS:
        raise UserError(f"the server holds {len(book.jobs)} jobs and takes {MAX_JOBS} at most")
    _check_limits(request, queue, name, sum(_counts(job, name, user) for job in book.jobs.values()) + count)
    for dependency in request.dependencies:
        if not jobs_of(book, dependency.job):
            raise UserError(f"{dependency.condition} of unknown job {dependency.job}")
    if agents:
        _check_size(request, queue, agents)


def _counts(job: Job, queue: str, user: str) -> bool:
    return not job.is_over and job.queue == queue and job.owner == user


def _check_limits(request: JobRequest, queue: Queue, name: str, of_user: int) -> None:
    if queue.max_nodes and request.nodes > queue.max_nodes:
        raise UserError(f"{request.nodes} nodes are wanted; queue {name} gives {queue.max_nodes} at most")
    if queue.max_walltime_s and (request.walltime_s or queue.walltime_s) > queue.max_walltime_s:
        wanted, most = format_time(request.walltime_s or queue.walltime_s), format_time(queue.max_walltime_s)
        raise UserError(f"walltime {wanted} is wanted; queue {name} gives {most} at most")
    if queue.max_user_queued and of_user > queue.max_user_queued:
        raise UserError(f"queue {name} takes {queue.max_user_queued} jobs of one user at most")


def _check_size(request: JobRequest, queue: Queue, agents: Mapping[AgentID, Agent]) -> None:
    mem_mb = request.mem_mb or queue.mem_mb * request.nodes * request.ppn
    chunk = chunk_of(request.nodes, request.ppn, mem_mb)
    wish = Wish(key="", count=request.nodes, chunk=chunk, per_agent=NODE_RESOURCES, walltime_s=1.0)
    most = sum(room(wish, agent.resources) for agent in agents.values())
    if most < request.nodes:
        raise UserError(
            f"nodes={request.nodes}:ppn={request.ppn} with {chunk.mem:g} MB each is more than the cluster has: "
            f"{most} such nodes fit on its {len(agents)} agents"
        )


def jobs_of_request(request: JobRequest, config: BatchConfig, number: int, user: str, now: float) -> list[Job]:
    """The job, or those of the array, in order."""
    name = request.queue or config.default_queue
    queue = config.queues[name]
    indices: list[int | None] = [*dict.fromkeys(request.array)] or [None]
    return [
        Job(
            number=number,
            index=index,
            name=request.name,
            owner=user,
            queue=name,
            priority=request.priority,
            nodes=request.nodes,
            ppn=request.ppn,
            mem_mb=request.mem_mb or queue.mem_mb * request.nodes * request.ppn,
            walltime_s=request.walltime_s or queue.walltime_s,
            slots=request.slots,
            dependencies=request.dependencies,
            rerunnable=request.rerunnable,
            is_held=request.held,
            account=request.account,
            work_dir=request.work_dir,
            start_dir=request.start_dir,
            stdout=request.stdout,
            stderr=request.stderr,
            join=request.join,
            shell=request.shell,
            submitted=now,
        )
        for index in indices
    ]
