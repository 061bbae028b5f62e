"""One core, one mailbox: events in, effects out, all in the loop's thread."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from mesos_py.runtime.loop import Loop

__all__ = ["Core", "Mailbox"]

E_contra = TypeVar("E_contra", contravariant=True)
F_co = TypeVar("F_co", covariant=True)
Event = TypeVar("Event")
Effect = TypeVar("Effect")


class Core(Protocol[E_contra, F_co]):
    """The shape of every role's decisions: no clock, no IO, no threads."""

    def handle(self, event: E_contra, now: float) -> Sequence[F_co]:
        """Take in what happened; say what to do."""

    def next_deadline(self) -> float | None:
        """When to send the tick event if nothing else happens first."""


class Mailbox(Generic[Event, Effect]):
    """Feeds one core: every waiting event, then a tick if one is due, and performs what the core asks for."""

    def __init__(
        self,
        loop: Loop,
        core: Core[Event, Effect],
        perform: Callable[[Effect], None],
        tick: Event,
        watch: Callable[[Event, Sequence[Effect], float], None] | None = None,
    ) -> None:
        """``tick`` is the event that tells the core the time; ``watch`` sees all that happens (story, log)."""
        self._loop = loop
        self._core = core
        self._perform = perform
        self._tick = tick
        self._watch = watch
        self._waiting: list[Event] = []

    def start(self) -> None:
        """Live in the loop from now on."""
        self._loop.add(self)

    def stop(self) -> None:
        """Leave the loop; what waits is dropped."""
        self._loop.remove(self)
        self._waiting.clear()

    def put(self, event: Event) -> None:
        """Add an event; in the loop's thread only."""
        self._waiting.append(event)

    def post(self, event: Event) -> None:
        """Add an event from any thread."""
        self._loop.post(lambda: self._waiting.append(event))

    def next_deadline(self) -> float | None:
        """Part of Resident: at once while anything waits."""
        return 0.0 if self._waiting else self._core.next_deadline()

    def run_due(self, now: float) -> None:
        """Part of Resident: handle all that waits, then the tick."""
        waiting, self._waiting = self._waiting, []
        self._handle(waiting, now)
        due = self._core.next_deadline()
        if due is not None and due <= now:
            self._handle([self._tick], now)

    def _handle(self, events: Sequence[Event], now: float) -> None:
        handle, perform, watch = self._core.handle, self._perform, self._watch  # every microsecond here is paid often
        for event in events:
            effects = handle(event, now)
            if watch is not None:
                watch(event, effects, now)
            for effect in effects:
                perform(effect)
