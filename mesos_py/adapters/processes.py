"""Processes: starting them without forking the agent, and finding all that came from one."""

import contextlib
import os
import resource
import signal
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

__all__ = [
    "ProcessRow",
    "ProcessTable",
    "keep_descriptors",
    "make_room_for_descriptors",
    "read_processes",
    "spawn",
    "start_time",
]

_DEFAULTS: Final = tuple(s for s in signal.valid_signals() if s not in (signal.SIGKILL, signal.SIGSTOP))

_GONE: Final = (b"Z", b"X", b"x")
"""States of processes that run no more."""


def spawn(argv: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]) -> int:
    """Start a process in a session of its own and return its pid; ``descriptors`` become its 0, 1 and 2.

    After ``keep_descriptors`` it inherits no other descriptor, and never a signal mask or disposition. Raises OSError,
    and ValueError for text that no process can be given. The agent is never forked: a large one would stand still
    for a tenth of a second.
    """
    return os.posix_spawn(
        argv[0],
        list(argv),
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(descriptors)],
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULTS,
    )


def keep_descriptors() -> None:
    """Let no process started later inherit what this one itself inherited; Python's own descriptors never are."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if int(name) > 2:
                os.set_inheritable(int(name), False)


@cache
def make_room_for_descriptors() -> int:
    """Let this process open as many files as it may; gives how many it was meant to, which is what others get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def start_time(pid: int) -> int:
    """When the process began, in the kernel's ticks; with the pid it names a process for good. Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        return int(file.read(1024).rpartition(b")")[2].split()[19])


class ProcessRow(NamedTuple):
    """One process, as the kernel lists it."""

    pid: int
    parent: int
    session: int
    gone: bool
    """It has ended and waits to be reaped."""


def read_processes() -> Iterator[ProcessRow]:
    """Every process on this host that this process may see; about 8 us each."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fd = os.open(f"/proc/{name}/stat", os.O_RDONLY)
        except OSError:
            continue
        try:
            line = os.read(fd, 1024)
        except OSError:
            continue
        finally:
            os.close(fd)
        state, parent, _group, session, _rest = line[line.rindex(b")") + 2 :].split(b" ", 4)
        yield ProcessRow(int(name), int(parent), int(session), state in _GONE)


class ProcessTable:
    """The processes of one moment, asked for whole families."""

    def __init__(self, rows: Iterable[ProcessRow] | None = None) -> None:
        """Take ``rows``, by default all processes of this host now."""
        self._rows: dict[int, ProcessRow] = {}
        self._children: dict[int, list[ProcessRow]] = defaultdict(list)
        self._sessions: dict[int, list[ProcessRow]] = defaultdict(list)
        for row in read_processes() if rows is None else rows:
            self._rows[row.pid] = row
            self._children[row.parent].append(row)
            self._sessions[row.session].append(row)

    def family(self, leader: int) -> list[int]:
        """Live processes that came from a session leader, without itself.

        Those are its descendants, whatever session they are in, and all members of its session and of theirs. An
        orphan in a session of its own whose whole ancestry has ended is not found: only a cgroup knows it.
        """
        found: dict[int, ProcessRow] = {}
        seen_sessions = {leader}
        waiting = list(self._sessions.get(leader, ()))
        waiting += self._children.get(leader, ())
        while waiting:
            row = waiting.pop()
            if row.pid in found:
                continue
            found[row.pid] = row
            waiting += self._children.get(row.pid, ())
            if row.session not in seen_sessions and row.session > 1:
                seen_sessions.add(row.session)
                waiting += self._sessions[row.session]
        return [pid for pid, row in found.items() if not row.gone and pid != leader]

    def is_alive(self, pid: int) -> bool:
        """True if there is such a process and it has not ended."""
        row = self._rows.get(pid)
        return row is not None and not row.gone
