"""Files that were fetched once and may be wanted again; the least recently used go when there are too many bytes."""

import contextlib
import hashlib
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from mesos_py.adapters.isolators.launch import LaunchError

__all__ = ["CachedFile", "FetchCache"]

_LOOK_S: Final = 0.2
"""How often one who waits for another's download looks whether it is still wanted."""


class CachedFile:
    """One entry, held by one thread at a time: if it is not there yet, whoever holds it writes it."""

    def __init__(self, path: Path) -> None:
        """Made by FetchCache."""
        self.path = path
        self.is_there = False
        self.size = 0
        self.users = 0
        self.lock = threading.Lock()


class FetchCache:
    """A directory of one agent process, empty at the start. Safe for many threads."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """The directory is made, or emptied, at the first use."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, CachedFile] = OrderedDict()
        self._ready = False

    @contextlib.contextmanager
    def entry(self, key: str, cancelled: Callable[[], bool]) -> Iterator[CachedFile]:
        """The entry for a key, alone. Whatever is raised meanwhile leaves no half-written file.

        Raises OSError, or LaunchError if it was cancelled while another had it.
        """
        with self._lock:
            self._make_ready()
            name = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
            entry = self._entries.setdefault(name, CachedFile(self._directory / name))
            self._entries.move_to_end(name)
            entry.users += 1
        try:
            with _held(entry.lock, cancelled):
                was_there = entry.is_there = entry.is_there and entry.path.exists()  # somebody may have tidied up
                try:
                    yield entry
                    entry.size = entry.path.stat().st_size
                    entry.is_there = True
                except BaseException:
                    if not was_there:
                        entry.path.unlink(missing_ok=True)
                    raise
        finally:
            with self._lock:
                entry.users -= 1
                self._make_room()

    def _make_ready(self) -> None:
        if not self._ready:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._ready = True
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _make_room(self) -> None:
        """Drop the least recently used that nobody holds until the rest fits; also what was never written."""
        total = sum(entry.size for entry in self._entries.values())
        for name, entry in list(self._entries.items()):
            if entry.users == 0 and (total > self._max_bytes or not entry.is_there):
                del self._entries[name]
                entry.path.unlink(missing_ok=True)
                total -= entry.size


@contextlib.contextmanager
def _held(lock: threading.Lock, cancelled: Callable[[], bool]) -> Iterator[None]:
    while not lock.acquire(timeout=_LOOK_S):
        if cancelled():
            raise LaunchError("the task was killed")
    try:
        yield
    finally:
        lock.release()
