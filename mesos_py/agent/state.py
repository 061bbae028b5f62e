"""What an agent knows: frameworks, their tasks and executors, and who has which container.

A command task is its own container::

    HELD ──▶ PREPARING ──▶ UP ──▶ ENDED          HELD: its record is not durable yet
       └─────────┴──────────────────┘            PREPARING: asked for, not started yet

A custom executor's container goes the same way, and each of its tasks: HELD ──▶ DELIVERED ──▶ ENDED.
A task stays in its framework after its end until its last update is acknowledged.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from enum import Enum, auto

from mesos_py.agent.checkpoint import DrainOrdered, Ending
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.health import Health
from mesos_py.agent.paths import framework_sandboxes
from mesos_py.agent.timers import Timer
from mesos_py.errors import InvariantError
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, MasterID, Role, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.tasks import TERMINAL, ExecutorInfo, TaskInfo, TaskState, TaskStatus

__all__ = ["AgentState", "Batch", "Executor", "Framework", "Group", "Stage", "Task"]


_FINISHED_KEPT = 1000
"""Of how many ended tasks an executor's last update number is remembered."""


class Stage(Enum):
    """How far a container, or a task of an executor, has come."""

    HELD = auto()
    PREPARING = auto()
    UP = auto()
    DELIVERED = auto()
    ENDED = auto()


class Framework:
    """One that has, or had a moment ago, something here."""

    __slots__ = ("executors", "framework_id", "info", "removed", "sandboxes", "tasks")

    def __init__(self, framework_id: FrameworkID, info: FrameworkInfo, sandboxes: str) -> None:
        self.framework_id = framework_id
        self.info = info
        self.sandboxes = sandboxes
        self.removed = False
        """Its master told us to stop all it has; nobody waits for its updates."""
        self.tasks: dict[TaskID, Task] = {}
        """Live ones, and ended ones with updates not acknowledged."""
        self.executors: dict[ExecutorID, Executor] = {}


class Group:
    """Tasks that start together. Of command tasks the failure of one is the end of all; an executor sees to its own."""

    __slots__ = ("broken", "key", "partial", "tasks")

    def __init__(self, key: str) -> None:
        self.key = key
        self.tasks: list[Task] = []
        self.broken = False
        self.partial = False
        """An earlier process ended before all of it was written down: none of it was started."""


class Task:
    """One task and the stream of its updates."""

    __slots__ = (
        "acks_waiting", "attempts", "began", "completion_timer", "container_id", "ending", "executor", "framework",
        "group", "health", "info", "kill_deadline", "kill_grace_s", "kill_timer", "newest", "next_update_id", "number",
        "pid", "retry_queue", "role", "sandbox", "sent_id", "stable_id", "stage", "state", "status_state", "updates",
    )  # fmt: skip

    def __init__(self, framework: Framework, info: TaskInfo, role: Role) -> None:
        self.framework = framework
        self.info = info
        self.role = role
        self.container_id: ContainerID | None = None
        self.sandbox = ""
        self.stage = Stage.HELD
        self.state = TaskState.STAGING
        self.executor: Executor | None = None
        self.group: Group | None = None
        self.health: Health | None = None
        self.pid = 0
        self.began = 0.0
        """When its container was started, 0 for not yet."""
        # Being stopped
        self.ending: Ending | None = None
        self.kill_deadline = 0.0
        self.kill_grace_s: float | None = None
        """As in ``KillOrdered``."""
        self.kill_timer: Timer | None = None
        self.completion_timer: Timer | None = None
        # The stream
        self.updates: list[TaskStatus] = []
        """Not acknowledged; the first is the head."""
        self.newest: TaskStatus | None = None
        self.next_update_id = 1
        self.stable_id = 0
        """The last update that is durable."""
        self.acks_waiting = 0
        """Acknowledgements not durable yet: the next update is not sent before, or an old one could follow a new."""
        self.sent_id = 0
        """The last update that was ever sent."""
        self.status_state = TaskState.STAGING
        """Of the last update that was ever sent."""
        self.retry_queue: OrderedDict[Task, float] | None = None
        """Where it waits to be sent again; None if its head is not out."""
        self.attempts = 0
        """How often the head was sent."""
        self.number = -1
        """The executor's own number of its last update."""


class Batch:
    """What is handed to an executor in one message: a task, or a whole group."""

    __slots__ = ("durable", "tasks")

    def __init__(self, tasks: list[Task]) -> None:
        self.tasks = tasks
        self.durable = False


class Executor:
    """A framework's own program, its container and its tasks."""

    __slots__ = (
        "began", "connected", "container_id", "delivered_any", "ending", "finished", "framework", "has_limits", "info",
        "kill_deadline", "kill_timer", "need", "pid", "queue", "registration_timer", "role", "sandbox", "seen",
        "shutting_down", "stage", "tasks", "told", "told_limits",
    )  # fmt: skip

    def __init__(
        self, framework: Framework, info: ExecutorInfo, role: Role, container_id: ContainerID, sandbox: str
    ) -> None:
        self.framework = framework
        self.info = info
        self.role = role
        self.container_id = container_id
        self.sandbox = sandbox
        self.stage = Stage.HELD
        self.pid = 0
        self.began = 0.0
        self.connected = False
        self.seen = False
        """It has connected at least once."""
        self.tasks: dict[TaskID, Task] = {}
        """Live ones."""
        self.queue: deque[Batch] = deque()
        """Not yet handed over, in order of arrival."""
        self.delivered_any = False
        self.finished: OrderedDict[TaskID, int] = OrderedDict()
        """Of tasks that ended, the last update number: their updates may still be repeated."""
        self.need = info.resources
        self.has_limits = False
        """A task of it may, or might once, use more than it asked for."""
        self.told: Resources = EMPTY
        self.told_limits: dict[str, float] = {}
        """What the container's limits were last made from."""
        self.registration_timer: Timer | None = None
        self.kill_timer: Timer | None = None
        self.kill_deadline = 0.0
        self.shutting_down = False
        self.ending: Ending | None = None
        """What its tasks end as when its container is gone, if that is settled already."""

    def note_finished(self, task_id: TaskID, number: int) -> None:
        """A task ended with this update of the executor."""
        self.finished[task_id] = number
        if len(self.finished) > _FINISHED_KEPT:
            self.finished.popitem(last=False)


class AgentState:
    """All of it, with its indexes."""

    def __init__(self, config: AgentCoreConfig) -> None:
        self.config = config
        self.agent_id: AgentID | None = None
        self.epoch = 0
        """The newest seen; what comes from an older one is dropped."""
        self.sequence = -1
        """The last RunTasks obeyed in this epoch."""
        self.master_id: MasterID | None = None
        self.connected = False
        self.registered = False
        self.leaving = False
        """No task is taken on any more."""
        self.drain: DrainOrdered | None = None
        """No task is taken on until all have ended and their updates are acknowledged."""
        self.recovering = False
        """What an earlier process left is not taken in yet: no master is spoken to."""
        self.frameworks: dict[FrameworkID, Framework] = {}
        self.containers: dict[ContainerID, Task | Executor] = {}
        """Asked for and not ended."""
        self.free = config.info.resources.flatten()
        self.completed_tasks: OrderedDict[tuple[FrameworkID, TaskID], Task] = OrderedDict()
        self.completed_executors: deque[tuple[Executor, ContainerExit | None]] = deque(
            maxlen=config.completed_executors
        )
        self.counters: dict[str, int] = {}
        """What was dropped or refused, by kind."""
        self._made = 0

    # Finding

    def task(self, framework_id: FrameworkID, task_id: TaskID) -> Task | None:
        """A live task, or an ended one whose updates are not all acknowledged."""
        framework = self.frameworks.get(framework_id)
        return framework.tasks.get(task_id) if framework is not None else None

    def executor(self, framework_id: FrameworkID, executor_id: ExecutorID) -> Executor | None:
        """A custom executor that has not ended."""
        framework = self.frameworks.get(framework_id)
        return framework.executors.get(executor_id) if framework is not None else None

    def tasks(self) -> Iterator[Task]:
        """Every task known."""
        for framework in self.frameworks.values():
            yield from framework.tasks.values()

    # Changing

    def count(self, what: str, times: int = 1) -> None:
        """One more of something worth a number on the operator's page."""
        self.counters[what] = self.counters.get(what, 0) + times

    def new_container_id(self) -> ContainerID:
        """Never used before."""
        self._made += 1
        return ContainerID(f"C-{self.config.incarnation}-{self._made}")

    def add_framework(self, framework_id: FrameworkID, info: FrameworkInfo) -> Framework:
        """Take in a framework not known."""
        framework = self.frameworks[framework_id] = self.make_framework(framework_id, info)
        return framework

    def make_framework(self, framework_id: FrameworkID, info: FrameworkInfo) -> Framework:
        """One that nothing leads to yet."""
        assert self.agent_id is not None
        return Framework(framework_id, info, framework_sandboxes(self.config.work_dir, self.agent_id, framework_id))

    def reconfigure(self, config: AgentCoreConfig) -> None:
        """Be configured otherwise from now on; what runs fits into the resources."""
        used = self.used
        self.config = config
        self.free = config.info.resources.flatten() - used

    def forget_task(self, task: Task) -> None:
        """Nobody needs the task any more: it moves to history, and an empty framework goes with it."""
        del task.framework.tasks[task.info.task_id]
        self.remember(task)
        self.drop_if_empty(task.framework)

    def remember(self, task: Task) -> None:
        """Put a task into history."""
        key = (task.framework.framework_id, task.info.task_id)
        completed = self.completed_tasks
        completed[key] = task
        completed.move_to_end(key)
        if len(completed) > self.config.completed_tasks:
            completed.popitem(last=False)

    def drop_if_empty(self, framework: Framework) -> None:
        """Forget a framework that has nothing here."""
        if not framework.tasks and not framework.executors:
            self.frameworks.pop(framework.framework_id, None)

    # Resources. Reservations are the master's business: here all count alike.

    @property
    def used(self) -> Resources:
        """By live tasks and executors."""
        return self.config.info.resources.flatten() - self.free

    def has_room_for(self, parts: list[Resources]) -> bool:
        """True if all these are free together."""
        if len(parts) == 1:
            return self.free.contains(parts[0].flatten())
        return self.free.without(part.flatten() for part in parts) is not None

    def take(self, resources: Resources) -> None:
        """For a task or executor taken on; there is room for it."""
        self.free -= resources.flatten()

    def give_back(self, resources: Resources) -> None:
        """Of one that has ended."""
        self.free += resources.flatten()

    # Checking

    def check(self) -> None:
        """Raise InvariantError if something cannot be."""
        used = EMPTY
        containers: dict[ContainerID, Task | Executor] = {}
        for framework in self.frameworks.values():
            if not framework.tasks and not framework.executors:
                raise InvariantError(f"{framework.framework_id} is kept for nothing")
            for task in framework.tasks.values():
                _check_task(task)
                if task.stage is not Stage.ENDED:
                    used += task.info.resources
                if task.executor is None and task.stage in (Stage.PREPARING, Stage.UP):
                    assert task.container_id is not None
                    containers[task.container_id] = task
            for executor in framework.executors.values():
                used += executor.info.resources
                _check_executor(executor)
                if executor.stage in (Stage.PREPARING, Stage.UP):
                    containers[executor.container_id] = executor
        if used.flatten() != self.used:
            raise InvariantError(f"{used} is used, {self.used} is on account")
        if containers != self.containers:
            raise InvariantError(f"containers {sorted(containers)} live, {sorted(self.containers)} are known")


def _check_task(task: Task) -> None:
    name = f"{task.framework.framework_id} {task.info.task_id}"
    ids = [status.update_id for status in task.updates]
    if ids != list(range(task.next_update_id - len(ids), task.next_update_id)):
        raise InvariantError(f"{name}: updates {ids} before {task.next_update_id}")
    if any(status.state in TERMINAL for status in task.updates[:-1]):
        raise InvariantError(f"{name}: an update follows its end")
    if task.updates and task.updates[-1].state is not task.state:
        raise InvariantError(f"{name} is {task.state}, its last update says {task.updates[-1].state}")
    if (task.state in TERMINAL) != (task.stage is Stage.ENDED):
        raise InvariantError(f"{name} is {task.state} and {task.stage}")
    if task.stage is Stage.ENDED and not task.updates:
        raise InvariantError(f"{name} is over and kept")
    if task.retry_queue is not None and (not task.updates or task not in task.retry_queue):
        raise InvariantError(f"{name} waits to be repeated, but not where it should")


def _check_executor(executor: Executor) -> None:
    name = f"{executor.framework.framework_id} {executor.info.executor_id}"
    if executor.stage is Stage.ENDED:
        raise InvariantError(f"{name} is over and kept")
    need = Resources.sum([executor.info.resources, *(task.info.resources for task in executor.tasks.values())])
    if need != executor.need:
        raise InvariantError(f"{name} needs {need}, {executor.need} is on account")
    for task in executor.tasks.values():
        if task.executor is not executor or task.stage is Stage.ENDED:
            raise InvariantError(f"{name} has {task.info.task_id}, which is not there")
    queued = [task for batch in executor.queue for task in batch.tasks if task.stage is Stage.HELD]
    held = [task for task in executor.tasks.values() if task.stage is Stage.HELD]
    if queued != held:
        raise InvariantError(f"{name}: the queue has lost a task")
