"""What `mesos run` shows: the tasks' lines, how far it is, and how it ended; or the same as lines of JSON."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mesos_py.frameworks.output import StreamName
from mesos_py.messages.codec import to_builtins
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import TERMINAL, TaskState, TaskStatus

__all__ = ["Display"]

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")


class Display:
    """Lines of tasks go to stdout and stderr as the tasks wrote them; everything about them goes to stderr."""

    def __init__(self, instances: int, *, as_json: bool, on_unread: Callable[[], None]) -> None:
        """A context manager: the progress bar stands while it is entered.

        ``on_unread`` is told once, from any thread, when nobody reads our output any more.
        """
        self.is_unread = False
        self._on_unread = on_unread
        self._instances = instances
        self._json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._states: dict[TaskID, TaskState] = {}
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._err, transient=True, redirect_stdout=False, redirect_stderr=False,
            disable=as_json or not self._err.is_terminal,
        )  # fmt: skip
        self._bar = self._progress.add_task("waiting for offers", total=instances)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    # What tasks write

    def lines(self, task_id: TaskID, stream: StreamName, lines: Sequence[str]) -> None:
        """Lines of a task."""
        console = self._out if stream == "stdout" else self._err
        if self._json:
            self._emit(*({"task_id": task_id, "stream": stream, "line": line} for line in lines))
        elif not console.is_terminal:
            self._put(console.file, "".join(f"{task_id} | {line}\n" for line in lines))
        else:
            colour = _COLOURS[sum(task_id.encode()) % len(_COLOURS)]
            prefixed = (Text(f"{task_id} | ", style=colour).append(line, style="default") for line in lines)
            # the progress bar makes way only for its own console; on a terminal nobody can tell the two apart
            (self._err if self._err.is_terminal else console).print(Text("\n").join(prefixed))

    # What becomes of them

    def status(self, status: TaskStatus) -> None:
        """A task's new state."""
        known = self._states.get(status.task_id)
        self._states[status.task_id] = status.state
        if self._json:
            self._emit({"status": to_builtins(status)})
        elif status.state in TERMINAL and status.state not in (TaskState.FINISHED, known):
            self.note(f"{status.task_id}: {status.state}" + (f": {status.message}" if status.message else ""))
        states = Counter(self._states.values())
        ended = sum(number for state, number in states.items() if state in TERMINAL)
        words = ", ".join(f"{number} {state.lower()}" for state, number in states.items())
        self._progress.update(self._bar, completed=min(ended, self._instances), description=words)

    def retry(self, status: TaskStatus, wait_s: float) -> None:
        """A task will be tried again."""
        self.note(f"{status.task_id}: trying again in {max(0.0, wait_s):.1f} s")

    def complaint(self, task_id: TaskID, why: str) -> None:
        """A task's output cannot be had."""
        self.note(f"{task_id}: {why}")

    def note(self, text: str) -> None:
        """Something worth knowing."""
        if self._json:
            self._emit({"note": text})
        else:
            self._err.print(Text(text, style="yellow"))

    def summary(self, outcomes: Mapping[str, TaskStatus], took_s: float, *, interrupted: bool) -> None:
        """How it all ended."""
        states = Counter(status.state for status in outcomes.values())
        missing = self._instances - len(outcomes)
        if self._json:
            numbers = {state.value: number for state, number in states.items()}
            self._emit({"summary": numbers, "unfinished": missing, "interrupted": interrupted, "seconds": took_s})
            return
        if self._instances == 1 and states[TaskState.FINISHED] == 1:
            return  # a single command that went well speaks for itself
        noun = "instance" if self._instances == 1 else "instances"
        table = Table("state", noun, title=f"{self._instances} {noun} in {took_s:.1f} s")
        for state, number in states.most_common():
            table.add_row(Text(state, style="green" if state == TaskState.FINISHED else "red"), str(number))
        if missing:
            table.add_row("killed" if interrupted else "not ended", str(missing))
        self._err.print(table)

    def _emit(self, *values: object) -> None:
        self._put(sys.stdout, "".join(json.dumps(value) + "\n" for value in values))

    def _put(self, file: IO[str], text: str) -> None:
        if self.is_unread:
            return
        try:
            file.write(text)
            file.flush()
        except BrokenPipeError:
            self.is_unread = True
            self._on_unread()
