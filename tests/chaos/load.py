"""The load of a cluster under test: two frameworks at work, and the proof that each of their jobs was done once."""

import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from mesos_py import TERMINAL, TaskState
from tests.chaos.framework import AGAIN
from tests.support.cluster import Process, wait_for

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0

T = TypeVar("T")


class Load:
    """One framework, in a process of its own, which may be killed and started again."""

    def __init__(self, directory: Path, name: str, broker: str, hosts: list[str]) -> None:
        """It has one long task on each of ``hosts``."""
        self.name = name
        self._directory = directory / name
        self._directory.mkdir()
        self._words = [sys.executable, "-m", "tests.chaos.framework", str(self._directory), name, *hosts]
        self._variables = {"MESOS_BROKER": broker, "PYTHONPATH": str(ROOT)}
        self._hosts = hosts
        self._journal = Following[dict[str, Any]](self._directory / "journal", json.loads)
        self._effects = Following(self._directory / "effects", str.split)
        self.process: Process
        self.start()

    def start(self) -> None:
        """Also in the place of one that was killed."""
        self.process = Process(self._words, self._directory / "output", "KILL", **self._variables)

    def long_task(self, host: str) -> str:
        """Its first try."""
        return f"{self.name}-long-{host}.1"

    # What it did and heard

    def journal(self, what: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Its lines of this kind, from then on."""
        return [line for line in self._journal.lines() if line["what"] == what and line["at"] > since]

    def states(self) -> dict[str, list[str]]:
        """All that it heard of each task."""
        states: dict[str, list[str]] = {}
        for update in self.journal("update"):
            states.setdefault(update["task_id"], []).append(update["state"])
        return states

    def last_state(self, task_id: str) -> str:
        """The last that it heard of a task."""
        return self.states().get(task_id, ["nothing"])[-1]

    def effects(self, what: str) -> Counter[str]:
        """Which tasks noted that they ``begun`` or ``ended``, and how often."""
        return Counter(task_id for said, task_id in self._effects.lines() if said == what)

    def is_going(self) -> bool:
        """All long tasks run, and some short ones have come and gone."""
        assert self.process.is_running, self.process.text()
        longs = {self.last_state(self.long_task(host)) for host in self._hosts}
        return longs == {TaskState.RUNNING} and self.effects("ended").total() >= 3

    # Its end

    def finish(self) -> None:
        (self._directory / "go").touch()
        os.kill(self.process.popen.pid, signal.SIGUSR1)

    def wait_end(self) -> None:
        assert self.process.wait(PATIENCE_S) == 0, self.process.text()

    def check(self) -> int:
        """Each job was done, once, and is known to be. Gives the number of jobs."""
        launched, heard = self.journal("launch"), self.states()
        ends = {task["task_id"]: _end(heard.get(task["task_id"], [])) for task in launched}
        finished = [task_id for task_id, end in ends.items() if end == TaskState.FINISHED]
        wrong = [task_id for task_id, end in ends.items() if end not in AGAIN | {TaskState.FINISHED}]
        assert not wrong, self._told(wrong, "did not end well")
        jobs = {task["job"] for task in launched}
        done = Counter(task_id.rpartition(".")[0].removeprefix(f"{self.name}-") for task_id in finished)
        assert done == Counter(jobs), f"{self.name}: not done once each: {done - Counter(jobs)}, {Counter(jobs) - done}"
        for what in ("begun", "ended"):
            effects, expected = self.effects(what), Counter(finished)
            wrong = [*(effects - expected), *(expected - effects)]
            assert not wrong, self._told(wrong, f"have not {what} once, or have and should not")
        return len(jobs)

    def _told(self, task_ids: list[str], why: str) -> str:
        lines = [str(line) for line in self._journal.lines() if line.get("task_id") in task_ids]
        return "\n".join([f"{self.name}: these tasks {why}: {task_ids}", *lines])

    # Figures

    def tries_again(self) -> int:
        """Launches that came to nothing."""
        return sum(task["attempt"] > 1 for task in self.journal("launch"))

    def longest_without_offers(self, since: float, until: float) -> float:
        """Seconds."""
        times = [line["at"] for line in self.journal("offers") if since < line["at"] < until]
        return max(later - earlier for earlier, later in zip([since, *times], [*times, until], strict=True))


def _end(states: list[str]) -> str:
    """The one in which a task ended, or the last that was heard."""
    return next((state for state in states if state in TERMINAL | AGAIN), (states or ["nothing"])[-1])


class Following(Generic[T]):
    """A file that grows, read as it does; ``decode`` makes something of each line."""

    def __init__(self, file: Path, decode: Callable[[str], T]) -> None:
        self._file = file
        self._decode = decode
        self._read = 0
        self._lines: list[T] = []

    def lines(self) -> list[T]:
        """All that are whole."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read += len(whole + newline)
            self._lines += map(self._decode, whole.decode().splitlines())
        return self._lines


class Loads:
    """All frameworks at work."""

    def __init__(self, directory: Path, broker: str, hosts: list[str]) -> None:
        self.all = [Load(directory, name, broker, hosts) for name in ("red", "blue")]
        self.jobs = 0
        self.done_after_s = 0.0

    def __iter__(self) -> Iterator[Load]:
        return iter(self.all)

    def wait_going(self) -> None:
        wait_for(lambda: all(load.is_going() for load in self.all), "the load runs", PATIENCE_S)

    def wait_progress(self) -> None:
        """Each framework hears of the end of a task that is launched from now on."""
        now = time.time()
        for load in self.all:
            wait_for(lambda load=load: self._ended_since(load, now), f"{load.name} gets on", PATIENCE_S)

    @staticmethod
    def _ended_since(load: Load, since: float) -> bool:
        new = {task["task_id"] for task in load.journal("launch", since)}
        return any(
            line["task_id"] in new and line["state"] == TaskState.FINISHED for line in load.journal("update", since)
        )

    def finish(self) -> None:
        """To the end of all, which is checked."""
        began = time.monotonic()
        for load in self.all:
            load.finish()
        for load in self.all:
            load.wait_end()
        self.done_after_s = time.monotonic() - began
        self.jobs = sum(load.check() for load in self.all)

    def mend(self) -> None:
        """Put another in the place of a scheduler that was killed."""
        for load in self.all:
            if not load.process.is_running:
                load.start()

    def kill(self) -> None:
        for load in self.all:
            with contextlib.suppress(ProcessLookupError):
                load.process.kill()

    def show(self) -> None:
        """What explains a failure."""
        for load in self.all:
            print(f"--- {load.name}\n{load.process.text()}")
            for line in load.journal("error") + load.journal("failure") + load.journal("disconnected"):
                print(line)
