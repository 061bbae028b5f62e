"""Parts of files over HTTP: a server for whoever knows the secret in the path, and a client that tries again."""

import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from msgspec import Struct

from mesos_py.errors import MesosError

__all__ = ["Part", "Server", "TransferError", "download", "opened", "pieces"]

_TRIES: Final = 4
_FIRST_WAIT_S: Final = 0.25
_PIECE: Final = 1 << 20


class TransferError(MesosError):
    """It is not there, or nobody answers."""


class Part(Struct, frozen=True):
    """A part of a file; to its end if there is no length."""

    path: str
    start: int = 0
    length: int | None = None


Find = Callable[[str], Part | bytes | None]
"""What is behind a path; called from many threads."""


class Server:
    """Serves ``http://address:port/SECRET/path``."""

    def __init__(self, secret: str, find: Find, address: str = "") -> None:
        """Listens at once, and serves in threads of its own until ``close``."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                _answer(self, secret, find)

            def log_message(self, *_: object) -> None:
                """Nothing is logged: whoever asks says what is wrong."""

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="transfer", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()


def _answer(asked: BaseHTTPRequestHandler, secret: str, find: Find) -> None:
    prefix = f"/{secret}/"
    found = find(asked.path[len(prefix) :]) if asked.path.startswith(prefix) else None
    if found is None:
        asked.send_error(404)
        return
    if isinstance(found, bytes):
        asked.send_response(200)
        asked.send_header("Content-Length", str(len(found)))
        asked.end_headers()
        asked.wfile.write(found)
        return
    if not os.path.isfile(found.path):
        asked.send_error(404)
        return
    with Path(found.path).open("rb") as file:
        rest = max(0, os.fstat(file.fileno()).st_size - found.start)
        length = rest if found.length is None else min(rest, found.length)
        asked.send_response(200)
        asked.send_header("Content-Length", str(length))
        asked.end_headers()
        asked.wfile.flush()
        position = found.start
        while length > 0 and (sent := os.sendfile(asked.connection.fileno(), file.fileno(), position, length)):
            position += sent
            length -= sent


def opened(url: str) -> http.client.HTTPResponse:
    """What is behind a URL, to be read and closed. Tries again where that may help; raises TransferError."""
    wait_s = _FIRST_WAIT_S
    for attempt in range(1, _TRIES + 1):
        try:
            answer: http.client.HTTPResponse = _DIRECT.open(url, timeout=60)
            return answer
        except (OSError, http.client.HTTPException) as error:
            gone = isinstance(error, urllib.error.HTTPError) and error.code == 404
            if gone or attempt == _TRIES:
                raise TransferError(f"{_public(url)}: {error}") from None
        time.sleep(wait_s)
        wait_s *= 2
    raise AssertionError


def download(url: str, path: Path) -> int:
    """Put what is behind a URL into a file: all of it, or TransferError; its size."""
    wait_s = _FIRST_WAIT_S
    for attempt in range(1, _TRIES + 1):
        try:
            with opened(url) as answer, path.open("wb") as file:
                for piece in pieces(answer):
                    file.write(piece)
                return file.tell()
        except (OSError, http.client.HTTPException) as error:
            if attempt == _TRIES:
                raise TransferError(f"{_public(url)}: {error}") from None
        time.sleep(wait_s)
        wait_s *= 2
    raise AssertionError


def pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body; an end that comes too soon is an error."""
    left = int(answer.headers.get("Content-Length") or -1)
    while piece := answer.read(_PIECE):
        left -= len(piece)
        yield piece
    if left > 0:
        raise http.client.IncompleteRead(b"", left)


def _public(url: str) -> str:
    """Without the secret."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/.../{path.partition('/')[2]}"


_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
