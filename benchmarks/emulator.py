"""Emulated agents: real agent cores over a real broker, many in one process, with containers that run nothing.

`python -m benchmarks.emulator --broker URL --agents N [--cpus C]` serves until it is terminated.
"""

import argparse
import heapq
import signal
from collections import deque
from collections.abc import Sequence

from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.agent import effects, events
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.daemons.service import spare_the_collector
from mesos_py.messages.agent import AgentRegistered, FromAgent, RegistrationRefused
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.codec import AGENT_CALLS, AGENT_ORDERS, MSGPACK, Malformed
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address, Delivery
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import AgentID, ContainerID
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import Resources

DONE = ContainerExit(exit_code=0)
_GOLDEN = (5**0.5 - 1) / 2
"""Its multiples are spread evenly, however many there are."""


class Emulator:
    """Serves many agents over one queue. Containers start at once and end with 0 at once; journals confirm at once."""

    OWN_BODIES = False
    """Whether what agents say at one time leaves in a body for each, as if they were processes of their own."""

    def __init__(self, loop: Loop, broker: str, agents: int, resources: Resources, process: str = "emulator") -> None:
        self._loop = loop
        self._transport = connect(broker, loop, name=f"emulator {process}")
        self._queue = topology.agent_queue(self._transport.principal, process)
        self._to_master = Outbox(self._transport, AGENT_CALLS.encode, reply_to=self._queue.name)
        address = topology.master_address("agent", self._transport.principal)
        together = Receiver(address, MSGPACK)
        self._masters = [Receiver(address, MSGPACK) if self.OWN_BODIES else together for _ in range(agents)]
        self.agents = [
            Agent(
                AgentCoreConfig(
                    info=AgentInfo(name=f"{process}-{number}", hostname=f"host{number}", resources=resources),
                    work_dir="/nowhere",
                    incarnation=f"{process}{number}",
                    jitter=number * _GOLDEN % 1,
                )
            )
            for number in range(agents)
        ]
        self._by_name = {f"{process}-{number}": number for number in range(agents)}
        self._by_id: dict[AgentID, int] = {}
        self._due: list[tuple[float, int]] = []
        self._planned: list[float | None] = [None] * agents
        self._events: deque[tuple[int, events.AgentEvent]] = deque()
        self._serials: dict[int, int] = {}

    def start(self) -> None:
        self._loop.add(self)
        self._loop.at_turn_end(self._end_turn)
        self._transport.subscribe(self._queue)
        self._transport.start(self)

    def _end_turn(self) -> None:
        self._to_master.publish()
        self._transport.flush()

    # Listener

    def connected(self) -> None:
        self._tell_all(events.BrokerConnected())

    def disconnected(self, _reason: str) -> None:
        self._tell_all(events.BrokerLost())

    def blocked(self, reason: str) -> None:
        self.disconnected(reason)

    def unblocked(self) -> None:
        self.connected()

    def undeliverable(self, address: Address) -> None:
        pass

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            for message in AGENT_ORDERS.decode(delivery.body, delivery.content_type):
                if isinstance(message, Malformed):
                    raise TypeError(message.reason)
                said = events.MasterSaid(delivery.epoch, message)
                if isinstance(message, Beacon):
                    self._tell_all(said)
                elif isinstance(message, (AgentRegistered, RegistrationRefused)):
                    self._by_id[message.agent_id] = self._by_name[message.name]
                    self._hear(self._by_name[message.name], said)
                else:
                    self._hear(self._by_id[message.agent_id], said)
        self._drain(self._loop.clock())

    def _tell_all(self, event: events.AgentEvent) -> None:
        self._events.extend((number, event) for number in range(len(self.agents)))
        self._drain(self._loop.clock())

    # Resident

    def next_deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    def run_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            if self._planned[number] == due:
                self._planned[number] = None
                self._events.append((number, events.Ticked()))
                self._drain(now)

    def _drain(self, now: float) -> None:
        touched: dict[int, None] = {}
        while self._events:
            number, event = self._events.popleft()
            touched[number] = None
            serial = 0
            for effect in self.agents[number].handle(event, now):
                kind = type(effect)
                if kind is effects.SendToMaster:
                    self._say(number, effect.message)
                elif kind is effects.Checkpoint:
                    serial = effect.serial
                elif kind is effects.StartContainer:
                    self._run(number, effect.spec.container_id)
            if serial:
                self._serials[number] = serial
            if not self._events:  # as a journal would: one confirmation for all that was written meanwhile
                self._events.extend((n, events.Checkpointed(serial)) for n, serial in self._serials.items())
                self._serials.clear()
        for number in touched:
            self._plan(number)

    def _hear(self, number: int, said: events.MasterSaid) -> None:
        self._events.append((number, said))

    def _say(self, number: int, message: FromAgent) -> None:
        self._to_master.put(self._masters[number], message)

    def _run(self, number: int, container_id: ContainerID) -> None:
        self._events.append((number, events.ContainerStarted(container_id, 1)))
        self._events.append((number, events.ContainerEnded(container_id, DONE)))

    def _plan(self, number: int) -> None:
        due = self.agents[number].next_deadline()
        planned = self._planned[number]
        if due is not None and (planned is None or due < planned):
            self._planned[number] = due
            heapq.heappush(self._due, (due, number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--resources", default="cpus:1000;mem:1000000")
    parser.add_argument("--process", default="emulator")
    options = parser.parse_args()
    loop = Loop()
    Emulator(loop, options.broker, options.agents, Resources.parse(options.resources), options.process).start()
    spare_the_collector()
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    loop.run()


if __name__ == "__main__":
    main()
