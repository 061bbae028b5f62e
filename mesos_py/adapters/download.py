"""Downloads that end: soon when nobody wants them any more, and when their server is too slow.

A server may keep us for years with a byte now and then, be it of its headers. So a thread looks after each download,
and shuts its connections when it is to end: whoever reads from them wakes.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self

import httpx

from mesos_py.adapters.isolators.launch import LaunchError

__all__ = ["download"]

_STALL_S: Final = 60.0
_LEAST_RATE: Final = 1024
"""Bytes of the file that must come each second, on average over ``_STALL_S``."""
_LOOK_S: Final = 0.2
_CONNECT_S: Final = 20.0
_MAX_REDIRECTS: Final = 10


def download(url: str, cancelled: Callable[[], bool]) -> Iterator[bytes]:
    """What a web server has there, as it comes. Raises LaunchError, and httpx's errors."""
    timeout = httpx.Timeout(_STALL_S, connect=_CONNECT_S)
    # Nobody may pack it on the way: digests and sizes are those of the file itself.
    headers = {"Accept-Encoding": "identity", "User-Agent": "mesos_py"}
    client = httpx.Client(follow_redirects=True, max_redirects=_MAX_REDIRECTS, timeout=timeout, headers=headers)
    with client, _Guard(cancelled) as guard:
        try:
            with client.stream("GET", url, extensions={"trace": guard.told}) as response:
                if response.status_code != 200:
                    raise LaunchError(f"the server says {response.status_code} {response.reason_phrase}".rstrip())
                for piece in response.iter_raw():
                    guard.size += len(piece)
                    yield piece
        except httpx.ReadTimeout:
            raise LaunchError(guard.why or _too_slow()) from None
        except httpx.HTTPError:
            if not guard.why:
                raise
        if guard.why:  # without a length, a connection that was shut looks like the end of the file
            raise LaunchError(guard.why)


def _too_slow() -> str:
    return f"less than {_LEAST_RATE} bytes/s came for {_STALL_S:g} s"


class _Guard:
    """Looks after one download from a thread of its own."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self.size = 0
        """How much has come."""
        self.why = ""
        """Why it was given up."""
        self._cancelled = cancelled
        self._connections: list[socket.socket] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="download", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()

    def told(self, event: str, about: Mapping[str, Any]) -> None:
        """What httpx does meanwhile: take note of connections, with a descriptor of our own that nobody else closes."""
        if event.endswith("connect_tcp.complete"):
            self._connections.append(about["return_value"].get_extra_info("socket").dup())

    def _watch(self) -> None:
        since, size = time.monotonic(), 0
        while not self._done.wait(min(_LOOK_S, _STALL_S)):
            now = time.monotonic()
            if self._cancelled():
                self._give_up("the task was killed")
            elif now - since >= _STALL_S:
                if self.size - size < _LEAST_RATE * (now - since):
                    self._give_up(_too_slow())
                since, size = now, self.size

    def _give_up(self, why: str) -> None:
        """Safe to repeat: a redirect may have made another connection meanwhile."""
        self.why = self.why or why
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):  # the server may have done so
                connection.shutdown(socket.SHUT_RDWR)
