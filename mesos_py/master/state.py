"""What a master knows, with its indexes, and a check that they agree.

Everything here is soft state: a new leader starts with none of it and is told again.
"""

from collections import Counter, deque

from msgspec import Struct

from mesos_py.errors import InvariantError
from mesos_py.master.registry import Registry
from mesos_py.types.acls import ALLOW_ALL, Acls
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, OfferID, Principal, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo, MasterInfo
from mesos_py.types.maintenance import AgentMode, Unavailability
from mesos_py.types.offers import InverseOffer, Offer
from mesos_py.types.resources import EMPTY, Resources
from mesos_py.types.tasks import LIVE, TERMINAL, ExecutorInfo, TaskInfo, TaskState, TaskStatus

__all__ = [
    "Agent",
    "CompletedFramework",
    "Executor",
    "Framework",
    "InverseAnswer",
    "MasterConfig",
    "MasterState",
    "Task",
]


class MasterConfig(Struct, frozen=True, kw_only=True):
    """What a master's decisions depend on."""

    offer_timeout_s: float = 60.0
    """Rescind an unanswered offer after this long."""
    heartbeat_s: float = 15.0
    """How often agents and schedulers are to show that they live, in a small cluster."""
    heartbeats_per_s: float = 400.0
    """In a large cluster the interval grows so that no more agent heartbeats than this arrive."""
    returns_per_s: float = 4000.0
    """Agents that come back, as after a change of leader, are asked to spread so that no more than this do."""
    missed_heartbeats: int = 5
    """After so many intervals of silence an agent is unreachable and a scheduler disconnected."""
    reregister_timeout_s: float = 600.0
    """After a change of leader, how long an admitted agent may take to come back before it is unreachable."""
    quota_recovery_agents: float = 0.8
    """After a change of leader, roles with a limit are given nothing of it until this part of the agents is back ..."""
    quota_recovery_timeout_s: float = 600.0
    """... or this long has passed."""
    removal_burst: int = 100
    """So many silent agents are given up at once; when more fall silent together, the fault may be elsewhere ..."""
    removals_per_s: float = 1.0
    """... and the rest are given up no faster than this."""
    acls: Acls = ALLOW_ALL
    """Who may do what, until it is changed."""
    max_frameworks_per_principal: int = 1000
    """Connected or waited for; whoever subscribes under ever new ids is stopped there."""
    max_agents_per_principal: int = 100_000
    """Admitted or unreachable; twice as many as a master is made for, and what a stranger's are stopped at."""
    max_completed_frameworks: int = 50
    max_completed_tasks: int = 1000
    """Per framework."""
    max_unreachable_tasks: int = 1000
    """Per framework."""


class Task:
    """A task that its framework may still hear of."""

    __slots__ = (
        "acknowledged", "agent_id", "executor_id", "framework_id", "info", "resources", "role", "started", "state",
        "status",
    )  # fmt: skip

    def __init__(
        self,
        info: TaskInfo,
        framework_id: FrameworkID,
        agent_id: AgentID,
        role: Role,
        executor_id: ExecutorID | None,
        now: float,
    ) -> None:
        """A task just accepted."""
        self.info = info
        self.framework_id = framework_id
        self.agent_id = agent_id
        self.role = role
        self.resources = info.resources
        self.executor_id = executor_id
        self.state = TaskState.STAGING
        """The latest on its agent, as far as we know."""
        self.status: TaskStatus | None = None
        """The newest that was forwarded."""
        self.acknowledged: int | None = None
        """The last update that its framework has dealt with."""
        self.started = now

    @property
    def is_live(self) -> bool:
        """True if it holds its resources."""
        return self.state in LIVE


class InverseAnswer(Struct, gc=False):
    """What a framework has said to the last inverse offer of an agent."""

    unavailability: Unavailability
    accepted: bool
    reason: str
    time: float
    """Seconds since the epoch."""
    until: float
    """It is not asked again before."""


class Executor(Struct, gc=False):
    """A custom executor on an agent."""

    info: ExecutorInfo
    role: Role
    seen: bool = False
    """Its agent has shown that it has it; until then it may be on its way there."""


class Agent:
    """An admitted agent, connected or (for a while) not."""

    __slots__ = (
        "agent_id", "connected", "executors", "heard", "info", "kills", "offers", "principal", "queue", "registered",
        "shutdowns", "tasks", "unsure",
    )  # fmt: skip

    def __init__(self, agent_id: AgentID, info: AgentInfo, principal: Principal, queue: str, now: float) -> None:
        """An agent that just spoke."""
        self.agent_id = agent_id
        self.info = info
        self.principal = principal
        self.queue = queue
        self.heard = now
        self.registered = now
        self.connected = False
        self.tasks: dict[Task, None] = {}
        self.executors: dict[tuple[FrameworkID, ExecutorID], Executor] = {}
        self.offers: dict[OfferID, Offer] = {}
        self.kills: dict[Task, float | None] = {}
        """What was to be killed there (with grace) and is not known to have ended; it may not have been told."""
        self.shutdowns: dict[FrameworkID, None] = {}
        """Removed frameworks it could not be told of yet."""
        self.unsure: dict[Task, None] = {}
        """Ended tasks that it brought back, and may have forgotten: the acknowledgement may have crossed its word."""

    def frameworks(self) -> list[FrameworkID]:
        """Those with a live task, an executor or an offer here."""
        owners = dict.fromkeys(task.framework_id for task in self.tasks if task.is_live)
        owners |= dict.fromkeys(framework_id for framework_id, _ in self.executors)
        owners |= dict.fromkeys(offer.framework_id for offer in self.offers.values())
        return list(owners)

    def used(self) -> dict[tuple[FrameworkID, Role], Resources]:
        """What live tasks and executors hold, by framework and role."""
        used: dict[tuple[FrameworkID, Role], Resources] = {}
        for task in self.tasks:
            if task.is_live:
                key = (task.framework_id, task.role)
                used[key] = used.get(key, EMPTY) + task.resources
        for (framework_id, _), executor in self.executors.items():
            key = (framework_id, executor.role)
            used[key] = used.get(key, EMPTY) + executor.info.resources
        return used

    def executors_of(self, framework_id: FrameworkID) -> list[ExecutorID]:
        """Ids of a framework's executors here."""
        return [executor_id for owner, executor_id in self.executors if owner == framework_id]


class Framework:
    """A framework that has not been removed."""

    __slots__ = (
        "agent_returns", "completed", "connected", "counters", "demands", "executors", "framework_id", "heard", "info",
        "inverse_answers", "inverse_offers", "json", "knows_tasks", "offers", "queue", "recovered", "registered",
        "removal_due", "suppressed", "tasks", "unreachable", "wants_inverse_offers",
    )  # fmt: skip

    def __init__(self, framework_id: FrameworkID, info: FrameworkInfo, now: float, *, history: MasterConfig) -> None:
        """A framework that nobody has subscribed for yet."""
        self.framework_id = framework_id
        self.info = info
        """Also for agents, and so without its filters, which may be large and are for the allocator alone."""
        self.queue = ""
        self.json = True
        self.connected = False
        self.recovered = True
        """Known only from agents: it has not subscribed to this master yet."""
        self.knows_tasks = True
        """Who is subscribed launched its tasks, as opposed to an instance that has just taken over."""
        self.agent_returns = False
        """It wants to hear of agents that are back."""
        self.wants_inverse_offers = False
        self.inverse_offers: dict[AgentID, tuple[InverseOffer, float]] = {}
        """Not answered yet, and when each times out."""
        self.inverse_answers: dict[AgentID, InverseAnswer] = {}
        self.registered = now
        self.heard = now
        self.removal_due: float | None = None
        """When to remove it unless it comes back."""
        self.suppressed: set[Role] = set()
        self.demands: dict[Role, int] = {}
        """How many it states."""
        self.tasks: dict[TaskID, Task] = {}
        self.executors: dict[tuple[AgentID, ExecutorID], Executor] = {}
        self.offers: dict[OfferID, Offer] = {}
        self.unreachable: dict[TaskID, Task] = {}
        """Tasks on agents that were given up, oldest first, bounded."""
        self.completed: deque[Task] = deque(maxlen=history.max_completed_tasks)
        self.counters: Counter[str] = Counter()

    @property
    def status(self) -> str:
        """In a word for people: connected, disconnected or recovered."""
        return "connected" if self.connected else "recovered" if self.recovered else "disconnected"


class CompletedFramework(Struct, frozen=True, gc=False):
    """What is remembered of a removed framework."""

    framework_id: FrameworkID
    info: FrameworkInfo
    registered: float
    removed: float
    completed: tuple[Task, ...]
    counters: dict[str, int]


class MasterState:
    """Everything a master knows."""

    def __init__(self, info: MasterInfo, config: MasterConfig, registry: Registry) -> None:
        """The start of a leadership."""
        self.info = info
        self.config = config
        self.registry = registry
        self.cut_off = True
        """The broker is out of reach: nobody is timed out, nothing is offered."""
        self.acls = config.acls
        self.connected_since = 0.0
        """The end of the last outage of the broker."""
        self.suspended = False
        """Another may lead by now: nothing is offered or launched."""
        self.patient_until = 0.0
        """So soon after an outage a missing queue may only be late: no framework is removed yet."""
        self.agents: dict[AgentID, Agent] = {}
        self.agent_ids: dict[str, dict[str, AgentID]] = {}
        """Connected agents by their queue, then by name: how a repeated registration is recognised."""
        self.absent: dict[AgentID, float] = dict.fromkeys(registry.admitted, 0.0)
        """Admitted agents that are not connected, and since when they are silent."""
        self.awaited: set[AgentID] = set(registry.admitted)
        """Those that this leader has neither seen yet nor given up."""
        self.returning: set[AgentID] = set()
        """Agents that are back and wait for the registry to say so."""
        self.emptied: dict[AgentID, None] = {}
        """Draining agents that may just have been emptied: it is looked at when the event at hand is dealt with."""
        self.frameworks: dict[FrameworkID, Framework] = {}
        self.framework_ids: dict[str, FrameworkID] = {}
        """Connected frameworks by their queue."""
        self.offers: dict[OfferID, tuple[Offer, float]] = {}
        """Outstanding offers and when they time out, oldest first."""
        self.completed: dict[FrameworkID, CompletedFramework] = {}
        """Removed frameworks, oldest first, bounded."""
        self.counters: Counter[str] = Counter()
        self.inbox_lag_s: dict[str, float] = {}
        """How long what we sent to our own inboxes took last."""
        self._next = Counter[str]()

    # Ids

    def new_id(self, kind: str) -> str:
        """The next id of a kind: F(ramework), A(gent), O(ffer), I(nverse offer)."""
        self._next[kind] += 1
        return f"{self.info.master_id}-{kind}{self._next[kind]}"

    def next_sequence(self) -> int:
        """Of an order that is obeyed once: rising for every agent, also for one that was lost and is back."""
        self._next["sequence"] += 1
        return self._next["sequence"]

    def is_to_come(self, kind: str, an_id: str) -> bool:
        """True if an id is one that this leader has yet to give out: nobody may take it before."""
        mine, prefix, number = an_id.partition(f"{self.info.master_id}-{kind}")
        return not mine and bool(prefix) and not (number.isdecimal() and int(number) <= self._next[kind])

    def was_removed(self, framework_id: FrameworkID) -> bool:
        """True if a framework is no more, also when that is too long ago to be remembered, or never was."""
        own = framework_id.startswith(f"{self.info.master_id}-F")
        return framework_id in self.completed or (own and framework_id not in self.frameworks)

    def remembers(self, task_id: TaskID, framework_id: FrameworkID | None) -> bool:
        """True if a task of that id was there: it is unreachable, or ended and still remembered."""
        living = self.named(framework_id)
        if any(task_id in framework.unreachable for framework in living):
            return True
        removed = [f for f in self.completed.values() if framework_id in (None, f.framework_id)]
        completed = [*(f.completed for f in living), *(f.completed for f in removed)]
        return any(task.info.task_id == task_id for tasks in completed for task in tasks)

    def named(self, framework_id: FrameworkID | None) -> list[Framework]:
        """The framework of that id, if it is there; all of them if none is named."""
        if framework_id is None:
            return list(self.frameworks.values())
        framework = self.frameworks.get(framework_id)
        return [] if framework is None else [framework]

    # Indexes

    def connect(self, agent: Agent, queue: str, info: AgentInfo, now: float) -> None:
        """An agent speaks from this queue."""
        self.disconnect(agent)
        agent.queue, agent.info = queue, info
        agent.connected, agent.heard = True, now
        self.agent_ids.setdefault(queue, {})[info.name] = agent.agent_id
        self.absent.pop(agent.agent_id, None)
        self.awaited.discard(agent.agent_id)

    def disconnect(self, agent: Agent) -> None:
        """It does not, as far as we know."""
        if agent.connected:
            agent.connected = False
            names = self.agent_ids[agent.queue]
            del names[agent.info.name]
            if not names:
                del self.agent_ids[agent.queue]
            self.absent[agent.agent_id] = agent.heard

    def add_executor(self, agent: Agent, framework: Framework, executor: Executor) -> None:
        """It holds its resources from now on."""
        executor_id = executor.info.executor_id
        agent.executors[framework.framework_id, executor_id] = executor
        framework.executors[agent.agent_id, executor_id] = executor

    def drop_executor(self, agent: Agent, framework_id: FrameworkID, executor_id: ExecutorID) -> Executor | None:
        """It is no more; the executor, if it was known."""
        executor = agent.executors.pop((framework_id, executor_id), None)
        if executor is not None:
            del self.frameworks[framework_id].executors[agent.agent_id, executor_id]
            self.note_emptied(agent)
        return executor

    def note_emptied(self, agent: Agent) -> None:
        """Something on it has ended: if it is draining, it may have been the last."""
        if agent.agent_id in self.registry.drains:
            self.emptied[agent.agent_id] = None

    # Check

    def check(self) -> None:
        """Raise InvariantError if two indexes disagree or an agent is promised beyond what it has (promise 1)."""
        self._check_offers()
        for agent in self.agents.values():
            self._check_agent(agent)
        for framework in self.frameworks.values():
            self._check_framework(framework)
        connected = {agent.agent_id for agent in self.agents.values() if agent.connected}
        if {*self.registry.admitted} != connected | {*self.absent} or connected & {*self.absent}:
            raise InvariantError("an admitted agent is neither connected nor absent, or both")
        if sum(map(len, self.agent_ids.values())) != len(connected):
            raise InvariantError("an agent that is not connected has a queue")
        for agent_id in (*self.registry.drains, *self.registry.deactivated):
            if not self.registry.knows(agent_id):
                raise InvariantError(f"agent {agent_id} is not known, and not to be offered")
        if self.registry.owned != Counter(self.registry.principals.values()):
            raise InvariantError("the agents of a principal are miscounted")

    def _check_offers(self) -> None:
        for offer_id, (offer, _) in self.offers.items():
            if offer_id not in self.agents[offer.agent_id].offers:
                raise InvariantError(f"offer {offer_id} is not with its agent")
            if offer_id not in self.frameworks[offer.framework_id].offers:
                raise InvariantError(f"offer {offer_id} is not with its framework")
        held = sum(len(agent.offers) for agent in self.agents.values())
        if held != len(self.offers) or held != sum(len(f.offers) for f in self.frameworks.values()):
            raise InvariantError("an agent or a framework holds an offer that is no more")

    def _check_agent(self, agent: Agent) -> None:
        offered = Resources.sum(offer.resources for offer in agent.offers.values())
        promised = Resources.sum([offered, *agent.used().values()])
        if not agent.info.resources.contains(promised):
            raise InvariantError(f"agent {agent.agent_id} has {agent.info.resources}, promised is {promised}")
        if agent.offers and not agent.connected:
            raise InvariantError(f"agent {agent.agent_id} is not connected and offered")
        if agent.offers and self.registry.mode_of(agent.agent_id) is not AgentMode.ACTIVE:
            raise InvariantError(f"agent {agent.agent_id} is not to be offered and is")
        if agent.connected and self.agent_ids[agent.queue][agent.info.name] != agent.agent_id:
            raise InvariantError(f"agent {agent.agent_id} cannot be found by its queue")
        for task in agent.tasks:
            framework = self.frameworks.get(task.framework_id)
            if framework is None or framework.tasks.get(task.info.task_id) is not task:
                raise InvariantError(f"task {task.info.task_id} is on {agent.agent_id}, not with {task.framework_id}")
        for (framework_id, executor_id), executor in agent.executors.items():
            if self.frameworks[framework_id].executors[agent.agent_id, executor_id] is not executor:
                raise InvariantError(f"executor {executor_id} is not with its framework")
        if not agent.kills.keys() <= agent.tasks.keys():
            raise InvariantError(f"agent {agent.agent_id} has a kill to hear of that is none")

    def _check_framework(self, framework: Framework) -> None:
        name = framework.framework_id
        if framework.connected != (self.framework_ids.get(framework.queue) == name):
            raise InvariantError(f"framework {name}: queue {framework.queue!r} is not its own")
        if framework.offers and not framework.connected:
            raise InvariantError(f"framework {name} is not connected and has offers")
        for task_id, task in framework.tasks.items():
            agent = self.agents.get(task.agent_id)
            if agent is None or task not in agent.tasks:
                raise InvariantError(f"task {task_id} of {name} is on no agent")
            if task.state not in LIVE and task.state not in TERMINAL:
                raise InvariantError(f"task {task_id} of {name} is {task.state}")
        for agent_id, executor_id in framework.executors:
            if (name, executor_id) not in self.agents[agent_id].executors:
                raise InvariantError(f"executor {executor_id} of {name} is on no agent")
        if framework.inverse_offers and not framework.wants_inverse_offers:
            raise InvariantError(f"framework {name} is asked what it does not want to be")
        if framework.tasks.keys() & framework.unreachable.keys():
            raise InvariantError(f"framework {name}: a task is on its agent and unreachable")
        if len(framework.unreachable) > self.config.max_unreachable_tasks:
            raise InvariantError(f"framework {name}: too many unreachable tasks are remembered")
