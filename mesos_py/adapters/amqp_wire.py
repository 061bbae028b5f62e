"""The socket below kombu: opened by py-amqp (blocking, in a helper thread), then driven by the loop.

py-amqp reads every frame with three system calls and writes every message with one. Its own hook for another
transport (``Connection.Transport``) lets us do better: while it shakes hands it reads from a buffer; after that the
socket is non-blocking, a :class:`Link` reads all there is at once and sends what was published in one piece.
"""
# mypy: disable-error-code="no-untyped-call"

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from amqp import Channel as AmqpChannel
from amqp import Connection as AmqpConnection
from amqp import exceptions as amqp_errors
from amqp.transport import SSLTransport, TCPTransport
from kombu.connection import Connection as KombuConnection
from kombu.transport import pyamqp
from msgspec import Struct

from mesos_py.adapters.amqp_advice import advise
from mesos_py.adapters.broker_url import Node
from mesos_py.adapters.topology import EXCHANGES

__all__ = ["Link", "LinkLostError", "Opened", "dial"]

_ONE_READ: Final = 262_144
_ONE_WRITE: Final = 4 * 1024 * 1024
"""Bytes; TLS takes them in small portions, and others in the loop want their turn."""

_BACKLOG: Final = 64 * 1024 * 1024
"""Bytes that may wait for a broker that does not read, before the connection counts as lost."""

_CONGESTED: Final = 8 * 1024 * 1024
"""Bytes that wait for a broker that reads slowly, and beyond which we read nothing that would make them more."""

_UNACKNOWLEDGED_MS: Final = 60_000
"""TCP_USER_TIMEOUT. py-amqp's own 1 s drops a publisher whenever the broker pauses to breathe."""


class LinkLostError(Exception):
    """The connection is of no more use; the text says why."""


class _Buffered:
    """Reads of py-amqp come out of a buffer; its writes go to the socket until they are diverted."""

    sock: Any
    _leftover: bytes
    _divert: Callable[[bytes], None] | None

    def _setup_transport(self) -> None:
        super()._setup_transport()  # type: ignore[misc]  # of the sibling base, see below
        self._leftover = b""
        self._divert = None
        self._write = self._put

    def _shutdown_transport(self) -> None:
        """Nothing: AMQP has said good-bye already, and TLS's own would block."""

    def _read(self, size: int, initial: bool = False) -> bytes:  # noqa: ARG002 - py-amqp's signature
        while len(self._leftover) < size:
            data = self.sock.recv(_ONE_READ)
            if not data:
                raise ConnectionResetError("closed by the broker")
            self._leftover += data
        wanted, self._leftover = self._leftover[:size], self._leftover[size:]
        return wanted

    def _put(self, data: bytes | memoryview) -> None:
        if self._divert is None:
            self.sock.sendall(data)
        else:
            self._divert(bytes(data))  # py-amqp uses the memory again

    def hand_over(self, write: Callable[[bytes], None]) -> bytes:
        """From now on the socket belongs to somebody else; gives what was read too far."""
        self._divert = write
        return self._leftover


class _PlainWire(_Buffered, TCPTransport):  # type: ignore[misc]  # py-amqp has no types
    pass


class _TlsWire(_Buffered, SSLTransport):  # type: ignore[misc]  # py-amqp has no types
    pass


class _Connection(pyamqp.Connection):
    def Transport(  # noqa: N802 - py-amqp's hook: what carries the frames
        self, host: str, connect_timeout: float, ssl: Any = False, *timeouts: Any, **options: Any
    ) -> Any:
        wire = _TlsWire if ssl else _PlainWire
        read_timeout, write_timeout = timeouts or (None, None)
        return wire(
            host,
            connect_timeout=connect_timeout,
            ssl=ssl,
            read_timeout=read_timeout,
            write_timeout=write_timeout,
            **options,
        )


class _Transport(pyamqp.Transport):
    Connection = _Connection


class Opened(Struct):
    """A connection that is logged in, with one channel; the exchanges exist."""

    node: Node
    connection: AmqpConnection
    channel: AmqpChannel
    may_declare: bool
    """Whether we may create exchanges; nodes' and frameworks' users usually may not, and need not."""

    def close(self) -> None:
        """Close the socket, without ceremony."""
        with contextlib.suppress(Exception):  # py-amqp may raise anything when the connection is half gone
            self.connection.collect()


def dial(node: Node, name: str, may_declare: bool = True) -> Opened:
    """Connect, log in, open a channel, see to the exchanges. Blocks; raises LinkLostError with the reason."""
    kombu = KombuConnection(
        hostname=node.host,
        port=node.port,
        userid=node.user,
        password=node.password,
        virtual_host=node.virtual_host,
        ssl=node.tls(),
        connect_timeout=node.connect_timeout_s,
        heartbeat=max(1, round(node.heartbeat_s)),
        transport=_Transport,
        transport_options={
            "socket_settings": {socket.TCP_USER_TIMEOUT: _UNACKNOWLEDGED_MS},
            "client_properties": {"product": "mesos_py", "connection_name": name},
        },
    )
    connection: AmqpConnection | None = None
    try:
        connection = kombu.transport.establish_connection()
        connection.transport.sock.settimeout(node.connect_timeout_s)
        channel = connection.channel()
        may_declare = _declare_exchanges(channel, may_declare)
    except Exception as error:
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.collect()
        raise LinkLostError(_why_not_connected(node, error)) from error
    return Opened(node, connection, channel, may_declare)


def _declare_exchanges(channel: AmqpChannel, may_declare: bool) -> bool:
    for name, kind in EXCHANGES:
        if may_declare:
            try:
                channel.exchange_declare(name, kind, durable=False, auto_delete=False)
                continue
            except amqp_errors.AccessRefused:
                may_declare = False
        channel.exchange_declare(name, kind, passive=True)
    return may_declare


def _why_not_connected(node: Node, error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return f"connection refused by {node.where}"
        case socket.gaierror():
            return f"host {node.host} is unknown ({error.strerror})"
        case TimeoutError():
            return f"no answer from {node.where} within {node.connect_timeout_s:g} s"
        case ssl.SSLError():
            return f"TLS with {node.where} failed: {getattr(error, 'verify_message', '') or error.reason or error}"
        case amqp_errors.AMQPError():
            text = advise(error.reply_code or 0, error.reply_text or str(error))
            return f"{node.where} refused us as user {node.user}: {text}"
        case OSError():
            return f"no connection to {node.where}: {error.strerror or error}"
        case _:
            return f"no connection to {node.where}: {type(error).__name__}: {error}"


class Link:
    """A non-blocking socket: ``put`` remembers, ``flush`` sends what the kernel takes, ``read`` gives what is there."""

    def __init__(self, opened: Opened) -> None:
        """Take the socket over from py-amqp, whose own writes come to ``put`` from now on."""
        wire = opened.connection.transport
        self._where = opened.node.where
        self._sock: socket.socket = wire.sock
        self._sock.setblocking(False)
        self._tls = isinstance(self._sock, ssl.SSLSocket)
        self.fd = self._sock.fileno()
        self._early: bytes = wire.hand_over(self.put)
        self._out: list[bytes] = []
        self._rest = memoryview(b"")
        self._backlog = 0
        self._needs_read = False
        self.paused = False
        """The broker has asked for silence: keep back what is published until it wants it."""
        self.spoke = False
        """Whether anything was sent since somebody last set this to False."""

    @property
    def unsent(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._out or self._rest)

    @property
    def stuck(self) -> bool:
        """Whether the kernel takes no more for now: flush again when the socket is writable."""
        return bool(self._rest) and not self.paused and not self._needs_read

    @property
    def congested(self) -> bool:
        """Whether so much waits for the kernel that there should not be more soon."""
        return self._backlog > _CONGESTED and self.stuck

    @property
    def overfull(self) -> bool:
        """Whether more waits than we are willing to keep."""
        return self._backlog > _BACKLOG

    def put(self, data: bytes) -> None:
        """Remember for the next flush."""
        self._out.append(data)
        self._backlog += len(data)

    def flush(self) -> None:
        """Send as much as the kernel takes now; raises LinkLostError."""
        if self.paused:
            return
        self._needs_read = False
        left = _ONE_WRITE
        while (self._out or self._rest) and left > 0:
            if not self._rest:
                self._rest = memoryview(self._out[0] if len(self._out) == 1 else b"".join(self._out))
                self._out = []
            try:
                sent = self._sock.send(self._rest)
            except ssl.SSLWantReadError:
                self._needs_read = True  # TLS has to hear first; every read is followed by another try
                return
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except (OSError, ValueError) as error:
                raise LinkLostError(self._why_lost(error)) from error
            self.spoke = True
            self._backlog -= sent
            left -= sent
            self._rest = self._rest[sent:]
            if self._rest and not self._tls:
                return

    def read(self) -> bytes:
        """What has arrived, perhaps nothing; raises LinkLostError."""
        early, self._early = self._early, b""
        try:
            data = self._sock.recv(_ONE_READ)
            if self._tls and data:
                data = self._read_on(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return early
        except (OSError, ValueError) as error:
            raise LinkLostError(self._why_lost(error)) from error
        if not data:
            raise LinkLostError(f"connection closed by {self._where}")
        return early + data if early else data

    def _read_on(self, data: bytes) -> bytes:
        """TLS gives one record a time; what it has already decrypted wakes nobody."""
        assert isinstance(self._sock, ssl.SSLSocket)
        pieces = [data]
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self._sock.pending():
                pieces.append(self._sock.recv(_ONE_READ))
        return b"".join(pieces)

    def _why_lost(self, error: Exception) -> str:
        match error:
            case ConnectionResetError() | BrokenPipeError() | ssl.SSLEOFError():
                return f"connection reset by {self._where}"
            case TimeoutError():
                return f"{self._where} does not answer"
            case OSError():
                return f"connection to {self._where} lost: {error.strerror or error}"
            case _:
                return f"connection to {self._where} lost: {error}"
