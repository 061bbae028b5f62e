"""What an operator may change through the master's HTTP API."""

from typing import Annotated, Any

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, PathParameter

from mesos_py.master.events import (
    OperatorDeactivate,
    OperatorDrain,
    OperatorKill,
    OperatorMarkGone,
    OperatorReactivate,
    OperatorTeardown,
)
from mesos_py.types.ids import AgentID, FrameworkID, TaskID
from mesos_py.web.app import may_fail
from mesos_py.web.asking import Asker, Done
from mesos_py.web.leading import NotLeading, elsewhere

__all__ = ["OperatorSite"]

AgentInPath = Annotated[str, PathParameter(description="Id of an agent.")]
Grace = Annotated[float | None, Parameter(description="No task gets longer than this to end, in seconds.", ge=0)]
DeadlineS = Annotated[float | None, Parameter(description="Kill what is left after so many seconds.", ge=0)]
Gone = Annotated[bool, Parameter(description="Declare it gone once it is empty.")]
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
            post("/agents/{agent_id:str}/drain", status_code=202, summary="Empty an agent", **act)(self.drain),
            post("/agents/{agent_id:str}/deactivate", status_code=200, summary="Stop offering an agent", **act)(
                self.deactivate
            ),
            post("/agents/{agent_id:str}/reactivate", status_code=200, summary="Offer an agent again", **act)(
                self.reactivate
            ),
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
