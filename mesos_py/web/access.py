"""Who may do what through the HTTP API: the one place where it is decided.

Today everybody who can reach the port may do everything, which is why daemons bind to loopback unless told otherwise.
One rule holds already: a web page from elsewhere cannot make the operator's browser change anything here.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Middleware, Receive, Scope, Send
from msgspec import Struct

from mesos_py.types.ids import Principal

__all__ = ["Access", "Asked", "allow_all", "guard", "why_not_from_elsewhere"]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """A request, as far as access depends on it."""

    method: str
    path: str
    principal: Principal | None = None
    """Who asks, once requests carry credentials."""


Access = Callable[[Asked], str | None]
"""Says why a request is refused, or None."""


def allow_all(_asked: Asked) -> str | None:
    """Everybody may do everything."""
    return None


def why_not_from_elsewhere(method: str, origin: str, host: str) -> str | None:
    """Why a page loaded from ``origin`` may not send this to ``host``; browsers name the origin of every change."""
    if method in _READING or not origin or urlsplit(origin).netloc == host:
        return None
    return f"a page of {origin:.100} may not change anything here"


def guard(access: Access, refuse: Callable[[str], Exception]) -> Middleware:
    """Lets a request pass only if ``access`` does; otherwise raises what ``refuse`` makes of the reason."""

    def make(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                headers = dict(scope["headers"])
                method = str(scope["method"])
                why = why_not_from_elsewhere(method, _text(headers, b"origin"), _text(headers, b"host"))
                why = why or access(Asked(method=method, path=scope["path"]))
                if why is not None:
                    raise refuse(why)
            await app(scope, receive, send)

        return guarded

    return make


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
