"""A scheduler process: the real library's core, and a user whose decisions it serves."""

from typing import TYPE_CHECKING, Any, Protocol, assert_never

import msgspec

from mesos_py.master.events import FrameworkSaid
from mesos_py.scheduler import effects, events
from mesos_py.scheduler.core import Scheduler
from mesos_py.testing.simulation.process import Death, Process
from mesos_py.testing.simulation.timeline import Clock
from mesos_py.types.ids import FrameworkID, Principal
from mesos_py.types.infos import FrameworkInfo

if TYPE_CHECKING:
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["SchedulerProcess", "User"]


class User(Protocol):
    """The part of a framework that decides, and its memory, which outlives its processes."""

    name: str
    framework: FrameworkInfo
    framework_id: FrameworkID | None
    """Where it is remembered which framework this is."""
    process: "SchedulerProcess"
    """The one that serves at the moment, alive or not."""
    auto_acknowledge: bool

    def began(self, process: "SchedulerProcess") -> None:
        """This one serves from now on."""

    def hear(self, event: effects.UserEvent, process: "SchedulerProcess") -> None:
        """What a driver would call back with."""

    def stopped(self, end: effects.StopDriver, process: "SchedulerProcess") -> None:
        """The driver has stopped, as this says."""

    def disagreements(self) -> list[str]:
        """What is not as it should be once all is quiet."""


class SchedulerProcess(Process):
    """One process of one framework."""

    tick = events.Ticked()
    kind = "scheduler"
    core: Scheduler

    def __init__(self, cluster: "Cluster", user: User, name: str, clock: Clock) -> None:
        """It begins with what its user remembers."""
        super().__init__(cluster, name, clock)
        self.user = user
        self.core = Scheduler(
            msgspec.structs.replace(
                cluster.setup.scheduler,
                framework=user.framework,
                framework_id=user.framework_id,
                auto_acknowledge=user.auto_acknowledge,
            )
        )
        user.process = self

    def broker_connected(self) -> None:
        """Part of Process."""
        self.cluster.broker.declare(self, self.name, "scheduler", limit=self.cluster.setup.events_kept)
        self.put(events.BrokerConnected())

    def broker_lost(self) -> None:
        """Part of Process."""
        self.put(events.BrokerLost())

    def call(self, call: events.UserCall) -> None:
        """The user wants something."""
        self.put(events.UserCalled(call))

    def perform(self, effect: effects.SchedulerEffect) -> None:
        """Part of Process."""
        match effect:
            case effects.SendToMaster():
                said = FrameworkSaid(Principal(self.user.name), self.name, False, effect.call)
                self._outbox.append(("", said))
            case effects.Deliver():
                self.cluster.promises.delivered(self, effect.event)
                self.user.hear(effect.event, self)
            case effects.StopDriver():
                self.flush()
                self.cluster.timeline.after(0.0, self._stop, effect)
            case _:
                assert_never(effect)

    def _stop(self, end: effects.StopDriver) -> None:
        if self.alive:
            self.die()
            self.user.stopped(end, self)

    def watch(self, event: events.SchedulerEvent, effects: list[Any]) -> None:
        """Part of Process."""
        if type(event) is events.MasterSaid:
            self.cluster.promises.scheduler(self, event, effects)

    def ended(self, death: Death | None) -> None:
        """Part of Process: its user remembers, and nothing else does."""
