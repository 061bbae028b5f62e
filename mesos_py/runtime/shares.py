"""Decides whose calls are handled next, and which are dropped, when more is sent than can be handled.

Every sender has a share of its own, so that none keeps another waiting, however much it sends: those who wait are
served in turn, and what is too much is dropped before anybody has decoded it, from whoever has the most waiting. One
who is alone has it all. This takes that bodies are read much faster than they are handled; otherwise they would queue
in the broker, in the order in which they were sent.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from mesos_py.runtime.loop import Loop

__all__ = ["Backlogs", "Shares"]

_KEPT: Final = 32 * 1024 * 1024
"""Bytes that may wait, of all senders together."""
_OVERHEAD: Final = 256
"""Bytes that a body takes besides its own, about."""

_PER_ROUND: Final = 100
_PER_TURN: Final = 1000
"""Calls of one sender before the next is served, and of all before others in the loop get a turn."""
_CALL_BYTES: Final = 256
"""A call longer than this counts as several, for it takes longer."""

_BULK: Final = 128 * 1024
_AHEAD: Final = 4 * 1024 * 1024
"""While each turn brings so many bytes of bodies, more is read before any is handled; but no more than this, and then
each sender is served once."""

Body = TypeVar("Body")
Call = TypeVar("Call")
Sender = TypeVar("Sender", bound=Hashable)


class _Backlog(Generic[Body, Call]):
    """What one sender has waiting: bodies as they came, and what is left of one that was opened."""

    __slots__ = ("bodies", "calls", "cost", "opened", "size", "taken")

    def __init__(self) -> None:
        self.bodies: deque[tuple[Body, int]] = deque()
        """With their sizes."""
        self.size = 0
        """Of all, the opened one included until its last call is taken."""
        self.opened: tuple[Body, int] | None = None
        self.calls: Sequence[Call] = ()
        self.taken = 0
        """How many of these."""
        self.cost = 1
        """Of each of them."""


class Backlogs(Generic[Sender, Body, Call]):
    """The bodies that wait, by sender."""

    def __init__(self, read: Callable[[Body], Sequence[Call]], kept: int = _KEPT, per_round: int = _PER_ROUND) -> None:
        """``read`` opens a body; ``kept`` is in bytes, ``per_round`` in calls."""
        self._read = read
        self._kept = kept
        self._per_round = per_round
        self._backlogs: dict[Sender, _Backlog[Body, Call]] = {}
        self._turns: deque[Sender] = deque()
        """Whose backlogs these are, in the order in which they are served."""
        self.size = 0
        """Bytes that wait."""

    def __len__(self) -> int:
        """How many senders wait."""
        return len(self._turns)

    def put(self, sender: Sender, body: Body, size: int) -> list[Sender]:
        """Let a body wait; gives the sender of each that is dropped for it."""
        backlog = self._backlogs.get(sender)
        if backlog is None:
            backlog = self._backlogs[sender] = _Backlog()
            self._turns.append(sender)
        backlog.bodies.append((body, size))
        backlog.size += size
        self.size += size
        dropped = []
        while self.size > self._kept:
            dropped.append(self._drop())
        return dropped

    def take(self, calls: int) -> Iterator[tuple[Sender, Body, Sequence[Call]]]:
        """The next so many calls, or somewhat more, in portions of one body each; a long call counts as a full turn."""
        while self._turns and calls > 0:
            sender = self._turns.popleft()
            backlog = self._backlogs[sender]
            left = self._per_round
            while left > 0 and (backlog.opened is not None or self._open(backlog)):
                body, portion = self._portion(backlog, left)
                left -= max(1, len(portion) * backlog.cost)
                yield sender, body, portion
            calls -= self._per_round - max(0, left)  # nobody else loses a turn for one long call
            if backlog.opened is None and not backlog.bodies:
                del self._backlogs[sender]
            else:
                self._turns.append(sender)

    def clear(self) -> None:
        """Drop all."""
        self._backlogs.clear()
        self._turns.clear()
        self.size = 0

    def _open(self, backlog: _Backlog[Body, Call]) -> bool:
        if not backlog.bodies:
            return False
        backlog.opened = body, size = backlog.bodies.popleft()
        backlog.calls = self._read(body)
        backlog.taken = 0
        backlog.cost = max(1, size // (_CALL_BYTES * max(1, len(backlog.calls))))
        return True

    def _portion(self, backlog: _Backlog[Body, Call], worth: int) -> tuple[Body, Sequence[Call]]:
        assert backlog.opened is not None
        (body, size), calls, start = backlog.opened, backlog.calls, backlog.taken
        end = start - (-worth // backlog.cost)  # rounded up: a call is not split
        backlog.taken = end
        if end >= len(calls):
            backlog.opened, backlog.calls = None, ()
            backlog.size -= size
            self.size -= size
        return body, calls[start:end]

    def _drop(self) -> Sender:
        """The oldest body of whoever has the most waiting."""
        sender, backlog = max(
            ((sender, backlog) for sender, backlog in self._backlogs.items() if backlog.bodies),
            key=lambda item: item[1].size,
        )
        _body, size = backlog.bodies.popleft()
        backlog.size -= size
        self.size -= size
        return sender


class Shares(Generic[Sender, Body, Call]):
    """Hands over what waits, so much in each turn of a loop."""

    def __init__(
        self,
        loop: Loop,
        read: Callable[[Body], Sequence[Call]],
        hand_over: Callable[[Sender, Body, Sequence[Call]], None],
        dropped: Callable[[Sender], None],
    ) -> None:
        """``dropped`` is told the sender of each body that there is no room for."""
        self._loop = loop
        self._backlogs: Backlogs[Sender, Body, Call] = Backlogs(read)
        self._hand_over = hand_over
        self._dropped = dropped
        self._planned = False
        """Whether we have our turn still to come."""
        self._came = 0
        self._ahead = 0
        """Bytes that have come in this turn of the loop, and since anything was handed over."""

    def start(self) -> None:
        """Go on with what is left at the end of each turn of the loop."""
        self._loop.at_turn_end(self._plan)

    def put(self, sender: Sender, body: Body, length: int) -> None:
        """Let a body of this length wait, for this turn of the loop if it can be."""
        size = length + _OVERHEAD
        self._came += size
        for victim in self._backlogs.put(sender, body, size):
            self._dropped(victim)
        self._plan()

    def close(self) -> None:
        """Drop what waits."""
        self._loop.not_at_turn_end(self._plan)
        self._backlogs.clear()

    def _plan(self) -> None:
        if not self._planned and self._backlogs:
            self._planned = True
            self._loop.post(self._turn)

    def _turn(self) -> None:
        self._planned = False
        came, self._came = self._came, 0
        self._ahead += came
        if came < _BULK:
            budget = _PER_TURN
        elif self._ahead >= _AHEAD:
            budget = min(_PER_TURN, _PER_ROUND * len(self._backlogs))
        else:
            return
        self._ahead = 0
        for sender, body, calls in self._backlogs.take(budget):
            self._hand_over(sender, body, calls)
