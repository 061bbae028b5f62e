"""How the commands talk to the server: one line of JSON each way on a unix socket.

Who asks is what the kernel says (SO_PEERCRED): nobody can be another. A request is a tagged object (requests.Request),
a reply ``{"server": ..., "value": ...}`` or ``{"error": ...}``.
"""

import os
import pwd
import socket
import struct
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from mesos_py.errors import MesosError
from mesos_py.frameworks.batch.requests import Request

__all__ = ["Reply", "ask", "default_socket", "peer", "user_name"]

_CREDENTIALS = struct.Struct("3i")
_PATIENCE_S = 30.0


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server answers."""

    server: str = ""
    """Its name, which is the end of job ids."""
    value: Any = None
    error: str = ""


def default_socket() -> Path:
    """Of the one in MESOS_BATCH_SOCKET, else our own server if there is one, else the system's."""
    if given := os.environ.get("MESOS_BATCH_SOCKET"):
        return Path(given)
    own, system = Path.home() / ".mesos-batch" / "socket", Path("/run/mesos-batch/socket")
    return system if system.exists() and not own.exists() else own


def ask(path: Path, request: Request) -> Reply:
    """The server's answer. Raises MesosError if it refuses, or is not there."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE_S)
            connection.connect(str(path))
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as lines:
                reply = msgspec.json.decode(lines.readline(), type=Reply)
    except OSError as error:
        raise MesosError(f"no batch server answers at {path}: {error.strerror or error}") from None
    except msgspec.MsgspecError:
        raise MesosError(f"the batch server at {path} has hung up") from None
    if reply.error:
        raise MesosError(reply.error)
    return reply


def peer(connection: socket.socket) -> int:
    """The uid at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return int(uid)


def user_name(uid: int) -> str:
    """Raises KeyError for a stranger."""
    return pwd.getpwuid(uid).pw_name
