"""Where a master without ZooKeeper keeps its registry: a journal of operations, replayed at the start."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from mesos_py.adapters.journal import FileJournal, read_journal, rewrite_journal
from mesos_py.errors import ConfigError
from mesos_py.master.registry import (
    AdmitAgent,
    MarkUnreachable,
    RaiseEpoch,
    Registry,
    RegistryOperation,
    decode_operation,
    encode_operation,
)
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop

__all__ = ["RegistryFile", "RegistryMemory", "RegistryStore"]


class RegistryStore(Protocol):
    """Keeps the registry. What ``written`` has confirmed survives; what it has not may or may not."""

    def load(self, least_epoch: int) -> tuple[Registry, int]:
        """Begin a leadership: the registry, and a new epoch above every earlier one and at least ``least_epoch``."""

    def write(self, serial: int, operation: RegistryOperation, written: Callable[[int], None]) -> None:
        """Write soon; ``written(serial)`` is called in the loop's thread when this one and all before are durable."""

    def close(self) -> None:
        """Write what waits, and end."""


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
