"""The master's HTTP API; this module has what shows the cluster, ``operating``, ``roles``, ``maintenance`` more."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import Parameter, QueryParameter
from msgspec import Struct

from mesos_py.master.core import Master
from mesos_py.master.metrics import metrics_of
from mesos_py.master.views import (
    AgentStatus,
    AgentView,
    DrainView,
    FrameworkView,
    OfferView,
    RoleView,
    StateView,
    TaskView,
    agent_views,
    drain_view,
    framework_views,
    offer_views,
    role_views,
    state_view,
    task_views,
    unreachable_views,
)
from mesos_py.runtime.condition import Condition, always_ready
from mesos_py.types.ids import AgentID
from mesos_py.types.metrics import Metric, gauge
from mesos_py.types.tasks import LIVE, TaskState
from mesos_py.web.access import Access, allow_all
from mesos_py.web.app import health, make_app, may_fail, problem, version
from mesos_py.web.asking import Asker, Operate
from mesos_py.web.authentication import Authenticate, nobody
from mesos_py.web.encode import AcceptEncoding, whole
from mesos_py.web.leading import Leading, MasterView, NotLeading, elsewhere
from mesos_py.web.maintenance import MaintenanceSite
from mesos_py.web.metrics import metrics
from mesos_py.web.operating import AgentInPath, FrameworkFilter, OperatorSite, TaskInPath
from mesos_py.web.paging import Items, Limit, Offset, cut
from mesos_py.web.reader import Reader, Snapshot
from mesos_py.web.roles import RoleSite

__all__ = ["make_master_app"]

T = TypeVar("T")

NodeFilter = Annotated[str | None, Parameter(description="Only with this id, name or host name.")]
StatusFilter = Annotated[
    list[AgentStatus] | None,
    QueryParameter(name="status", description="By default connected and disconnected; may be given several times."),
]
AgentFilter = Annotated[str | None, Parameter(description="Only on this agent.")]
StateFilter = Annotated[
    list[TaskState] | None, QueryParameter(name="state", description="Only in this state; may be given several times.")
]
TaskFilter = Annotated[str | None, Parameter(description="Only with this id.")]


class Masters(Struct, frozen=True):
    """All masters, in the order in which they would lead."""

    masters: list[MasterView]


class AgentPage(Items[AgentView], frozen=True, kw_only=True):
    """Agents."""


class FrameworkPage(Items[FrameworkView], frozen=True, kw_only=True):
    """Frameworks."""


class TaskPage(Items[TaskView], frozen=True, kw_only=True):
    """Tasks."""


class OfferPage(Items[OfferView], frozen=True, kw_only=True):
    """Outstanding offers."""


class RolePage(Items[RoleView], frozen=True, kw_only=True):
    """Roles."""


def make_master_app(
    reader: Reader,
    master: Callable[[], Master | None],
    operate: Operate,
    access: Access = allow_all,
    leader_url: Callable[[], str] = lambda: "",
    masters: Callable[[], list[MasterView]] = list,
    condition: Callable[[], Condition] = always_ready,
    authenticate: Authenticate = nobody,
) -> Litestar:
    """The ASGI application.

    Args:
        reader: asks the loop in which the master lives.
        master: the core, or None while this process does not lead; called in the loop's thread only.
        operate: has the core change something.
        access: who may do what.
        leader_url: where the leader's API is, while it is not here; called in the loop's thread only.
        masters: this one and the others, as far as they are known; called in the loop's thread only.
        condition: how this process fares; called in the loop's thread only.
        authenticate: finds out who asks.
    """
    leading = Leading(master, leader_url)
    asker = Asker(reader, leading, operate)
    routes = [
        *_MasterSite(reader, leading).routes(),
        *OperatorSite(asker).routes(),
        *MaintenanceSite(reader, leading, asker).routes(),
        *RoleSite(reader, leading, asker).routes(),
    ]
    description = "What the cluster is and does. Lists come in pages and are a moment old."
    figures = metrics(reader, "mesos_master", lambda: _metrics(master()))
    daemon = [*health(reader, condition), version(), figures, _masters(reader, masters)]
    return make_app("mesos_py master", description, [*daemon, *routes], access, authenticate)


def _masters(reader: Reader, masters: Callable[[], list[MasterView]]) -> HTTPRouteHandler:
    """The route that every master serves itself, and so tells where the leader is."""

    async def read_masters() -> Masters:
        """This master and the others that contend, and which of them leads."""
        return Masters(await reader.read(masters))

    return get("/masters", summary="Masters, and who leads", tags=["daemon"], responses=may_fail(503))(read_masters)


def _metrics(master: Master | None) -> list[Metric]:
    """Also a standby has some: whoever collects them asks every master."""
    elected = gauge("elected", "1 if this master leads.", int(master is not None))
    return [elected] if master is None else [elected, *metrics_of(master.state, master.shares())]


class _MasterSite:
    """The routes, and what they need."""

    def __init__(self, reader: Reader, leading: Leading) -> None:
        self._reader = reader
        self._leading = leading

    def routes(self) -> list[HTTPRouteHandler]:
        """All of them."""
        look: dict[str, Any] = {"tags": ["cluster"], "exception_handlers": {NotLeading: elsewhere}}
        listing = {**look, "responses": may_fail(400, 503)}
        state = {200: ResponseSpec(StateView, description="The cluster", generate_examples=False), **may_fail(503)}
        return [
            get("/state", summary="The whole cluster", **look, responses=state)(self.state),
            get("/agents", summary="Agents", **listing)(self.agents),
            get("/agents/{agent_id:str}/drain", summary="How far one is drained", **look, responses=may_fail(404, 503))(
                self.progress
            ),
            get("/frameworks", summary="Frameworks", **listing)(self.frameworks),
            get("/tasks", summary="Tasks", **listing)(self.tasks),
            get("/tasks/{task_id:str}", summary="One task", **look, responses=may_fail(404, 503))(self.task),
            get("/offers", summary="Outstanding offers", **listing)(self.offers),
            get("/roles", summary="Roles", **listing)(self.roles),
        ]

    # Looking

    async def state(self, accept_encoding: AcceptEncoding = "") -> Response[bytes]:
        """Everything in one value; for a large cluster the lists are the better way."""
        snapshot = await self._snapshot("state", lambda master: state_view(master.state, master.shares()))
        return await whole(self._reader, snapshot, accept_encoding)

    async def agents(
        self, limit: Limit = 100, offset: Offset = 0, node: NodeFilter = None, statuses: StatusFilter = None
    ) -> AgentPage:
        """Agents in the order in which they came, and if they are asked for those that were given up."""
        agents = (await self._snapshot("agents", lambda master: agent_views(master.state))).value
        if statuses is not None:
            if AgentStatus.UNREACHABLE in statuses:
                lost = await self._snapshot("unreachable", lambda master: unreachable_views(master.state))
                agents = agents + lost.value
            agents = [agent for agent in agents if agent.status in statuses]
        if node is not None:
            agents = [agent for agent in agents if node in (agent.agent_id, agent.name, agent.hostname)]
        return cut(AgentPage, agents, offset, limit)

    async def progress(self, agent_id: AgentInPath) -> DrainView:
        """How far an agent is emptied, also one that is away."""
        view = await self._reader.read(lambda: drain_view(self._leading().state, AgentID(agent_id)))
        if view is None:
            raise problem(404, f"agent {agent_id} is not known")
        return view

    async def frameworks(self, limit: Limit = 100, offset: Offset = 0) -> FrameworkPage:
        """Frameworks in the order in which they came, then those that were removed."""
        snapshot = await self._snapshot("frameworks", lambda master: framework_views(master.state))
        return cut(FrameworkPage, snapshot.value, offset, limit)

    async def tasks(
        self,
        limit: Limit = 100,
        offset: Offset = 0,
        task_id: TaskFilter = None,
        framework_id: FrameworkFilter = None,
        agent_id: AgentFilter = None,
        states: StateFilter = None,
    ) -> TaskPage:
        """Tasks by framework: live and unheard ones, unreachable ones, then ended ones."""
        tasks = (await self._tasks()).value
        if (task_id, framework_id, agent_id, states) != (None,) * 4:
            tasks = [
                task
                for task in tasks
                if task_id in (None, task.task_id)
                and framework_id in (None, task.framework_id)
                and agent_id in (None, task.agent_id)
                and (states is None or task.state in states)
            ]
        return cut(TaskPage, tasks, offset, limit)

    async def task(self, task_id: TaskInPath, framework_id: FrameworkFilter = None) -> TaskView:
        """One task; where several have had this id, one that lives or else the newest."""
        found = await self._find_tasks(task_id, framework_id)
        if not found:
            raise problem(404, _no_task(task_id, framework_id))
        return max(found, key=lambda task: (task.state in LIVE, task.started))

    async def offers(self, limit: Limit = 100, offset: Offset = 0) -> OfferPage:
        """Outstanding offers, oldest first."""
        snapshot = await self._snapshot("offers", lambda master: offer_views(master.state))
        return cut(OfferPage, snapshot.value, offset, limit)

    async def roles(self, limit: Limit = 100, offset: Offset = 0) -> RolePage:
        """Roles in the order in which they would be offered next, then those without a framework."""
        snapshot = await self._snapshot("roles", lambda master: role_views(master.shares()))
        return cut(RolePage, snapshot.value, offset, limit)

    # Reading the core

    async def _snapshot(self, key: str, build: Callable[[Master], T]) -> Snapshot[T]:
        return await self._reader.snapshot(key, lambda: build(self._leading()))

    async def _tasks(self) -> Snapshot[list[TaskView]]:
        return await self._snapshot("tasks", lambda master: task_views(master.state))

    async def _find_tasks(self, task_id: str, framework_id: str | None) -> list[TaskView]:
        """All with this id, also those that came after the latest snapshot."""

        def matching(snapshot: Snapshot[list[TaskView]]) -> list[TaskView]:
            return [
                task for task in snapshot.value if task.task_id == task_id and framework_id in (None, task.framework_id)
            ]

        snapshot = await self._tasks()
        return matching(snapshot) or matching(
            await self._reader.later("tasks", lambda: task_views(self._leading().state), snapshot)
        )


def _no_task(task_id: str, framework_id: str | None) -> str:
    return f"no task {task_id} is known" + (f" of framework {framework_id}" if framework_id else "")
