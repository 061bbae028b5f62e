"""What the event at hand leads to, and the deeds that wait for records to become durable.

Persist before you act: whoever writes a record and may act only once it is safe gives the deed to
:meth:`Outbox.when_durable`. The deed looks at the state again when its time comes, for much may have changed.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from mesos_py.agent.checkpoint import Record
from mesos_py.agent.effects import AgentEffect, Checkpoint, SendToMaster
from mesos_py.errors import InvariantError
from mesos_py.messages.agent import FromAgent

__all__ = ["Outbox"]

T = TypeVar("T")


class Outbox:
    """Collects effects in order."""

    def __init__(self) -> None:
        self.effects: list[AgentEffect] = []
        self._written = 0
        self._durable = 0
        self._held: deque[tuple[int, Callable[[Any, float], None], Any]] = deque()

    def take(self) -> list[AgentEffect]:
        """Everything collected since the last time."""
        effects, self.effects = self.effects, []
        return effects

    def to_master(self, message: FromAgent) -> None:
        """Send to the leader."""
        self.effects.append(SendToMaster(message))

    def record(self, record: Record) -> None:
        """Write a record."""
        self._written += 1
        self.effects.append(Checkpoint(self._written, record))

    def when_durable(self, deed: Callable[[T, float], None], subject: T, now: float) -> None:
        """Call ``deed(subject, time)`` once all that was written so far is durable; that may be now."""
        if self._durable >= self._written:
            deed(subject, now)
        else:
            self._held.append((self._written, deed, subject))

    def confirm(self, serial: int, now: float) -> None:
        """Every record up to ``serial`` is durable."""
        self._durable = max(self._durable, min(serial, self._written))
        held = self._held
        while held and held[0][0] <= self._durable:
            _, deed, subject = held.popleft()
            deed(subject, now)

    def check(self) -> None:
        """Raise InvariantError if a deed waits for nothing, or out of order."""
        serials = [serial for serial, _, _ in self._held]
        if serials != sorted(serials) or (serials and serials[0] <= self._durable):
            raise InvariantError(f"deeds wait for {serials[:10]} while {self._durable} is durable")
