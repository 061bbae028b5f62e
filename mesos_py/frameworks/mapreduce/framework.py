"""The scheduler of one job: finds places for the plan's attempts, tells the plan what became of them."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mesos_py import (
    LIVE,
    Blacklist,
    BlacklistPolicy,
    CommandInfo,
    Constraint,
    Delay,
    DelayPolicy,
    Error,
    ExecutorInfo,
    Failure,
    FailureReason,
    Framework,
    MessageReceived,
    Offer,
    OfferFilter,
    Resources,
    TaskInfo,
    TaskQueue,
    TaskSpec,
    TaskState,
    TaskStatus,
    delay_fit,
    parse_constraint,
)
from mesos_py.errors import MesosError
from mesos_py.frameworks.mapreduce import plan
from mesos_py.frameworks.mapreduce.blocks import Blocks, blocks_for, plan_splits
from mesos_py.frameworks.mapreduce.job import Job, Split
from mesos_py.frameworks.mapreduce.orders import Order, Outcome, Progress
from mesos_py.frameworks.mapreduce.output import Output
from mesos_py.frameworks.mapreduce.serving import JobServer, new_job_id, own_address
from mesos_py.types.ids import ExecutorID, TaskID

__all__ = ["JobResult", "Settings", "Watcher", "run_job"]

_EXECUTOR_MEM: Final = 64.0
_TICK_S: Final = 1.0
_REFUSE_S: Final = 0.5


class Settings(Struct, frozen=True, kw_only=True):
    """How a job uses the cluster."""

    broker: str
    role: str = "*"
    python: str = sys.executable
    """On the agents: one that has mesos_py."""
    address: str = ""
    """Of this host, as agents reach it; by default that on the way to the broker."""
    delay: DelayPolicy = DelayPolicy()
    blacklist: BlacklistPolicy = BlacklistPolicy()
    slow_s: float = 10.0
    """Attempts that have not run for longer are never slow."""


class JobResult(Struct, frozen=True, kw_only=True):
    """How a job ended."""

    job_id: str
    counters: dict[str, dict[str, int]]
    """Group, name, amount."""
    seconds: float


class Watcher:
    """Hears how a job goes; this one does not care."""

    def began(self, job_id: str, maps: int, reduces: int) -> None:
        """It was planned."""

    def progressed(self, maps: float, reduces: float) -> None:
        """Shares of the work that are done, from 0 to 1."""

    def failed(self, attempt: str, why: str) -> None:
        """An attempt failed by its own fault."""

    def noted(self, text: str) -> None:
        """Something else, for people."""


class _Live(Struct):
    host: str
    share: float = 0.0


def run_job(job: Job, settings: Settings, watcher: Watcher | None = None) -> JobResult:
    """Run it to its end. Raises MesosError with one clear line; then nothing is left of it."""
    return _JobRun(job, settings, watcher or Watcher()).run()


class _JobRun:
    """One job."""

    def __init__(self, job: Job, settings: Settings, watcher: Watcher) -> None:
        _check_files(job)
        self._job = job
        self._settings = settings
        self._watcher = watcher
        self._job_id = new_job_id()
        self._blocks: dict[str, Blocks] = {path: blocks_for(path) for path in job.inputs}
        found = [(blocks, file) for path, blocks in self._blocks.items() for file in blocks.files(path)]
        self._splits: list[Split] = plan_splits(job, [file for _, file in found])
        self._home = {file.path: blocks for blocks, file in found}
        policy = plan.PlanPolicy(attempts=job.attempts, speculative=job.speculative, slow_s=settings.slow_s)
        self._plan = plan.JobPlan(len(self._splits), job.reduces, policy)
        self._output = Output(job.output, self._job_id, job.compress)
        self._server = JobServer(job, self._splits, self._order, settings.address or own_address(settings.broker))
        least = Resources.of(cpus=job.cpus, mem=min(job.map_mem, job.reduce_mem))
        self._framework = Framework(
            f"mapreduce {job.name}",
            roles=[settings.role],
            filters={settings.role: OfferFilter(least=least)},
            refuse_seconds=_REFUSE_S,
        )
        self._queue = TaskQueue()
        self._delay = Delay(settings.delay, time.monotonic())
        self._blacklist = Blacklist(settings.blacklist)
        self._executors: dict[str, ExecutorInfo] = {}
        self._live: dict[str, _Live] = {}
        self._host_of: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._staged: set[str] = set()
        self._given: dict[str, dict[int, str]] = {}
        """To each reduce that runs: by map, the attempt whose output it is to fetch."""
        self._counters: dict[plan.Work, list[tuple[str, str, int]]] = {}
        """Of each piece of work only those of the attempt that counts."""
        self._failure = ""
        self._finished = False
        self._committing = ThreadPoolExecutor(2, thread_name_prefix="commit")
        self._framework.on_offers(self._on_offers)
        self._framework.on_update(self._on_update)
        self._framework.on_message(self._on_message)
        self._framework.on_failure(self._on_failure)
        self._framework.on_error(self._on_error)

    def run(self) -> JobResult:
        began = time.monotonic()
        self._watcher.began(self._job_id, self._plan.count(plan.Kind.MAP), self._plan.count(plan.Kind.REDUCE))
        try:
            self._carry_out(self._plan.begin())
            self._framework.call_later(_TICK_S, self._tick)
            self._framework.run(self._settings.broker)
            if self._failure or not self._finished:
                raise MesosError(self._failure or "the job was stopped")
            self._output.publish()
        finally:
            self._committing.shutdown(cancel_futures=True)
            self._server.close()
            self._output.discard()
        return JobResult(job_id=self._job_id, counters=self._sums(), seconds=time.monotonic() - began)

    def _sums(self) -> dict[str, dict[str, int]]:
        sums: Counter[tuple[str, str]] = Counter()
        for counters in self._counters.values():
            for group, name, amount in counters:
                sums[group, name] += amount
        groups: dict[str, dict[str, int]] = {}
        for (group, name), amount in sorted(sums.items()):
            groups.setdefault(group, {})[name] = amount
        return groups

    # Orders of the plan

    def _happened(self, event: plan.Event) -> None:
        self._carry_out(self._plan.handle(event, time.monotonic()))
        self._tell_progress()

    def _carry_out(self, orders: Sequence[plan.Order]) -> None:
        for order in orders:
            match order:
                case plan.Start():
                    self._want(order)
                case plan.Unwant():
                    self._queue.remove(TaskID(order.attempt))
                case plan.Kill():
                    self._framework.kill(order.attempt)
                case plan.Commit():
                    self._committing.submit(self._commit, order)
                case plan.Finish():
                    self._finished = True
                    self._framework.stop()
                case plan.GiveUp():
                    self._give_up(order.why)

    def _want(self, order: plan.Start) -> None:
        if not self._queue:
            self._delay.restart(time.monotonic())
            self._framework.revive()
        job, work = self._job, order.work
        mem = job.map_mem if work.kind is plan.Kind.MAP else job.reduce_mem
        task = TaskInfo(task_id=TaskID(order.attempt), name=job.name, resources=Resources.of(cpus=job.cpus, mem=mem))
        hosts: tuple[str, ...] = ()
        constraints: list[Constraint] = []
        if work.kind is plan.Kind.MAP:
            split = self._splits[work.index]
            hosts = self._home[split.path].hosts(split)
            if split.pinned:
                constraints.append(parse_constraint(f"@hostname:LIKE:{'|'.join(map(_quoted, split.pinned))}"))
        if order.avoid:
            avoided = "|".join(_quoted(self._host_of[agent_id]) for agent_id in order.avoid)
            constraints.append(parse_constraint(f"@hostname:UNLIKE:{avoided}"))
        self._queue.add(TaskSpec(task=task, hosts=list(hosts), constraints=constraints))

    def _commit(self, order: plan.Commit) -> None:
        """In a thread of its own."""
        url = "" if order.attempt in self._staged else self._urls[order.attempt]
        event: plan.Event = plan.Committed(order.attempt)
        try:
            self._output.commit(order.attempt, order.work.index, url)
        except (OSError, MesosError) as error:
            event = plan.NotCommitted(order.attempt, f"its output cannot be had: {error}")
        self._framework.call_later(0.0, self._happened, event)

    def _give_up(self, why: str) -> None:
        self._failure = self._failure or why
        self._framework.stop()

    # Places

    def _on_offers(self, offers: Sequence[Offer]) -> None:
        now = time.monotonic()
        self._blacklist.saw([offer.hostname for offer in offers])
        by_id = {offer.offer_id: offer for offer in offers}
        usable = [self._without_executor(offer) for offer in offers if self._blacklist.allows(offer.hostname, now)]
        packing = delay_fit(self._queue, [offer for offer in usable if offer.resources], self._delay, now)
        self._queue.remove_all(packing.placed_ids())
        for launch in packing.launches:
            first = launch.offers[0]
            executor = self._executor(first)
            for task in launch.tasks:
                self._launched(task.task_id, first)
            originals = [by_id.pop(offer.offer_id) for offer in launch.offers]
            self._framework.launch(originals, [replace(task, executor=executor) for task in launch.tasks])
        self._framework.decline(by_id.values())
        if not self._queue:
            self._framework.suppress()
        elif (due := self._delay.next_deadline(now)) is not None:
            self._framework.call_later(due - now, self._framework.revive)

    def _launched(self, attempt: str, offer: Offer) -> None:
        self._live[attempt] = _Live(offer.hostname)
        self._host_of[offer.agent_id] = offer.hostname
        work = self._plan.work_of(attempt)
        if work is not None and work.kind is plan.Kind.MAP:
            split = self._splits[work.index]
            self._home[split.path].fetched(split, offer.hostname)
        self._happened(plan.AttemptStarted(attempt, offer.agent_id))

    def _without_executor(self, offer: Offer) -> Offer:
        """What an offer has for tasks, once our executor is there."""
        needed = self._executor(offer).resources
        if self._executor(offer).executor_id in offer.executor_ids:
            return offer
        left = offer.resources - needed if offer.resources.contains(needed) else Resources()
        return replace(offer, resources=left)

    def _executor(self, offer: Offer) -> ExecutorInfo:
        executor = self._executors.get(offer.agent_id)
        if executor is None:
            module = "mesos_py.frameworks.mapreduce.executor"
            executor = self._executors[offer.agent_id] = ExecutorInfo(
                executor_id=ExecutorID(self._job_id),
                name=f"mapreduce {self._job.name}",
                command=CommandInfo(argv=[self._settings.python, "-m", module]),
                resources=Resources.of(mem=_EXECUTOR_MEM),
                data=self._server.base.encode(),
            )
        return executor

    def _order(self, attempt: str) -> bytes | None:
        """For the server's threads."""
        work = self._plan.work_of(attempt)
        if work is None:
            return None
        order = Order(
            attempt=attempt,
            job_id=self._job_id,
            job=self._job,
            kind=work.kind,
            index=work.index,
            base=self._server.base,
            staging=str(self._output.staging),
        )
        if work.kind is plan.Kind.MAP:
            return msgspec.json.encode(replace(order, split=self._splits[work.index]))
        outputs = self._plan.map_outputs()
        self._given[attempt] = dict(outputs)
        return msgspec.json.encode(
            replace(
                order,
                maps=[f"{self._urls[name]}/{name}/{work.index}" for _, name in outputs],
                map_indices=[index for index, _ in outputs],
                map_count=self._plan.count(plan.Kind.MAP),
            )
        )

    # News

    def _on_update(self, status: TaskStatus) -> None:
        if status.state in LIVE and status.state is not TaskState.UNREACHABLE:
            return
        live = self._live.pop(status.task_id, None)
        if live is None:
            return
        if status.state is TaskState.UNREACHABLE:
            self._framework.kill(status.task_id)  # should its agent come back
        outcome = _outcome(status)
        self._urls[status.task_id] = outcome.url
        if outcome.staged:
            self._staged.add(status.task_id)
        work = self._plan.work_of(status.task_id)
        if status.state is TaskState.FINISHED and work is not None:
            self._counters[work] = outcome.counters
        own_fault = status.state in (TaskState.FAILED, TaskState.ERROR)  # also if its executor took too much memory
        why = outcome.failure or status.message or f"it is {status.state}"
        if own_fault and not outcome.lost:
            self._watcher.failed(status.task_id, why)
            if self._blacklist.failed(live.host, str(work), time.monotonic()):
                self._watcher.noted(f"{live.host} is left alone for a while: too much fails there")
        given = self._given.pop(status.task_id, {})
        self._happened(
            plan.AttemptEnded(
                attempt=status.task_id,
                well=status.state is TaskState.FINISHED,
                counts=own_fault,
                final=outcome.final or status.state is TaskState.ERROR,
                why=why,
                lost=tuple(outcome.lost),
                lost_at=tuple(given[index] for index in outcome.lost if index in given),
            )
        )

    def _on_message(self, message: MessageReceived) -> None:
        progress = msgspec.json.decode(message.data, type=Progress)
        live = self._live.get(progress.attempt)
        if live is not None:
            live.share = progress.share
            if progress.status:
                self._watcher.noted(f"{progress.attempt}: {progress.status}")
            self._tell_progress()

    def _on_failure(self, failure: Failure) -> None:
        if failure.reason is not FailureReason.EXECUTOR_ENDED or failure.executor_id == self._job_id:
            self._happened(plan.SiteLost(failure.agent_id))

    def _on_error(self, error: Error) -> None:
        why = f"the master refused {error.call or 'us'}: {error.message}"
        self._give_up(why) if error.fatal else self._watcher.noted(why)

    def _tick(self) -> None:
        self._happened(plan.CopyWanted())
        self._framework.call_later(_TICK_S, self._tick)

    def _tell_progress(self) -> None:
        shares = {plan.Kind.MAP: 0.0, plan.Kind.REDUCE: 0.0}
        for attempt, live in self._live.items():
            work = self._plan.work_of(attempt)
            if work is not None:
                shares[work.kind] += live.share
        done = [
            min(1.0, (self._plan.done(kind) + shares[kind]) / self._plan.count(kind)) if self._plan.count(kind) else 1.0
            for kind in (plan.Kind.MAP, plan.Kind.REDUCE)
        ]
        self._watcher.progressed(*done)


def _outcome(status: TaskStatus) -> Outcome:
    try:
        return msgspec.json.decode(status.data, type=Outcome)
    except msgspec.DecodeError:
        return Outcome()


def _quoted(host: str) -> str:
    return host.replace(".", r"\.")


def _check_files(job: Job) -> None:
    for shipped in job.files:
        if not Path(shipped.path).is_file():
            raise MesosError(f"file {shipped.path}, to be shipped with the job, does not exist")
