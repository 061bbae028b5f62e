"""How the nodes of a job talk to each other: a TCP connection for each hold on a node and each process started there.

The node says a fresh number (a line of hexadecimal digits); whoever connects answers with a JSON object in one line,
``{"mac": HMAC-SHA256 of number and body, "body": "{...}"}``, and hears ``OK`` or why not. The body says what to do:

- ``{"do": "hold"}``: the node belongs to the job for as long as the connection lasts.
- ``{"do": "run", "line": ..., "env": ..., "cwd": ...}``: what the process writes comes back in frames of one byte for
  the kind (1 stdout, 2 stderr, 3 exit code), four for the length, and so many bytes. When the connection ends it does.

Only the standard library: it starts often.
"""

import hashlib
import hmac
import json
import secrets
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "EXIT",
    "HEADER",
    "STDERR",
    "STDOUT",
    "ControlError",
    "accept",
    "connect",
    "read_frame",
    "resolve",
    "send_frame",
]

STDOUT: Final = 1
STDERR: Final = 2
EXIT: Final = 3
HEADER: Final = struct.Struct(">BI")
_MAX_LINE: Final = 1 << 20
_GREETING_S: Final = 10.0
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A host that died is noticed within a minute."""


class ControlError(Exception):
    """The other side is not there, or will not."""


def resolve(hostname: str, address: str) -> str:
    """Where to connect: the host name if it means something here, else the address."""
    try:
        socket.getaddrinfo(hostname, None)
    except OSError:
        return address or hostname
    return hostname


def connect(host: str, port: int, secret: str, body: Mapping[str, Any]) -> socket.socket:
    """A connection on which the request was accepted. Raises ControlError."""
    try:
        connection = socket.create_connection((host, port), timeout=_GREETING_S)
    except OSError as error:
        raise ControlError(f"{host}:{port} is not reached: {error.strerror or error}") from None
    try:
        text = json.dumps(body)
        number = _read_line(connection)
        connection.sendall(json.dumps({"mac": _mac(secret, number, text), "body": text}).encode() + b"\n")
        answer = _read_line(connection)
        if answer != "OK":
            raise ControlError(answer or "the node has hung up")
    except OSError as error:
        connection.close()
        raise ControlError(f"{host}:{port}: {error.strerror or error}") from None
    except ControlError:
        connection.close()
        raise
    _keep(connection)
    return connection


def accept(connection: socket.socket, secret: str) -> dict[str, Any] | None:
    """What the other side wants, if it belongs to the job; the caller answers ``OK``."""
    connection.settimeout(_GREETING_S)
    number = secrets.token_hex(16)
    try:
        connection.sendall(number.encode() + b"\n")
        said = json.loads(_read_line(connection))
        if not hmac.compare_digest(str(said["mac"]), _mac(secret, number, said["body"])):
            return None
        body = json.loads(said["body"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    _keep(connection)
    return body if isinstance(body, dict) else None


def send_frame(connection: socket.socket, kind: int, data: bytes) -> None:
    """Raises OSError."""
    connection.sendall(HEADER.pack(kind, len(data)) + data)


def read_frame(connection: socket.socket) -> tuple[int, bytes] | None:
    """The next frame, None at the end. Raises OSError."""
    header = _read(connection, HEADER.size)
    if header is None:
        return None
    kind, length = HEADER.unpack(header)
    data = _read(connection, length)
    return None if data is None else (kind, data)


def _read(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _read_line(connection: socket.socket) -> str:
    """To its end and no further: frames may follow at once."""
    data = bytearray()
    while not data.endswith(b"\n"):
        seen = connection.recv(65536, socket.MSG_PEEK)
        if not seen or len(data) > _MAX_LINE:
            return ""
        data += connection.recv(seen.find(b"\n") + 1 or len(seen))
    return data.decode(errors="replace").rstrip("\n")


def _mac(secret: str, number: str, body: str) -> str:
    return hmac.new(secret.encode(), (number + body).encode(), hashlib.sha256).hexdigest()


def _keep(connection: socket.socket) -> None:
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
