"""What a master knows, with its indexes, and a check that they agree.

Everything here is soft state: a new leader starts with none of it and is told again.
"""

from collections import Counter, deque
from collections.abc import Iterator

from msgspec import Struct

from mesos_py.errors import InvariantError
from mesos_py.master.registry import Registry
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, OfferID, Principal, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo, MasterInfo
from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, TERMINAL, ExecutorInfo, TaskInfo, TaskState, TaskStatus

__all__ = ["Agent", "CompletedFramework", "Executor", "Framework", "MasterConfig", "MasterState", "Task"]


class MasterConfig(Struct, frozen=True, kw_only=True):
    """What a master's decisions depend on."""

    offer_timeout_s: float = 60.0
    """Rescind an unanswered offer after this long."""
    heartbeat_s: float = 15.0
    """How often agents and schedulers are to show that they live, in a small cluster."""
    heartbeats_per_s: float = 500.0
    """In a large cluster the interval grows so that no more agent heartbeats than this arrive."""
    missed_heartbeats: int = 5
    """After so many intervals of silence an agent is unreachable and a scheduler disconnected."""
    max_completed_frameworks: int = 50
    max_completed_tasks: int = 1000
    """Per framework."""
    max_unreachable_tasks: int = 1000
    """Per framework."""


class Task:
    """A task that its framework may still hear of."""

    __slots__ = ("agent_id", "executor_id", "framework_id", "info", "resources", "role", "started", "state", "status")

    def __init__(self, info: TaskInfo, framework_id: FrameworkID, agent_id: AgentID, role: Role, now: float) -> None:
        """A task just accepted."""
        self.info = info
        self.framework_id = framework_id
        self.agent_id = agent_id
        self.role = role
        self.resources = info.resources
        self.executor_id: ExecutorID | None = info.executor.executor_id if info.executor else None
        self.state = TaskState.STAGING
        """The latest on its agent, as far as we know."""
        self.status: TaskStatus | None = None
        """The newest that was forwarded."""
        self.started = now

    @property
    def is_live(self) -> bool:
        """True if it holds its resources."""
        return self.state in LIVE


class Executor(Struct, gc=False):
    """A custom executor on an agent."""

    info: ExecutorInfo
    role: Role


class Agent:
    """An admitted agent, connected or (for a while) not."""

    def __init__(self, agent_id: AgentID, info: AgentInfo, principal: Principal, queue: str, now: float) -> None:
        """An agent that just spoke."""
        self.agent_id = agent_id
        self.info = info
        self.principal = principal
        self.queue = queue
        self.heard = now
        self.registered = now
        self.connected = True
        self.sequence = 0
        """Of the last RunTasks sent to it."""
        self.tasks: dict[tuple[FrameworkID, TaskID], Task] = {}
        self.executors: dict[tuple[FrameworkID, ExecutorID], Executor] = {}
        self.offers: dict[OfferID, Offer] = {}
        self.kills: dict[tuple[FrameworkID, TaskID], float | None] = {}
        """Kills (with grace) it could not be told yet."""
        self.shutdowns: dict[FrameworkID, None] = {}
        """Removed frameworks it could not be told of yet."""

    def used(self) -> dict[tuple[FrameworkID, Role], Resources]:
        """What live tasks and executors hold, by framework and role."""
        used: dict[tuple[FrameworkID, Role], Resources] = {}
        for task in self.tasks.values():
            if task.is_live:
                key = (task.framework_id, task.role)
                used[key] = used.get(key, Resources()) + task.resources
        for (framework_id, _), executor in self.executors.items():
            key = (framework_id, executor.role)
            used[key] = used.get(key, Resources()) + executor.info.resources
        return used

    def executors_of(self, framework_id: FrameworkID) -> list[ExecutorID]:
        """Ids of a framework's executors here."""
        return [executor_id for owner, executor_id in self.executors if owner == framework_id]


class Framework:
    """A framework that has not been removed."""

    def __init__(self, framework_id: FrameworkID, info: FrameworkInfo, now: float, *, history: MasterConfig) -> None:
        """A framework that nobody has subscribed for yet."""
        self.framework_id = framework_id
        self.info = info
        self.queue = ""
        self.json = True
        self.connected = False
        self.recovered = True
        """Known only from agents: it has not subscribed to this master yet."""
        self.registered = now
        self.heard = now
        self.removal_due: float | None = None
        """When to remove it unless it comes back."""
        self.suppressed: set[Role] = set()
        self.tasks: dict[TaskID, Task] = {}
        self.offers: dict[OfferID, Offer] = {}
        self.unreachable: dict[TaskID, Task] = {}
        """Tasks on agents that were given up, oldest first, bounded."""
        self.completed: deque[Task] = deque(maxlen=history.max_completed_tasks)
        self.counters: Counter[str] = Counter()


class CompletedFramework(Struct, frozen=True, gc=False):
    """What is remembered of a removed framework."""

    framework_id: FrameworkID
    info: FrameworkInfo
    registered: float
    removed: float
    completed: tuple[Task, ...]


class MasterState:
    """Everything a master knows."""

    def __init__(self, info: MasterInfo, config: MasterConfig, registry: Registry) -> None:
        """The start of a leadership."""
        self.info = info
        self.config = config
        self.registry = registry
        self.cut_off = True
        """The broker is out of reach: nobody is timed out, nothing is offered."""
        self.agents: dict[AgentID, Agent] = {}
        self.agent_ids: dict[tuple[str, str], AgentID] = {}
        """Agents by their queue and name: how a repeated registration is recognised."""
        self.frameworks: dict[FrameworkID, Framework] = {}
        self.framework_ids: dict[str, FrameworkID] = {}
        """Connected frameworks by their queue."""
        self.offers: dict[OfferID, tuple[Offer, float]] = {}
        """Outstanding offers and when they time out, oldest first."""
        self.completed: dict[FrameworkID, CompletedFramework] = {}
        """Removed frameworks, oldest first, bounded."""
        self.counters: Counter[str] = Counter()
        self._next = Counter[str]()

    def new_id(self, kind: str) -> str:
        """The next id of a kind: F(ramework), A(gent), O(ffer)."""
        self._next[kind] += 1
        return f"{self.info.master_id}-{kind}{self._next[kind]}"

    @property
    def heartbeat_s(self) -> float:
        """The agents' heartbeat interval, which grows with their number."""
        return max(self.config.heartbeat_s, len(self.agents) / self.config.heartbeats_per_s)

    def live_tasks(self) -> Iterator[Task]:
        """Every task that holds resources."""
        return (task for agent in self.agents.values() for task in agent.tasks.values() if task.is_live)

    def check(self) -> None:
        """Raise InvariantError if two indexes disagree or an agent is promised beyond what it has (promise 1)."""
        self._check_offers()
        for agent in self.agents.values():
            offered = Resources.sum(offer.resources for offer in agent.offers.values())
            promised = Resources.sum([offered, *agent.used().values()])
            if not agent.info.resources.contains(promised):
                raise InvariantError(f"agent {agent.agent_id} has {agent.info.resources}, promised is {promised}")
            if agent.offers and not agent.connected:
                raise InvariantError(f"agent {agent.agent_id} is not connected and offered")
            for (framework_id, task_id), task in agent.tasks.items():
                framework = self.frameworks.get(framework_id)
                if framework is None or framework.tasks.get(task_id) is not task:
                    raise InvariantError(f"task {task_id} is on agent {agent.agent_id} and not with {framework_id}")
        for framework in self.frameworks.values():
            self._check_framework(framework)

    def _check_offers(self) -> None:
        for offer_id, (offer, _) in self.offers.items():
            if offer_id not in self.agents[offer.agent_id].offers:
                raise InvariantError(f"offer {offer_id} is not with its agent")
            if offer_id not in self.frameworks[offer.framework_id].offers:
                raise InvariantError(f"offer {offer_id} is not with its framework")
        held = sum(len(agent.offers) for agent in self.agents.values())
        if held != len(self.offers) or held != sum(len(f.offers) for f in self.frameworks.values()):
            raise InvariantError("an agent or a framework holds an offer that is no more")

    def _check_framework(self, framework: Framework) -> None:
        if framework.connected != (self.framework_ids.get(framework.queue) == framework.framework_id):
            raise InvariantError(f"framework {framework.framework_id}: queue {framework.queue!r} is not its own")
        if framework.offers and not framework.connected:
            raise InvariantError(f"framework {framework.framework_id} is not connected and has offers")
        for task_id, task in framework.tasks.items():
            agent = self.agents.get(task.agent_id)
            if agent is None or agent.tasks.get((framework.framework_id, task_id)) is not task:
                raise InvariantError(f"task {task_id} of {framework.framework_id} is on no agent")
        if any(
            task.state in TERMINAL and task.state != TaskState.UNREACHABLE for task in framework.unreachable.values()
        ):
            raise InvariantError(f"framework {framework.framework_id}: an ended task is listed as unreachable")
