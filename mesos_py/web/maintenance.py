"""Planned maintenance through the master's HTTP API, and machines taken down and brought up."""

from typing import Annotated, Any

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter
from msgspec import Struct
from msgspec.structs import asdict

from mesos_py.master.events import OperatorBringUp, OperatorSetSchedule, OperatorTakeDown
from mesos_py.master.views import MachineView, machine_views
from mesos_py.types.maintenance import Window
from mesos_py.web.app import may_fail
from mesos_py.web.asking import Asker, Done
from mesos_py.web.leading import Leading, NotLeading, elsewhere
from mesos_py.web.reader import Reader

__all__ = ["MaintenanceSite"]

Hosts = Annotated[list[str] | None, QueryParameter(name="host", description="A machine; may be given several times.")]


class PlannedWindow(Window, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Machines that are to be down together."""


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    """All maintenance that is planned."""

    windows: list[PlannedWindow]


class MaintenanceStatus(Struct, frozen=True):
    """Every machine that is scheduled or down."""

    machines: list[MachineView]


class MaintenanceSite:
    """The routes about machines."""

    def __init__(self, reader: Reader, leading: Leading, asker: Asker) -> None:
        self._reader = reader
        self._leading = leading
        self._do = asker.do

    def routes(self) -> list[HTTPRouteHandler]:
        """All of them."""
        any_: dict[str, Any] = {"tags": ["maintenance"], "exception_handlers": {NotLeading: elsewhere}}
        look = {**any_, "responses": may_fail(503)}
        act = {**any_, "status_code": 200, "responses": may_fail(400, 403, 404, 409, 503)}
        return [
            get("/maintenance/schedule", summary="Planned maintenance", **look)(self.schedule),
            put("/maintenance/schedule", summary="Plan maintenance", **act)(self.set_schedule),
            get("/maintenance/status", summary="Machines in maintenance", **look)(self.status),
            post("/maintenance/down", summary="Take machines down", **act)(self.take_down),
            post("/maintenance/up", summary="Bring machines up", **act)(self.bring_up),
        ]

    async def schedule(self) -> Schedule:
        """The windows as they were set, without the machines that are up again."""
        windows = await self._reader.read(lambda: self._leading().state.registry.schedule)
        return Schedule([PlannedWindow(**asdict(window)) for window in windows])

    async def set_schedule(self, data: JSONBody[Schedule]) -> Done:
        """Put another schedule in the place of the one there is; what is down must stay on it."""
        return await self._do(OperatorSetSchedule([Window(**asdict(window)) for window in data.windows]))

    async def status(self) -> MaintenanceStatus:
        """Scheduled machines and what frameworks say to that, and those that are down."""
        snapshot = await self._reader.snapshot("machines", lambda: machine_views(self._leading().state))
        return MaintenanceStatus(snapshot.value)

    async def take_down(self, hosts: Hosts = None) -> Done:
        """Begin the maintenance of scheduled machines: their agents are sent away with all that runs there."""
        return await self._do(OperatorTakeDown(hosts or []))

    async def bring_up(self, hosts: Hosts = None) -> Done:
        """End the maintenance of machines that are down; they are on the schedule no more."""
        return await self._do(OperatorBringUp(hosts or []))
