"""One operating system process with one core: it lives, is frozen and thawed, and dies, also in the middle of a turn.

What reaches a process is handled in turns, as by a mailbox: the event, then a tick if one is due, and at the end all
that is to be sent leaves. A process that dies at an effect has performed those before it and none after; of what it
was about to send, a part may have left.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec import Struct

from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.testing.simulation.timeline import Clock, Dice

if TYPE_CHECKING:
    from mesos_py.testing.simulation.broker import Connection
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["Death", "Process"]

_REUNION_S = 0.5
"""About so long it takes to notice that the broker is back, or can be reached again."""


class Death(Struct):
    """How a process is going to die."""

    effects: int
    """It performs so many more."""
    sent: float
    """The part of what it was about to send that leaves, 0 to 1."""
    kept: float
    """The part of what it handed to the disk, and that is not confirmed, which is there all the same; 0 to 1."""
    then: Callable[[], None]
    """What follows, such as the next process."""


class Process(ABC):
    """Whoever has a core and a connection to the broker."""

    tick: ClassVar[Any]
    """The event that tells the core the time."""
    kind: ClassVar[Literal["master", "agent", "scheduler"]]

    def __init__(self, cluster: "Cluster", name: str, clock: Clock) -> None:
        """``name`` is of this process alone; ``clock`` is its host's."""
        self.cluster = cluster
        self.name = name
        self.clock = clock
        self.dice = Dice(cluster.seed, name)
        self.core: Any = None
        self.began_at = cluster.timeline.now
        self.alive = True
        self.frozen = False
        self.connection: Connection = cluster.broker.connection(self)
        self.newest = 0
        """Epoch of the newest master heard of."""
        self._outbox: list[tuple[str, Any]] = []
        """To a queue, or to whoever leads if none is named; it leaves at the end of the turn."""
        self._piled: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._shown = 0.0
        self._wake_due = float("inf")
        self._wakes = 0
        self._catching_up = False
        self._death: Death | None = None

    @abstractmethod
    def perform(self, effect: Any) -> None:
        """Do what the core asks for."""

    @abstractmethod
    def watch(self, event: Any, effects: list[Any]) -> None:
        """Show whoever checks the promises what the core made of an event."""

    @abstractmethod
    def broker_connected(self) -> None:
        """Declare queues, and tell the core."""

    @abstractmethod
    def broker_lost(self) -> None:
        """Tell the core."""

    # What reaches it

    def put(self, event: Any) -> None:
        """Let it handle an event: now, or when it is thawed."""
        if self.frozen:
            self._piled.append((self._turn, (event,)))
        elif self.alive:
            self._turn(event)

    def post(self, do: Callable[..., None], *args: Any) -> None:
        """Let something else happen within it: now, or when it is thawed."""
        if self.frozen:
            self._piled.append((do, args))
        elif self.alive:
            do(*args)

    # Turns

    def now(self) -> float:
        """What its clock shows."""
        shown = self.clock.show(self.cluster.timeline.now)
        self._shown = max(self._shown, shown)
        return self._shown

    def _turn(self, event: Any) -> None:
        self.handle(event)
        self._end_turn()

    def _end_turn(self) -> None:
        core = self.core
        if core is not None and self.alive:
            due = core.next_deadline()
            if due is not None and due <= self.now() and not self.frozen and not self._catching_up:
                self.handle(self.tick)
                due = None if self.core is None else self.core.next_deadline()
                if due is not None and due <= self._shown and self.alive:
                    raise PromiseError("8 nothing stops a daemon", f"{self.name} spins at {self._shown}, due {due}")
            if due is not None and due < self._wake_due:
                self._plan(due)
        self.flush()

    def handle(self, event: Any) -> None:
        """Let the core handle an event, and perform what it asks for."""
        core, cluster = self.core, self.cluster
        if core is None:
            return
        cluster.handled += 1
        cluster.story.append((cluster.timeline.now, self.name, event))
        try:
            effects = core.handle(event, self.now())
        except Exception as error:
            raise PromiseError("8 nothing stops a daemon", f"{self.name}: {error!r}") from error
        self.watch(event, effects)
        if self._death is None:
            for effect in effects:
                self.perform(effect)
        else:
            self._perform_dying(effects)

    def _perform_dying(self, effects: list[Any]) -> None:
        for effect in effects:
            if self._death is not None:
                if self._death.effects <= 0:
                    self.die(self._death)
                    return
                self._death.effects -= 1
            self.perform(effect)

    def flush(self) -> None:
        """Let what is to be sent leave."""
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            send, connection = self.cluster.broker.send, self.connection
            for queue, message in outbox:
                send(connection, queue, message)

    # Time

    def _plan(self, due: float) -> None:
        self._wake_due = due
        self._wakes += 1
        self.cluster.timeline.at(self.clock.when(due), self._wake, self._wakes)

    def _wake(self, number: int) -> None:
        if number != self._wakes or not self.alive or self.frozen:
            return
        core, planned = self.core, self._wake_due
        self._wake_due = float("inf")
        due = None if core is None else core.next_deadline()
        if due is None:
            return
        if due <= planned:
            self._shown = max(self._shown, due)  # whatever arithmetic on a clock that drifts makes of it
        if due <= self.now():
            self._end_turn()
        else:
            self._plan(due)

    def reset_clock(self) -> None:
        """The clock goes otherwise now, or the core is another."""
        self._wake_due = float("inf")
        if self.alive and not self.frozen:
            self._end_turn()

    # Life and death

    def start(self) -> None:
        """Come up, and look for the broker."""
        self.cluster.broker.reconnect(self, self.dice.wait(_REUNION_S))

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT: first what has piled up, then what is due."""
        if not self.frozen:
            return
        self.frozen = False
        piled, self._piled = self._piled, []
        self._catching_up = True
        for do, args in piled:
            if self.alive:
                do(*args)
        self._catching_up = False
        self.reset_clock()
        self.cluster.broker.drain(self)

    def doom(self, death: Death) -> None:
        """Let it die after some more effects."""
        if self.alive:
            self._death = death
            if death.effects <= 0:
                self.die(death)

    def die(self, death: Death | None = None) -> None:
        """End: what waited to be sent is lost but for a part of it."""
        if not self.alive:
            return
        if death is not None:
            del self._outbox[round(len(self._outbox) * death.sent) :]
            self.flush()
        self.alive = False
        self._outbox.clear()
        self._piled.clear()
        self.cluster.broker.process_died(self)
        self.ended(death)
        if death is not None:
            death.then()

    @abstractmethod
    def ended(self, death: Death | None) -> None:
        """What else its end means."""
