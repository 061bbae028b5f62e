"""Keeps the registry in ZooKeeper: a record of each agent, in 256 buckets, and a node for each document.

It is written by the newest leader only. Whatever waits is written together: all nodes that have changed, in
transactions below ZooKeeper's limit of 1 MB. Each transaction checks the version of the epoch's node, so that nothing
is written by a leader after the next one was elected. Where the connection is lost under a transaction, its nodes are
written again as they are then. Nodes that we do not know, a later version's documents, are left as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import msgspec
from kazoo.exceptions import BadVersionError, NoNodeError

from mesos_py.adapters.zookeeper.paths import BUCKETS, bucket_of
from mesos_py.adapters.zookeeper.session import Connection, Session, is_lost, refused
from mesos_py.errors import MesosError
from mesos_py.master.records import (
    AgentRecord,
    decode_records,
    encode_document,
    encode_records,
    read_document,
    record_of,
    restore,
)
from mesos_py.master.registry import Document, Registry, RegistryOperation
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import AgentID

__all__ = ["ZookeeperRegistry"]

_TRANSACTION: Final = 400_000
"""Bytes of one transaction."""

_EMPTY: Final = dict.fromkeys(BUCKETS, encode_records([])) | {
    document: encode_document(Registry(), document) for document in Document
}
"""Every node there is, and what is in it at first."""

_OVERTAKEN: Final = "a newer leader writes the registry"


class ZookeeperRegistry:
    """The registry during one leadership."""

    def __init__(
        self,
        session: Session,
        loop: Loop,
        epoch: int,
        overtaken: Callable[[str], None],
        known: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """``epoch`` is that of the leadership; ``overtaken(why)`` is told once if a newer one is found.

        ``known`` is what nodes hold, by name, that need not be read: they were read after their last change.
        """
        self._session = session
        self._paths = session.paths
        self._loop = loop
        self._epoch = epoch
        self._overtaken = overtaken
        self._known = known
        self._version = -1
        """Of the epoch's node while this epoch stands there."""
        self._loaded: Callable[[Registry], None] | None = None
        self._written: Callable[[int], None] | None = None
        self._mirror = Registry()
        """What will be in ZooKeeper once all is written."""
        self._members: dict[str, dict[AgentID, None]] = {bucket: {} for bucket in BUCKETS}
        """The agents in each bucket."""
        self._dirty: dict[str, None] = {}
        """Nodes to write."""
        self._serial = 0
        self._on_way: dict[str, None] = {}
        """Nodes being written."""
        self._turn = 0
        self._connected = True
        self._planned = False
        self._closed = False

    def load(self, loaded: Callable[[Registry], None]) -> None:
        """Read all; ``loaded`` is called in the loop's thread unless a newer leader is found before."""
        self._loaded = loaded
        self._session.listen(self)
        self._read_epoch()

    def write(self, serial: int, operation: RegistryOperation, written: Callable[[int], None]) -> None:
        """Write soon; ``written(serial)`` is called in the loop's thread when this one and all before are durable."""
        self._written = written
        self._serial = serial
        for changed in operation.apply(self._mirror):
            if isinstance(changed, Document):
                self._dirty[changed] = None
            else:
                bucket = bucket_of(changed)
                self._members[bucket][changed] = None
                self._dirty[bucket] = None
        if not self._planned:
            self._planned = True
            self._loop.post(self._send)  # with what else this turn brings

    def close(self) -> None:
        """Confirm no more. What waits may still be written, or not."""
        if not self._closed:
            self._send()
            self._closed = True
            self._session.unlisten(self)

    def connection(self, state: Connection) -> None:
        """Part of SessionListener."""
        self._turn += 1
        self._connected = state is Connection.CONNECTED
        self._dirty = self._on_way | self._dirty
        self._on_way = {}
        if not self._connected:
            return
        if self._loaded is not None:
            self._read_epoch()
        else:
            self._send()

    # Reading

    def _then(self, step: Callable[[Any, Exception | None], None]) -> Callable[[Any, Exception | None], None]:
        turn = self._turn

        def answered(value: Any, error: Exception | None) -> None:
            if turn == self._turn and not self._closed and not is_lost(error):
                step(value, error)

        return answered

    def _read_epoch(self) -> None:
        self._session.get(self._paths.epoch, self._then(self._epoch_read))

    def _epoch_read(self, found: tuple[bytes, Any] | None, error: Exception | None) -> None:
        if error is not None or found is None:
            refused(error)
        data, stat = found
        if data != str(self._epoch).encode():
            self._give_way()
            return
        self._version = stat.version
        if self._known.keys() >= _EMPTY.keys():
            self._all_read(self._known)
            return
        self._session.children(self._paths.registry, lambda: None, self._then(self._nodes_seen))

    def _nodes_seen(self, names: list[str] | None, error: Exception | None) -> None:
        if isinstance(error, NoNodeError):
            first = BUCKETS[0]
            path = self._paths.kept(first)
            self._session.create(path, _EMPTY[first], self._then(lambda _path, _error: self._read_epoch()))
            return
        if error is not None or names is None:
            refused(error)
        there = set(names)
        missing = [name for name in _EMPTY if name not in there]
        if missing:
            transaction = self._session.transaction()
            transaction.check(self._paths.epoch, self._version)
            for name in missing:
                transaction.create(self._paths.kept(name), _EMPTY[name])
            self._session.commit(transaction, self._then(self._nodes_made))
            return
        self._read_nodes()

    def _nodes_made(self, _results: Any, error: Exception | None) -> None:
        if isinstance(error, BadVersionError):
            self._give_way()
        elif error is not None:
            refused(error)
        else:
            self._read_nodes()

    def _read_nodes(self) -> None:
        nodes = dict(self._known)

        def read(name: str, found: tuple[bytes, Any] | None, error: Exception | None) -> None:
            if error is not None or found is None:
                refused(error)
            nodes[name] = found[0]
            if nodes.keys() >= _EMPTY.keys():
                self._all_read(nodes)

        for name in _EMPTY.keys() - nodes.keys():
            self._session.get(self._paths.kept(name), self._then(_with(name, read)))

    def _all_read(self, nodes: Mapping[str, bytes]) -> None:
        loaded, self._loaded = self._loaded, None
        assert loaded is not None
        self._known = {}
        records: list[AgentRecord] = []
        for bucket in BUCKETS:
            with self._readable(bucket):
                members = decode_records(nodes[bucket])
            self._members[bucket] = dict.fromkeys(record.agent_id for record in members)
            records += members
        self._mirror = restore(self._epoch, records)
        registry = restore(self._epoch, records)
        for document in Document:
            with self._readable(document):
                read_document(self._mirror, document, nodes[document])
                read_document(registry, document, nodes[document])
        loaded(registry)

    @contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        """Raises MesosError: a registry that cannot be read is better looked at than written over."""
        try:
            yield
        except msgspec.MsgspecError as error:
            raise MesosError(f"{self._paths.kept(name)} in ZooKeeper cannot be read: {error}") from None

    # Writing

    def _send(self) -> None:
        self._planned = False
        if self._on_way or not self._dirty or not self._connected or self._closed:
            return
        self._on_way, self._dirty = self._dirty, {}
        serial, left = self._serial, 0

        def done(_results: Any, error: Exception | None) -> None:
            nonlocal left
            left -= 1
            self._sent(serial, left == 0, error)

        transactions = list(self._transactions(self._on_way))
        left = len(transactions)
        for transaction in transactions:
            self._session.commit(transaction, self._then(done))

    def _transactions(self, names: dict[str, None]) -> Iterator[Any]:
        """Which together write these nodes."""
        transaction, size = None, 0
        for name in names:
            data = encode_document(self._mirror, name) if isinstance(name, Document) else self._bucket(name)
            if transaction is None or size + len(data) > _TRANSACTION:
                if transaction is not None:
                    yield transaction
                transaction, size = self._session.transaction(), 0
                transaction.check(self._paths.epoch, self._version)
            transaction.set_data(self._paths.kept(name), data)
            size += len(data)
        if transaction is not None:
            yield transaction

    def _bucket(self, name: str) -> bytes:
        members = self._members[name]
        records = []
        for agent_id in list(members):
            record = record_of(self._mirror, agent_id)
            if record is None:
                del members[agent_id]
            else:
                records.append(record)
        return encode_records(records)

    def _sent(self, serial: int, all_sent: bool, error: Exception | None) -> None:
        if isinstance(error, BadVersionError):
            self._give_way()
        elif error is not None:
            refused(error)
        elif all_sent:
            self._on_way = {}
            assert self._written is not None
            self._written(serial)
            self._send()

    def _give_way(self) -> None:
        if not self._closed:
            self._closed = True
            self._session.unlisten(self)
            self._overtaken(_OVERTAKEN)


def _with(name: str, read: Callable[[str, Any, Exception | None], None]) -> Callable[[Any, Exception | None], None]:
    return lambda found, error: read(name, found, error)
