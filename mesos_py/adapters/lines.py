"""A stream socket in the loop that carries lines both ways."""

import socket
from collections.abc import Callable
from typing import Final

from mesos_py.runtime.loop import READ, WRITE, Loop

__all__ = ["MAX_LINE", "LineConnection"]

MAX_LINE: Final = 1_000_000
"""Bytes in one line."""
_MAX_BACKLOG: Final = 8_000_000
"""Bytes that may wait for a reader that does not read."""
_READ_SIZE: Final = 262_144


class LineConnection:
    """Gives whole lines, takes bytes, and says once when it is over. It never blocks."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        on_lines: Callable[[list[bytes]], None],
        on_closed: Callable[[str], None],
        farewell: Callable[[str], bytes] = lambda _why: b"",
        *,
        max_backlog: int = _MAX_BACKLOG,
    ) -> None:
        """``start`` makes it read. ``on_closed`` is not called for our own ``close``.

        ``farewell`` gives the last words to a peer that is left because of what it sent. More than ``max_backlog``
        bytes may not wait for one that does not read.
        """
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._on_lines = on_lines
        self._on_closed = on_closed
        self._farewell = farewell
        self._max_backlog = max_backlog
        self._partial = bytearray()
        self._backlog = bytearray()
        self._waits_to_write = False
        self.is_open = True

    def start(self) -> None:
        """Live in the loop."""
        self._loop.register(self._sock.fileno(), READ, self._ready)

    def send(self, text: bytes) -> bool:
        """Send as much as goes at once and the rest when it can; False if it is closed or too much waits."""
        if not self.is_open:
            return False
        if self._backlog:
            self._backlog += text
            if len(self._backlog) <= self._max_backlog:
                return True
            self._end("it does not read what it is sent")
            return False
        self._backlog += text
        self._write()
        return self.is_open

    def close(self) -> None:
        """Close; what waits is dropped."""
        if self.is_open:
            self.is_open = False
            self._loop.unregister(self._sock.fileno())
            self._sock.close()

    def _ready(self, ready: int) -> None:
        if ready & WRITE:
            self._write()
        if ready & READ and self.is_open:
            self._read()

    def _write(self) -> None:
        try:
            del self._backlog[: self._sock.send(self._backlog, socket.MSG_NOSIGNAL)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if bool(self._backlog) != self._waits_to_write:
            self._waits_to_write = bool(self._backlog)
            self._loop.modify(self._sock.fileno(), READ | WRITE if self._backlog else READ, self._ready)

    def _read(self) -> None:
        try:
            text = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        if not text:
            self._end("it closed the connection")
            return
        *lines, rest = text.split(b"\n")
        if lines:
            lines[0] = bytes(self._partial) + lines[0]
            self._partial.clear()
        self._partial += rest
        if max(map(len, (self._partial, *lines))) > MAX_LINE:
            why = f"a line was longer than {MAX_LINE} bytes"
            self._backlog += self._farewell(why)
            self._write()
            self._end(why)
        elif lines:
            self._on_lines(lines)

    def _end(self, why: str) -> None:
        if self.is_open:
            self.close()
            self._on_closed(why)
