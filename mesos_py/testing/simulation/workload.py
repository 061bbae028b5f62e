"""A user who wants some tasks, in her time, and remembers what matters when her process is restarted."""

from typing import TYPE_CHECKING, Any

from mesos_py.messages.scheduler import (
    Accept,
    Acknowledge,
    Decline,
    Error,
    ErrorReason,
    Kill,
    Offers,
    Reconcile,
    Revive,
    TaskToReconcile,
    Update,
)
from mesos_py.scheduler import effects, events
from mesos_py.scheduler.events import OURS
from mesos_py.testing.builders import a_framework, a_task, an_executor
from mesos_py.testing.simulation.broker import LONGEST_DELAY_S
from mesos_py.testing.simulation.hosts import Behaviour
from mesos_py.testing.simulation.quotas import Count
from mesos_py.testing.simulation.schedulers import SchedulerProcess
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.offers import Launch, LaunchGroup, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, TERMINAL, CommandInfo, HealthCheck, TaskInfo, TaskState, TaskStatus

if TYPE_CHECKING:
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["FAILOVER_S", "SETTLED_S", "RandomUser", "any_behaviour"]

FAILOVER_S = 600.0
"""No fault keeps a framework away for so long; what a leader removed and another does not know of is gone by then."""
_FOREVER = "forever"
_BY_EXECUTOR = "work"
_LEAST = Resources.parse("cpus:1;mem:64")
SETTLED_S = LONGEST_DELAY_S + 1.0
"""After so long nothing that an ended process sent is under way any more."""


def any_behaviour(name: str, dice: Dice) -> Behaviour:
    """Of the tasks of random users."""
    if name.startswith("exec"):
        return Behaviour(starts_in_s=dice.wait(0.3))
    return Behaviour(
        starts_in_s=dice.wait(5.0 if name.startswith(_BY_EXECUTOR) else 0.3),
        fails=dice.random() < 0.05 and not name.startswith(_FOREVER),
        runs_s=None if name.startswith(_FOREVER) else dice.wait(20.0),
        exit_code=int(dice.random() < 0.2),
        heeds_term=dice.random() < 0.5,
    )


class RandomUser:
    """Launches commands, groups of them, and work for an executor of her own."""

    def __init__(self, cluster: "Cluster", name: str, wanted: int, *, auto_acknowledge: bool = True) -> None:
        """``wanted`` is how many tasks she wants at first."""
        self.cluster = cluster
        self.name = name
        self.wanted = wanted
        self.auto_acknowledge = auto_acknowledge
        self.framework = a_framework(name, name, failover_timeout_s=FAILOVER_S)
        """In a role of her name."""
        self.framework_id: FrameworkID | None = None
        self.process: SchedulerProcess
        self.states: dict[TaskID, TaskState] = {}
        """Of the tasks of this framework id."""
        self.killed: set[TaskID] = set()
        self._dice = Dice(cluster.seed, f"user {name}")
        self._made = 0

    # Her wishes

    def want_more(self, tasks: int = 2) -> None:
        """She wants so many more tasks."""
        self.wanted += tasks
        self._call(Revive(framework_id=OURS))

    def kill_something(self) -> None:
        """She has changed her mind about one."""
        live = [task_id for task_id, state in self.states.items() if state not in TERMINAL]
        if live and self.process.alive:
            task_id = self._dice.choice(live)
            self.killed.add(task_id)
            self._kill(task_id)

    def _kill(self, task_id: TaskID) -> None:
        if self.framework_id is not None:
            self.cluster.promises.kill_wanted(self.framework_id, task_id)
        self._call(Kill(framework_id=OURS, task_id=task_id))

    def _call(self, call: events.UserCall) -> None:
        if self.process.alive:
            self.process.call(call)

    # Her processes

    def began(self, process: SchedulerProcess) -> None:
        """Part of User: she asks for her tasks, and wishes her kills again."""
        live = [task_id for task_id, state in self.states.items() if state not in TERMINAL]
        if live:
            questions = [TaskToReconcile(task_id=task_id) for task_id in live]
            process.call(Reconcile(framework_id=OURS, tasks=questions))
        for task_id in live:
            if task_id in self.killed:
                self._kill(task_id)

    def stopped(self, end: effects.StopDriver, process: SchedulerProcess) -> None:
        """Part of User: an operator has removed the framework, or another process of hers has pushed this one out.

        If none is left another is started.
        """
        rivals = [each for each in self.cluster.rivals if each.user is self]
        removed = end.reason is ErrorReason.FRAMEWORK_REMOVED
        if not removed and not (rivals and end.reason is ErrorReason.FAILED_OVER):
            self.cluster.fail(f"8 bad input: {process.name} was stopped: {end.error}")
        if process is self.process:
            living = [each for each in rivals if each.alive]
            if living:
                self.process = living[-1]
                self.began(self.process)
            else:
                self.cluster.timeline.after(SETTLED_S, self._begin_again, process)

    def _begin_again(self, old: SchedulerProcess) -> None:
        if self.process is old:
            self.cluster.start_scheduler(self)

    def hear(self, event: effects.UserEvent, process: SchedulerProcess) -> None:
        """Part of User."""
        match event:
            case effects.Registered() if event.again:
                self.framework_id = event.framework_id
            case effects.Registered() if process is not self.process:
                self.cluster.timeline.after(0.0, process.die)  # of a removed framework one goes on under a fresh id
            case effects.Registered():
                if self.framework_id not in (None, *self.cluster.promises.doomed_frameworks):
                    self.cluster.fail(f"6 soft state: {self.name} has a second identity")
                self.framework_id = event.framework_id
                for rival in self.cluster.rivals:
                    if rival.user is self and rival is not process:
                        self.cluster.timeline.after(0.0, rival.die)
            case Offers():
                for offer in event.offers:
                    self.cluster.timeline.after(self._dice.wait(1.0), self._answer, offer, process)
            case Update():
                self._hear_update(event.status, process)
            case Error(reason=ErrorReason.FRAMEWORK_REMOVED) if process is self.process:
                self.framework_id = None

    def _hear_update(self, status: TaskStatus, process: SchedulerProcess) -> None:
        before = self.states.get(status.task_id)
        if before not in TERMINAL or before is TaskState.DROPPED:
            self.states[status.task_id] = status.state
            if status.state is TaskState.DROPPED and before is not TaskState.DROPPED:
                self.cluster.timeline.after(self._dice.wait(0.5), self.want_more, 1)
        if status.update_id is not None and not self.auto_acknowledge:
            self.cluster.timeline.after(self._dice.wait(0.5), self._acknowledge, status, process)

    def _acknowledge(self, status: TaskStatus, process: SchedulerProcess) -> None:
        if process.alive and status.update_id is not None and status.agent_id is not None:
            call = Acknowledge(
                framework_id=OURS, agent_id=status.agent_id, task_id=status.task_id, update_id=status.update_id
            )
            process.call(call)

    # Her answers to offers

    def _answer(self, offer: Offer, process: SchedulerProcess) -> None:
        if not process.alive or process is not self.process:
            return
        number = min(self.wanted, int(offer.resources.cpus), self._dice.randint(1, 3))
        if not number:
            refuse = Decline(framework_id=OURS, offer_ids=[offer.offer_id], refuse_seconds=300)
            process.call(refuse)
            return
        self.wanted -= number
        kind = self._dice.random()
        tasks = [self._task(by_executor=kind < 0.25) for _ in range(number)]
        self.states.update((task.task_id, TaskState.STAGING) for task in tasks)
        operation = self._operation(tasks, together=0.2 < kind < 0.4)
        accept = Accept(framework_id=OURS, offer_ids=[offer.offer_id], operations=[operation], refuse_seconds=1)
        process.call(accept)

    def _operation(self, tasks: list[TaskInfo], *, together: bool) -> Launch | LaunchGroup:
        if not together:
            return Launch(tasks=tasks)
        if self.framework_id is not None:
            self.cluster.promises.group_wanted(self.framework_id, [task.task_id for task in tasks])
        return LaunchGroup(tasks=tasks, executor=tasks[0].executor)

    def _task(self, *, by_executor: bool) -> TaskInfo:
        self._made += 1
        chance = self._dice.random()
        kind = _FOREVER if chance < 0.04 else _BY_EXECUTOR if by_executor else "task"
        task_id = f"{kind}-{self.name}-{self._made}"
        if by_executor:
            executor = an_executor(f"exec-{self.name}", "cpus:0.1;mem:16")
            return a_task(task_id, "cpus:0.7;mem:64", executor=executor)
        if chance > 0.9:
            check = HealthCheck(
                command=CommandInfo(value="true"), delay_s=1.0, interval_s=5.0, consecutive_failures=1000
            )
            return a_task(task_id, health_check=check)
        return a_task(task_id)

    # In the end

    def disagreements(self) -> list[str]:
        """Part of User: each task is terminal, or runs exactly where the master says."""
        found: list[str] = []
        if not self.process.alive or not self.process.core.subscribed or self.framework_id is None:
            return [f"{self.name} is not subscribed"]
        master = self.cluster.leader
        framework = master.core.state.frameworks.get(self.framework_id) if master is not None and master.core else None
        if framework is None or framework.queue != self.process.name:
            return [f"the leader does not serve {self.process.name}"]
        if self.wanted > 0 and self.cluster.has_room_for(_LEAST) and self._may_have(_LEAST):
            found.append(f"{self.name} is not offered enough: wants {self.wanted} more")
        for task_id, state in self.states.items():
            task = framework.tasks.get(task_id)
            why = self._why_not(task_id, state, task)
            if why:
                found.append(f"{self.name}: {task_id} is {state}, but {why}")
        return found

    def _may_have(self, resources: Resources) -> bool:
        """Whether no quota keeps this from her."""
        master = self.cluster.leader
        assert master is not None
        assert master.core is not None
        count, [role] = Count(master.core), self.framework.roles
        return all(count.most(role, name) >= amount for name, amount in resources.quantities().items())

    def _why_not(self, task_id: TaskID, state: TaskState, task: Any) -> str:
        """What speaks against the task being in this state."""
        master = self.cluster.leader
        assert master is not None
        assert master.core is not None
        assert self.framework_id is not None
        if task is not None:
            if task.state not in LIVE or state is not task.state:
                return f"the master says {task.state}"
            if state is not TaskState.RUNNING:
                return "does not run yet"
            return "was to be killed" if task_id in self.killed else ""
        if state is TaskState.UNREACHABLE:
            return "" if master.core.state.registry.unreachable else "no agent is unreachable"
        if state in TERMINAL or state is TaskState.UNKNOWN:
            promises = self.cluster.promises
            told = promises.end_was_told(self.framework_id, task_id)
            excused = told or self.framework_id in promises.doomed_frameworks
            ran = self.cluster.ran_on_present_host(self.framework_id, task_id)
            return "" if excused or not ran else "its end was never told"
        return "the master does not know it"
