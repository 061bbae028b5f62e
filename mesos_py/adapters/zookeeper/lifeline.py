"""Sees within milliseconds that a leader's process has ended, long before its session with ZooKeeper does.

A leader listens on a **lifeline** and its standbys hold a connection there. When the process ends, its kernel closes
them, and refuses new ones. Only both together count: a connection may end for many reasons, but where a kernel says
that nobody listens any more, nobody lives. It still is no more than a hint, made safe by the epoch. What is frozen or
cut off, or whose host has died, refuses nothing and is left to ZooKeeper.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from mesos_py.runtime.loop import READ, Loop
from mesos_py.runtime.sockets import listen

__all__ = ["Lifeline", "Watch"]

_CONNECT_S: Final = 5.0
_PAUSE_S: Final = 0.005
_HELD: Final = 100
"""More than there are standbys. Strangers may connect as well, and must not use up the process's descriptors."""


class Lifeline:
    """Accepts connections and says nothing, for as long as we live."""

    def __init__(self, loop: Loop, host: str, port: int = 0) -> None:
        """Take the port; 0 stands for any free one. Raises ConfigError."""
        self._loop = loop
        self._listener = listen("the lifeline", host, port)
        self._listener.setblocking(False)
        self._held: dict[int, socket.socket] = {}
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> None:
        """Accept from now on."""
        self._loop.register(self._listener.fileno(), READ, self._accept)

    def close(self) -> None:
        """Let everybody go."""
        if self._listener.fileno() < 0:
            return
        with contextlib.suppress(KeyError):  # it was never started
            self._loop.unregister(self._listener.fileno())
        self._listener.close()
        for fd in list(self._held):
            self._let_go(fd)

    def _accept(self, _ready: int) -> None:
        try:
            held, _ = self._listener.accept()
        except OSError:  # it is gone already, or there are too many files: whoever holds nothing tries again
            return
        if len(self._held) >= _HELD:
            self._let_go(next(iter(self._held)))
        held.setblocking(False)
        fd = held.fileno()
        self._held[fd] = held
        self._loop.register(fd, READ, lambda _ready: self._heard(fd))

    def _heard(self, fd: int) -> None:
        try:
            if self._held[fd].recv(4096):
                return  # nobody should say anything, but it is no matter
        except BlockingIOError:
            return
        except OSError:
            pass
        self._let_go(fd)

    def _let_go(self, fd: int) -> None:
        self._loop.unregister(fd)
        self._held.pop(fd).close()


class Watch:
    """Holds a connection to a lifeline, in a thread of its own."""

    def __init__(self, loop: Loop, address: str, dead: Callable[[], None]) -> None:
        """``dead()`` is called in the loop's thread, at most once, when nobody listens at ``host:port`` any more."""
        self._loop = loop
        self._address = address
        self._dead = dead
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Hold the line from now on."""
        threading.Thread(target=self._hold, name=f"mesos-lifeline {self._address}", daemon=True).start()

    def stop(self) -> None:
        """Let go; ``dead`` is not called any more."""
        self._stopped.set()
        if (held := self._socket) is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def _hold(self) -> None:
        """In its own thread."""
        host, _, port = self._address.rpartition(":")
        brief = 0
        while not self._stopped.is_set():
            try:
                with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S) as held:
                    began = time.monotonic()
                    self._wait_for_end(held)
                brief = brief + 1 if time.monotonic() - began < _CONNECT_S else 0
                if brief > 1:  # a process that ends may let go of us just before it stops to listen: look soon again
                    self._stopped.wait(min(_CONNECT_S, _PAUSE_S * 2.0 ** min(brief, 64)))
            except ConnectionRefusedError:
                self._loop.post(lambda: None if self._stopped.is_set() else self._dead())
                return
            except (OSError, ValueError, OverflowError):
                self._stopped.wait(_CONNECT_S)

    def _wait_for_end(self, held: socket.socket) -> None:
        held.settimeout(None)
        self._socket = held
        with contextlib.suppress(OSError):
            while not self._stopped.is_set() and held.recv(4096):
                pass
        self._socket = None
