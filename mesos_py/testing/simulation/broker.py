"""A broker that loses, doubles, delays, stalls, restarts and forgets.

Every message goes over a link, one per sender and queue. A link keeps the order of what it carries; links overtake
each other. A queue goes with its reader's connection; while its reader is frozen or cannot be reached it fills up, and
one with a limit drops the oldest.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mesos_py.agent import events as agent_events
from mesos_py.master import events as master_events
from mesos_py.messages.beacon import Beacon
from mesos_py.scheduler import events as scheduler_events
from mesos_py.testing.simulation.timeline import Dice

if TYPE_CHECKING:
    from mesos_py.testing.simulation.cluster import Cluster
    from mesos_py.testing.simulation.process import Process

__all__ = ["LONGEST_DELAY_S", "Broker", "Connection", "Queue", "Weather"]

_LATENCY_S = 0.001
_SLOW_S = 0.5
LONGEST_DELAY_S = 4.0
"""Of a slow message."""
_PATIENCE_S = 30.0
"""A connection over which nothing is heard for so long is given up, on both sides."""
_RETRY_S = 1.0


class Weather(Struct, frozen=True):
    """How the network is: the part of all messages to which each of these happens, 0 to 1."""

    loss: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0


FAIR = Weather()


class Queue:
    """What waits for one reader."""

    __slots__ = ("is_of", "limit", "name", "reader", "waiting")

    def __init__(self, name: str, reader: "Connection", is_of: str, limit: int | None) -> None:
        """``is_of`` is master, agent or scheduler; ``limit`` how many messages it holds."""
        self.name = name
        self.reader = reader
        self.is_of = is_of
        self.limit = limit
        self.waiting: deque[Any] = deque()


class _Link:
    __slots__ = ("dice", "last")

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.last = 0.0


class Connection:
    """One process's."""

    __slots__ = ("deaf", "held", "links", "mute", "process", "queues", "stalls", "up")

    def __init__(self, process: "Process") -> None:
        self.process = process
        self.up = False
        self.deaf = 0
        """How many faults keep it from hearing the broker."""
        self.mute = 0
        """How many keep the broker from hearing it."""
        self.held: list[tuple[str, Any]] = []
        """What could not leave."""
        self.queues: dict[str, Queue] = {}
        self.links: dict[str, _Link] = {}
        self.stalls = 0
        """Rises whenever it stalls or is made anew: who gave it a while may see that it is another."""


class Broker:
    """Queues and connections."""

    def __init__(self, cluster: "Cluster") -> None:
        """Up, and fair."""
        self._cluster = cluster
        self._timeline = cluster.timeline
        self.weather = FAIR
        self.up = True
        self.queues: dict[str, Queue] = {}
        self._inboxes: dict[str, list[str]] = {"agent": [], "scheduler": []}
        """Names of the queues of masters, by the kind of process that sends there."""
        self.lost = self.doubled = self.dropped = 0
        """Messages, for the curious."""

    # Connections

    def connection(self, process: "Process") -> Connection:
        """Of a new process; not connected yet."""
        return Connection(process)

    def reconnect(self, process: "Process", after_s: float) -> None:
        """Try then, and until it succeeds."""
        self._timeline.after(after_s, self._connect, process)

    def _connect(self, process: "Process") -> None:
        connection = process.connection
        if not process.alive or connection.up:
            return
        if not self.up or connection.deaf or connection.mute or process.frozen:
            self.reconnect(process, process.dice.wait(_RETRY_S))
            return
        connection.up = True
        connection.stalls += 1
        process.broker_connected()

    def lose(self, process: "Process") -> None:
        """The connection breaks, both sides see it, and the process tries to come back."""
        connection = process.connection
        if not connection.up:
            return
        self._drop(connection)
        if process.alive:
            process.post(process.broker_lost)
            self.reconnect(process, process.dice.wait(_RETRY_S))

    def _drop(self, connection: Connection) -> None:
        connection.up = False
        connection.stalls += 1
        connection.held.clear()
        for name in list(connection.queues):
            self.delete(connection, name)

    def process_died(self, process: "Process") -> None:
        """Its host closes what it had open."""
        self._drop(process.connection)

    def stall(self, process: "Process", *, deaf: bool, mute: bool, seconds: float) -> None:
        """Nothing passes in one direction or both. What is sent waits, unless the connection is given up before."""
        connection = process.connection
        connection.deaf += deaf
        connection.mute += mute
        self._timeline.after(seconds, self._clear, process, deaf, mute)
        self.doubt(process)

    def block(self, process: "Process", seconds: float) -> None:
        """Take nothing in from it for a while; it knows, and so nobody gives the connection up."""
        process.connection.mute += 1
        self._timeline.after(seconds, self._clear, process, False, True)

    def doubt(self, process: "Process") -> None:
        """Give the connection up unless something is heard over it soon."""
        process.connection.stalls += 1
        self._timeline.after(_PATIENCE_S, self._give_up, process, process.connection.stalls)

    def _give_up(self, process: "Process", stalls: int) -> None:
        connection = process.connection
        if connection.stalls == stalls and (connection.deaf or connection.mute or process.frozen):
            self.lose(process)

    def _clear(self, process: "Process", deaf: bool, mute: bool) -> None:
        connection = process.connection
        connection.deaf -= deaf
        connection.mute -= mute
        if not connection.mute:
            held, connection.held = connection.held, []
            for queue, message in held:
                self.send(connection, queue, message)
        self.drain(process)

    def restart(self, down_s: float) -> None:
        """All connections break and all queues are gone; later it is up again."""
        self.up = False
        for process in list(self._cluster.processes()):
            self.lose(process)
        self._timeline.after(down_s, self._come_up)

    def _come_up(self) -> None:
        self.up = True

    # Queues

    def declare(
        self, process: "Process", name: str, is_of: str, *, limit: int | None = None, inbox_for: str = ""
    ) -> None:
        """Read from a new queue, if there is a connection; all processes of the kind ``inbox_for`` send there."""
        connection = process.connection
        if connection.up:
            self.queues[name] = connection.queues[name] = Queue(name, connection, is_of, limit)
            if inbox_for:
                self._inboxes[inbox_for].append(name)

    def delete(self, connection: Connection, name: str) -> None:
        """It and all that waits there is gone."""
        if connection.queues.pop(name, None) is not None:
            self.queues.pop(name, None)
            for inboxes in self._inboxes.values():
                if name in inboxes:
                    inboxes.remove(name)

    def delete_all(self) -> None:
        """All queues are gone, and the connections stay; clients see that their consumers were cancelled."""
        for process in list(self._cluster.processes()):
            if process.connection.queues:
                self.lose(process)

    def drain(self, process: "Process") -> None:
        """It may be able to hear again."""
        connection = process.connection
        for queue in list(connection.queues.values()):
            while queue.waiting and connection.up and not (connection.deaf or process.frozen):
                process.put(queue.waiting.popleft())

    # Messages

    def send(self, connection: Connection, queue: str, message: Any) -> None:
        """To a queue; to the masters' inboxes if none is named; a beacon to everybody who listens."""
        if not connection.up:
            return
        if connection.mute:
            connection.held.append((queue, message))
        elif type(message) is Beacon:
            for each in [queue for queue in self.queues.values() if queue.name not in self._inboxes["scheduler"]]:
                self._carry(connection, each.name, _beacon_for(each.is_of, message))
        elif queue:
            self._carry(connection, queue, message)
        else:
            for inbox in list(self._inboxes[connection.process.kind]):
                self._carry(connection, inbox, message)

    def _carry(self, connection: Connection, queue: str, message: Any) -> None:
        link = connection.links.get(queue)
        if link is None:
            dice = Dice(self._cluster.seed, f"{connection.process.name}>{queue}")
            link = connection.links[queue] = _Link(dice)
        chance = link.dice.random
        wait = _LATENCY_S * (0.5 + chance())
        copies = 1
        weather = self.weather
        if weather is not FAIR:
            if chance() < weather.loss:
                self.lost += 1
                return
            if chance() < weather.slow:
                wait += min(link.dice.expovariate(1.0 / _SLOW_S), LONGEST_DELAY_S)
            if chance() < weather.doubled:
                self.doubled += 1
                copies = 2
        at = self._timeline.now + wait
        at = max(at, link.last)
        link.last = at
        for _ in range(copies):
            self._timeline.at(at, self._arrive, connection, queue, message)

    def _arrive(self, sender: Connection, name: str, message: Any) -> None:
        queue = self.queues.get(name)
        if queue is None:
            self._return(sender, name)
            return
        process = queue.reader.process
        if queue.reader.deaf or process.frozen or queue.waiting:
            queue.waiting.append(message)
            if queue.limit is not None and len(queue.waiting) > queue.limit:
                queue.waiting.popleft()
                self.dropped += 1
        else:
            process.put(message)

    def _return(self, sender: Connection, name: str) -> None:
        """Only masters ask to be told."""
        if sender.up and not sender.deaf and sender.process.kind == "master":
            sender.process.put(master_events.QueueGone(name))


def _beacon_for(is_of: str, beacon: Beacon) -> Any:
    match is_of:
        case "agent":
            return agent_events.MasterSaid(beacon.master.epoch, beacon)
        case "scheduler":
            return scheduler_events.MasterSaid(beacon.master.epoch, beacon)
        case _:
            return beacon
