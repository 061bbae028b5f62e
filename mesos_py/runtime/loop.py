"""One thread's event loop: it sleeps on file descriptors and deadlines, never on a poll interval.

A **turn** reads whatever is ready, lets every mailbox handle all it was given, and only then runs the end-of-turn
work: first publishing (one body per receiver), last flushing (one write per socket). Under load a turn holds many
messages, when idle one: batches form by themselves and nothing waits for a batch to fill.
"""

import contextlib
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from mesos_py.runtime.clock import Clock, system_clock

__all__ = ["READ", "WRITE", "Loop", "Resident"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

_LONGEST_SLEEP_S = 24 * 3600.0
"""The system takes no more than a month at once; whoever has later deadlines is asked again."""

_ROUNDS_PER_TURN = 16
"""How often residents may wake each other within one turn before the descriptors are looked at again."""


class Resident(Protocol):
    """Something that lives in the loop and has deadlines, such as a mailbox."""

    def next_deadline(self) -> float | None:
        """When it wants to be run next; a time not after now means at once."""

    def run_due(self, now: float) -> None:
        """Do what is due."""


class Loop:
    """Runs callbacks and residents in one thread. Only ``post`` and ``stop`` may be called from other threads."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Make a loop; ``run`` starts it."""
        self.clock = clock or system_clock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, READ, self._drain_wakeups)
        self._posted: deque[Callable[[], None]] = deque()
        self._residents: list[Resident] = []
        self._turn_end: list[Callable[[], None]] = []
        self._turn_last: list[Callable[[], None]] = []
        self._woken = False
        self._may_sleep = False
        self._thread: int | None = None
        self._stopping = False
        self._closed = False

    @property
    def wakeup_fd(self) -> int:
        """For ``signal.set_wakeup_fd``: else a signal that comes just before the loop sleeps would wait for its end."""
        return self._wake_write

    # Descriptors

    def register(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call ``callback(ready_events)`` whenever the descriptor is ready for ``events`` (READ, WRITE or both)."""
        self._selector.register(fd, events, callback)

    def modify(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Change what a registered descriptor waits for."""
        self._selector.modify(fd, events, callback)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        self._selector.unregister(fd)

    # Work

    def add(self, resident: Resident) -> None:
        """Let something live in the loop."""
        self._residents.append(resident)

    def remove(self, resident: Resident) -> None:
        """Let it go."""
        self._residents.remove(resident)

    def at_turn_end(self, callback: Callable[[], None], *, last: bool = False) -> None:
        """Run this at the end of every turn; ``last`` is for those who flush what the others publish there."""
        (self._turn_last if last else self._turn_end).append(callback)

    def not_at_turn_end(self, callback: Callable[[], None]) -> None:
        """Undo ``at_turn_end``."""
        (self._turn_end if callback in self._turn_end else self._turn_last).remove(callback)

    def post(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` in the loop's thread soon. Safe from any thread, and from signal handlers."""
        self._posted.append(callback)
        if self._may_sleep or threading.get_ident() != self._thread:
            self._wake()

    def stop(self) -> None:
        """End ``run`` after the current turn. Safe from any thread and from signal handlers."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Turn until ``stop``; then the loop can be run again."""
        self._thread = threading.get_ident()
        try:
            while not self._stopping:
                self.turn()
        finally:
            self._stopping = False
            self._thread = None

    def turn(self, timeout: float | None = None) -> None:
        """One turn: wait (at most ``timeout`` seconds, by default until something happens), then do all there is."""
        own_thread = self._thread is None
        if own_thread:
            self._thread = threading.get_ident()
        try:
            registered = self._selector.get_map()
            self._may_sleep = True  # before what was posted is looked at: a signal's handler may post from here on
            found = self._selector.select(self._wait(timeout))
            self._may_sleep = False
            for key, ready in found:
                if registered.get(key.fd) is key:  # else an earlier callback of this turn has changed or closed it
                    key.data(ready)
            for _ in range(_ROUNDS_PER_TURN):
                if not self._round():
                    break
            for callback in (*self._turn_end, *self._turn_last):
                callback()
        finally:
            if own_thread:
                self._thread = None

    def close(self) -> None:
        """Give back the loop's own descriptors."""
        if not self._closed:
            self._closed = True
            self._selector.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _round(self) -> bool:
        """Run what was posted and what is due; True if there was anything."""
        busy = bool(self._posted)
        for _ in range(len(self._posted)):
            self._posted.popleft()()
        now = self.clock()
        for resident in tuple(self._residents):
            due = resident.next_deadline()
            if due is not None and due <= now and resident in self._residents:  # an earlier one may have removed it
                resident.run_due(now)
                busy = True
        return busy

    def _wait(self, limit: float | None) -> float | None:
        if self._posted or self._stopping:
            return 0.0
        due = min((d for d in (r.next_deadline() for r in self._residents) if d is not None), default=None)
        if due is None:
            return limit
        wait = min(max(0.0, due - self.clock()), _LONGEST_SLEEP_S)
        return wait if limit is None else min(wait, limit)

    def _wake(self) -> None:
        if self._woken or self._closed:
            return  # it will wake anyway, or nobody is left to wake
        self._woken = True
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def _drain_wakeups(self, _ready: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        self._woken = False  # before what was posted is looked at: whoever posts from now on wakes again
