"""Who may do what through the HTTP API: the one place where each request passes.

Whoever asks may prove who he is (:mod:`mesos_py.web.authentication`); what he may do is decided by the ``Access`` that
a daemon gives. One rule holds always: no web page from elsewhere can make the operator's browser change anything here.
Nor is such a page local because its browser is: it may have had the name it was loaded from resolve to this host.
"""

import socket
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from ipaddress import ip_address
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Middleware, Receive, Scope, Send
from msgspec import Struct

from mesos_py.types.ids import Principal
from mesos_py.web.authentication import PEER, Authenticate, NotProvenError, nobody

__all__ = ["Access", "Asked", "allow_all", "asks", "guard", "names_this_host", "why_not_from_elsewhere"]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

asks: Final[ContextVar[Principal | None]] = ContextVar("asks", default=None)
"""Who has made the request that is being served, if that is proven."""


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """A request, as far as access depends on it."""

    method: str
    path: str
    principal: Principal | None = None
    """Who asks, if that is proven."""
    is_local: bool = False
    """It comes from this host; if from a browser, then from a page of a server whose name is this host's."""

    @property
    def changes(self) -> bool:
        """True if it is meant to change something."""
        return self.method not in _READING


Access = Callable[[Asked], str | None]
"""Says why a request is refused, or None."""

Refuse = Callable[[int, str], Exception]


def allow_all(_asked: Asked) -> str | None:
    """Everybody may do everything."""
    return None


def why_not_from_elsewhere(method: str, origin: str, host: str) -> str | None:
    """Why a page loaded from ``origin`` may not send this to ``host``; browsers name the origin of every change."""
    if method in _READING or not origin or (host and origin.partition("://")[2] == host):
        return None
    return f"a page of {origin:.100} may not change anything here"


def guard(access: Access, refuse: Refuse, authenticate: Authenticate = nobody) -> Middleware:
    """Lets a request pass only if ``access`` does; otherwise raises what ``refuse`` makes of code and reason.

    The code is 401 if it might help to say who asks, else 403.
    """

    def make(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                headers = dict(scope["headers"])
                method = str(scope["method"])
                origin, host = _text(headers, b"origin"), _text(headers, b"host")
                if why := why_not_from_elsewhere(method, origin, host):
                    raise refuse(403, why)
                try:
                    principal = await authenticate(_text(headers, b"authorization"), scope["state"].get(PEER))
                except NotProvenError as error:
                    raise refuse(401, str(error)) from None
                is_local = _is_local(scope["client"]) and (not origin or names_this_host(host))
                why = access(Asked(method=method, path=scope["path"], principal=principal, is_local=is_local))
                if why is not None:
                    raise refuse(401 if principal is None and authenticate is not nobody else 403, why)
                asks.set(principal)
            await app(scope, receive, send)

        return guarded

    return make


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def names_this_host(host: str) -> bool:
    """True for what nobody else's name can be: an address, ``localhost``, or how this host calls itself."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or name in _own_names():
        return True
    return _is_address(name)


@cache
def _own_names() -> frozenset[str]:
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_local(client: tuple[str, int] | None) -> bool:
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:  # a test's client has a name
        return client is not None and client[0] == "testclient"
