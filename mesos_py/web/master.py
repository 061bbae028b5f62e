"""The master's HTTP API: what the cluster is and does, and the few things an operator may change."""

import asyncio
import time
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import Parameter, PathParameter, QueryParameter
from msgspec import Struct

from mesos_py.master.core import Master
from mesos_py.master.events import OperatorCall, OperatorKill, OperatorTeardown
from mesos_py.master.views import (
    AgentView,
    FrameworkView,
    OfferView,
    RoleView,
    StateView,
    TaskView,
    agent_views,
    framework_views,
    offer_views,
    role_views,
    state_view,
    task_views,
)
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.tasks import LIVE, TaskState
from mesos_py.web.access import Access, allow_all
from mesos_py.web.app import Problem, health, make_app, may_fail, problem, version
from mesos_py.web.encode import encode_in_pieces
from mesos_py.web.paging import Items, Limit, Offset, cut
from mesos_py.web.reader import BusyError, Reader, Snapshot

__all__ = ["Operate", "make_master_app"]

Operate = Callable[[OperatorCall, AbstractEventLoop, "Future[tuple[str, bool]]"], None]
"""Has the core do it and sets the future, from any thread, to (message, is an error)."""

T = TypeVar("T")

_OPERATE_TIMEOUT_S: Final = 10.0

AgentFilter = Annotated[str | None, Parameter(description="Only on this agent.")]
FrameworkFilter = Annotated[str | None, Parameter(description="Only of this framework.")]
StateFilter = Annotated[
    list[TaskState] | None, QueryParameter(name="state", description="Only in this state; may be given several times.")
]
TaskInPath = Annotated[str, PathParameter(description="Id of a task.")]
FrameworkInPath = Annotated[str, PathParameter(description="Id of a framework.")]
TaskFilter = Annotated[str | None, Parameter(description="Only with this id.")]


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


class Done(Struct, frozen=True):
    """What was done."""

    message: str


def make_master_app(
    reader: Reader,
    master: Callable[[], Master | None],
    operate: Operate,
    access: Access = allow_all,
    leader_url: Callable[[], str] = lambda: "",
) -> Litestar:
    """The ASGI application.

    Args:
        reader: asks the loop in which the master lives.
        master: the core, or None while this process does not lead; called in the loop's thread only.
        operate: has the core change something.
        access: who may do what.
        leader_url: where the leader's API is, while it is not here; called in the loop's thread only.
    """
    site = _MasterSite(reader, master, operate, leader_url)
    description = "What the cluster is and does. Lists come in pages and are a moment old."
    return make_app("mesos_py master", description, [health(reader), version(), *site.routes()], access)


class _NotLeading(Exception):  # noqa: N818  (not an error)
    """This process does not lead; ``leader`` may."""

    def __init__(self, leader: str) -> None:
        super().__init__(leader)
        self.leader = leader


class _MasterSite:
    """The routes, and what they need."""

    def __init__(
        self,
        reader: Reader,
        master: Callable[[], Master | None],
        operate: Operate,
        leader_url: Callable[[], str],
    ) -> None:
        self._reader = reader
        self._master = master
        self._operate = operate
        self._leader_url = leader_url

    def routes(self) -> list[HTTPRouteHandler]:
        """All of them."""
        look: dict[str, Any] = {"tags": ["cluster"], "exception_handlers": {_NotLeading: _elsewhere}}
        act: dict[str, Any] = {**look, "tags": ["operator"], "responses": may_fail(400, 403, 404, 409, 503)}
        listing = {**look, "responses": may_fail(400, 503)}
        state = {200: ResponseSpec(StateView, description="The cluster", generate_examples=False), **may_fail(503)}
        return [
            get("/state", summary="The whole cluster", **look, responses=state)(self.state),
            get("/agents", summary="Agents", **listing)(self.agents),
            get("/frameworks", summary="Frameworks", **listing)(self.frameworks),
            get("/tasks", summary="Tasks", **listing)(self.tasks),
            get("/tasks/{task_id:str}", summary="One task", **look, responses=may_fail(404, 503))(self.task),
            get("/offers", summary="Outstanding offers", **listing)(self.offers),
            get("/roles", summary="Roles", **listing)(self.roles),
            post("/tasks/{task_id:str}/kill", status_code=202, summary="Kill a task", **act)(self.kill),
            post("/frameworks/{framework_id:str}/teardown", status_code=200, summary="Remove a framework", **act)(
                self.teardown
            ),
        ]

    # Looking

    async def state(self) -> Response[bytes]:
        """Everything in one value; for a large cluster the lists are the better way."""
        snapshot = await self._snapshot("state", lambda master: state_view(master.state, master.shares()))
        if snapshot.body is None:
            start = time.monotonic()
            snapshot.body = await encode_in_pieces(snapshot.value)
            self._reader.charge(snapshot, time.monotonic() - start)
        return Response(snapshot.body, media_type=MediaType.JSON)

    async def agents(self, limit: Limit = 100, offset: Offset = 0) -> AgentPage:
        """Agents in the order in which they came."""
        snapshot = await self._snapshot("agents", lambda master: agent_views(master.state))
        return cut(AgentPage, snapshot.value, offset, limit)

    async def frameworks(self, limit: Limit = 100, offset: Offset = 0) -> FrameworkPage:
        """Frameworks in the order in which they came, then those that were removed."""
        snapshot = await self._frameworks()
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
        """Roles in the order in which they would be offered next."""
        snapshot = await self._snapshot("roles", lambda master: role_views(master.shares()))
        return cut(RolePage, snapshot.value, offset, limit)

    # Changing

    async def kill(self, task_id: TaskInPath, framework_id: FrameworkFilter = None) -> Done:
        """Stop a task as its framework would; name the framework where two have a task of that id."""
        owner = None if framework_id is None else FrameworkID(framework_id)
        message, error = await self._do(OperatorKill(TaskID(task_id), owner))
        if error:
            found = await self._find_tasks(task_id, framework_id)
            raise problem(409, message) if found else problem(404, _no_task(task_id, framework_id))
        return Done(message)

    async def teardown(self, framework_id: FrameworkInPath) -> Done:
        """Remove a framework and all that it runs, for good."""
        message, error = await self._do(OperatorTeardown(FrameworkID(framework_id)))
        if not error:
            return Done(message)
        if any(framework.framework_id == framework_id for framework in (await self._frameworks()).value):
            raise problem(409, f"framework {framework_id} is removed already")
        raise problem(404, message)

    async def _do(self, call: OperatorCall) -> tuple[str, bool]:
        await self._reader.read(self._leading)
        asking = asyncio.get_running_loop()
        answer: Future[tuple[str, bool]] = asking.create_future()
        self._operate(call, asking, answer)
        try:
            async with asyncio.timeout(_OPERATE_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise BusyError("the master did not answer in time; see what happened before you try again") from None

    # Reading the core

    def _leading(self) -> Master:
        master = self._master()
        if master is None:
            raise _NotLeading(self._leader_url())
        return master

    async def _snapshot(self, key: str, build: Callable[[Master], T]) -> Snapshot[T]:
        return await self._reader.snapshot(key, lambda: build(self._leading()))

    async def _tasks(self) -> Snapshot[list[TaskView]]:
        return await self._snapshot("tasks", lambda master: task_views(master.state))

    async def _frameworks(self) -> Snapshot[list[FrameworkView]]:
        return await self._snapshot("frameworks", lambda master: framework_views(master.state))

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


def _elsewhere(request: Request[Any, Any, Any], not_leading: _NotLeading) -> Response[Problem]:
    """Sends the client to the leader, if one is known."""
    if not not_leading.leader:
        error = "this master does not lead, and does not know who does"
        return Response(Problem(error), status_code=503, headers={"Retry-After": "1"})
    query = f"?{request.url.query}" if request.url.query else ""
    there = f"{not_leading.leader.rstrip('/')}{request.url.path}{query}"
    return Response(Problem(f"this master does not lead; see {there}"), status_code=307, headers={"Location": there})
