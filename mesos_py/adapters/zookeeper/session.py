"""A session with ZooKeeper: kazoo's threads only post, so that all that is decided is decided in the loop's thread."""

import contextlib
import logging
import ssl
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NoReturn, Protocol

from kazoo.client import KazooClient, TransactionRequest
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    ConnectionLoss,
    InvalidACLError,
    NoAuthError,
    SessionExpiredError,
    SessionMovedError,
)
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.retry import KazooRetry
from kazoo.security import ACL, make_digest_acl

from mesos_py.adapters.zookeeper.address import ZookeeperAddress
from mesos_py.adapters.zookeeper.paths import Paths
from mesos_py.errors import ConfigError, MesosError
from mesos_py.runtime.loop import Loop

__all__ = ["Connection", "Done", "Session", "SessionListener", "client_of", "is_lost", "refused", "why_unreached"]

Done = Callable[[Any, Exception | None], None]
"""Told (result, None) or (None, why not), in the loop's thread."""

_LONGEST_PAUSE_S: Final = 1.0


class Connection(StrEnum):
    """How it stands with a session."""

    CONNECTED = "CONNECTED"
    SUSPENDED = "SUSPENDED"
    """The connection is lost, the session may live on."""
    LOST = "LOST"
    """The session is over; the next connection begins a new one."""


class SessionListener(Protocol):
    """Told in the loop's thread what becomes of the session."""

    def connection(self, state: Connection) -> None:
        """The state has changed."""


def is_lost(error: Exception | None) -> bool:
    """True for what fails with a connection: it may have been done or not, and the session's listener knows more."""
    return isinstance(error, ConnectionLoss | SessionExpiredError | ConnectionClosedError | SessionMovedError)


def refused(error: Exception | None) -> NoReturn:
    """What no retry mends. Raises ConfigError if we may not do it, else MesosError."""
    if isinstance(error, NoAuthError | AuthFailedError | InvalidACLError):
        raise ConfigError("ZooKeeper refuses us: what is there belongs to another user, or the password is wrong")
    raise MesosError(f"ZooKeeper refuses us: {type(error).__name__} {error}") from error


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo has no types
    """Remembers what kazoo keeps to itself: why TLS failed with the server that was tried last."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""

    def create_connection(self, *args: Any, **options: Any) -> Any:
        try:
            connected = super().create_connection(*args, **options)
        except (ssl.SSLError, ConnectionResetError) as error:
            why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error
            self.trouble = f"TLS with {options.get('hostname')} failed: {why}" if options.get("use_ssl") else ""
            raise
        self.trouble = ""
        return connected


class _InOrder(_Handler):
    """Gives what is watched and what is answered to one thread, so that all comes in the order of ZooKeeper's news."""

    def dispatch_callback(self, callback: Any) -> None:
        self.completion_queue.put(lambda: callback.func(*callback.args))


def client_of(address: ZookeeperAddress, timeout_s: float, handler: _Handler | None = None) -> KazooClient:
    """A client that is not started yet, and never gives up to connect; ``timeout_s`` is that of the session.

    Raises ConfigError for files that TLS cannot use.
    """
    silent = logging.getLogger("mesos_py.kazoo")
    silent.setLevel(logging.CRITICAL)  # what matters is told by whoever listens
    _try_files(address)
    return KazooClient(
        address.hosts,
        timeout=timeout_s,
        auth_data=[("digest", login) for login in address.logins] or None,
        default_acl=[_all_of(login) for login in address.logins] or None,
        connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=_LONGEST_PAUSE_S),
        logger=silent,
        handler=handler or _Handler(),
        use_ssl=address.secure,
        ca=address.cacertfile or None,
        certfile=address.certfile or None,
        keyfile=address.keyfile or address.certfile or None,
        verify_certs=address.verify_peer,
        check_hostname=address.verify_peer,
    )


def _try_files(address: ZookeeperAddress) -> None:
    """Kazoo reads them at every connection, and would try for ever."""
    context = ssl.create_default_context()
    try:
        if file := address.cacertfile:
            context.load_verify_locations(file)
        if file := address.certfile:
            context.load_cert_chain(file, address.keyfile or None)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"zookeeper: {file} cannot be used: {error.strerror or error}") from None


def why_unreached(client: KazooClient) -> str:
    """Of one of ``client_of`` that has waited in vain, for people."""
    trouble: str = client.handler.trouble
    return trouble or "ZooKeeper does not answer"


def _all_of(login: str) -> ACL:
    """Whoever proves to be this may do everything."""
    user, _, password = login.partition(":")
    return make_digest_acl(user, password, all=True)


class Session:
    """One kazoo client. What it is asked returns at once and is answered in the loop's thread, in order.

    What is watched is told in the same order: of a change before the answer to anything that was done after it. An
    answer may come late, though, after the news of changes that it does not show: kazoo may have it before we listen.
    """

    def __init__(self, address: ZookeeperAddress, loop: Loop, timeout_s: float) -> None:
        """``timeout_s`` is that of the session, within what the ensemble allows."""
        self.paths = Paths(address.path)
        self._loop = loop
        self._listeners: list[SessionListener] = []
        self._stopped = False
        self.connected = False
        """As the listeners have been told."""
        self._client = client_of(address, timeout_s, _InOrder())
        self._client.add_listener(self._changed)

    @property
    def why_unreached(self) -> str:
        """For people, while it is not connected."""
        return why_unreached(self._client)

    # Life

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._client.start_async()

    def listen(self, listener: SessionListener) -> None:
        """Tell this one, too, what becomes of the session."""
        self._listeners.append(listener)

    def unlisten(self, listener: SessionListener) -> None:
        """Tell it no more."""
        self._listeners.remove(listener)

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """End the session, which deletes its ephemeral nodes at once; nobody is told anything more."""
        self._stopped = True

        def end() -> None:
            with contextlib.suppress(Exception):  # it is given up in any case, and ends with its timeout
                self._client.stop()
                self._client.close()
            self._loop.post(on_stopped)

        threading.Thread(target=end, name="mesos-zookeeper-end", daemon=True).start()

    def _changed(self, state: str) -> None:
        """In kazoo's thread, which must not be held."""
        self._loop.post(lambda: self._tell(Connection(state)))

    def _tell(self, state: Connection) -> None:
        self.connected = state is Connection.CONNECTED
        for listener in () if self._stopped else tuple(self._listeners):
            listener.connection(state)

    # Nodes

    def get(self, path: str, done: Done, changed: Callable[[], None] | None = None) -> None:
        """(data, stat) of a node; ``changed`` is called when it is another, or that cannot be known any more."""
        self._answer(self._client.get_async(path, watch=self._watch(changed)), done)

    def children(self, path: str, changed: Callable[[], None], done: Done) -> None:
        """Names of the nodes below; ``changed`` is called when there are others, or that cannot be known any more."""
        self._answer(self._client.get_children_async(path, watch=self._watch(changed)), done)

    def _watch(self, changed: Callable[[], None] | None) -> Callable[[Any], None] | None:
        return None if changed is None else lambda _event: self._post(changed)

    def create(self, path: str, data: bytes, done: Done, *, ephemeral: bool = False, sequence: bool = False) -> None:
        """Make a node, and those above it."""
        asked = self._client.create_async(path, data, ephemeral=ephemeral, sequence=sequence, makepath=True)
        self._answer(asked, done)

    def delete(self, path: str, done: Done) -> None:
        """Delete a node."""
        self._answer(self._client.delete_async(path), done)

    def transaction(self) -> TransactionRequest:
        """To be filled and given to ``commit``."""
        return self._client.transaction()

    def commit(self, transaction: TransactionRequest, done: Done) -> None:
        """Do all of it or nothing; what hindered it is the error."""

        def judged(results: Any, error: Exception | None) -> None:
            done(results, error or _what_hindered(results))

        self._answer(transaction.commit_async(), judged)

    def _answer(self, asked: Any, done: Done) -> None:
        waiting = [done]  # kazoo may answer what fails twice

        def answer() -> None:
            if waiting:
                error = asked.exception
                waiting.pop()(None if error is not None else asked.value, error)

        asked.rawlink(lambda _asked: self._post(answer))

    def _post(self, callback: Callable[[], None]) -> None:
        self._loop.post(lambda: None if self._stopped else callback())


def _what_hindered(results: list[Any]) -> Exception | None:
    """The one error of a transaction that is not only there because of another."""
    errors = [result for result in results if isinstance(result, Exception)]
    telling = [error for error in errors if type(error).__name__ not in ("RolledBackError", "RuntimeInconsistency")]
    return next(iter(telling or errors), None) if errors else None
