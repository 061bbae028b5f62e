"""When systemd is told how a daemon fares: at once when that has changed, but not more than once a second."""

import time
from collections.abc import Callable
from typing import Final

from mesos_py.adapters.systemd import ServiceManager
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.loop import Loop

__all__ = ["Reporter"]

_REST_S: Final = 1.0
"""A busy master changes a thousand times a second, which is nothing for the journal of a host's first process."""
_LONGEST: Final = 300


class Reporter:
    """Lives in a daemon's loop, and so falls silent when that hangs: then systemd's watchdog ends the process."""

    def __init__(self, loop: Loop, manager: ServiceManager, condition: Callable[[], Condition]) -> None:
        """``condition`` is the daemon's; asked in the loop's thread."""
        self._loop = loop
        self._manager = manager
        self._condition = condition
        self._told: Condition | None = None
        self._was_ready = False
        self._owes_ready = False
        """systemd waits to hear that the daemon has reloaded."""
        self._next_look = loop.clock()
        self._due: float | None = None
        self._next_ping = None if manager.watchdog_s is None else loop.clock()

    def start(self) -> None:
        """Report from now on, if there is anybody to report to."""
        if self._manager.listens:
            self._loop.add(self)
            self._loop.at_turn_end(self._turned, last=True)

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return min((due for due in (self._due, self._next_ping) if due is not None), default=None)

    def run_due(self, now: float) -> None:
        """Part of Resident: what changed since the last look is reported at the end of this turn."""
        if self._due is not None and self._due <= now:
            self._due = None
        if self._next_ping is not None and self._next_ping <= now:
            assert self._manager.watchdog_s is not None
            self._manager.tell(WATCHDOG="1")
            self._next_ping = now + self._manager.watchdog_s / 3

    def _turned(self) -> None:
        """Something has happened, perhaps: look now, or as soon as it is time to."""
        now = self._loop.clock()
        if now < self._next_look:
            self._due = self._next_look
            return
        self._next_look = now + _REST_S
        self._due = None
        self._look()

    def _look(self) -> None:
        condition = self._condition()
        if condition == self._told and not self._owes_ready:
            return
        news = {"STATUS": condition.text[:_LONGEST]}
        if self._owes_ready or (condition.is_ready and not self._was_ready):
            news["READY"] = "1"
        if self._manager.tell(**news):
            self._told = condition
            self._was_ready = self._was_ready or condition.is_ready
            self._owes_ready = False

    def reloading(self) -> None:
        """The configuration is being read anew."""
        if self._was_ready:
            self._manager.tell(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def reloaded(self) -> None:
        """It is read, or what held before holds on."""
        self._owes_ready = self._was_ready
        self._next_look = self._loop.clock()

    def stopping(self, text: str) -> None:
        """The daemon ends; nothing is reported after this but that it lives."""
        self._manager.tell(STOPPING="1", STATUS=text)
        if self._manager.listens:
            self._loop.not_at_turn_end(self._turned)
            self._due = None
