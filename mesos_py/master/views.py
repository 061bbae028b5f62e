"""What the master shows of itself: values made from its state, for the HTTP API, the command line and metrics."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain, islice
from typing import Any

from msgspec import Struct, field

from mesos_py.allocator.base import RoleShare
from mesos_py.master.state import Agent, Framework, MasterState, Task
from mesos_py.types.attributes import Attributes
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, OfferID, Principal, Role, TaskID
from mesos_py.types.infos import MasterInfo
from mesos_py.types.maintenance import AgentMode
from mesos_py.types.quota import amounts_to_wire
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import TaskState

__all__ = [
    "AgentStatus",
    "AgentView",
    "DrainView",
    "FrameworkView",
    "InverseAnswerView",
    "MachineView",
    "OfferView",
    "Page",
    "RoleView",
    "StateView",
    "TaskView",
    "agent_views",
    "drain_view",
    "framework_views",
    "machine_views",
    "offer_views",
    "role_views",
    "state_view",
    "task_views",
    "unreachable_views",
]


class Page(Struct, frozen=True, gc=False):
    """Which part of a list to show."""

    offset: int = 0
    limit: int = 100


class AgentStatus(StrEnum):
    """How it stands with an agent."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """It may come back, and nothing of it is given up yet."""
    UNREACHABLE = "unreachable"
    GONE = "gone"


class AgentView(Struct, frozen=True, kw_only=True, gc=False):
    """One agent; of one that this leader has not seen little is known, and the rest is empty."""

    agent_id: AgentID
    name: str
    hostname: str
    url: str
    connected: bool
    status: AgentStatus
    resources: Resources
    used: Resources
    offered: Resources
    attributes: Attributes
    tasks: int
    registered: float
    """Seconds since the epoch; 0 if that was with another leader."""
    version: str
    mode: AgentMode
    unreachable: float | None = None
    """When it was given up, seconds since the epoch."""


class DrainView(Struct, frozen=True, kw_only=True, gc=False):
    """How far an agent has been emptied."""

    agent_id: AgentID
    hostname: str
    """Empty if it is not known any more."""
    status: AgentStatus
    mode: AgentMode
    tasks: int
    """That live there, as far as is known."""
    unacknowledged: int
    """Tasks that have ended, of which their framework has not dealt with the last update."""
    executors: int
    since: float | None = None
    """When the order was given, seconds since the epoch; None where there is none."""
    max_grace_period_s: float | None = None
    deadline: float | None = None
    mark_gone: bool = False
    drained: float | None = None
    """When it was found empty."""


class InverseAnswerView(Struct, frozen=True, kw_only=True, gc=False):
    """What a framework says to the maintenance of a machine; ``answer`` is ACCEPTED, DECLINED or NONE yet."""

    framework_id: FrameworkID
    framework_name: str
    agent_id: AgentID
    answer: str
    reason: str = ""
    time: float | None = None
    """Of the answer, seconds since the epoch."""


class MachineView(Struct, frozen=True, kw_only=True, gc=False):
    """A machine on the maintenance schedule; ``state`` is SCHEDULED or DOWN."""

    host: str
    state: str
    start: float
    """Seconds since the epoch."""
    duration_s: float | None
    down_since: float | None
    agents: list[AgentID]
    tasks: int
    """That live there."""
    answers: list[InverseAnswerView]
    """Of the frameworks that have been asked."""


class FrameworkView(Struct, frozen=True, kw_only=True, gc=False):
    """One framework; ``status`` is connected, disconnected, recovered or removed."""

    framework_id: FrameworkID
    name: str
    principal: Principal
    roles: list[Role]
    status: str
    tasks: int
    """Live ones."""
    completed: int
    used: Resources
    """Numbers only: ranges and sets of several agents do not add up."""
    offers: int
    counters: dict[str, int]
    registered: float
    webui_url: str = ""


class TaskView(Struct, frozen=True, kw_only=True, gc=False):
    """One task, live, unreachable or ended."""

    task_id: TaskID
    name: str
    framework_id: FrameworkID
    framework_name: str
    agent_id: AgentID
    hostname: str
    agent_url: str
    """Where its sandbox can be read; empty if its agent is not known."""
    executor_id: ExecutorID | None
    container_id: ContainerID | None
    role: Role
    state: TaskState
    resources: Resources
    started: float
    message: str
    exit_code: int | None
    healthy: bool | None


class OfferView(Struct, frozen=True, kw_only=True, gc=False):
    """One outstanding offer."""

    offer_id: OfferID
    framework_id: FrameworkID
    framework_name: str
    agent_id: AgentID
    hostname: str
    role: Role
    resources: Resources
    expires: float


class RoleView(Struct, frozen=True, kw_only=True, gc=False):
    """One role with a framework in it, a quota, or a weight other than 1."""

    role: Role
    weight: float
    dominant_share: float
    allocated: Resources
    """Offered or in use, by it and the roles below it."""
    frameworks: int
    """That subscribe to this very role."""
    guarantee: dict[str, float] = {}
    limit: dict[str, float] = {}
    consumed: dict[str, float] = {}
    """Of what its quota speaks of: what is allocated, and what is reserved to it and not in use."""


class StateView(Struct, frozen=True, kw_only=True, gc=False):
    """The whole cluster in one value."""

    master: MasterInfo
    connected: bool
    agents: list[AgentView]
    frameworks: list[FrameworkView]
    tasks: list[TaskView]
    offers: list[OfferView]
    roles: list[RoleView]
    counters: dict[str, int] = field(default_factory=dict)
    inbox_lag_s: dict[str, float] = field(default_factory=dict)
    """How far the master is behind with what each kind of sender sends."""


EVERYTHING = Page(0, 10**9)


def agent_views(state: MasterState, page: Page = EVERYTHING) -> list[AgentView]:
    """Admitted agents in the order in which they came, then those that have not come back to this leader yet."""
    missing = (agent_id for agent_id in state.registry.admitted if agent_id not in state.agents)
    views = chain(
        (_agent(state, agent) for agent in state.agents.values()),
        (_unseen(state, agent_id, tasks=0) for agent_id in missing),
    )
    return list(islice(views, page.offset, page.offset + page.limit))


def unreachable_views(state: MasterState) -> list[AgentView]:
    """Agents that were given up, oldest first."""
    tasks = Counter(task.agent_id for f in state.frameworks.values() for task in f.unreachable.values())
    return [_unseen(state, agent_id, tasks[agent_id]) for agent_id in state.registry.unreachable]


def _unseen(state: MasterState, agent_id: AgentID, tasks: int) -> AgentView:
    return AgentView(
        agent_id=agent_id,
        name="",
        hostname=state.registry.hostname_of(agent_id),
        url="",
        connected=False,
        status=_status(state, agent_id),
        resources=Resources(),
        used=Resources(),
        offered=Resources(),
        attributes={},
        tasks=tasks,
        registered=0.0,
        version="",
        mode=state.registry.mode_of(agent_id),
        unreachable=state.registry.unreachable.get(agent_id),
    )


def _agent(state: MasterState, agent: Agent) -> AgentView:
    return AgentView(
        agent_id=agent.agent_id,
        name=agent.info.name,
        hostname=agent.info.hostname,
        url=agent.info.url,
        connected=agent.connected,
        status=_status(state, agent.agent_id),
        resources=agent.info.resources,
        used=Resources.sum(agent.used().values()),
        offered=Resources.sum(offer.resources for offer in agent.offers.values()),
        attributes=agent.info.attributes,
        tasks=sum(task.is_live for task in agent.tasks),
        registered=agent.registered,
        version=agent.info.version,
        mode=state.registry.mode_of(agent.agent_id),
    )


def drain_view(state: MasterState, agent_id: AgentID) -> DrainView | None:
    """One agent, wherever it is; None if it was never here, or is forgotten."""
    registry = state.registry
    agent = state.agents.get(agent_id)
    if not registry.knows(agent_id) and agent_id not in registry.gone:
        return None
    drain = registry.drains.get(agent_id)
    live = sum(task.is_live for task in agent.tasks) if agent is not None else 0
    return DrainView(
        agent_id=agent_id,
        hostname=registry.hostname_of(agent_id),
        status=_status(state, agent_id),
        mode=registry.mode_of(agent_id),
        tasks=live,
        unacknowledged=len(agent.tasks) - live if agent is not None else 0,
        executors=len(agent.executors) if agent is not None else 0,
        since=drain.since if drain is not None else None,
        max_grace_period_s=drain.max_grace_period_s if drain is not None else None,
        deadline=drain.deadline if drain is not None else None,
        mark_gone=drain is not None and drain.mark_gone,
        drained=drain.drained if drain is not None else None,
    )


def _status(state: MasterState, agent_id: AgentID) -> AgentStatus:
    if agent_id in state.registry.gone:
        return AgentStatus.GONE
    if agent_id in state.registry.unreachable:
        return AgentStatus.UNREACHABLE
    return AgentStatus.DISCONNECTED if agent_id in state.absent else AgentStatus.CONNECTED


def machine_views(state: MasterState) -> list[MachineView]:
    """All that are scheduled or down, in the order of the schedule."""
    registry = state.registry
    agents: dict[str, list[Agent]] = {host: [] for host in registry.unavailability}
    for agent in state.agents.values():
        if agent.info.hostname in agents:
            agents[agent.info.hostname].append(agent)
    return [
        MachineView(
            host=host,
            state="DOWN" if host in registry.down else "SCHEDULED",
            start=unavailability.start,
            duration_s=unavailability.duration_s,
            down_since=registry.down.get(host),
            agents=[agent.agent_id for agent in agents[host]],
            tasks=sum(task.is_live for agent in agents[host] for task in agent.tasks),
            answers=[answer for agent in agents[host] for answer in _answers(state, agent)],
        )
        for host, unavailability in registry.unavailability.items()
    ]


def _answers(state: MasterState, agent: Agent) -> Iterator[InverseAnswerView]:
    for framework in state.frameworks.values():
        ids: dict[str, Any] = {
            "framework_id": framework.framework_id,
            "framework_name": framework.info.name,
            "agent_id": agent.agent_id,
        }
        if (said := framework.inverse_answers.get(agent.agent_id)) is not None:
            answer = "ACCEPTED" if said.accepted else "DECLINED"
            yield InverseAnswerView(**ids, answer=answer, reason=said.reason, time=said.time)
        elif agent.agent_id in framework.inverse_offers:
            yield InverseAnswerView(**ids, answer="NONE")


def framework_views(state: MasterState, page: Page = EVERYTHING) -> list[FrameworkView]:
    """Frameworks in the order in which they came, then those that were removed."""
    views = [_framework(framework) for framework in state.frameworks.values()]
    views += [
        FrameworkView(
            framework_id=gone.framework_id,
            name=gone.info.name,
            principal=gone.info.principal,
            roles=gone.info.roles,
            status="removed",
            tasks=0,
            completed=len(gone.completed),
            used=Resources(),
            offers=0,
            counters=gone.counters,
            registered=gone.registered,
        )
        for gone in state.completed.values()
    ]
    return views[page.offset : page.offset + page.limit]


def _framework(framework: Framework) -> FrameworkView:
    live = [task for task in framework.tasks.values() if task.is_live]
    executors = (executor.info.resources for executor in framework.executors.values())
    return FrameworkView(
        framework_id=framework.framework_id,
        name=framework.info.name,
        principal=framework.info.principal,
        roles=framework.info.roles,
        status=framework.status,
        tasks=len(live),
        completed=len(framework.completed),
        used=Resources.scalars([*(task.resources for task in live), *executors]),
        offers=len(framework.offers),
        counters=dict(framework.counters),
        registered=framework.registered,
        webui_url=framework.info.webui_url,
    )


def task_views(state: MasterState, page: Page = EVERYTHING, task_id: TaskID | None = None) -> list[TaskView]:
    """Tasks by framework: live and unheard ones, unreachable ones, then ended ones; of one id if given."""
    everything = (
        (name, task)
        for name, tasks in _tasks_by_framework(state)
        for task in tasks
        if task_id is None or task.info.task_id == task_id
    )
    return [_task(state, name, task) for name, task in islice(everything, page.offset, page.offset + page.limit)]


def _tasks_by_framework(state: MasterState) -> list[tuple[str, list[Task]]]:
    alive = [
        (f.info.name, [*f.tasks.values(), *f.unreachable.values(), *f.completed]) for f in state.frameworks.values()
    ]
    return alive + [(gone.info.name, list(gone.completed)) for gone in state.completed.values()]


def _task(state: MasterState, framework_name: str, task: Task) -> TaskView:
    agent = state.agents.get(task.agent_id)
    status = task.status
    return TaskView(
        task_id=task.info.task_id,
        name=task.info.name or task.info.task_id,
        framework_id=task.framework_id,
        framework_name=framework_name,
        agent_id=task.agent_id,
        hostname=agent.info.hostname if agent else "",
        agent_url=agent.info.url if agent else "",
        executor_id=task.executor_id,
        container_id=status.container_id if status else None,
        role=task.role,
        state=task.state,
        resources=task.resources,
        started=task.started,
        message=status.message if status else "",
        exit_code=status.exit_code if status else None,
        healthy=status.healthy if status else None,
    )


def offer_views(state: MasterState, page: Page = EVERYTHING) -> list[OfferView]:
    """Outstanding offers, oldest first."""
    return [
        OfferView(
            offer_id=offer.offer_id,
            framework_id=offer.framework_id,
            framework_name=state.frameworks[offer.framework_id].info.name,
            agent_id=offer.agent_id,
            hostname=offer.hostname,
            role=offer.role,
            resources=offer.resources,
            expires=expires,
        )
        for offer, expires in islice(state.offers.values(), page.offset, page.offset + page.limit)
    ]


def role_views(shares: list[RoleShare]) -> list[RoleView]:
    """Roles in the order in which they would be offered next, then those without a framework."""
    return [
        RoleView(
            role=share.role,
            weight=share.weight,
            dominant_share=share.dominant_share,
            allocated=share.allocated,
            frameworks=share.frameworks,
            guarantee=amounts_to_wire(share.quota.guarantee),
            limit=amounts_to_wire(share.quota.limit),
            consumed=amounts_to_wire(share.consumed),
        )
        for share in shares
    ]


def state_view(state: MasterState, shares: list[RoleShare]) -> StateView:
    """Everything."""
    return StateView(
        master=state.info,
        connected=not state.cut_off,
        agents=agent_views(state),
        frameworks=framework_views(state),
        tasks=task_views(state),
        offers=offer_views(state),
        roles=role_views(shares),
        counters=dict(state.counters),
        inbox_lag_s=dict(state.inbox_lag_s),
    )
