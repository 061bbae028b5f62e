"""An executor's end of the agent's unix socket."""

import random
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from mesos_py.adapters.lines import LineConnection
from mesos_py.messages.codec import EXECUTOR_CALLS, EXECUTOR_EVENTS, Malformed
from mesos_py.messages.executor import ExecutorCall, ExecutorEvent
from mesos_py.runtime.backoff import delay
from mesos_py.runtime.loop import Loop

__all__ = ["ExecutorClient", "ExecutorClientListener"]

_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 0.5
"""An agent that is back waits for its executors for two seconds only."""


class ExecutorClientListener(Protocol):
    """Told what the agent says; in the loop's thread."""

    def connected(self) -> None:
        """The agent is reached; the first thing to send is SUBSCRIBE."""

    def said(self, events: Sequence[ExecutorEvent]) -> None:
        """Everything that one read gave, in order."""

    def disconnected(self, reason: str) -> None:
        """The agent is lost, or could not be reached the first time; it is being tried again."""


class ExecutorClient:
    """A connection to the agent that mends itself.

    At most once per connection, in order. Nothing sent while disconnected is kept.
    """

    def __init__(self, loop: Loop, address: str) -> None:
        """``address`` is what MESOS_EXECUTOR_SOCKET says."""
        self._loop = loop
        self._address = address
        self._connection: LineConnection | None = None
        self._attempt = 0
        self._try_at: float | None = None
        self._listener: ExecutorClientListener
        self.malformed = 0
        """Lines that could not be read, such as events of a newer agent, so far."""

    def start(self, listener: ExecutorClientListener) -> None:
        """Begin to connect; returns at once."""
        self._listener = listener
        self._try_at = 0.0
        self._loop.add(self)

    def stop(self) -> None:
        """Close, and do not come back."""
        self._loop.remove(self)
        self._try_at = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, call: ExecutorCall) -> bool:
        """Send; False if there is no connection and it is dropped."""
        return self._connection is not None and self._connection.send(EXECUTOR_CALLS.encode_line(call))

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._try_at

    def run_due(self, now: float) -> None:
        """Part of Resident: try to connect."""
        self._try_at = None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(self._address)
        except OSError as error:
            sock.close()
            self._lost(error.strerror or str(error), now, tell=self._attempt == 0)
            return
        self._connection = LineConnection(self._loop, sock, self._heard, self._closed)
        self._connection.start()
        self._listener.connected()

    def _heard(self, lines: list[bytes]) -> None:
        self._attempt = 0
        events: list[ExecutorEvent] = []
        for line in lines:
            event = EXECUTOR_EVENTS.decode_line(line)
            if isinstance(event, Malformed):
                self.malformed += 1
            else:
                events.append(event)
        if events:
            self._listener.said(events)

    def _closed(self, why: str) -> None:
        self._connection = None
        self._lost(why, self._loop.clock(), tell=True)

    def _lost(self, why: str, now: float, *, tell: bool) -> None:
        self._attempt += 1
        jitter = random.random() / 2  # noqa: S311 - only spreads the executors
        self._try_at = now + delay(self._attempt, first=_FIRST_RETRY_S, cap=_LAST_RETRY_S, jitter=jitter)
        if tell:
            self._listener.disconnected(why)
