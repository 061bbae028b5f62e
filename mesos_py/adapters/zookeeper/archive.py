"""Takes the masters' registry out of ZooKeeper as one moment had it, puts it back, and gives its nodes to others."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from mesos_py.adapters.zookeeper.address import ZookeeperAddress
from mesos_py.adapters.zookeeper.paths import Paths
from mesos_py.adapters.zookeeper.session import client_of, why_unreached
from mesos_py.errors import ConfigError, MesosError

__all__ = ["Archive", "Archivist"]

T = TypeVar("T")

_PATIENCE_S: Final = 15.0
_SESSION_S: Final = 10.0
_ATTEMPTS: Final = 20
"""A registry that changes while it is read is read again so often."""
_TRANSACTION: Final = 400_000
"""Bytes that are written together."""


class Archive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mesos_py registry 1"):
    """What there was."""

    epoch: int
    """Of the newest leader then."""
    nodes: dict[str, bytes]
    """What each node of the registry held, by its name."""


class Archivist:
    """One session, that of somebody who knows the password; ConfigError says what is wrong."""

    def __init__(self, address: ZookeeperAddress) -> None:
        """Connects."""
        self._base = address.path
        self._paths = Paths(address.path)
        self._name = address.name
        self._client = client_of(address, _SESSION_S)
        try:
            self._client.start(timeout=_PATIENCE_S)
        except KazooTimeoutError:
            self.close()
            raise ConfigError(f"{self._name}: {why_unreached(self._client)}") from None

    def close(self) -> None:
        """End the session."""
        self._client.stop()
        self._client.close()

    def take(self) -> Archive:
        """What is there now, all of it of one moment. Raises MesosError if it changes too fast."""
        return self._do(self._take)

    def masters(self) -> int:
        """How many stand in line to lead."""

        def count(client: KazooClient) -> int:
            return len(_children(client, self._paths.masters))

        return self._do(count)

    def is_empty(self) -> bool:
        """Whether no registry is there."""
        return self._do(lambda client: not _children(client, self._paths.registry))

    def put(self, archive: Archive) -> None:
        """Have this there and nothing else. No master may be there."""

        def put(client: KazooClient) -> None:
            client.ensure_path(self._paths.registry)
            there = set(_children(client, self._paths.registry))
            for transaction in self._writes(client, archive.nodes, there):
                _commit(transaction)
            epoch = str(archive.epoch).encode()
            if client.exists(self._paths.epoch):
                client.set(self._paths.epoch, epoch)
            else:
                client.create(self._paths.epoch, epoch)

        self._do(put)

    def give(self) -> int:
        """Have all nodes belong to those whom the address names, and to nobody else; how many there are."""

        def give(client: KazooClient) -> int:
            paths = list(_below(client, self._base))
            for path in paths:
                try:
                    client.set_acls(path, client.default_acl)
                except NoNodeError:
                    continue  # a master has gone meanwhile
            return len(paths)

        if not self._client.default_acl:
            raise ConfigError("zookeeper: before the @ there must be the user:password that all is to belong to")
        return self._do(give)

    def _take(self, client: KazooClient) -> Archive:
        for _ in range(_ATTEMPTS):
            data, epoch = client.get(self._paths.epoch)
            names = sorted(client.get_children(self._paths.registry))
            asked = [(name, client.get_async(self._paths.kept(name))) for name in names]
            transaction = client.transaction()
            transaction.check(self._paths.epoch, epoch.version)
            nodes = {}
            for name, answer in asked:
                nodes[name], stat = answer.get()
                transaction.check(self._paths.kept(name), stat.version)
            unchanged = not any(isinstance(result, Exception) for result in transaction.commit())
            if unchanged and names == sorted(client.get_children(self._paths.registry)):
                return Archive(epoch=int(data), nodes=nodes)
        raise MesosError(f"{self._name} changes faster than it can be read: try again")

    def _writes(self, client: KazooClient, nodes: dict[str, bytes], there: set[str]) -> Iterator[Any]:
        transaction, size = client.transaction(), 0
        for name in sorted(there - nodes.keys()):
            transaction.delete(self._paths.kept(name))
        for name, data in sorted(nodes.items()):
            if size + len(data) > _TRANSACTION:
                yield transaction
                transaction, size = client.transaction(), 0
            if name in there:
                transaction.set_data(self._paths.kept(name), data)
            else:
                transaction.create(self._paths.kept(name), data)
            size += len(data)
        yield transaction

    def _do(self, call: Callable[[KazooClient], T]) -> T:
        try:
            return call(self._client)
        except NoAuthError:
            raise ConfigError(f"{self._name} belongs to another user, or the password is wrong") from None
        except NoNodeError as error:
            raise ConfigError(f"{self._name}: there is no registry of masters") from error
        except KazooTimeoutError:
            raise ConfigError(f"{self._name}: {why_unreached(self._client)}") from None
        except KazooException as error:
            raise ConfigError(f"{self._name}: {type(error).__name__} {error}".rstrip()) from error


def _commit(transaction: Any) -> None:
    for result in transaction.commit():
        if isinstance(result, Exception):
            raise result


def _children(client: KazooClient, path: str) -> list[str]:
    try:
        found: list[str] = client.get_children(path)
    except NoNodeError:
        return []
    return found


def _below(client: KazooClient, path: str) -> Iterator[str]:
    """This node, if it is there, and all below it."""
    if client.exists(path):
        yield path
        for name in _children(client, path):
            yield from _below(client, f"{path}/{name}")
