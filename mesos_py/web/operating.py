"""What an operator may change through the master's HTTP API."""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Annotated, Any, Final

from litestar import post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, Parameter, PathParameter, QueryParameter
from msgspec import Struct
from msgspec.structs import asdict

from mesos_py.master.effects import Answer, Outcome
from mesos_py.master.events import (
    OperatorBringUp,
    OperatorCall,
    OperatorDeactivate,
    OperatorDrain,
    OperatorKill,
    OperatorMarkGone,
    OperatorReactivate,
    OperatorSetSchedule,
    OperatorTakeDown,
    OperatorTeardown,
)
from mesos_py.types.ids import AgentID, FrameworkID, TaskID
from mesos_py.types.maintenance import Window
from mesos_py.web.app import may_fail, problem
from mesos_py.web.leading import Leading, NotLeading, elsewhere
from mesos_py.web.reader import BusyError, Reader

__all__ = ["Done", "Operate", "OperatorSite", "PlannedWindow", "Schedule"]

Operate = Callable[[OperatorCall, AbstractEventLoop, "Future[Answer]"], None]
"""Has the core do it and sets the future, from any thread."""

_TIMEOUT_S: Final = 10.0

_STATUS: Final = {Outcome.INVALID: 400, Outcome.UNKNOWN: 404, Outcome.CONFLICT: 409, Outcome.BUSY: 503}

AgentInPath = Annotated[str, PathParameter(description="Id of an agent.")]
Grace = Annotated[float | None, Parameter(description="No task gets longer than this to end, in seconds.", ge=0)]
DeadlineS = Annotated[float | None, Parameter(description="Kill what is left after so many seconds.", ge=0)]
Gone = Annotated[bool, Parameter(description="Declare it gone once it is empty.")]
Hosts = Annotated[list[str] | None, QueryParameter(name="host", description="A machine; may be given several times.")]
FrameworkFilter = Annotated[str | None, Parameter(description="Only of this framework.")]
FrameworkInPath = Annotated[str, PathParameter(description="Id of a framework.")]
TaskInPath = Annotated[str, PathParameter(description="Id of a task.")]


class Done(Struct, frozen=True):
    """What was done."""

    message: str


class PlannedWindow(Window, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Machines that are to be down together."""


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    """All maintenance that is planned."""

    windows: list[PlannedWindow]


class OperatorSite:
    """The routes that change something."""

    def __init__(self, reader: Reader, leading: Leading, operate: Operate) -> None:
        self._reader = reader
        self._leading = leading
        self._operate = operate

    def routes(self) -> list[HTTPRouteHandler]:
        """All of them."""
        act: dict[str, Any] = {
            "tags": ["operator"],
            "exception_handlers": {NotLeading: elsewhere},
            "responses": may_fail(400, 403, 404, 409, 503),
        }
        return [
            post("/tasks/{task_id:str}/kill", status_code=202, summary="Kill a task", **act)(self.kill),
            post("/frameworks/{framework_id:str}/teardown", status_code=200, summary="Remove a framework", **act)(
                self.teardown
            ),
            post("/agents/{agent_id:str}/drain", status_code=202, summary="Empty an agent", **act)(self.drain),
            post("/agents/{agent_id:str}/deactivate", status_code=200, summary="Stop offering an agent", **act)(
                self.deactivate
            ),
            post("/agents/{agent_id:str}/reactivate", status_code=200, summary="Offer an agent again", **act)(
                self.reactivate
            ),
            put("/maintenance/schedule", status_code=200, summary="Plan maintenance", **act)(self.set_schedule),
            post("/maintenance/down", status_code=200, summary="Take machines down", **act)(self.take_down),
            post("/maintenance/up", status_code=200, summary="Bring machines up", **act)(self.bring_up),
            post("/agents/{agent_id:str}/gone", status_code=200, summary="Declare an agent gone", **act)(self.gone),
        ]

    async def kill(self, task_id: TaskInPath, framework_id: FrameworkFilter = None) -> Done:
        """Stop a task as its framework would; name the framework where two have a task of that id."""
        owner = None if framework_id is None else FrameworkID(framework_id)
        return await self._do(OperatorKill(TaskID(task_id), owner))

    async def teardown(self, framework_id: FrameworkInPath) -> Done:
        """Remove a framework and all that it runs, for good."""
        return await self._do(OperatorTeardown(FrameworkID(framework_id)))

    async def drain(
        self,
        agent_id: AgentInPath,
        max_grace_period_s: Grace = None,
        deadline_s: DeadlineS = None,
        mark_gone: Gone = False,
    ) -> Done:
        """Offer an agent no more, and end all that runs there; asked again, the newest wishes hold."""
        return await self._do(OperatorDrain(AgentID(agent_id), max_grace_period_s, deadline_s, mark_gone))

    async def deactivate(self, agent_id: AgentInPath) -> Done:
        """Offer an agent no more; what runs there runs on."""
        return await self._do(OperatorDeactivate(AgentID(agent_id)))

    async def reactivate(self, agent_id: AgentInPath) -> Done:
        """Offer an agent again that was deactivated or drained."""
        return await self._do(OperatorReactivate(AgentID(agent_id)))

    async def gone(self, agent_id: AgentInPath) -> Done:
        """Declare, for ever, that an agent will not be back; if it is all the same, it is sent away."""
        return await self._do(OperatorMarkGone(AgentID(agent_id)))

    async def set_schedule(self, data: JSONBody[Schedule]) -> Done:
        """Put another schedule in the place of the one there is; what is down must stay on it."""
        return await self._do(OperatorSetSchedule([Window(**asdict(window)) for window in data.windows]))

    async def take_down(self, hosts: Hosts = None) -> Done:
        """Begin the maintenance of scheduled machines: their agents are sent away with all that runs there."""
        return await self._do(OperatorTakeDown(hosts or []))

    async def bring_up(self, hosts: Hosts = None) -> Done:
        """End the maintenance of machines that are down; they are on the schedule no more."""
        return await self._do(OperatorBringUp(hosts or []))

    async def _do(self, call: OperatorCall) -> Done:
        await self._reader.read(self._leading)
        asking = asyncio.get_running_loop()
        future: Future[Answer] = asking.create_future()
        self._operate(call, asking, future)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await future
        except TimeoutError:
            raise BusyError("the master did not answer in time; see what happened before you try again") from None
        if answer.outcome is not Outcome.DONE:
            raise problem(_STATUS[answer.outcome], answer.message)
        return Done(answer.message)
