"""Keeps the registry in ZooKeeper: a record of each agent, in 256 buckets, written by the newest leader only.

Whatever waits is written together: all buckets that have changed, in transactions below ZooKeeper's limit of 1 MB.
Each transaction checks the version of the epoch's node, so that nothing is written by a leader after the next one was
elected. Where the connection is lost under a transaction, its buckets are written again as they are then.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from kazoo.exceptions import BadVersionError, NoNodeError

from mesos_py.adapters.zookeeper.paths import BUCKETS, bucket_of
from mesos_py.adapters.zookeeper.session import Connection, Session, is_lost, refused
from mesos_py.errors import MesosError
from mesos_py.master.registry import (
    AgentRecord,
    Registry,
    RegistryOperation,
    decode_records,
    encode_records,
    record_of,
    restore,
)
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import AgentID

__all__ = ["ZookeeperRegistry"]

_TRANSACTION: Final = 400_000
"""Bytes of one transaction."""

_OVERTAKEN: Final = "a newer leader writes the registry"


class ZookeeperRegistry:
    """The registry during one leadership."""

    def __init__(self, session: Session, loop: Loop, epoch: int, overtaken: Callable[[str], None]) -> None:
        """``epoch`` is that of the leadership; ``overtaken(why)`` is told once if a newer one is found."""
        self._session = session
        self._paths = session.paths
        self._loop = loop
        self._epoch = epoch
        self._overtaken = overtaken
        self._version = -1
        """Of the epoch's node while this epoch stands there."""
        self._loaded: Callable[[Registry], None] | None = None
        self._written: Callable[[int], None] | None = None
        self._mirror = Registry()
        """What will be in ZooKeeper once all is written."""
        self._members: list[dict[AgentID, None]] = [{} for _ in range(BUCKETS)]
        self._dirty: dict[int, None] = {}
        self._serial = 0
        self._on_way: dict[int, None] = {}
        """Buckets being written."""
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
        for agent_id in operation.apply(self._mirror):
            number = bucket_of(agent_id)
            self._members[number][agent_id] = None
            self._dirty[number] = None
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
        self._session.children(self._paths.registry, lambda: None, self._then(self._buckets_seen))

    def _buckets_seen(self, names: list[str] | None, error: Exception | None) -> None:
        if isinstance(error, NoNodeError):
            path = self._paths.bucket(0)
            self._session.create(path, b"\x90", self._then(lambda _path, _error: self._read_epoch()))
            return
        if error is not None or names is None:
            refused(error)
        there = set(names)
        missing = [number for number in range(BUCKETS) if f"{number:03}" not in there]
        if missing:
            transaction = self._session.transaction()
            transaction.check(self._paths.epoch, self._version)
            for number in missing:
                transaction.create(self._paths.bucket(number), b"\x90")
            self._session.commit(transaction, self._then(self._buckets_made))
            return
        self._read_buckets()

    def _buckets_made(self, _results: Any, error: Exception | None) -> None:
        if isinstance(error, BadVersionError):
            self._give_way()
        elif error is not None:
            refused(error)
        else:
            self._read_buckets()

    def _read_buckets(self) -> None:
        records: list[AgentRecord] = []
        left = BUCKETS

        def read(number: int, found: tuple[bytes, Any] | None, error: Exception | None) -> None:
            nonlocal left
            if error is not None or found is None:
                refused(error)
            records.extend(_decode(found[0], self._paths.bucket(number)))
            left -= 1
            if left == 0:
                self._all_read(records)

        for number in range(BUCKETS):
            self._session.get(self._paths.bucket(number), self._then(_with(number, read)))

    def _all_read(self, records: list[AgentRecord]) -> None:
        loaded, self._loaded = self._loaded, None
        assert loaded is not None
        self._mirror = restore(self._epoch, records)
        for record in records:
            self._members[bucket_of(record.agent_id)][record.agent_id] = None
        loaded(restore(self._epoch, records))

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

    def _transactions(self, numbers: dict[int, None]) -> Iterator[Any]:
        """Which together write these buckets."""
        transaction, size = None, 0
        for number in numbers:
            data = self._bucket(number)
            if transaction is None or size + len(data) > _TRANSACTION:
                if transaction is not None:
                    yield transaction
                transaction, size = self._session.transaction(), 0
                transaction.check(self._paths.epoch, self._version)
            transaction.set_data(self._paths.bucket(number), data)
            size += len(data)
        if transaction is not None:
            yield transaction

    def _bucket(self, number: int) -> bytes:
        members = self._members[number]
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


def _with(number: int, read: Callable[[int, Any, Exception | None], None]) -> Callable[[Any, Exception | None], None]:
    return lambda found, error: read(number, found, error)


def _decode(data: bytes, path: str) -> list[AgentRecord]:
    """Raises MesosError: a registry that cannot be read is better looked at than written over."""
    try:
        return decode_records(data)
    except msgspec.MsgspecError as error:
        raise MesosError(f"{path} in ZooKeeper cannot be read: {error}") from None
