"""The agent's unix socket, where custom executors get their tasks.

The token of a container is derived from a key that the agent keeps in its run directory, so that an agent that was
restarted knows the tokens of executors which an earlier one started.
"""

import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import socket
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from mesos_py.adapters.lines import LineConnection
from mesos_py.messages.codec import EXECUTOR_CALLS, EXECUTOR_EVENTS, Malformed
from mesos_py.messages.executor import ExecutorCall, ExecutorError, ExecutorEvent, ExecutorSubscribe
from mesos_py.runtime.containers import ExecutorListener
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.ids import ContainerID

__all__ = ["UnixExecutorServer"]

_NAME: Final = "executors.sock"
_LONGEST_PATH: Final = 107
"""Bytes in the name of a unix socket."""
_BACKLOG: Final = 128
_MOST_STRANGERS: Final = 128
"""Connections that have not shown a token yet."""
_ACCEPTED_AT_ONCE: Final = 32
"""Then it is heard what they say: so many connections at once that nobody else has a turn are no way to stop us."""
_STRANGER_S: Final = 10.0
_REST_S: Final = 1.0
"""How long not to accept when there are no descriptors left."""


class _Session:
    """One connection, first a stranger's, then an executor's."""

    def __init__(self, deadline: float) -> None:
        self.connection: LineConnection
        self.deadline = deadline
        self.container_id: ContainerID | None = None


class UnixExecutorServer:
    """An ExecutorServer on ``executors.sock`` in the run directory."""

    def __init__(self, loop: Loop, run_dir: Path) -> None:
        """``open`` makes the socket."""
        self._loop = loop
        self._run_dir = run_dir
        self.directory = _directory_for(run_dir.absolute())
        """Of the socket: containers must see it, and after a restart of the agent it is the same."""
        self._link: Path | None = None
        self._socket: socket.socket | None = None
        self._address = ""
        self._key = b""
        self._tokens: dict[str, ContainerID] = {}
        self._sessions: dict[ContainerID, _Session] = {}
        self._strangers: dict[_Session, None] = {}
        self._accept_again: float | None = None
        self._listener: ExecutorListener
        self.malformed = 0
        """Lines that could not be read, and refused subscriptions, so far."""

    def open(self, listener: ExecutorListener) -> None:
        """Listen; ``listener`` is told what executors say. Raises OSError."""
        self._listener = listener
        self._run_dir.mkdir(parents=True, exist_ok=True)
        self._key = _kept_key(self._run_dir / "executors.key")
        self._address = self._make_address()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.bind(self._address)
        os.chmod(self._address, 0o666)  # noqa: S103 - executors run as other users; the token lets them in
        self._socket.listen(_BACKLOG)
        self._loop.register(self._socket.fileno(), READ, self._accept)
        self._loop.add(self)

    def close(self) -> None:
        """Close the socket and all connections; executors will try to come back."""
        self._loop.remove(self)
        for session in (*self._sessions.values(), *self._strangers):
            session.connection.close()
        self._sessions.clear()
        self._strangers.clear()
        if self._socket is not None:
            if self._accept_again is None:
                self._loop.unregister(self._socket.fileno())
            self._socket.close()
        for path in (self._address, self._link):
            with contextlib.suppress(OSError):
                if path is not None:
                    os.unlink(path)

    # The port

    def environment(self, container_id: ContainerID) -> dict[str, str]:
        """Part of ExecutorServer. The same again for the same container, also after a restart."""
        token = hmac.new(self._key, container_id.encode(), hashlib.sha256).hexdigest()
        self._tokens[token] = container_id
        return {"MESOS_EXECUTOR_SOCKET": self._address, "MESOS_EXECUTOR_TOKEN": token}

    def send(self, container_id: ContainerID, event: ExecutorEvent) -> bool:
        """Part of ExecutorServer."""
        session = self._sessions.get(container_id)
        return session is not None and session.connection.send(EXECUTOR_EVENTS.encode_line(event))

    def forget(self, container_id: ContainerID) -> None:
        """Part of ExecutorServer."""
        for token in [token for token, owner in self._tokens.items() if owner == container_id]:
            del self._tokens[token]
        session = self._sessions.pop(container_id, None)
        if session is not None:
            session.connection.close()

    # Connections

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        deadlines = [session.deadline for session in self._strangers]
        if self._accept_again is not None:
            deadlines.append(self._accept_again)
        return min(deadlines, default=None)

    def run_due(self, now: float) -> None:
        """Part of Resident: close to strangers who do not say who they are."""
        for session in [s for s in self._strangers if s.deadline <= now]:
            self._refuse(session, "the first line must be SUBSCRIBE, and it did not come")
        if self._accept_again is not None and self._accept_again <= now and self._socket is not None:
            self._accept_again = None
            self._loop.register(self._socket.fileno(), READ, self._accept)

    def _accept(self, _ready: int) -> None:
        assert self._socket is not None
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, _address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._loop.unregister(self._socket.fileno())
                    self._accept_again = self._loop.clock() + _REST_S
                    return
                continue  # that one has gone again
            if len(self._strangers) >= _MOST_STRANGERS:
                self._refuse(next(iter(self._strangers)), "too many connections wait to subscribe")
            session = _Session(self._loop.clock() + _STRANGER_S)
            session.connection = LineConnection(
                self._loop,
                sock,
                partial(self._heard, session),
                partial(self._closed, session),
                lambda why: EXECUTOR_EVENTS.encode_line(ExecutorError(message=why)),
            )
            self._strangers[session] = None
            session.connection.start()

    def _heard(self, session: _Session, lines: list[bytes]) -> None:
        calls: list[ExecutorCall] = []
        for line in lines:
            call = EXECUTOR_CALLS.decode_line(line)
            if session.container_id is None:
                if not self._subscribe(session, call):
                    return
            elif isinstance(call, Malformed | ExecutorSubscribe):
                self.malformed += 1
                reason = call.reason if isinstance(call, Malformed) else "this connection has subscribed already"
                session.connection.send(EXECUTOR_EVENTS.encode_line(ExecutorError(message=reason)))
            else:
                calls.append(call)
        if calls and session.container_id is not None and session.connection.is_open:
            self._listener.executor_said(session.container_id, calls)

    def _subscribe(self, session: _Session, call: ExecutorCall | Malformed) -> bool:
        if not isinstance(call, ExecutorSubscribe):
            reason = call.reason if isinstance(call, Malformed) else "the first line must be SUBSCRIBE"
            self._refuse(session, reason)
            return False
        container_id = self._tokens.get(call.token)
        if container_id is None:
            self._refuse(session, "the token is not valid (any more)")
            return False
        del self._strangers[session]
        session.container_id = container_id
        earlier = self._sessions.get(container_id)
        self._sessions[container_id] = session
        if earlier is not None:
            earlier.connection.close()
        self._listener.executor_connected(container_id, call.unacknowledged_updates)
        return True

    def _refuse(self, session: _Session, reason: str) -> None:
        self.malformed += 1
        del self._strangers[session]
        session.connection.send(EXECUTOR_EVENTS.encode_line(ExecutorError(message=reason)))
        session.connection.close()

    def _closed(self, session: _Session, _why: str) -> None:
        self._strangers.pop(session, None)
        if session.container_id is not None and self._sessions.get(session.container_id) is session:
            del self._sessions[session.container_id]
            self._listener.executor_disconnected(session.container_id)

    # The address

    def _make_address(self) -> str:
        """The name of the socket, and none is there; where it is elsewhere, the run directory has a link to it."""
        self.directory.mkdir(mode=0o711, exist_ok=True)
        if self.directory.is_symlink() or self.directory.stat().st_uid != os.geteuid():
            raise FileExistsError(errno.EEXIST, "it is somebody else's", str(self.directory))
        address = self.directory / _NAME
        wanted = self._run_dir.absolute() / _NAME
        for path in (address, wanted):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        if address != wanted:
            wanted.symlink_to(address)
            self._link = wanted
        return str(address)


def _directory_for(run_dir: Path) -> Path:
    """The run directory, or if the name of a socket there would be too long a short one: always the same one."""
    if len(os.fsencode(run_dir / _NAME)) <= _LONGEST_PATH:
        return run_dir
    return Path(tempfile.gettempdir(), f"mesos-{hashlib.sha256(os.fsencode(run_dir)).hexdigest()[:16]}")


def _kept_key(path: Path) -> bytes:
    """The key in the file; made if there is none, or none that is whole. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) == 32:
            return key
        path.unlink()
    key = secrets.token_bytes(32)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, key)
        os.fsync(fd)
    finally:
        os.close(fd)
    return key
