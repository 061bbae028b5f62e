"""Runs a scenario under virtual time, and tells how everybody fared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from mesos_py.allocator.base import Allocator, AllocatorConfig
from mesos_py.errors import ConfigError
from mesos_py.master.effects import Outcome
from mesos_py.master.events import OperatorSetQuotas
from mesos_py.testing.simulation.cluster import Cluster, Setup
from mesos_py.testing.simulation.hosts import Behaviour
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.testing.traces.arrivals import Job, jobs_of
from mesos_py.testing.traces.figures import mean, percentile
from mesos_py.testing.traces.scenario import AgentGroup, FrameworkGroup, Scenario
from mesos_py.testing.traces.user import TraceUser
from mesos_py.types.attributes import parse_attributes
from mesos_py.types.ids import Role
from mesos_py.types.infos import AgentInfo

__all__ = ["FrameworkReport", "FrameworkSeries", "Report", "Series", "run_scenario"]

_GATHERS_WITHIN_S: Final = 600.0
_POINTS: Final = 400
_UTILISED: Final = ("cpus", "mem")


class FrameworkSeries(Struct, kw_only=True):
    """One framework at the times of the series."""

    share: list[float] = []
    """Dominant share, 0 to 1, of what its running tasks use."""
    running: list[int] = []
    waiting: list[int] = []


class Series(Struct, kw_only=True):
    """What was when."""

    time_s: list[float] = []
    utilisation: dict[str, list[float]] = {}
    """0 to 1, by resource."""
    frameworks: dict[str, FrameworkSeries] = {}

    def thin_out(self) -> None:
        """Keep every other point."""
        columns: list[list[Any]] = [self.time_s, *self.utilisation.values()]
        for each in self.frameworks.values():
            columns += [each.share, each.running, each.waiting]
        for column in columns:
            del column[1::2]


class FrameworkReport(Struct, frozen=True, kw_only=True):
    """How a framework fared; None where there is nothing to tell."""

    name: str
    role: str
    tasks: int
    """That arrived."""
    done: int
    lost: int
    """How often one ended before its time, because its agent left, and was queued again."""
    fit_nowhere: int
    """That are larger than every agent the framework may use."""
    completion_s: float | None
    """From the first arrival to the end of the last task; None if some are not done."""
    wait_mean_s: float | None
    """From arrival to running, of the tasks that have run."""
    wait_p95_s: float | None
    first_offer_mean_s: float | None
    """From when it wants something, after it wanted nothing, to the next offer."""
    first_offer_p95_s: float | None
    share_mean: float | None
    """Dominant share, 0 to 1, on average over the time in which it had tasks that were not done."""


class Report(Struct, frozen=True, kw_only=True):
    """How a scenario went."""

    seed: int
    policy: str
    simulated_s: float
    """From the beginning to the end of the last task, or to the scenario's end."""
    utilisation: dict[str, float]
    """Of cpus and mem, 0 to 1: what tasks used of what there was, over all that time."""
    frameworks: list[FrameworkReport]
    events: int
    """That the cores of masters, agents and schedulers have handled."""
    series: Series


MakeAllocator = Callable[[str, AllocatorConfig], Allocator]
"""Makes the policy of a name. Raises ConfigError."""


def run_scenario(scenario: Scenario, make_allocator: MakeAllocator, directory: Path = Path()) -> Report:
    """Run it; ``directory`` is where its CSV files are. Raises ConfigError, and PromiseError if a promise is broken."""
    run = _Run(scenario, make_allocator, directory)
    run.gather()
    run.go()
    return run.report()


class _Run:
    def __init__(self, scenario: Scenario, make_allocator: MakeAllocator, directory: Path) -> None:
        self._scenario = scenario
        self._directory = directory
        config = AllocatorConfig(
            allocation_interval_s=scenario.allocation_interval,
            weights={Role(role): settings.weight for role, settings in scenario.roles.items()},
        )
        make_allocator(scenario.policy, config)  # so that a wrong name is found here
        setup = Setup(masters=1, allocator=lambda: make_allocator(scenario.policy, config), events_kept=1_000_000)
        self._durations: dict[str, float] = {}
        self._cluster = Cluster(scenario.seed, setup, self._behave)
        self._capacity: dict[str, int] = {}
        """What the agents have that are there, in thousandths by name."""
        self._users: dict[str, TraceUser] = {}
        self._jobs: dict[str, list[Job]] = {}
        for group in scenario.frameworks:
            for name in group.names():
                self._users[name] = TraceUser(self._cluster, name, group, self._capacity, self._durations)
                self._jobs[name] = self._draw_jobs(name, group)
        self._series = Series(
            utilisation={name: [] for name in _UTILISED}, frameworks={name: FrameworkSeries() for name in self._users}
        )
        self._began_at = 0.0

    def _behave(self, task_id: str, dice: Dice) -> Behaviour:  # noqa: ARG002  (as the cluster calls it)
        return Behaviour(runs_s=self._durations[task_id])

    def _draw_jobs(self, name: str, group: FrameworkGroup) -> list[Job]:
        jobs: list[Job] = []
        for number, stream in enumerate(group.tasks):
            dice = Dice(self._scenario.seed, f"arrivals {name} {number}")
            jobs += jobs_of(stream, self._scenario.until, dice, self._directory)
        return sorted(jobs, key=lambda job: job.at)

    # Before the scenario begins

    def gather(self) -> None:
        """Let the agents that are there from the beginning, and all frameworks, find their master; set quotas."""
        for group in self._scenario.agents:
            if not group.join:
                self._join(group)
        for user in self._users.values():
            self._cluster.add_framework(user)
        while not self._all_here():
            if self._cluster.now > _GATHERS_WITHIN_S:
                raise ConfigError(f"after {_GATHERS_WITHIN_S:.0f} s not all agents and frameworks are registered")
            self._cluster.run(self._cluster.now + 1.0)
        self._set_quotas()
        self._began_at = self._cluster.now

    def _all_here(self) -> bool:
        leader = self._cluster.leader
        agents = sum(agent.connected for agent in leader.core.state.agents.values()) if leader and leader.core else 0
        return agents == len(self._cluster.hosts) and all(user.framework_id for user in self._users.values())

    def _set_quotas(self) -> None:
        quotas = {Role(role): quota for role, each in self._scenario.roles.items() if (quota := each.quota())}
        leader = self._cluster.leader
        if quotas and leader is not None:
            ticket = leader.operate(OperatorSetQuotas(quotas))
            while ticket not in leader.answers:
                self._cluster.run(self._cluster.now + 1.0)
            answer = leader.answers[ticket]
            if answer.outcome is not Outcome.DONE:
                raise ConfigError(f"roles: {answer.message}")

    # The scenario

    def go(self) -> None:
        """Let time pass until the end."""
        for name, user in self._users.items():
            user.begins(self._jobs[name])
        for group in self._scenario.agents:
            if group.join:
                self._cluster.timeline.after(group.join, self._join, group)
            if group.leave is not None:
                self._cluster.timeline.after(group.leave, self._leave, group)
        step = self._scenario.sample or 1.0
        self._sample()
        while self._now < self._scenario.until and not all(user.finished for user in self._users.values()):
            self._cluster.run(self._began_at + min(self._now + step, self._scenario.until))
            self._sample()
            if self._scenario.sample is None and len(self._series.time_s) > _POINTS:
                self._series.thin_out()
                step *= 2

    @property
    def _now(self) -> float:
        return self._cluster.now - self._began_at

    def _join(self, group: AgentGroup) -> None:
        for name in group.names():
            attributes = parse_attributes(group.attributes)
            self._cluster.add_agent(
                AgentInfo(name=name, hostname=name, resources=group.resources, attributes=attributes)
            )
        self._add_capacity(group, group.count)

    def _leave(self, group: AgentGroup) -> None:
        for name in group.names():
            self._cluster.retire_agent(name)
        self._add_capacity(group, -group.count)

    def _add_capacity(self, group: AgentGroup, agents: int) -> None:
        for name, amount in group.resources.quantities().items():
            self._capacity[name] = self._capacity.get(name, 0) + agents * amount
        for user in self._users.values():
            user.account.measure(self._now if self._began_at else 0.0)

    def _sample(self) -> None:
        series, accounts = self._series, {name: user.account for name, user in self._users.items()}
        series.time_s.append(round(self._now, 3))
        for name, values in series.utilisation.items():
            used = sum(account.used[name].value for account in accounts.values())
            values.append(round(used / self._capacity[name], 6) if self._capacity.get(name) else 0.0)
        for name, account in accounts.items():
            framework = series.frameworks[name]
            framework.share.append(round(account.share.value, 6))
            framework.running.append(account.running)
            framework.waiting.append(account.waiting)

    # The end

    def report(self) -> Report:
        """How it went."""
        finished = all(user.finished for user in self._users.values())
        ends = [user.account.last_end for user in self._users.values() if user.account.last_end is not None]
        end = max(ends, default=self._now) if finished else self._now
        return Report(
            seed=self._scenario.seed,
            policy=self._scenario.policy,
            simulated_s=round(end, 3),
            utilisation={name: self._utilisation(name, end) for name in _UTILISED},
            frameworks=[self._tell_of(user) for user in self._users.values()],
            events=self._cluster.handled,
            series=self._series,
        )

    def _utilisation(self, name: str, end: float) -> float:
        there = 0.0
        for group in self._scenario.agents:
            stays = max(0.0, min(end, group.leave or end) - group.join)
            there += group.count * group.resources.scalar(name) * stays
        used = sum(user.account.used[name].until(end) for user in self._users.values())
        return round(used / there, 6) if there else 0.0

    def _tell_of(self, user: TraceUser) -> FrameworkReport:
        account, now = user.account, self._now
        busy = account.busy.until(now)
        completion = None
        if user.finished and account.first_arrival is not None and account.last_end is not None:
            completion = account.last_end - account.first_arrival
        return FrameworkReport(
            name=user.name,
            role=user.group.role,
            tasks=account.arrived,
            done=account.done,
            lost=account.lost,
            fit_nowhere=sum(len(job.durations) for job in self._jobs[user.name] if not self._fits(user.role, job)),
            completion_s=_rounded(completion),
            wait_mean_s=_rounded(mean(account.waits)),
            wait_p95_s=_rounded(percentile(account.waits, 95)),
            first_offer_mean_s=_rounded(mean(account.first_offers)),
            first_offer_p95_s=_rounded(percentile(account.first_offers, 95)),
            share_mean=round(account.share.until(now) / busy, 6) if busy else None,
        )

    def _fits(self, role: Role, job: Job) -> bool:
        return any(
            group.resources.available_to(role).flatten().contains(job.resources) for group in self._scenario.agents
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
