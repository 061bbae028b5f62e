"""Serves an HTTP API from a thread of its own."""

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from typing import Any, Final

import h11
import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol

from mesos_py.errors import ConfigError
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.sockets import listen, place
from mesos_py.web.authentication import PEER

__all__ = ["Tls", "WebServer"]

_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 5.0
_REQUEST_S: Final = 30.0
"""For a whole request to come."""
_MOST_CONNECTIONS: Final = 1000
_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  (to recognise it)


class Tls(Struct, frozen=True, kw_only=True):
    """Files for TLS, in PEM."""

    cert: str
    key: str = ""
    """Empty if it is with the certificate."""
    client_ca: str = ""
    """Whose certificates are accepted from clients, which need none."""

    def check(self) -> None:
        """Raises ConfigError if they cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.cert, self.key or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"http_cert and http_key cannot be used: {_reason(error)}") from None
        try:
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"http_client_ca cannot be used: {_reason(error)}") from None

    def for_uvicorn(self) -> dict[str, Any]:
        """Its options."""
        options: dict[str, Any] = {"ssl_certfile": self.cert, "ssl_keyfile": self.key or None}
        if self.client_ca:
            options |= {"ssl_ca_certs": self.client_ca, "ssl_cert_reqs": ssl.CERT_OPTIONAL}
        return options


class _Protocol(H11Protocol):
    """Tells the application whom a client's certificate names.

    Strangers use up no descriptors: who says nothing, or half of it, is not listened to for long, and only so many are.
    """

    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
            return
        self._hurry()
        secured = transport.get_extra_info("ssl_object")
        certificate = secured.getpeercert() if secured is not None else None
        if certificate:
            names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
            self.app_state = {**self.app_state, PEER: names[0] if len(names) == 1 else None}

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._hurry()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unhurry()

    def _hurry(self) -> None:
        """Wait for the rest of a request, or no more."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._unhurry()
        elif self._slow is None:
            self._slow = self.loop.call_later(_REQUEST_S, self.transport.close)

    def _unhurry(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


class WebServer:
    """One port, one application."""

    def __init__(self, app: Any, host: str = "127.0.0.1", port: int = 0, tls: Tls | None = None) -> None:
        """``app`` is an ASGI application; port 0 stands for any free one. Raises ConfigError."""
        if tls is not None:
            tls.check()
        self._tls = tls
        self._app = app
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.url = ""
        """Where it is reached, once bound: with the real port and, if it listens everywhere, the host's name."""

    def bind(self) -> str:
        """Take the port, so that the URL is known before the application can answer. Raises ConfigError."""
        if self._listener is None:
            self._listener = listen("the HTTP API", self._host, self._port)
            host = socket.getfqdn() if self._host in _ANY_ADDRESS else self._host
            scheme = "http" if self._tls is None else "https"
            self.url = f"{scheme}://{place(host, self._listener.getsockname()[1])}"
        return self.url

    def start(self) -> None:
        """Bind, unless that is done, and serve. Raises ConfigError."""
        self.bind()
        assert self._listener is not None
        config = uvicorn.Config(
            _LogFailures(self._app),
            loop="asyncio",
            http=_Protocol,
            **({} if self._tls is None else self._tls.for_uvicorn()),
            ws="none",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )
        self._server = uvicorn.Server(config)
        started = threading.Event()
        self._server.startup = _told(self._server.startup, started)  # type: ignore[method-assign]
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name=f"web {self.url}", daemon=True
        )
        self._thread.start()
        if not started.wait(_START_TIMEOUT_S) or not self._server.started:
            self.stop()
            raise ConfigError(f"the HTTP API at {self.url} does not start")

    def stop(self) -> None:
        """Finish the requests under way, or cut them off after a second; give back the port."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_TIMEOUT_S)
        if self._listener is not None:
            self._listener.close()
        self._server = self._thread = self._listener = None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()


def _told(startup: Any, done: threading.Event) -> Any:
    """The same start-up, after which ``done`` is set, however it went."""

    async def start_and_tell(sockets: Any = None) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(done.set)
            await startup(sockets=sockets)

    return start_and_tell


class _LogFailures:
    """Uvicorn is told to be quiet; what breaks an application is logged here."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:
            get_log().exception("request broken off", path=scope.get("path", ""))
