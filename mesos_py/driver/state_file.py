"""Keeps a framework's id, and what its author saves besides, for its next process to come back as the same framework.

The place is a file or a node of ZooKeeper. What it holds is a JSON object with ``framework_id`` and ``saved``, and is
replaced as a whole: a crash leaves the old one or the new one.
"""

import contextlib
import os
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from mesos_py.adapters.zookeeper.address import is_address, parse_address
from mesos_py.adapters.zookeeper.document import ZookeeperDocument
from mesos_py.errors import ConfigError
from mesos_py.types.ids import FrameworkID, why_not_an_id

__all__ = ["StateFile"]

T = TypeVar("T")


class _Kept(Struct, omit_defaults=True):
    framework_id: FrameworkID | None = None
    saved: msgspec.Raw = msgspec.Raw()


class _Document(Protocol):
    """Bytes in some place that outlives us."""

    name: str

    def read(self) -> bytes | None:
        """None if there are none. Raises ConfigError, also if none could be written."""

    def replace(self, data: bytes) -> None:
        """Durably. Raises ConfigError."""

    def remove(self) -> None:
        """If that fails it does no harm: the next process is told that the id is used up."""

    def close(self) -> None:
        """It is not used any more."""


class StateFile:
    """One framework's; for one process at a time."""

    def __init__(self, place: str | os.PathLike[str]) -> None:
        """A path (which need not be there yet; its directory must), or ``zk://host:port/path``. Raises ConfigError."""
        self._document: _Document
        if is_address(str(place)):
            self._document = ZookeeperDocument(parse_address(str(place)))
        else:
            self._document = _File(Path(place))
        self._kept: _Kept | None = None
        self._unsaved: list[object] = []
        """What the author saved and is not written yet: the last of these."""

    def read(self) -> FrameworkID | None:
        """The id of the earlier process, if there was one. Raises ConfigError if no successor will find ours here."""
        return self._load().framework_id

    def saved(self, kind: type[T]) -> T | None:
        """What the earlier process saved. Raises ConfigError if it is of another kind."""
        kept = self._load()
        if not bytes(kept.saved):
            return None
        try:
            return msgspec.json.decode(kept.saved, type=kind)
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{self._document.name} holds something else than was expected: {error}") from error

    def keep(self, framework_id: FrameworkID) -> None:
        """Write the id down, durably. Raises ConfigError."""
        kept = self._load()
        if framework_id != kept.framework_id:
            self._write(_Kept(framework_id, kept.saved))

    def save(self, value: object) -> None:
        """Let this be written with the next ``flush``. From any thread."""
        self._unsaved = [value]

    def flush(self) -> None:
        """Write what was saved, durably. Raises ConfigError, also if it cannot be put as JSON."""
        if not self._unsaved:
            return
        unsaved = self._unsaved
        try:
            data = msgspec.json.encode(unsaved[0])
        except (TypeError, ValueError) as error:
            raise ConfigError(f"what is to be saved cannot be put as JSON: {error}") from error
        self._write(_Kept(self._load().framework_id, msgspec.Raw(data)))
        if self._unsaved is unsaved:  # else another thread has saved anew
            self._unsaved = []

    def forget(self) -> None:
        """The framework is no more."""
        self._document.remove()

    def close(self) -> None:
        """Nothing is written any more."""
        self._document.close()

    def _load(self) -> _Kept:
        if self._kept is None:
            self._kept = self._parse(self._document.read())
        return self._kept

    def _parse(self, data: bytes | None) -> _Kept:
        if data is None:
            return _Kept()
        try:
            kept = msgspec.json.decode(data, type=_Kept)
            if kept.framework_id is None and not bytes(kept.saved):
                raise msgspec.ValidationError("neither framework_id nor saved is in it")
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{self._document.name} is not a framework's state file: {error}") from error
        if kept.framework_id is not None and (why := why_not_an_id(kept.framework_id)):
            raise ConfigError(f"{self._document.name} is not a framework's state file: {why}")
        return kept

    def _write(self, kept: _Kept) -> None:
        self._document.replace(msgspec.json.encode(kept) + b"\n")
        self._kept = kept


class _File:
    """Only its owner may read it: who has the id can be that framework."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    def read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            if not os.access(self._path.parent, os.W_OK):
                raise ConfigError(f"{self._path}: there is no directory of that name that we may write to") from None
            return None
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be read: {error.strerror}") from error

    def replace(self, data: bytes) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        pass
