"""What qstat and pbsnodes show."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from mesos_py.frameworks.batch.accounting import exec_hosts
from mesos_py.frameworks.batch.events import Agent
from mesos_py.frameworks.batch.jobs import Book, Job
from mesos_py.types.ids import AgentID

__all__ = ["JobView", "NodeView", "job_views", "node_views"]


class JobView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job as qstat shows it. Times are in seconds since the epoch."""

    job_id: str
    name: str
    owner: str
    queue: str
    state: str
    nodes: int
    ppn: int
    mem_mb: int
    walltime_s: int
    submitted: float
    started: float | None = None
    ended: float | None = None
    expected: float | None = None
    """When it starts at the latest, as far as is known now."""
    used_s: float = 0.0
    """Wall time."""
    exit_status: int | None = None
    comment: str = ""
    exec_host: str = ""
    depend: str = ""
    work_dir: str = ""
    attempt: int = 0
    tasks: list[str] = field(default_factory=list)
    """The first one's output is the job's, if it could not be put where it should."""


class NodeView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent as pbsnodes shows it; memory in MB."""

    hostname: str
    agent_id: str
    state: str
    cpus: float
    mem: float
    used_cpus: float
    used_mem: float
    jobs: list[str] = field(default_factory=list)
    """``0/12``: what is in each slot."""


def job_views(jobs: Sequence[Job], expected: Mapping[str, float], now: float) -> list[dict[str, Any]]:
    """In the order given."""
    return [_plain(_job(job, expected.get(job.job_id), now)) for job in jobs]


def _job(job: Job, expected: float | None, now: float) -> JobView:
    return JobView(
        job_id=job.job_id,
        name=job.name,
        owner=job.owner,
        queue=job.queue,
        state=job.state,
        nodes=job.nodes,
        ppn=job.ppn,
        mem_mb=job.mem_mb,
        walltime_s=job.walltime_s,
        submitted=job.submitted,
        started=job.started,
        ended=job.ended,
        expected=expected,
        used_s=(job.ended or now) - job.started if job.started is not None else 0.0,
        exit_status=job.exit_status if job.is_over else None,
        comment=job.comment,
        exec_host=exec_hosts(job),
        depend=",".join(f"{dependency.condition}:{dependency.job}" for dependency in job.dependencies),
        work_dir=job.work_dir,
        attempt=job.attempt,
        tasks=[share.task_id for share in job.shares],
    )


def node_views(book: Book, agents: Mapping[AgentID, Agent]) -> list[dict[str, Any]]:
    """By host name."""
    slots: dict[AgentID, list[str]] = {}
    for job in book.jobs.values():
        if job.is_on_nodes:
            for share in job.shares:
                if not share.has_ended:
                    slots.setdefault(share.agent_id, []).extend([job.job_id] * share.count * job.ppn)
    views = []
    for agent_id, agent in agents.items():
        used = slots.get(agent_id, [])
        full = agent.used.cpus >= agent.resources.cpus or len(used) >= agent.resources.cpus
        views.append(
            NodeView(
                hostname=agent.hostname,
                agent_id=agent_id,
                state="offline" if not agent.is_usable else "job-exclusive" if full else "free",
                cpus=agent.resources.cpus,
                mem=agent.resources.mem,
                used_cpus=agent.used.cpus,
                used_mem=agent.used.mem,
                jobs=[f"{slot}/{job_id}" for slot, job_id in enumerate(used)],
            )
        )
    return [_plain(view) for view in sorted(views, key=lambda view: view.hostname)]


def _plain(view: Struct) -> dict[str, Any]:
    return {name: getattr(view, name) for name in view.__struct_fields__}
