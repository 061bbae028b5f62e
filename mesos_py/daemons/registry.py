"""Where a master without ZooKeeper keeps its registry: a journal of operations, replayed at the start."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from mesos_py.adapters.journal import FileJournal, read_journal, rewrite_journal
from mesos_py.daemons.service import claim
from mesos_py.errors import ConfigError
from mesos_py.master.registry import (
    Registry,
    RegistryOperation,
    decode_operation,
    encode_operation,
    operations,
)
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop

__all__ = ["RegistryFile", "RegistryMemory", "RegistryStore", "RegistryWriter"]


class RegistryWriter(Protocol):
    """Keeps the registry of one leadership. What ``written`` has confirmed survives; what it has not may or may not."""

    def write(self, serial: int, operation: RegistryOperation, written: Callable[[int], None]) -> None:
        """Write soon; ``written(serial)`` is called in the loop's thread when this one and all before are durable."""

    def close(self) -> None:
        """Write what waits, and end."""


class RegistryStore(RegistryWriter, Protocol):
    """Where the registry of a master without ZooKeeper is, which nobody else leads from."""

    def load(self, least_epoch: int) -> tuple[Registry, int]:
        """Begin a leadership: the registry, and a new epoch above every earlier one and at least ``least_epoch``."""


class RegistryMemory:
    """Keeps nothing beyond the process: for embedded clusters."""

    def __init__(self) -> None:
        """An empty one."""
        self._registry = Registry()

    def load(self, least_epoch: int) -> tuple[Registry, int]:
        """Part of RegistryStore."""
        self._registry.epoch = max(self._registry.epoch + 1, least_epoch)
        return self._registry, self._registry.epoch

    def write(self, serial: int, operation: RegistryOperation, written: Callable[[int], None]) -> None:
        """Part of RegistryStore."""
        del operation  # the core applies it
        written(serial)

    def close(self) -> None:
        """Part of RegistryStore."""


class RegistryFile:
    """A journal of operations. It is replayed at the start, and written anew without what was overtaken."""

    def __init__(self, path: Path, loop: Loop) -> None:
        """``load`` reads it."""
        self._path = path
        self._loop = loop
        self._journal: FileJournal | None = None
        self._release: Callable[[], None] | None = None
        self._written: Callable[[int], None] | None = None

    def load(self, least_epoch: int) -> tuple[Registry, int]:
        """Part of RegistryStore. Raises ConfigError if the file cannot be read or written."""
        registry = Registry()
        self._release = claim(self._path.parent)
        try:
            records, corrupt = read_journal(self._path)
            for record in records:
                try:
                    decode_operation(record).apply(registry)
                except msgspec.MsgspecError:
                    corrupt += 1
            registry.epoch = max(registry.epoch + 1, least_epoch)
            rewrite_journal(self._path, [encode_operation(operation) for operation in operations(registry)])
        except (OSError, ConfigError) as error:
            self._let_go()
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"cannot use the registry {self._path}: {error.strerror}") from None
        if corrupt:
            get_log(role="master").warning("registry had unreadable records", count=corrupt, file=str(self._path))
        self._journal = FileJournal(self._path, self._loop, self._confirmed)
        return registry, registry.epoch

    def write(self, serial: int, operation: RegistryOperation, written: Callable[[int], None]) -> None:
        """Part of RegistryStore."""
        assert self._journal is not None, "load comes first"
        self._written = written
        self._journal.append(serial, encode_operation(operation))

    def close(self) -> None:
        """Part of RegistryStore."""
        if self._journal is not None:
            self._journal.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    def _confirmed(self, serial: int) -> None:
        if self._written is not None:
            self._written(serial)
