"""An agent process: it goes on from the records that are on its host's disk."""

from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from mesos_py.agent import effects, events
from mesos_py.agent.checkpoint import Record
from mesos_py.agent.core import Agent
from mesos_py.agent.recovery import recover
from mesos_py.master.events import AgentSaid
from mesos_py.messages.executor import ExecutorEvent
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.testing.simulation.process import Death, Process
from mesos_py.types.ids import ContainerID, Principal

if TYPE_CHECKING:
    from mesos_py.testing.simulation.executors import ExecutorProcess
    from mesos_py.testing.simulation.hosts import Host

__all__ = ["AGENTS", "AgentProcess"]

AGENTS = Principal("agents")

_SYNC_S = 0.01
_SOCKET_S = 0.0005
_CHECK_S = 0.05
_REWRITE_FROM = 150
"""So many records may be appended before the journal is written anew."""


class AgentProcess(Process):
    """One process on a host."""

    tick = events.Ticked()
    kind = "agent"
    core: Agent

    def __init__(self, host: "Host", name: str) -> None:
        """Read what an earlier process left."""
        super().__init__(host.cluster, name, host.clock)
        self.host = host
        self.sockets: dict[ContainerID, ExecutorProcess] = {}
        """Executors that are connected."""
        self._waiting: list[tuple[int, Record]] = []
        self._syncing = False
        self._appended = 0
        config = msgspec.structs.replace(
            self.cluster.setup.agent, info=host.info, incarnation=name, jitter=self.dice.random()
        )
        self.core = Agent(config, recover(config, host.disk.records, strict=True))
        host.disk.records = list(self.core.records())
        host.agent = self

    def start(self) -> None:
        """Find out what runs, and look for the broker."""
        specs = self.core.recovered_specs()
        known = {spec.container_id for spec in specs}
        if forgotten := [each for each in self.host.containers if each not in known]:
            raise PromiseError("4 tasks outlive the control plane", f"{self.name} has forgotten {forgotten}")
        self.put(events.Recovered({spec.container_id: self.host.fate(spec) for spec in specs}))
        super().start()

    # The broker

    def broker_connected(self) -> None:
        """Part of Process."""
        self.cluster.broker.declare(self, self.name, "agent")
        self.put(events.BrokerConnected())

    def broker_lost(self) -> None:
        """Part of Process."""
        self.put(events.BrokerLost())

    # Effects

    def perform(self, effect: effects.AgentEffect) -> None:
        """Part of Process."""
        host, after = self.host, self.cluster.timeline.after
        match effect:
            case effects.SendToMaster():
                self._outbox.append(("", AgentSaid(AGENTS, self.name, effect.message)))
            case effects.Checkpoint():
                self._waiting.append((effect.serial, effect.record))
                self._sync()
            case effects.StartContainer():
                host.ask(effect.spec)
            case effects.ForgetContainer():
                host.forget(effect.container_id)
            case effects.SendToExecutor():
                after(_SOCKET_S, self._reach_executor, effect.container_id, effect.event)
            case effects.DestroyContainer():
                host.destroy(effect.container_id)
            case effects.SignalContainer():
                host.signal(effect.container_id, effect.signal)
            case effects.UpdateContainer():
                host.update(effect.container_id, effect.resources)
            case effects.CheckHealth():
                healthy = self.dice.random() < 0.7
                after(_CHECK_S, self.put, events.HealthChecked(effect.container_id, healthy, ""))
            case effects.StopAgent():
                self.cluster.timeline.after(0.0, self.cluster.agent_stopped, self, effect.error)
            case _:
                assert_never(effect)

    def watch(self, event: events.AgentEvent, effects: list[Any]) -> None:
        """Part of Process."""
        if effects or type(event) is events.MasterSaid:
            self.cluster.promises.agent(self, event, effects)

    def _reach_executor(self, container_id: ContainerID, event: ExecutorEvent) -> None:
        executor = self.sockets.get(container_id)
        if executor is not None and self.alive:
            executor.agent_said(self, event)

    # The disk

    def _sync(self) -> None:
        """One write at a time: what is handed over meanwhile goes with the next."""
        if not self._syncing:
            self._syncing = True
            self.cluster.timeline.after(
                self.host.disk.dice.wait(_SYNC_S), self._synced, len(self._waiting), self._waiting
            )

    def _synced(self, count: int, waiting: list[tuple[int, Record]]) -> None:
        """Everything that had been handed over is durable, whether the process knows it or not."""
        if waiting is not self._waiting or not self.alive:
            return
        count = len(waiting) if self.host.dice.random() < 0.5 else count
        written, self._waiting = waiting[:count], waiting[count:]
        self.host.disk.keep([record for _, record in written])
        self._syncing = False
        self._appended += count
        self.put(events.Checkpointed(written[-1][0]))
        if self.alive and self._waiting:
            self._sync()
        if self.alive and self._appended > _REWRITE_FROM and not self.frozen:
            self._rewrite()

    def _rewrite(self) -> None:
        """Put what is needed in place of all that was written, also of what waits."""
        self._appended = 0
        waiting, self._waiting = self._waiting, []
        self._syncing = False
        disk = self.host.disk
        disk.keep([record for _, record in waiting])
        disk.records = list(self.core.records())
        if waiting:
            self.put(events.Checkpointed(waiting[-1][0]))

    def ended(self, death: Death | None) -> None:
        """Part of Process: some of what was not confirmed may be on the disk all the same."""
        kept = round(len(self._waiting) * (0.0 if death is None else death.kept))
        self.host.disk.keep([record for _, record in self._waiting[:kept]])
        for executor in list(self.sockets.values()):
            executor.agent_died()
        self.sockets.clear()
