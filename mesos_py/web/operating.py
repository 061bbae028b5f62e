"""What an operator may change through the master's HTTP API."""

from typing import Annotated, Any

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, PathParameter

from mesos_py.master.events import OperatorKill, OperatorTeardown
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.web.app import may_fail
from mesos_py.web.asking import Asker, Done
from mesos_py.web.leading import NotLeading, elsewhere

__all__ = ["OperatorSite"]

FrameworkFilter = Annotated[str | None, Parameter(description="Only of this framework.")]
FrameworkInPath = Annotated[str, PathParameter(description="Id of a framework.")]
TaskInPath = Annotated[str, PathParameter(description="Id of a task.")]


class OperatorSite:
    """The routes that change something."""

    def __init__(self, asker: Asker) -> None:
        self._do = asker.do

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
