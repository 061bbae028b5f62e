"""How the web's thread learns what a core knows: it asks the loop, and never often enough to slow the core.

A plain ``read`` is for what costs nothing. Lists go through ``snapshot``: one value is made for all who ask, and made
again only when forty times as long has passed as all kept snapshots took to make. So all readers together cost the
core at most a fortieth of its time, however many there are and however large the cluster is.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from mesos_py.errors import MesosError
from mesos_py.runtime.clock import Clock
from mesos_py.runtime.loop import Loop

__all__ = ["BusyError", "Reader", "Snapshot"]

T = TypeVar("T")

_MIN_AGE_S: Final = 0.05
_REST: Final = 40
"""Between two snapshots the core is left alone for so many times what they cost."""
_FORGET_S: Final = 60.0
"""A snapshot nobody asked for in this time is dropped, and no longer counts."""


class BusyError(MesosError):
    """The core did not answer in time."""


class Snapshot(Generic[T]):
    """A value made from a core's state at one moment."""

    __slots__ = ("asked", "cost_s", "made", "taken", "value")

    def __init__(self, value: T, taken: float, cost_s: float) -> None:
        """``taken`` is when it was begun: whatever the core knew before is in it."""
        self.value = value
        self.taken = taken
        self.cost_s = cost_s
        self.asked = taken
        self.made: dict[str, asyncio.Task[bytes]] = {}
        """What was made of the value, such as JSON, once somebody needed it."""


class Reader:
    """Asks one loop; used by the web's thread only."""

    def __init__(self, loop: Loop, *, timeout_s: float = 10.0, clock: Clock = time.monotonic) -> None:
        """``timeout_s`` is how long an answer may take before BusyError is raised."""
        self._loop = loop
        self._timeout_s = timeout_s
        self._clock = clock
        self._snapshots: dict[str, Snapshot[Any]] = {}
        self._making: dict[str, asyncio.Task[Snapshot[Any]]] = {}
        self._changes = 0
        """How often all that was read was declared old."""

    async def read(self, build: Callable[[], T], *, timeout_s: float | None = None) -> T:
        """The result of ``build``, which runs in the loop's thread. Raises what it raises, and BusyError."""
        asking = asyncio.get_running_loop()
        answer: asyncio.Future[T] = asking.create_future()

        def settle(set_it: Callable[[Any], None], outcome: object) -> None:
            if not answer.done():
                set_it(outcome)

        def tell(set_it: Callable[[Any], None], outcome: object) -> None:
            with contextlib.suppress(RuntimeError):  # the web has stopped meanwhile
                asking.call_soon_threadsafe(settle, set_it, outcome)

        def run() -> None:
            if answer.cancelled():
                return
            try:
                result = build()
            except Exception as error:
                tell(answer.set_exception, error)
            else:
                tell(answer.set_result, result)

        self._loop.post(run)
        try:
            async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                return await answer
        except TimeoutError:
            raise BusyError("the daemon is too busy to answer; try again") from None

    async def snapshot(self, key: str, build: Callable[[], T]) -> Snapshot[T]:
        """What ``build`` made lately, or makes now. One ``key`` stands for one ``build``."""
        kept = self._snapshots.get(key)
        now = self._clock()
        if kept is not None and now < self._due(kept):
            kept.asked = now
            return kept
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make(key, build, self._changes))
            making.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(making)

    async def later(self, key: str, build: Callable[[], T], seen: Snapshot[T]) -> Snapshot[T]:
        """A snapshot made after ``seen``; waits until it may be made."""
        while (newer := await self.snapshot(key, build)).taken <= seen.taken:
            await asyncio.sleep(max(0.001, self._due(newer) - self._clock()))
        return newer

    def void(self) -> None:
        """Something was changed: whoever looks from now on sees that, and no snapshot from before it."""
        self._changes += 1
        self._snapshots.clear()
        self._making.clear()

    async def once(self, snapshot: Snapshot[T], key: str, make: Callable[[T], Awaitable[bytes]]) -> bytes:
        """What ``make`` makes of a snapshot, once for all who ask; its time counts, as threads share an interpreter."""
        making = snapshot.made.get(key)
        if making is None:
            making = snapshot.made[key] = asyncio.create_task(self._charged(snapshot, make))
        return await asyncio.shield(making)

    async def _charged(self, snapshot: Snapshot[T], make: Callable[[T], Awaitable[bytes]]) -> bytes:
        start = self._clock()
        try:
            return await make(snapshot.value)
        finally:
            snapshot.cost_s += self._clock() - start

    async def _make(self, key: str, build: Callable[[], T], changes: int) -> Snapshot[T]:
        clock = self._clock

        def timed() -> Snapshot[T]:
            start = clock()
            value = build()
            return Snapshot(value, start, clock() - start)

        try:
            made = await self.read(timed)
        finally:
            if changes == self._changes:
                del self._making[key]
        if changes != self._changes:
            return made
        now = clock()
        self._snapshots = {name: kept for name, kept in self._snapshots.items() if now - kept.asked < _FORGET_S}
        self._snapshots[key] = made
        return made

    def _due(self, kept: Snapshot[Any]) -> float:
        cost_s = sum(each.cost_s for each in self._snapshots.values())
        return kept.taken + max(_MIN_AGE_S, _REST * cost_s)
