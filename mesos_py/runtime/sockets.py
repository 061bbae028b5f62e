"""Takes ports to listen on, and says where that is."""

import socket
from typing import Final

from mesos_py.errors import ConfigError

__all__ = ["listen", "place"]

_BACKLOG: Final = 1024


def listen(what: str, host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 stands for any free one. Raises ConfigError, in the name of ``what``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"{what} cannot listen on {host!r}: {_reason(error)}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{what} cannot listen on {host}:{port}: {_reason(error)}") from None
    return listener


def place(host: str, port: int) -> str:
    """``host:port``, as URLs have it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()
