"""Runs the job's programs: feeds them, takes their lines, and understands what they report on stderr.

``reporter:counter:GROUP,NAME,AMOUNT`` and ``reporter:status:TEXT`` are for us; all else on stderr is for people.
"""

import collections
import contextlib
import os
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from mesos_py.errors import MesosError

__all__ = ["Program", "ProgramError", "Reports", "cat"]

_COUNTER: Final = re.compile(rb"reporter:counter:(.*),(.*),\s*(-?\d+)\s*")
_STATUS: Final = b"reporter:status:"
_PIECE: Final = 1 << 20
_LONGEST_LINE: Final = 64 << 20
_TAIL: Final = 12


class ProgramError(MesosError):
    """A program did not do what it should; ``final`` if it never will."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class Reports:
    """What programs said of themselves."""

    def __init__(self, log: IO[bytes], on_status: Callable[[str], None] = lambda _text: None) -> None:
        """Lines for people go to ``log``."""
        self._log = log
        self._on_status = on_status
        self.counters: Counter[tuple[str, str]] = Counter()
        self._tail: collections.deque[bytes] = collections.deque(maxlen=_TAIL)

    @property
    def tail(self) -> str:
        """The last lines for people."""
        return b"".join(self._tail).decode(errors="replace").strip()

    def read(self, stderr: IO[bytes]) -> None:
        """Until its end."""
        for line in stderr:
            if (found := _COUNTER.fullmatch(line)) is not None:
                self.counters[found[1].decode(errors="replace"), found[2].decode(errors="replace")] += int(found[3])
            elif line.startswith(_STATUS):
                self._on_status(line[len(_STATUS) :].decode(errors="replace").strip())
            else:
                self._tail.append(line[:2000])
                self._log.write(line)
                self._log.flush()


class Program:
    """One run of a mapper, combiner or reducer."""

    def __init__(
        self,
        what: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        reports: Reports,
        stdout: IO[bytes] | None = None,
    ) -> None:
        """Starts it. Its output goes to ``stdout``, or is read by ``lines``. Raises ProgramError."""
        self._what = what
        self._reports = reports
        try:
            self._process = subprocess.Popen(
                _found(argv, environment, directory),
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=stdout if stdout is not None else subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError:
            why = f"{what} {argv[0]!r} is neither on the agents nor among the files that are shipped with the job"
            raise ProgramError(why, final=True) from None
        except OSError as error:
            raise ProgramError(f"{what} {argv[0]!r} cannot be started: {error.strerror}", final=True) from None
        assert self._process.stderr is not None
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=reports.read, args=(self._process.stderr,), daemon=True)]
        self._threads[0].start()

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Write to it, in a thread of its own."""

        def write() -> None:
            stdin = self._process.stdin
            assert stdin is not None
            try:
                for piece in pieces:
                    stdin.write(piece)
            except BrokenPipeError:
                pass  # it has read as much as it cares for
            except BaseException as error:
                self._failure = error
                self._process.kill()
            with contextlib.suppress(BrokenPipeError):
                stdin.close()

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        self._threads.append(thread)

    def lines(self) -> Iterator[tuple[list[bytes], int]]:
        """What it writes: lines without their ends, and how many bytes they are. Raises ProgramError."""
        stdout = self._process.stdout
        assert stdout is not None
        descriptor = stdout.fileno()
        try:
            yield from cat(iter(lambda: os.read(descriptor, _PIECE), b""))
        except ProgramError as error:
            self._process.kill()
            raise ProgramError(f"{self._what} writes {error}", final=True) from None

    def finish(self, *, exit_matters: bool = True) -> None:
        """Wait for its end. Raises ProgramError, and whatever went wrong while it was fed."""
        code = self._process.wait()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        if code and exit_matters:
            how = f"exited with {code}" if code > 0 else f"was ended by signal {-code}"
            tail = self._reports.tail
            raise ProgramError(f"{self._what} {how}" + (f"; its stderr ends:\n{tail}" if tail else ""))


def cat(pieces: Iterable[bytes]) -> Iterator[tuple[list[bytes], int]]:
    """As the lines of a program that passes on what it gets. Raises ProgramError for what cannot be lines."""
    rest: list[bytes] = []
    held = 0
    for piece in pieces:
        end = piece.rfind(b"\n")
        if end < 0:
            rest.append(piece)  # joined once only, however long the line becomes
            held += len(piece)
            if held > _LONGEST_LINE:
                raise ProgramError(f"a line of more than {_LONGEST_LINE >> 20} MB: is that text?", final=True)
            continue
        whole = b"".join((*rest, piece[:end]))
        rest, held = [piece[end + 1 :]], len(piece) - end - 1
        yield whole.split(b"\n"), len(whole) + 1
    if held:
        yield [b"".join(rest)], held


def _found(argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> list[str]:
    """With the program's path: a file that was shipped goes before what is in PATH."""
    shipped = directory / argv[0]
    if "/" not in argv[0] and shipped.is_file():
        return [str(shipped), *argv[1:]]
    for place in environment.get("PATH", "").split(":") if "/" not in argv[0] else []:
        if os.access(candidate := os.path.join(directory, place, argv[0]), os.X_OK) and os.path.isfile(candidate):
            return [candidate, *argv[1:]]
    return list(argv)
