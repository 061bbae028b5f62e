"""Removes the sandboxes of what has ended, the oldest first, when they are older than their disk allows.

The age of a sandbox counts from the end of its container. That is stamped on the directory (its inode's change time,
which no task can set back), so that it is known after a restart. What runs, or will, is never touched. Where there
are very many sandboxes only the oldest are kept in mind, and the rest looked up again when those are gone.
"""

import contextlib
import heapq
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Final

from msgspec import Struct

from mesos_py.adapters.chores import Chore, Chores
from mesos_py.adapters.removal import LEFTOVER, remove_tree
from mesos_py.agent.gc import allowed_age
from mesos_py.runtime.clock import Clock
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop

__all__ = ["GcStats", "SandboxCollector", "used_part"]

_MOST: Final = 10_000
"""Sandboxes that are kept in mind."""
_DEPTH: Final = 5
"""Of a sandbox below the root: agent id, framework id, kind, task or executor id, container id."""
_COMPLAINTS: Final = 1000
"""Sandboxes of which it is remembered that their trouble was logged."""


class GcStats(Struct, frozen=True, gc=False):
    """What the collector has done, and what comes next."""

    removed: int
    failed: int
    """Attempts at sandboxes that could not be removed."""
    waiting: int
    """Sandboxes that are known to have ended; there may be younger ones."""
    allowed_age_s: float
    """Older ones are removed at the next look."""
    next_removal: float | None
    """When the oldest becomes too old if the disk stays as full as it is, by the loop's clock; None if none waits."""


class _Found(Struct, frozen=True):
    """What a search has found."""

    oldest: list[tuple[float, str]]
    """Seconds since the epoch, and path, in order."""
    is_all: bool


def used_part(path: str) -> float:
    """How much of a file system is taken, from 0 to 1. Raises OSError."""
    found = os.statvfs(path)
    return 1.0 - found.f_bfree / found.f_blocks if found.f_blocks else 0.0


class SandboxCollector:
    """Looks from time to time which sandboxes must go, and removes them one after the other in a thread."""

    def __init__(
        self,
        loop: Loop,
        sandboxes_root: str,
        in_use: Callable[[], Iterable[str]],
        *,
        delay_s: float = 604_800.0,
        headroom: float = 0.1,
        interval_s: float = 60.0,
        used: Callable[[str], float] = used_part,
        wall: Clock = time.time,
        most: int = _MOST,
    ) -> None:
        """``in_use`` gives the sandboxes of all containers that have not ended; called in the loop's thread.

        ``used`` says how full the disk of the root is, ``wall`` gives the time that the disk's stamps are in, ``most``
        is how many sandboxes are kept in mind.
        """
        self._loop = loop
        self._root = os.path.abspath(sandboxes_root)
        self._in_use = in_use
        self._delay_s = delay_s
        self._headroom = headroom
        self._interval_s = interval_s
        self._used = used
        self._wall = wall
        self._most = most
        self._waiting: OrderedDict[str, float] = OrderedDict()
        """The oldest known, in order: path, and when it ended by the loop's clock, which never jumps."""
        self._knows_all = True
        """Whether all that ended since the last search began is among them."""
        self._has_searched = False
        self._busy = False
        self._next = 0.0
        self._looked_at = 0.0
        self._allowed_s = delay_s
        self._removed = 0
        self._failed = 0
        self._complained: dict[str, None] = {}
        self._log = get_log(role="agent")
        self._chores: Chores

    def open(self) -> None:
        """Begin. The first look comes late enough for ``in_use`` to have learned what earlier agent processes left."""
        self._chores = Chores(self._loop, "gc")
        self._next = self._loop.clock() + self._interval_s
        self._loop.add(self)

    def close(self) -> None:
        """Stop; a removal that is under way is finished by the next agent process."""
        self._loop.remove(self)
        self._chores.close()

    def ended(self, sandbox: str) -> None:
        """The container of this sandbox has ended, or has failed to start; its age counts from now."""
        try:
            os.utime(sandbox, follow_symlinks=False)
        except FileNotFoundError:  # it was never made
            return
        except OSError as error:
            self._log.warning("the end of a sandbox could not be stamped", sandbox=sandbox, why=error.strerror)
        self._remember(os.path.abspath(sandbox))

    def stats(self) -> GcStats:
        """For metrics and the curious."""
        oldest = next(iter(self._waiting.values()), None)
        return GcStats(
            removed=self._removed,
            failed=self._failed,
            waiting=len(self._waiting),
            allowed_age_s=self._allowed_s,
            next_removal=None if oldest is None else oldest + self._allowed_s,
        )

    # Looking

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return self._next

    def run_due(self, now: float) -> None:
        """Part of Resident."""
        self._next = now + self._interval_s
        self._looked_at = now
        if self._busy:
            return
        self._busy = True
        if self._has_searched and (self._waiting or self._knows_all):
            self._remove_next()
        else:
            self._knows_all = self._knows_all or not self._waiting
            self._chores.add(_search(self._root, self._names_in_use(), self._most), self._found)

    def _found(self, found: _Found | None) -> None:
        """Those that ended before it was there are younger than all that it found."""
        if found is None:
            self._has_searched = self._busy = False
            return
        self._has_searched = True
        younger, self._waiting = self._waiting, OrderedDict()
        in_use, wall, now = self._names_in_use(), self._wall(), self._loop.clock()
        for stamp, path in found.oldest:
            if _name(path) not in in_use and path not in younger:
                self._waiting[path] = now - max(0.0, wall - stamp)
        if found.is_all:
            self._waiting.update(younger)
        else:
            self._knows_all = False
        self._remove_next()

    def _remember(self, path: str) -> None:
        self._waiting.pop(path, None)
        if self._knows_all and len(self._waiting) < self._most:
            self._waiting[path] = self._loop.clock()
        else:
            self._knows_all = False

    def _names_in_use(self) -> set[str]:
        """Container ids, which no two sandboxes of an agent share, whatever links their paths lead through."""
        return {os.path.basename(path) for path in self._in_use()}

    # Removing

    def _remove_next(self) -> None:
        """Remove the oldest if it is too old, and so on. The disk is looked at anew before each."""
        self._busy = False
        self._look_at_disk()
        while self._waiting:
            path, ended_at = next(iter(self._waiting.items()))
            if ended_at >= self._looked_at - self._allowed_s:
                return
            del self._waiting[path]
            if _name(path) not in self._names_in_use():
                self._busy = True
                self._chores.add(_remove(path, self._root), partial(self._done, path))
                return

    def _look_at_disk(self) -> None:
        try:
            used = self._used(self._root)
        except OSError:  # there is no sandbox yet
            used = 0.0
        self._allowed_s = allowed_age(self._delay_s, self._headroom, used)

    def _done(self, path: str, problem: str | None) -> None:
        if problem == "":
            self._removed += 1
            self._complained.pop(path, None)
            self._log.debug("sandbox removed", sandbox=path)
        else:
            self._failed += 1
            self._complain(path, problem or "the removal broke")
            self._remember(path)  # when it is as old again
        self._remove_next()

    def _complain(self, path: str, problem: str) -> None:
        if path not in self._complained:
            self._complained[path] = None
            self._log.warning("a sandbox cannot be removed", sandbox=path, why=problem)
            if len(self._complained) > _COMPLAINTS:
                del self._complained[next(iter(self._complained))]


def _name(path: str) -> str:
    return os.path.basename(path).removesuffix(LEFTOVER)


# On the disk


def _search(root: str, in_use: set[str], most: int) -> Chore[_Found]:
    """The oldest sandboxes; directories that hold none are removed."""
    youngest_first: list[tuple[float, str]] = []
    is_all = True
    for found in _walk(root, 1):
        yield
        if found is not None and _name(found[1]) not in in_use:
            heapq.heappush(youngest_first, (-found[0], found[1]))
            if len(youngest_first) > most:
                heapq.heappop(youngest_first)
                is_all = False
    return _Found(sorted((-stamp, path) for stamp, path in youngest_first), is_all)


def _walk(directory: str, depth: int) -> Generator[tuple[float, str] | None, None, bool]:
    """Every sandbox with the time of its last change; None now and then, to rest. True if it was empty and is gone."""
    is_empty = True
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            yield None
            if not entry.is_dir(follow_symlinks=False):
                continue
            if depth < _DEPTH:
                is_empty &= yield from _walk(entry.path, depth + 1)
            else:
                is_empty = False
                with contextlib.suppress(OSError):  # gone meanwhile
                    yield _last_change(entry), entry.path
    return is_empty and depth > 1 and _tidy(directory)


def _last_change(entry: os.DirEntry[str]) -> float:
    """Seconds since the epoch; 0 for what was left half removed. Raises OSError."""
    return 0.0 if entry.name.endswith(LEFTOVER) else entry.stat(follow_symlinks=False).st_ctime


def _remove(path: str, root: str) -> Chore[str]:
    """Remove a sandbox, and the directories above it that hold nothing else; says why it is still there."""
    problem = yield from remove_tree(path)
    directory = os.path.dirname(path)
    while not problem and directory.startswith(root + "/") and _tidy(directory):
        directory = os.path.dirname(directory)
    return problem


def _tidy(directory: str) -> bool:
    """Remove a directory in which nothing is but perhaps a link to what is gone; False if there is more."""
    latest = os.path.join(directory, "latest")
    with contextlib.suppress(OSError):
        if os.path.islink(latest) and not os.path.exists(latest):
            os.unlink(latest)
    try:
        os.rmdir(directory)
    except OSError:
        return False
    return True
