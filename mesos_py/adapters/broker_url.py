"""Reads a broker URL: which nodes, as whom, and how.

``amqp://user:password@host:port/vhost?option=value`` names one node; further nodes of the same cluster follow after
``;`` and inherit what they leave out. ``amqps`` is TLS. ``memory://name`` is a broker within this process. Options are
named as RabbitMQ's own clients name them.
"""

import contextlib
import ssl
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct, structs

from mesos_py.errors import ConfigError
from mesos_py.runtime.sockets import place

__all__ = ["MemoryBroker", "Node", "parse"]

_SECURE: Final = {"amqp": False, "pyamqp": False, "amqps": True, "pyamqps": True}
_PORTS: Final = {False: 5672, True: 5671}

_OPTIONS: Final = frozenset(
    {"cacertfile", "certfile", "connection_timeout", "heartbeat", "keyfile", "server_name_indication", "verify"}
)


class Node(Struct, frozen=True, kw_only=True):
    """One node of an AMQP broker and how to log in there."""

    host: str
    port: int
    user: str
    password: str
    virtual_host: str
    secure: bool
    heartbeat_s: float = 30.0
    connect_timeout_s: float = 10.0
    cacertfile: str = ""
    """Certificates of those whom we trust; by default the system's."""
    certfile: str = ""
    """Our own certificate, if the broker asks for one."""
    keyfile: str = ""
    verify_peer: bool = True
    server_name: str = ""
    """Name in the broker's certificate, if it is not the host."""

    @property
    def where(self) -> str:
        """For people."""
        return place(self.host, self.port)

    def tls(self) -> dict[str, Any] | bool:
        """What py-amqp wants to know about TLS."""
        if not self.secure:
            return False
        wanted: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if self.verify_peer else ssl.CERT_NONE}
        if self.verify_peer:
            wanted["server_hostname"] = self.server_name or self.host
        if self.cacertfile:
            wanted["ca_certs"] = self.cacertfile
        if self.certfile:
            wanted |= {"certfile": self.certfile, "keyfile": self.keyfile or None}
        return wanted


class MemoryBroker(Struct, frozen=True, kw_only=True):
    """A broker within this process; brokers of different names share nothing."""

    name: str
    user: str


def parse(url: str) -> list[Node] | MemoryBroker:
    """Read a broker URL; raises ConfigError with one line that holds no password."""
    first, *others = [part.strip() for part in url.split(";") if part.strip()] or [""]
    scheme = first.partition("://")[0] if "://" in first else ""
    if scheme == "memory":
        if others:
            raise ConfigError("broker URL: memory:// is one broker, it has no further nodes")
        parts = _split(first)
        return MemoryBroker(name=parts.hostname or "", user=unquote(parts.username or "") or "local")
    if scheme not in _SECURE:
        shown = repr(scheme) if scheme else "none"
        raise ConfigError(f"broker URL: its scheme must be amqp, amqps or memory, not {shown}")
    nodes = [_node(first, None)]
    for other in others:
        nodes.append(_node(other if "://" in other else f"{scheme}://{other}", nodes[0]))
    if any(node.user != nodes[0].user for node in nodes):
        raise ConfigError("broker URL: its nodes name different users; a process is one principal")
    return nodes


def _node(url: str, like: Node | None) -> Node:
    """One node; what it leaves out is as in ``like``."""
    parts = _split(url)
    if parts.scheme not in _SECURE:
        raise ConfigError(f"broker URL: {parts.scheme!r} cannot stand beside AMQP nodes")
    secure = _SECURE[parts.scheme]
    node = Node(
        host=unquote(parts.hostname or "127.0.0.1"),
        port=_port(parts) or _PORTS[secure],
        user=unquote(parts.username or "") or (like.user if like else "guest"),
        password=unquote(parts.password or "") or (like.password if like else "guest"),
        virtual_host=unquote(parts.path[1:]) or (like.virtual_host if like else "/"),
        secure=secure,
    )
    if like is not None:
        kept = ("heartbeat_s", "connect_timeout_s", "cacertfile", "certfile", "keyfile", "verify_peer", "server_name")
        node = structs.replace(node, **{name: getattr(like, name) for name in kept})
    return structs.replace(node, **_options(parts.query))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        raise ConfigError("broker URL: its host or port cannot be read") from None
    return parts


def _port(parts: SplitResult) -> int | None:
    return parts.port


def _options(query: str) -> dict[str, Any]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(given.keys() - _OPTIONS)
    if unknown:
        raise ConfigError(f"broker URL: unknown option {unknown[0]!r} (known: {', '.join(sorted(_OPTIONS))})")
    options: dict[str, Any] = {name: given[name] for name in ("cacertfile", "certfile", "keyfile") if name in given}
    if "server_name_indication" in given:
        options["server_name"] = given["server_name_indication"]
    if "verify" in given:
        if given["verify"] not in ("verify_peer", "verify_none"):
            raise ConfigError("broker URL: verify must be verify_peer or verify_none")
        options["verify_peer"] = given["verify"] == "verify_peer"
    if "heartbeat" in given:
        options["heartbeat_s"] = _positive("heartbeat", given["heartbeat"], 1.0)
    if "connection_timeout" in given:
        options["connect_timeout_s"] = _positive("connection_timeout", given["connection_timeout"], 1000.0)
    return options


def _positive(name: str, text: str, unit: float) -> float:
    value = 0.0
    with contextlib.suppress(ValueError):
        value = float(text) / unit
    if not 0.001 <= value <= 65535:
        raise ConfigError(f"broker URL: {name} must be a positive number, not {text!r}")
    return value
