"""Keeps a framework's id in a file, for its next process to come back as the same framework.

The file is a JSON object with ``framework_id``. It is replaced as a whole: a crash leaves the old one or the new one.
"""

import contextlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from mesos_py.errors import ConfigError
from mesos_py.types.ids import FrameworkID, why_not_an_id

__all__ = ["StateFile"]


class _Kept(Struct):
    framework_id: FrameworkID


class StateFile:
    """One framework's file; for one process at a time."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """``path`` need not be there yet; its directory must."""
        self._path = Path(path)
        self._kept: FrameworkID | None = None

    def read(self) -> FrameworkID | None:
        """The id of the earlier process, if there was one. Raises ConfigError if no successor will find ours here."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            if not os.access(self._path.parent, os.W_OK):
                raise ConfigError(f"{self._path}: there is no directory of that name that we may write to") from None
            return None
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be read: {error.strerror}") from error
        try:
            self._kept = msgspec.json.decode(data, type=_Kept).framework_id
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{self._path} is not a framework's state file: {error}") from error
        if why := why_not_an_id(self._kept):
            raise ConfigError(f"{self._path} is not a framework's state file: {why}")
        return self._kept

    def keep(self, framework_id: FrameworkID) -> None:
        """Write it down, durably. Raises ConfigError."""
        if framework_id == self._kept:
            return
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(_Kept(framework_id)) + b"\n")
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
        self._kept = framework_id

    def forget(self) -> None:
        """The framework is no more. If that fails it does no harm: the next process is told that the id is used up."""
        with contextlib.suppress(OSError):
            self._path.unlink()
