"""A user whose tasks arrive by a scenario; she launches them as a good framework does.

She launches what fits first, declines what she has no use for with a refusal, wants no offers while she has nothing to
run, and asks for them again when she has. If she states her demand, she states it anew when it changes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from mesos_py.messages.scheduler import Accept, Decline, Offers, Request, Revive, Suppress, Update
from mesos_py.scheduler import effects
from mesos_py.scheduler.events import OURS, UserCall
from mesos_py.testing.simulation.schedulers import SchedulerProcess
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.testing.traces.arrivals import Job
from mesos_py.testing.traces.figures import Account
from mesos_py.testing.traces.queue import Bin, JobQueue, TaskRun, Wanted
from mesos_py.testing.traces.scenario import FrameworkGroup
from mesos_py.types.ids import FrameworkID, OfferID, Role, TaskID
from mesos_py.types.infos import Demand, FrameworkInfo
from mesos_py.types.offers import Launch, Offer
from mesos_py.types.tasks import TERMINAL, CommandInfo, TaskInfo, TaskState, TaskStatus

if TYPE_CHECKING:
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["TraceUser"]

_STATED_AGAIN_S: Final = 1.0
"""While she has offers anyway, a demand that has changed is stated after so long, together with what else changes."""
_MOST_DEMANDS: Final = 32
_COMMAND: Final = CommandInfo(value="true")


class TraceUser:
    """Part of the simulation: see User."""

    process: SchedulerProcess
    auto_acknowledge = True

    def __init__(
        self,
        cluster: "Cluster",
        name: str,
        group: FrameworkGroup,
        capacity: Mapping[str, int],
        durations: dict[str, float],
    ) -> None:
        """Nothing has arrived yet.

        ``capacity`` is what the cluster has, for her account; in ``durations`` she puts how long her tasks run.
        """
        self.cluster = cluster
        self.name = name
        self.group = group
        self.role = Role(group.role)
        self.framework = FrameworkInfo(name=name, roles=[self.role], filters={self.role: group.filter()})
        self.framework_id: FrameworkID | None = None
        self.account = Account(capacity)
        self.durations = durations
        self._began_at = 0.0
        self._to_arrive = 0
        self._queue = JobQueue()
        self._launched: dict[TaskID, TaskRun] = {}
        self._running: set[TaskID] = set()
        self._held: dict[OfferID, Offer] = {}
        self._dice = Dice(cluster.seed, f"user {name}")
        self._wanting_since: float | None = None
        self._suppressed = False
        self._stating = False
        self._made = 0

    @property
    def finished(self) -> bool:
        """All has arrived and is done."""
        return not (self._to_arrive or self.account.waiting or self.account.running)

    @property
    def now(self) -> float:
        """Seconds since the scenario began."""
        return self.cluster.now - self._began_at

    # What arrives

    def begins(self, jobs: list[Job]) -> None:
        """The scenario begins now, and these are to arrive."""
        self._began_at = self.cluster.now
        self._to_arrive = len(jobs)
        for job in jobs:
            self.cluster.timeline.after(job.at, self._arrive, job)

    def _arrive(self, job: Job) -> None:
        self._to_arrive -= 1
        self.account.arrives(len(job.durations), self.now)
        tasks = tuple(TaskRun(self.now, job.resources, duration) for duration in job.durations)
        self._want(Wanted(tasks))

    def _want(self, wanted: Wanted) -> None:
        idle = not self._queue
        self._queue.add(wanted)
        if idle:
            self._wanting_since = self.now
        if self._suppressed:
            self._suppressed = False
            self._state_demand()
            self._call(Revive(framework_id=OURS, roles=[self.role]))
        else:
            self._demand_changes()

    def _demand_changes(self) -> None:
        if self.group.demand and not self._stating:
            self._stating = True
            self.cluster.timeline.after(_STATED_AGAIN_S, self._state_again)

    def _state_again(self) -> None:
        self._stating = False
        if self._queue:
            self._state_demand()

    def _state_demand(self) -> None:
        if self.group.demand:
            demands = [Demand(slice=resources, count=count) for resources, count in self._queue.demands()]
            if self._queue.has_gangs and self.group.per_offer is not None:
                demands = []  # all slices might come on one agent, where she may not use them together
            self._call(Request(framework_id=OURS, role=self.role, demands=demands[:_MOST_DEMANDS]))

    def _call(self, call: UserCall) -> None:
        self.process.call(call)

    # What she hears

    def began(self, process: SchedulerProcess) -> None:
        """Part of User."""

    def stopped(self, end: effects.StopDriver, process: SchedulerProcess) -> None:
        """Part of User: she does nothing that she could be stopped for."""
        self.cluster.fail(f"8 bad input: {process.name} was stopped: {end.error}")

    def disagreements(self) -> list[str]:
        """Part of User."""
        return []

    def hear(self, event: effects.UserEvent, process: SchedulerProcess) -> None:  # noqa: ARG002  (there is one only)
        """Part of User."""
        match event:
            case effects.Registered():
                self.framework_id = event.framework_id
                self.cluster.timeline.after(0.0, self._rest)
            case Offers():
                self._held.update((offer.offer_id, offer) for offer in event.offers)
                self.cluster.timeline.after(0.0, self._use_offers, list(event.offers))
            case effects.OffersRescinded():
                for offer in event.offers:
                    self._held.pop(offer.offer_id, None)
                self._demand_changes()
            case Update():
                self._hear_update(event.status)

    def _hear_update(self, status: TaskStatus) -> None:
        run = self._launched.get(status.task_id)
        if run is None:
            return
        if status.state is TaskState.RUNNING and status.task_id not in self._running:
            self._running.add(status.task_id)
            self.account.starts(run.resources.quantities(), self.now)
            if not run.waited:
                run.waited = True
                self.account.waits.append(self.now - run.arrived)
        elif status.state in TERMINAL:
            del self._launched[status.task_id], self.durations[status.task_id]
            done = status.state is TaskState.FINISHED
            if status.task_id in self._running:
                self._running.remove(status.task_id)
                self.account.ends(run.resources.quantities(), self.now, done=done)
            if not done:
                self.cluster.timeline.after(0.0, self._want, Wanted((run,)))

    # Offers

    def _use_offers(self, offers: list[Offer]) -> None:
        if self._wanting_since is not None:
            self.account.first_offers.append(self.now - self._wanting_since)
            self._wanting_since = None
        bins = [Bin(offer, self.group.per_offer) for offer in self._held.values()]
        self._queue.fill(bins)
        unused = []
        for each in bins:
            if each.launches:
                self._accept(each)
            else:
                unused.append(each.offer.offer_id)
        if self._queue.has_gangs:
            for offer in offers:
                patience = self.group.hold * (0.5 + self._dice.random())  # or two who wait for one another do for ever
                self.cluster.timeline.after(patience, self._decline, [offer.offer_id])
        elif unused:
            self._decline(unused)
        self._rest()

    def _accept(self, filled: Bin) -> None:
        del self._held[filled.offer.offer_id]
        tasks = []
        for run, taken in filled.launches:
            self._made += 1
            task_id = TaskID(f"{self.name}-{self._made}")
            self.durations[task_id] = run.duration
            self._launched[task_id] = run
            tasks.append(TaskInfo(task_id=task_id, resources=taken, command=_COMMAND))
        accept = Accept(
            framework_id=OURS,
            offer_ids=[filled.offer.offer_id],
            operations=[Launch(tasks=tasks)],
            refuse_seconds=self.group.refuse,
        )
        self._call(accept)
        if filled.rest:
            self._demand_changes()  # what is refused counts as not wanted

    def _decline(self, offer_ids: list[OfferID]) -> None:
        held = [offer_id for offer_id in offer_ids if self._held.pop(offer_id, None) is not None]
        if held:
            self._call(Decline(framework_id=OURS, offer_ids=held, refuse_seconds=self.group.refuse))
            self._demand_changes()

    def _rest(self) -> None:
        """Want no offers if there is nothing to run."""
        if not self._queue and not self._suppressed:
            self._suppressed = True
            self._call(Suppress(framework_id=OURS, roles=[self.role]))
