"""Long work on files beside the loop, in one thread: bit by bit and by turns, so that no piece holds up another.

A chore is a generator that yields often. The thread works at most half of its time, so that neither the disk nor the
loop is kept from what matters more.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop

__all__ = ["Chore", "Chores", "result_of"]

_TURN_S: Final = 0.005
"""How long one chore goes on before the next has its turn."""
_BURST_S: Final = 0.02
"""How long the thread works before it rests as long."""

T = TypeVar("T")
Chore = Generator[None, None, T]
"""Work that yields after every small piece, and returns a result."""


def result_of(chore: Chore[T]) -> T:
    """Do it at once."""
    while True:
        try:
            next(chore)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class Chores:
    """One thread, which begins with the first chore."""

    def __init__(self, loop: Loop, name: str) -> None:
        """``name`` is the thread's."""
        self._loop = loop
        self._name = name
        self._new: queue.SimpleQueue[tuple[Chore[Any], Callable[[Any], None]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, chore: Chore[T], done: Callable[[T | None], None]) -> None:
        """Do this, too; ``done`` gets its result in the loop's thread, or None if it raised, which is logged."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._new.put((chore, done))

    def close(self) -> None:
        """Stop after the piece that is under way; nothing more is answered."""
        self._closed.set()
        self._new.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        waiting: deque[tuple[Chore[Any], Callable[[Any], None]]] = deque()
        while not self._closed.is_set():
            while not waiting or not self._new.empty():
                if (new := self._new.get()) is None:
                    return
                waiting.append(new)
            began = time.monotonic()
            while waiting and time.monotonic() - began < _BURST_S and self._new.empty():
                chore, done = waiting.popleft()
                if not self._turn(chore, done):
                    waiting.append((chore, done))
            self._closed.wait(time.monotonic() - began)

    def _turn(self, chore: Chore[Any], done: Callable[[Any], None]) -> bool:
        """Do some of it; True if that was the last."""
        until = time.monotonic() + _TURN_S
        try:
            while time.monotonic() < until and not self._closed.is_set():
                next(chore)
        except StopIteration as end:
            self._answer(done, end.value)
            return True
        except Exception as error:  # one broken chore must not stop the others
            get_log(thread=self._name).error("a chore broke", why=repr(error))
            self._answer(done, None)
            return True
        return False

    def _answer(self, done: Callable[[Any], None], result: Any) -> None:
        def answer() -> None:
            if not self._closed.is_set():
                done(result)

        self._loop.post(answer)
