"""Decides what becomes of jobs: who may ask for what, which start where, and how they end.

::

    HELD ◀─▶ QUEUED ──▶ RUNNING ──▶ EXITING ──▶ COMPLETED
                ▲           │ a node was lost     ▲
                └───────────┴──── deleted, or its dependency cannot be met

Pure: ``handle(event, now)`` gives orders. The book is written down before they are carried out.
"""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from mesos_py.errors import UserError
from mesos_py.frameworks.batch import accounting, admission, endings
from mesos_py.frameworks.batch.config import BatchConfig
from mesos_py.frameworks.batch.events import (
    Account,
    Agent,
    AgentsSeen,
    Answer,
    Asked,
    Decline,
    Effect,
    Event,
    KillShare,
    Launch,
    OffersCame,
    OffersLost,
    Refuse,
    ShareChanged,
    Ticked,
    WantOffers,
)
from mesos_py.frameworks.batch.jobs import NODE_RESOURCES, Book, Job, JobState, Share, chunk_of, wish_of
from mesos_py.frameworks.batch.planning import Use, plan
from mesos_py.frameworks.batch.requests import Delete, Hold, JobRequest, ListJobs, ListNodes, Release
from mesos_py.frameworks.batch.turns import eligible, in_turn, is_met, jobs_of
from mesos_py.frameworks.batch.views import job_views, node_views
from mesos_py.scheduler.toolkit import Gang, Gangs
from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources

__all__ = ["Batch"]

PLANNED: Final = 500
"""Waiting jobs that are given a place and a time; those behind them wait for their turn to be planned."""
_FOREIGN_S: Final = 60.0
"""What other frameworks use is taken to be theirs for so much longer."""


class Batch:
    """All jobs of one server."""

    def __init__(self, config: BatchConfig, book: Book, *, seed: str = "") -> None:
        """``book`` is that of the earlier process, or an empty one."""
        self.config = config
        self.book = book
        self.agents: Mapping[AgentID, Agent] = {}
        self._gangs = Gangs(config.gangs, seed=seed)
        self._job_of: dict[TaskID, str] = {
            share.task_id: job_id for job_id, job in book.jobs.items() if job.is_on_nodes for share in job.shares
        }
        self._wanted: frozenset[str] | None = None
        self.expected: dict[str, float] = {}
        """When waiting jobs start at the latest, as planned last; seconds."""
        self._effects: list[Effect] = []
        self._now = 0.0

    def live_tasks(self) -> list[TaskID]:
        """What runs as far as is known; to be reconciled by a new process."""
        return list(self._job_of)

    def next_deadline(self) -> float | None:
        """When to send Ticked if nothing else happens first."""
        rests = [job.rests_until for job in self.book.jobs.values() if job.rests_until > self._now]
        return min((at for at in (self._gangs.next_deadline(), *rests) if at is not None), default=None)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Decide. ``now`` is in seconds since the epoch."""
        self._effects, self._now = [], now
        match event:
            case Asked():
                self._asked(event, now)
            case OffersCame():
                self._came(event.offers, now)
            case OffersLost():
                self._gangs.lost(event.offers)
            case ShareChanged():
                self._changed(event, now)
            case AgentsSeen():
                self.agents = event.agents
            case Ticked():
                self._forget(now)
            case _:
                assert_never(event)
        self._schedule(now)
        return self._effects

    # Requests

    def _asked(self, event: Asked, now: float) -> None:
        try:
            self._effects.append(self._answer(event, now))
        except UserError as error:
            self._effects.append(Refuse(why=str(error)))

    def _answer(self, event: Asked, now: float) -> Answer:
        request = event.request
        match request:
            case JobRequest():
                return self._submit(request, event, now)
            case Delete():
                for job in self._own(request.jobs, event):
                    self._delete(job, f"deleted by {event.user}", now)
            case Hold():
                for job in self._own(request.jobs, event):
                    job.is_held = True
            case Release():
                for job in self._own(request.jobs, event):
                    job.is_held = False
            case ListJobs():
                return Answer(value=job_views(self._named(request.jobs), self.expected, now))
            case ListNodes():
                return Answer(value=node_views(self.book, self.agents))
            case _:
                assert_never(request)
        return Answer(value=None)

    def _submit(self, request: JobRequest, event: Asked, now: float) -> Answer:
        admission.check(request, self.config, self.book, self.agents, event.user)
        jobs = admission.jobs_of_request(request, self.config, self.book.next_number, event.user, now)
        self.book.next_number += 1
        for job in jobs:
            self.book.jobs[job.job_id] = job
            self._account("Q", job)
        name = str(jobs[0].number) if jobs[0].index is None else f"{jobs[0].number}[]"
        return Answer(value=name, job=jobs[0])

    def _named(self, names: Sequence[str]) -> list[Job]:
        jobs: dict[str, Job] = {}
        for name in dict.fromkeys(names):
            found = jobs_of(self.book, name)
            if not found:
                hint = f": {name}[] is an array" if jobs_of(self.book, f"{name}[]") else ""
                raise UserError(f"unknown job {name}{hint}")
            jobs |= {job.job_id: job for job in found}
        return list(jobs.values()) if names else list(self.book.jobs.values())

    def _own(self, names: Sequence[str], event: Asked) -> list[Job]:
        jobs = self._named(names)
        for job in jobs:
            if job.owner != event.user and not event.is_operator:
                raise UserError(f"job {job.job_id} belongs to {job.owner}, not to {event.user}")
        if len(names) == 1 and all(job.is_over for job in jobs):
            raise UserError(f"job {names[0]} has ended")
        return [job for job in jobs if not job.is_over]

    def _delete(self, job: Job, comment: str, now: float) -> None:
        job.is_deleted, job.comment = True, comment
        self._account("D", job, requester=comment.rpartition(" ")[2])
        if job.is_on_nodes:
            self._clear(job)
            self._end_if_clear(job, now)
        else:
            self._complete(job, endings.TERMINATED, now)

    # The cluster

    def _came(self, offers: Sequence[Offer], now: float) -> None:
        """Each share needs a port; an offer with fewer ports than cpus is of no use."""
        useful = [offer for offer in offers if len(_ports(offer)) >= offer.resources.cpus]
        self._gangs.offered(useful, now)
        if useless := [offer for offer in offers if offer not in useful]:
            self._effects.append(Decline(offers=useless))

    def _changed(self, event: ShareChanged, now: float) -> None:
        job = self.book.jobs.get(self._job_of.get(event.status.task_id, ""))
        if job is None:
            if endings.is_alive(event.status):  # of an attempt that was given up
                self._effects.append(KillShare(task_id=event.status.task_id))
            return
        endings.note(job, event.status)
        if endings.is_broken(job):
            self._clear(job)
        self._end_if_clear(job, now)

    def _clear(self, job: Job) -> None:
        job.state = JobState.EXITING
        self._effects.extend(KillShare(task_id=share.task_id) for share in job.shares if not share.has_ended)

    def _end_if_clear(self, job: Job, now: float) -> None:
        if not endings.is_clear(job):
            return
        for share in job.shares:
            self._job_of.pop(share.task_id, None)
        if endings.runs_again(job):
            accounting.charge_for(self.book, job, now)
            self._account("R", job)
            endings.requeue(job, now)
        else:
            self._complete(job, endings.exit_status_of(job), now)

    def _complete(self, job: Job, status: int, now: float) -> None:
        accounting.charge_for(self.book, job, now)
        job.state, job.exit_status, job.ended = JobState.COMPLETED, status, now
        if job.started is not None:
            self._account("E", job)

    def _forget(self, now: float) -> None:
        """Ended jobs, unless somebody waits for them."""
        needed = {
            other.job_id
            for job in self.book.jobs.values()
            if not job.is_over
            for dependency in job.dependencies
            for other in jobs_of(self.book, dependency.job)
        }
        for job_id, job in list(self.book.jobs.items()):
            if job.ended is not None and now - job.ended > self.config.keep_s and job_id not in needed:
                del self.book.jobs[job_id]

    # Starting

    def _schedule(self, now: float) -> None:
        self._settle_holds(now)
        waiting = in_turn(eligible(self.book, self.config.queues, now), self.book, self.config.queues, now)[:PLANNED]
        places = self._plan(waiting, now)
        gangs = [
            Gang(
                key=job.job_id,
                count=job.nodes,
                member=chunk_of(job.nodes, job.ppn, job.mem_mb),
                per_agent=NODE_RESOURCES,
                most=places[job.job_id],
            )
            for job in waiting
            if job.job_id in places
        ]
        assembly = self._gangs.assemble(gangs, now)
        self._launch([(launch.offers, {s.key: s.count for s in launch.shares}) for launch in assembly.launches], now)
        if assembly.unused:
            self._effects.append(Decline(offers=assembly.unused))
        wanted = frozenset(gang.key for gang in gangs) - set(assembly.started)
        if self._wanted is None or bool(wanted) != bool(self._wanted) or wanted - self._wanted:
            self._effects.append(WantOffers(wanted=bool(wanted)))
        self._wanted = wanted

    def _plan(self, waiting: Sequence[Job], now: float) -> dict[str, dict[AgentID, int]]:
        """Where jobs may start now. What only others keep from starting asks for offers, too.

        What others have comes free for whoever asks, one offer after the other: who waited until he sees room for a
        job would see none, for they would always have taken it again.
        """
        totals = {agent_id: agent.resources for agent_id, agent in self.agents.items() if agent.is_usable}
        held = {offer.agent_id for offer in self._gangs.held}
        wishes = [wish_of(job) for job in waiting]
        ours = self._our_uses(now)
        theirs = self._their_uses(ours, now)
        outcome = plan(totals, [*ours, *theirs], wishes, now, held)
        self.expected = outcome.later
        alone = plan(totals, ours, wishes, now, held).starts if theirs else {}
        return alone | outcome.starts

    def _settle_holds(self, now: float) -> None:
        """Held or not, by what users say and what the job waits for. What never can run is deleted, and so on."""
        again = True
        while again:
            again = False
            for job in self.book.jobs.values():
                if job.state not in (JobState.QUEUED, JobState.HELD):
                    continue
                met = [is_met(dependency, self.book) for dependency in job.dependencies]
                if None in met:
                    never = job.dependencies[met.index(None)]
                    self._delete(job, f"{never.condition} of job {never.job} can never be met", now)
                    again = True
                else:
                    job.state = JobState.HELD if job.is_held or not all(met) else JobState.QUEUED

    def _our_uses(self, now: float) -> list[Use]:
        """By our jobs."""
        uses = []
        for job in self.book.jobs.values():
            if not job.is_on_nodes:
                continue
            chunk = chunk_of(job.nodes, job.ppn, job.mem_mb)
            places: dict[AgentID, Resources] = {}
            for share in job.shares:
                if not share.has_ended:
                    taken = Resources.sum([chunk] * share.count) + NODE_RESOURCES
                    places[share.agent_id] = places.get(share.agent_id, Resources()) + taken
            uses.append(Use(places=places, until=(job.started or now) + job.walltime_s))
        return uses

    def _their_uses(self, ours: Sequence[Use], now: float) -> list[Use]:
        """By other frameworks: for as long as they are seen to use it, and a little longer.

        What we are offered they no longer use, whatever was seen before.
        """
        mine, free = ({agent_id: Resources() for agent_id in self.agents} for _ in range(2))
        for agent_id, taken in (place for use in ours for place in use.places.items()):
            if agent_id in mine:
                mine[agent_id] += taken
        for offer in self._gangs.held:
            if offer.agent_id in free:
                free[offer.agent_id] += offer.resources.flatten()
        uses = []
        for agent_id, agent in self.agents.items():
            seen, total = agent.used.quantities(), agent.resources.quantities()
            offered, own = free[agent_id].quantities(), mine[agent_id].quantities()
            foreign = {
                name: max(0, min(seen.get(name, 0), total.get(name, 0) - offered.get(name, 0)) - own.get(name, 0))
                for name in ("cpus", "mem")
            }
            if any(foreign.values()):
                uses.append(Use(places={agent_id: Resources(foreign)}, until=now + _FOREIGN_S))
        return uses

    def _launch(self, launches: Sequence[tuple[list[Offer], dict[str, int]]], now: float) -> None:
        orders = []
        for offers, counts in launches:
            ports = [port for offer in offers for port in _ports(offer)]
            others = sum(self.book.jobs[job_id].attempt for job_id in counts) % len(ports)  # one may have been taken
            ports = ports[others:] + ports[:others]
            shares = []
            for (job_id, count), port in zip(counts.items(), ports, strict=False):
                job = self.book.jobs[job_id]
                if job.state is JobState.QUEUED:
                    job.state, job.started, job.comment = JobState.RUNNING, now, ""
                share = Share(
                    task_id=job.task_id(len(job.shares)),
                    agent_id=offers[0].agent_id,
                    hostname=offers[0].hostname,
                    address=offers[0].url,
                    port=port,
                    count=count,
                )
                job.shares.append(share)
                self._job_of[share.task_id] = job_id
                shares.append((job, share))
            orders.append(Launch(offers=offers, shares=shares))
        for job in {job.job_id: job for order in orders for job, _ in order.shares}.values():
            self._account("S", job)
        self._effects.extend(orders)  # each job is complete only now

    def _account(self, kind: str, job: Job, **more: str) -> None:
        self._effects.append(Account(kind=kind, job_id=job.job_id, fields=accounting.fields(kind, job) | more))


def _ports(offer: Offer) -> list[int]:
    return [port for begin, end in offer.resources.ports for port in range(begin, end + 1)]
