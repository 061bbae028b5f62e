"""What an operator may change through the master's HTTP API."""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Annotated, Any, Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, PathParameter
from msgspec import Struct

from mesos_py.master.effects import Answer, Outcome
from mesos_py.master.events import OperatorCall, OperatorKill, OperatorTeardown
from mesos_py.types.ids import FrameworkID, Principal, TaskID
from mesos_py.web.access import asks
from mesos_py.web.app import may_fail, problem
from mesos_py.web.leading import Leading, NotLeading, elsewhere
from mesos_py.web.reader import BusyError, Reader

__all__ = ["Done", "Operate", "OperatorSite"]

Operate = Callable[[OperatorCall, Principal | None, AbstractEventLoop, "Future[Answer]"], None]
"""Has the core do it for whoever asks and sets the future, from any thread."""

_TIMEOUT_S: Final = 10.0

_STATUS: Final = {
    Outcome.INVALID: 400,
    Outcome.FORBIDDEN: 403,
    Outcome.UNKNOWN: 404,
    Outcome.CONFLICT: 409,
    Outcome.BUSY: 503,
}

FrameworkFilter = Annotated[str | None, Parameter(description="Only of this framework.")]
FrameworkInPath = Annotated[str, PathParameter(description="Id of a framework.")]
TaskInPath = Annotated[str, PathParameter(description="Id of a task.")]


class Done(Struct, frozen=True):
    """What was done."""

    message: str


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
        ]

    async def kill(self, task_id: TaskInPath, framework_id: FrameworkFilter = None) -> Done:
        """Stop a task as its framework would; name the framework where two have a task of that id."""
        owner = None if framework_id is None else FrameworkID(framework_id)
        return await self._do(OperatorKill(TaskID(task_id), owner))

    async def teardown(self, framework_id: FrameworkInPath) -> Done:
        """Remove a framework and all that it runs, for good."""
        return await self._do(OperatorTeardown(FrameworkID(framework_id)))

    async def _do(self, call: OperatorCall) -> Done:
        await self._reader.read(self._leading)
        asking = asyncio.get_running_loop()
        future: Future[Answer] = asking.create_future()
        self._operate(call, asks.get(), asking, future)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await future
        except TimeoutError:
            raise BusyError("the master did not answer in time; see what happened before you try again") from None
        if answer.outcome is not Outcome.DONE:
            raise problem(_STATUS[answer.outcome], answer.message)
        return Done(answer.message)
