"""A master process: standby until it is elected, and again when it is deposed."""

from typing import TYPE_CHECKING, Any, Literal, assert_never

from mesos_py.agent.events import MasterSaid as ToAgent
from mesos_py.master import effects
from mesos_py.master.core import Master
from mesos_py.master.events import (
    AgentSaid,
    BrokerConnected,
    BrokerLost,
    EchoHeard,
    FrameworkSaid,
    LeadershipResumed,
    LeadershipSuspended,
    MasterEvent,
    OperatorCall,
    OperatorSaid,
    RegistryWritten,
    Ticked,
)
from mesos_py.master.registry import Registry
from mesos_py.messages.beacon import Beacon
from mesos_py.scheduler.events import MasterSaid as ToScheduler
from mesos_py.testing.simulation.process import Death, Process
from mesos_py.testing.simulation.timeline import Clock
from mesos_py.testing.simulation.zookeeper import Store
from mesos_py.types.ids import MasterID
from mesos_py.types.infos import MasterInfo

if TYPE_CHECKING:
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["MasterProcess"]


class MasterProcess(Process):
    """A candidate; ``core`` is there while it leads."""

    tick = Ticked()
    kind = "master"
    core: Master | None

    def __init__(self, cluster: "Cluster", name: str, clock: Clock) -> None:
        """It contends when it is started."""
        super().__init__(cluster, name, clock)
        self.epoch = 0
        """Of its leadership, or of its last one."""
        self.store: Store | None = None
        """Of a leadership, also while it is being read."""
        self.suspended_by_zookeeper = False
        self.connected_since: float | None = None
        """By its own clock, since the core was last told that the broker is reached."""
        self.answers: dict[int, effects.Answer] = {}
        """To operators, by ticket."""
        self._ticket = 0

    def start(self) -> None:
        """Stand by, and contend."""
        super().start()
        self.cluster.ensemble.join(self)

    @property
    def leads(self) -> bool:
        """So it believes."""
        return self.core is not None

    # Member of the ensemble

    def elected(self, epoch: int) -> None:
        """Part of Member."""
        self.epoch = epoch
        self.suspended_by_zookeeper = False
        self.store = Store(self.cluster, self, epoch, self._overtaken)
        self.store.load(self._lead)

    def suspended(self) -> None:
        """Part of Member."""
        self.suspended_by_zookeeper = True
        if self.core is not None:
            self.put(LeadershipSuspended())

    def resumed(self) -> None:
        """Part of Member."""
        self.suspended_by_zookeeper = False
        if self.core is not None:
            self.put(LeadershipResumed())

    def deposed(self) -> None:
        """Part of Member: nothing of the leadership is kept."""
        self.flush()
        if self.store is not None:
            self.store.close()
        self.store = self.core = None
        self.connected_since = None
        for name in self._inboxes().values():
            self.cluster.broker.delete(self.connection, name)
        self.reset_clock()

    def _overtaken(self) -> None:
        self.cluster.ensemble.resign(self)

    def _lead(self, registry: Registry) -> None:
        setup = self.cluster.setup
        info = MasterInfo(master_id=MasterID(f"M{self.epoch}-{self.name}"), epoch=self.epoch, url=f"http://{self.name}")
        registry.epoch = self.epoch
        self.core = Master(info, setup.master, setup.allocator(), registry)
        self.cluster.promises.leads(self)
        self._declare()
        if self.connection.up:
            self._tell_connected()
        if self.suspended_by_zookeeper:
            self.put(LeadershipSuspended())

    # The broker

    def _inboxes(self) -> dict[Literal["agent", "framework"], str]:
        return {"agent": f"mesos.master.{self.epoch}.agents", "framework": f"mesos.master.{self.epoch}.frameworks"}

    def _declare(self) -> None:
        inboxes, limit = self._inboxes(), self.cluster.setup.inbox_holds
        self.cluster.broker.declare(self, inboxes["agent"], "master", limit=limit, inbox_for="agent")
        self.cluster.broker.declare(self, inboxes["framework"], "master", limit=limit, inbox_for="scheduler")

    def _tell_connected(self) -> None:
        self.connected_since = self.now()
        self.put(BrokerConnected())

    def broker_connected(self) -> None:
        """Part of Process."""
        if self.core is not None:
            self._declare()
            self._tell_connected()

    def broker_lost(self) -> None:
        """Part of Process."""
        self.connected_since = None
        if self.core is not None:
            self.put(BrokerLost())

    def put(self, event: MasterEvent | Beacon) -> None:
        """Whoever hears of a newer leader is none."""
        if type(event) is Beacon:
            self.post(self._hear_beacon, event)
        else:
            super().put(event)

    def _hear_beacon(self, beacon: Beacon) -> None:
        if self.core is not None and beacon.master.epoch > self.epoch:
            self._overtaken()

    # Operators

    def operate(self, call: OperatorCall) -> int:
        """Have the core do something for an operator; gives the ticket of the answer."""
        self._ticket += 1
        self.put(OperatorSaid(self._ticket, call))
        return self._ticket

    # Effects

    def perform(self, effect: effects.MasterEffect) -> None:
        """Part of Process."""
        match effect:
            case effects.SendToAgent():
                self._outbox.append((effect.queue, ToAgent(self.epoch, effect.message)))
            case effects.SendToFramework():
                self._outbox.append((effect.queue, ToScheduler(self.epoch, effect.event)))
            case effects.Announce():
                self._outbox.append(("", effect.beacon))
            case effects.SendEcho():
                for inbox, name in self._inboxes().items():
                    self._outbox.append((name, EchoHeard(inbox, effect.sent)))
            case effects.Persist():
                assert self.store is not None
                self.store.write(effect.serial, effect.operation, self._written)
            case effects.Answer():
                self.answers[effect.ticket] = effect
            case _:
                assert_never(effect)

    def _written(self, serial: int) -> None:
        self.put(RegistryWritten(serial))

    def watch(self, event: MasterEvent, effects: list[Any]) -> None:
        """Part of Process."""
        if effects or isinstance(event, FrameworkSaid | AgentSaid):
            self.cluster.promises.master(self, event, effects)

    def freeze(self) -> None:
        """SIGSTOP."""
        super().freeze()
        self.cluster.ensemble.frozen(self)

    def thaw(self) -> None:
        """SIGCONT."""
        super().thaw()
        if self.alive:
            self.cluster.ensemble.look(self.cluster.ensemble.sessions[self.name])

    def ended(self, death: Death | None) -> None:
        """Part of Process."""
        if self.store is not None:
            self.store.close()
        self.core = None
        self.cluster.ensemble.died(self, noticed=death is None or death.kept < 0.8)
