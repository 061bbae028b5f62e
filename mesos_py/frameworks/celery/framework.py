"""`mesos celery`: keeps the workers of a Celery application at the number that its queues need."""

import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from mesos_py import (
    TERMINAL,
    CommandInfo,
    DemandStatement,
    Error,
    Framework,
    KillPolicy,
    Ledger,
    MesosError,
    Offer,
    Registered,
    Resources,
    TaskInfo,
    TaskQueue,
    TaskSpec,
    TaskState,
    TaskStatus,
    first_fit,
)
from mesos_py.frameworks.celery.fleet import Member, Muster, find
from mesos_py.frameworks.celery.observing import Application, Ended, Failed, Observation, Observing, Seen, Unreachable
from mesos_py.frameworks.celery.options import CeleryOptions
from mesos_py.frameworks.celery.scaling import Fleet, Phase, Plan
from mesos_py.frameworks.fitting import why_never, without_password
from mesos_py.runtime.logs import set_up
from mesos_py.types.ids import TaskID

__all__ = ["CeleryWorkers", "run_celery"]

_FAILOVER_S = 7 * 24 * 3600.0
_BROKER_S = 5.0
"""How long to wait for a broker that is not reached, the cluster's or the application's, before anything runs ..."""
_MASTER_S = 15.0
"""... and for a master behind one that is."""
_SILENT_S = 10.0
"""An observer that says nothing for so long sees nothing."""
_AGAIN_S = 5.0
"""An order to shut down may be lost."""
_TICK_S = 1.0
_LOOK_S = 30.0


class Kept(Struct):
    """What the next process must know of a worker."""

    queues: str
    host: str
    stopping: bool = False


def run_celery(options: CeleryOptions) -> int:
    """Run until it is told to end; the exit code. Raises MesosError with one clear line if it cannot go on."""
    set_up("warning", "console")
    return CeleryWorkers(options).run()


class CeleryWorkers:
    """The framework of one application."""

    def __init__(self, options: CeleryOptions) -> None:
        """``run`` does it."""
        self._options = options
        self._framework = Framework(
            options.name,
            roles=[options.role],
            user=options.user,
            state_file=options.state_file or None,
            failover_timeout_s=_FAILOVER_S if options.state_file else 0.0,
        )
        saved = self._framework.saved(dict[TaskID, Kept]) if options.state_file else None
        self._ledger: Ledger[Kept] = Ledger(saved)
        self._musters: dict[str, Muster] = {}
        self._queue = TaskQueue()
        self._demand = DemandStatement(self._framework)
        self._observing: Observing | None = None
        self._remote_control = True
        self._seen_at = 0.0
        self._told_to_stop: dict[TaskID, float] = {}
        self._leaving = False
        self._failure = ""
        self._trouble = ""
        self._shown: dict[str, list[tuple[str, int]]] = {}
        self._framework.on_registered(self._on_registered)
        self._framework.on_offers(self._on_offers)
        self._framework.on_update(self._on_update)
        self._framework.on_error(self._on_error)

    # Its life

    def run(self) -> int:
        """Until SIGINT or SIGTERM, and the workers' end if they are not to outlive us."""
        framework, options = self._framework, self._options
        self._observe()
        try:
            framework.start(options.broker)
            framework.call_later(_BROKER_S, self._give_up_without_broker)
            framework.call_later(_MASTER_S, self._give_up_without_master)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, lambda *_: framework.call_later(0, self._leave))
                signal.signal(signal.SIGTERM, lambda *_: framework.call_later(0, self._leave, bool(options.state_file)))
            framework.join()
        finally:
            if self._observing is not None:
                self._observing.close()
        if self._failure:
            raise MesosError(self._failure)
        return 0

    def _leave(self, tasks_go_on: bool = False) -> None:
        """Go: at once if the workers go on without us or if told twice, else once they have shut down."""
        if tasks_go_on:
            self._framework.stop(teardown=False)
        elif self._leaving or not self._ledger:
            self._framework.stop()
        else:
            self._leaving = True
            _note("shutting the workers down; what they have begun they finish (once more: kill them)")
            self._act()

    def _give_up(self, why: str) -> None:
        """Workers of an earlier process that may still do their work are left alone."""
        self._failure = self._failure or why
        self._framework.stop(teardown=not self._ledger)

    def _give_up_without_broker(self) -> None:
        if self._framework.framework_id is None and (why := self._framework.trouble):
            self._give_up(why)

    def _give_up_without_master(self) -> None:
        self._give_up_without_broker()
        if not self._framework.connected and not self._ledger:
            self._give_up(f"no master answers at the broker {without_password(self._options.broker)}")

    # The application

    def _observe(self) -> None:
        options = self._options
        queues = [queue for fleet in options.fleets for queue in fleet.queues]

        def tell(observation: Observation) -> None:
            self._framework.call_later(0, self._observed, observation)

        environment = dict(os.environ) | options.environment
        self._observing = Observing(options.python, options.app, options.workdir, queues, environment, tell)

    def _observed(self, observation: Observation) -> None:
        match observation:
            case Application():
                self._on_application(observation)
            case Failed():
                self._give_up(f"the application {self._options.app} cannot be imported: {observation.why}")
            case Seen():
                self._on_seen(observation)
            case Unreachable():
                self._on_unreachable(observation)
            case Ended() if not self._failure:
                self._framework.call_later(_TICK_S, self._observe)

    def _on_application(self, application: Application) -> None:
        self._remote_control = application.remote_control
        if not self._musters:
            for fleet in self._options.fleets:
                served = fleet if fleet.queues else structs.replace(fleet, queues=tuple(application.queues))
                self._musters[served.name] = Muster(served, self._options.linger_s)
            for task_id, kept in self._ledger.entries.items():
                phase = Phase.STOPPING if kept.stopping else Phase.STARTING
                self._muster_of(kept.queues).add(Member(task_id=task_id, phase=phase, host=kept.host))
            self._framework.call_later(_BROKER_S, self._give_up_without_application_broker)
            self._framework.call_later(_TICK_S, self._tick)
            self._act()

    def _muster_of(self, queues: str) -> Muster:
        """Of whoever serves these queues; those of whom nobody speaks any more make one that is to vanish."""
        if queues not in self._musters:
            gone = Fleet(queues=tuple(queues.split(",")), most=0)
            self._musters[queues] = Muster(gone, 0.0)
        return self._musters[queues]

    def _give_up_without_application_broker(self) -> None:
        if not self._seen_at and not self._ledger:
            self._give_up(f"the application's broker is not reached: {self._trouble or 'it does not answer'}")

    def _on_unreachable(self, unreachable: Unreachable) -> None:
        if self._seen_at and not self._trouble:
            _note(f"the application's broker is not reached; workers stay as they are: {unreachable.why}")
        self._trouble = unreachable.why
        self._forget_what_was_seen()

    def _forget_what_was_seen(self) -> None:
        for muster in self._musters.values():
            muster.depth = None
            for member in muster.members.values():
                member.busy = None

    def _on_seen(self, seen: Seen) -> None:
        if self._trouble and self._seen_at:
            _note("the application's broker is reached again")
        self._trouble, self._seen_at = "", time.monotonic()
        for muster in self._musters.values():
            muster.depth = sum(seen.depths.get(queue, 0) for queue in muster.fleet.queues)
        for node, (busy, processed) in seen.workers.items():
            task_id = TaskID(node.partition("@")[0])
            if (found := find(self._musters.values(), task_id)) is not None:
                found.heard(task_id, node, busy, processed)
        self._act()

    def _tick(self) -> None:
        if self._seen_at and time.monotonic() > self._seen_at + _SILENT_S:
            self._forget_what_was_seen()
        self._act()
        self._framework.call_later(_TICK_S, self._tick)

    # Workers

    def _act(self) -> None:
        """Bring each fleet closer to what is needed."""
        now = time.monotonic()
        for muster in self._musters.values():
            self._carry_out(muster, self._plan(muster, now))
        self._shut_down_stopping(now)
        self._demand.update(self._queue)
        self._show()
        if self._leaving and self._are_all_gone():
            self._framework.stop()

    def _are_all_gone(self) -> bool:
        """Whether nobody is left who could still end."""
        lost = sum(len(muster.in_phase(Phase.LOST)) for muster in self._musters.values())
        return len(self._ledger) <= lost

    def _plan(self, muster: Muster, now: float) -> Plan:
        if not self._seen_at:
            return Plan()  # workers without a broker are of no use
        if not self._leaving:
            return muster.plan(now)
        waiting = [member.task_id for member in muster.in_phase(Phase.WAITING)]
        return Plan(withdraw=waiting, stop=[member.task_id for member in muster.in_phase(Phase.READY)])

    def _carry_out(self, muster: Muster, plan: Plan) -> None:
        for _ in range(plan.launch):
            spec = structs.replace(self._spec(muster.fleet), priority=-len(muster.members))
            self._queue.add(spec)
            muster.add(Member(task_id=spec.task_id))
        for task_id in plan.withdraw:
            self._queue.remove(task_id)
            del muster.members[task_id]
        for task_id in plan.stop:
            muster.members[task_id].phase = Phase.STOPPING
            if (kept := self._ledger.get(task_id)) is not None:
                kept.stopping = True
        if plan.stop:
            self._save()

    def _shut_down_stopping(self, now: float) -> None:
        """Ask again from time to time; where remote control is off there is only TERM."""
        nodes = []
        for muster in self._musters.values():
            for member in muster.in_phase(Phase.STOPPING):
                if now < self._told_to_stop.get(member.task_id, 0.0) or not member.node:
                    continue
                self._told_to_stop[member.task_id] = now + _AGAIN_S
                if self._remote_control:
                    nodes.append(member.node)
                else:
                    self._framework.kill(member.task_id)
        if nodes and self._observing is not None:
            self._observing.stop(nodes)

    def _spec(self, fleet: Fleet) -> TaskSpec:
        options = self._options
        task_id = TaskID(f"{options.name}-{secrets.token_hex(4)}")
        where = [] if options.in_sandbox else ["--workdir", options.workdir]
        command = [options.python, "-m", "celery", "-A", options.app, *where, "worker", "-n", f"{task_id}@%h"]
        command += ["-Q", fleet.name, "-c", str(fleet.slots), "-l", "INFO", *options.worker_options]
        task = TaskInfo(
            task_id=task_id,
            name=fleet.name,
            resources=Resources.of(cpus=fleet.cpus, mem=fleet.mem),
            command=CommandInfo(argv=command, environment=options.environment, uris=list(options.uris)),
            kill_policy=KillPolicy(grace_period_s=options.grace_s),
        )
        return TaskSpec(task=task)

    # The cluster

    def _on_registered(self, registered: Registered) -> None:
        self._framework.reconcile(self._ledger.unheard)
        self._look(registered.master.url, 0)

    def _look(self, master_url: str, misses: int) -> None:
        """While something waits, see whether any agent could ever hold it; say so at once if not."""
        whys = (why_never(master_url, spec) for spec in self._unlike()) if master_url else iter(())
        why = next((why for why in whys if why), "")
        misses = misses + 1 if why else 0
        if misses == 2:
            _note(why) if self._ledger else self._give_up(why)
        if not self._failure:
            well = self._queue and not why
            self._framework.call_later(_LOOK_S if well else 2 * _TICK_S, self._look, master_url, misses)

    def _unlike(self) -> Iterator[TaskSpec]:
        """One of each shape that waits."""
        yield from {spec.task.resources: spec for spec in self._queue}.values()

    def _on_offers(self, offers: Sequence[Offer]) -> None:
        packing = first_fit(self._queue, offers)
        self._queue.remove_all(packing.placed_ids())
        for placement in packing.placements():
            task_id, host = placement.task.task_id, placement.place.hostname
            self._ledger.add(task_id, Kept(queues=placement.task.name, host=host))
            member = self._musters[placement.task.name].members[task_id]
            member.phase, member.host = Phase.STARTING, host
        if packing.launches:
            self._save()
        for launch in packing.launches:
            self._framework.launch(launch.offers, launch.tasks)
        self._framework.decline(packing.unused)
        self._demand.update(self._queue)

    def _on_update(self, status: TaskStatus) -> None:
        kept = self._ledger.heard(status)
        if kept is None:
            if status.state not in TERMINAL and status.state is not TaskState.UNKNOWN:
                self._framework.kill(status.task_id)  # given up for lost, and back
            return
        muster = find(self._musters.values(), status.task_id)
        if status.task_id not in self._ledger:
            self._save()
            if muster is not None:
                self._on_end(muster, status)
        elif muster is not None:
            member = muster.members[status.task_id]
            if status.state is TaskState.UNREACHABLE:
                member.phase, member.busy = Phase.LOST, None
                _note(f"{status.task_id} on {member.host} is unreachable; another takes its place")
            elif member.phase is Phase.LOST:
                member.phase = Phase.STOPPING if kept.stopping else Phase.STARTING
        self._act()

    def _on_end(self, muster: Muster, status: TaskStatus) -> None:
        member = muster.members[status.task_id]
        self._told_to_stop.pop(status.task_id, None)
        hopeless = muster.ended(status.task_id, status.state, time.monotonic())
        if status.state is not TaskState.FINISHED or not (member.node or member.phase is Phase.STOPPING):
            why = f": {status.message}" if status.message else ""
            _note(f"{status.task_id} on {member.host} ended as {status.state}{why}")
        if hopeless:
            self._give_up(f"the workers do not start; see: mesos logs {status.task_id} --stderr")

    def _on_error(self, error: Error) -> None:
        why = f"the master refused {error.call or 'us'}: {error.message}"
        self._give_up(why) if error.fatal else _note(why)

    def _save(self) -> None:
        if self._options.state_file:
            self._framework.save(self._ledger.entries)

    # For people

    def _show(self) -> None:
        """A line for each fleet whenever its workers are others than before."""
        shown = {name: self._counts(muster) for name, muster in self._musters.items()}
        before, self._shown = self._shown, shown
        for name, counts in shown.items():
            muster = self._musters[name]
            if counts != before.get(name):
                words = ", ".join(f"{number} {phase.lower()}" for phase, number in counts) or "no workers"
                depth = "?" if muster.depth is None else muster.depth
                _note(f"{name}: {words}; {depth} tasks waiting, {muster.busy} running")

    def _counts(self, muster: Muster) -> list[tuple[str, int]]:
        counts = Counter(member.phase for member in muster.members.values())
        return [(phase.value, counts[phase]) for phase in Phase if counts[phase]]


def _note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
