"""One document in a node of ZooKeeper, read and replaced as a whole by whoever can wait for that."""

import contextlib
from collections.abc import Callable
from typing import Any, Final

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from mesos_py.adapters.zookeeper.address import ZookeeperAddress
from mesos_py.adapters.zookeeper.session import client_of, why_unreached
from mesos_py.errors import ConfigError

__all__ = ["ZookeeperDocument"]

_PATIENCE_S: Final = 15.0
"""How long to wait for an ensemble that has no leader just now."""
_SESSION_S: Final = 10.0
_MOST: Final = 1_000_000
"""Bytes that a node of ZooKeeper takes, unless its operator says otherwise."""


class ZookeeperDocument:
    """Every call waits for its answer, for some seconds at most; ConfigError says what is wrong."""

    def __init__(self, address: ZookeeperAddress) -> None:
        """Nothing is connected before the first call."""
        self.name = address.name
        self._address = address
        self._client: KazooClient | None = None
        self._retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=1.0, deadline=_PATIENCE_S)

    def read(self) -> bytes | None:
        """What it holds; None if it is not there."""
        try:
            data: bytes = self._do("read", lambda client: client.get(self._address.path))[0]
        except NoNodeError:
            return None
        return data or None

    def replace(self, data: bytes) -> None:
        """Let it hold this."""
        if len(data) > _MOST:
            raise ConfigError(f"{self.name} cannot be written: {len(data)} bytes are more than ZooKeeper takes")

        def replace(client: KazooClient) -> None:
            try:
                client.set(self._address.path, data)
            except NoNodeError:
                self._make_parents(client)
                with contextlib.suppress(NodeExistsError):  # an attempt whose answer was lost has made it
                    client.create(self._address.path, data)

        self._do("written", replace)

    def remove(self) -> None:
        """Let it not be there; if that fails it stays."""

        def remove(client: KazooClient) -> None:
            try:
                client.delete(self._address.path)
            except NoAuthError:  # who made the parent may delete in it, and nobody else
                client.set(self._address.path, b"")

        with contextlib.suppress(NoNodeError, ConfigError):
            self._do("removed", remove)

    def close(self) -> None:
        """End the session."""
        client, self._client = self._client, None
        if client is not None:
            client.stop()
            client.close()

    def _make_parents(self, client: KazooClient) -> None:
        """Those that are missing, such that documents of other users may stand beside this one."""
        parent = self._address.path.rpartition("/")[0]
        mine = client.default_acl
        if parent:
            client.ensure_path(parent, acl=mine and [*mine, make_acl("world", "anyone", read=True, create=True)])

    def _do(self, what: str, call: Callable[[KazooClient], Any]) -> Any:
        try:
            return self._retry(call, self._connect(what))
        except NoNodeError:
            raise
        except KazooTimeoutError:
            raise ConfigError(f"{self.name} cannot be {what}: ZooKeeper does not answer") from None
        except NoAuthError:
            why = "it or what it stands in belongs to another user"
            raise ConfigError(f"{self.name} cannot be {what}: {why}") from None
        except KazooException as error:
            raise ConfigError(f"{self.name} cannot be {what}: {type(error).__name__} {error}".rstrip()) from error

    def _connect(self, what: str) -> KazooClient:
        if self._client is None:
            client = client_of(self._address, _SESSION_S)
            try:
                client.start(timeout=_PATIENCE_S)
            except KazooTimeoutError:
                client.close()
                raise ConfigError(f"{self.name} cannot be {what}: {why_unreached(client)}") from None
            self._client = client
        return self._client
