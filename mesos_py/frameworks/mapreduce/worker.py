"""One attempt in a process of its own: ``python -m mesos_py.frameworks.mapreduce.worker ORDER DIRECTORY``.

It prints its progress and its outcome as lines of JSON for the executor that started it.
"""

import bz2
import gzip
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from mesos_py.errors import MesosError
from mesos_py.frameworks.mapreduce.keys import key_room, order_of, partition_of, to_reducers
from mesos_py.frameworks.mapreduce.orders import Order, Outcome, Progress, hadoop_attempt, hadoop_task
from mesos_py.frameworks.mapreduce.programs import Program, ProgramError, Reports, cat
from mesos_py.frameworks.mapreduce.reading import InputError, numbered, read_split
from mesos_py.frameworks.mapreduce.sorting import Lines, Run, Sorter, merged, needed
from mesos_py.frameworks.mapreduce.transfer import TransferError, download

__all__ = ["Worker"]

_GROUP: Final = "Map-Reduce Framework"
_FETCHES: Final = 4
_TELL_S: Final = 1.0


class LostError(MesosError):
    """Map output that cannot be had."""

    def __init__(self, lost: list[int], why: str) -> None:
        super().__init__(why)
        self.lost = lost


class Worker:
    """Carries out one order in its directory."""

    def __init__(self, order: Order, directory: Path, tell: Callable[[Progress], None]) -> None:
        """``run`` does it."""
        self._order = order
        self._job = order.job
        self._directory = directory
        self._tell = tell
        self._told_at = time.monotonic()
        self._status = ""
        self._share = 0.0
        self._reports = Reports((directory.parent / "stderr").open("wb"), self._say)
        self._counts: Counter[str] = Counter()
        self._staged = False
        self._ends: list[int] = []

    def run(self) -> Outcome:
        """Do it; nothing is raised that the job can cause."""
        try:
            if self._order.kind == "map":
                self._map()
            else:
                self._reduce()
        except (ProgramError, InputError) as error:
            return Outcome(failure=str(error), final=isinstance(error, InputError) or error.final)
        except LostError as error:
            return Outcome(failure=str(error), lost=error.lost)
        except (OSError, MesosError) as error:
            return Outcome(failure=str(error))
        counters = [(group, name, amount) for (group, name), amount in self._reports.counters.items()]
        counters += [(_GROUP, name, amount) for name, amount in self._counts.items()]
        return Outcome(counters=counters, staged=self._staged, ends=self._ends)

    # Map

    def _map(self) -> None:
        split, job = self._order.split, self._job
        assert split is not None
        pieces = read_split(split, f"{self._order.base}/input/{self._order.index}")
        if job.lines_per_map:
            pieces = numbered(pieces, split.start)
        pieces = self._watched(pieces, split.length)
        if job.reduces == 0:
            self._write_output("mapper", job.mapper, pieces)
            return
        sorter = Sorter(
            self._directory.parent,
            order_of(job.keys),
            partition_of(job.keys, job.reduces),
            job.reduces,
            job.sort_bytes,
            self._combine if job.combiner is not None else None,
            key_room=key_room(job.keys),
        )
        rewritten = to_reducers(job.keys)
        for lines, size in self._through("mapper", job.mapper, pieces):
            self._counts["Map output records"] += len(lines)
            sorter.add(lines if rewritten is None else [rewritten(line) for line in lines], size)
        run = sorter.finish()
        self._counts["Spilled runs"] += len(sorter.runs)
        run.path.rename(self._directory.parent / "out")
        self._ends = run.ends

    def _watched(self, pieces: Iterator[bytes], length: int) -> Iterator[bytes]:
        done = 0
        for piece in pieces:
            self._counts["Map input records"] += piece.count(b"\n")
            done += len(piece)
            self._share = min(1.0, done / length) if length else 1.0
            self._say(self._status)
            yield piece

    def _combine(self, lines_in_pieces: Lines) -> Lines:
        def given() -> Iterator[bytes]:
            for lines in lines_in_pieces:
                self._counts["Combine input records"] += len(lines)
                yield b"\n".join(lines) + b"\n"

        for lines, _ in self._through("combiner", self._job.combiner or (), given()):
            self._counts["Combine output records"] += len(lines)
            yield lines

    # Reduce

    def _reduce(self) -> None:
        runs = self._fetch()
        order, room = order_of(self._job.keys), self._job.sort_bytes
        self._share = 1 / 3
        size = sum(run.range(0)[1] for run in runs)
        if size < room and needed(size, sum(run.count() for run in runs), key_room(self._job.keys)) < room:
            lines = [line for run in runs for piece in run.lines(0) for line in piece]
            lines.sort(key=order)
            given: Lines = [lines]
        else:
            given = merged(runs, 0, order, self._directory.parent, room)
        self._write_output("reducer", self._job.reducer, self._told(given))
        for run in runs:
            run.path.unlink(missing_ok=True)

    def _told(self, lines_in_pieces: Lines) -> Iterator[bytes]:
        for lines in lines_in_pieces:
            for start in range(0, len(lines), 10_000):
                part = lines[start : start + 10_000]
                self._counts["Reduce input records"] += len(part)
                self._say(self._status)
                yield b"\n".join(part) + b"\n"

    def _fetch(self) -> list[Run]:
        if missing := sorted(set(range(self._order.map_count)) - set(self._order.map_indices)):
            raise LostError(missing, f"the output of {len(missing)} maps was lost before it could be fetched")

        def fetch(number: int) -> Run | str:
            path = self._directory.parent / f"map{number}"
            try:
                return Run(path, [download(self._order.maps[number], path)])
            except TransferError as error:
                return str(error)

        with ThreadPoolExecutor(_FETCHES) as pool:
            fetched = list(pool.map(fetch, range(len(self._order.maps))))
        indices = self._order.map_indices
        lost = [index for index, run in zip(indices, fetched, strict=True) if isinstance(run, str)]
        if lost:
            why = next(run for run in fetched if isinstance(run, str))
            raise LostError(lost, f"the output of {len(lost)} maps is lost: {why}")
        runs = [run for run in fetched if isinstance(run, Run)]
        self._counts["Reduce shuffle bytes"] += sum(run.range(0)[1] for run in runs)
        return runs

    # Both

    def _through(self, what: str, argv: tuple[str, ...], pieces: Iterable[bytes]) -> Iterator[tuple[list[bytes], int]]:
        if not argv:
            yield from cat(pieces)
            return
        program = self._start(what, argv)
        program.feed(pieces)
        yield from program.lines()
        program.finish(exit_matters=self._job.exit_matters)

    def _start(self, what: str, argv: tuple[str, ...], stdout: IO[bytes] | None = None) -> Program:
        if what == "reducer" and argv == ("aggregate",):
            argv = (sys.executable, "-m", "mesos_py.frameworks.mapreduce.aggregate")
        return Program(
            what,
            argv,
            environment=environment(self._order),
            directory=self._directory,
            reports=self._reports,
            stdout=stdout,
        )

    def _write_output(self, what: str, argv: tuple[str, ...], pieces: Iterable[bytes]) -> None:
        """The job's own output: to where it is collected if that can be seen from here, else to be fetched."""
        path = self._directory.parent / "out"
        if (Path(self._order.staging) / self._order.job_id).is_file() and os.access(self._order.staging, os.W_OK):
            path = Path(self._order.staging) / self._order.attempt
            self._staged = True
        records = 0
        if argv and not self._job.compress:
            with path.open("wb") as file:
                program = self._start(what, argv, file)
                program.feed(pieces)
                program.finish(exit_matters=self._job.exit_matters)
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    records += piece.count(b"\n")
        else:
            with self._writer(path) as file:
                for lines, _ in self._through(what, argv, pieces):
                    records += len(lines)
                    file.write(b"\n".join(lines) + b"\n")
        self._counts[f"{self._order.kind.capitalize()} output records"] += records

    def _writer(self, path: Path) -> IO[bytes]:
        if self._job.compress == "gz":
            return cast("IO[bytes]", gzip.open(path, "wb"))
        return cast("IO[bytes]", bz2.open(path, "wb")) if self._job.compress == "bz2" else path.open("wb")

    def _say(self, status: str) -> None:
        now = time.monotonic()
        if status != self._status or now - self._told_at >= _TELL_S:
            self._told_at, self._status = now, status
            self._tell(Progress(attempt=self._order.attempt, share=self._share, status=status))


def environment(order: Order) -> dict[str, str]:
    """What a program of this attempt finds: the job's properties as Hadoop names them, and its own variables."""
    facts = order.job.conf | {
        "mapreduce.job.id": order.job_id,
        "mapreduce.job.name": order.job.name,
        "mapreduce.job.reduces": str(order.job.reduces),
        "mapreduce.task.id": hadoop_task(order.job_id, order.kind, order.index),
        "mapreduce.task.attempt.id": hadoop_attempt(order.job_id, order.attempt),
        "mapreduce.task.partition": str(order.index),
        "mapreduce.task.ismap": str(order.kind == "map").lower(),
    }
    if (split := order.split) is not None:
        where = split.path if "://" in split.path else f"file://{split.path}"
        facts |= {
            "mapreduce.map.input.file": where,
            "mapreduce.map.input.start": str(split.start),
            "mapreduce.map.input.length": str(split.length),
            "map.input.file": where,
        }
    facts |= {"mapred.task.id": facts["mapreduce.task.attempt.id"], "mapred.task.partition": str(order.index)}
    variables = {re.sub(r"\W", "_", name): value for name, value in facts.items()}
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return dict(os.environ) | variables | {"PATH": f"{path}:{Path(sys.executable).parent}:."} | order.job.environment


def main() -> None:
    """Read the order, carry it out, print what comes of it."""
    order = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Order)

    def tell(said: Progress | Outcome) -> None:
        sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
        sys.stdout.flush()

    tell(Worker(order, Path(sys.argv[2]), tell).run())


if __name__ == "__main__":
    main()
