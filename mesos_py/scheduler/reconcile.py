"""Asks for the state of tasks until each is answered (Mesos ``docs/reconciliation.md``, explicit reconciliation).

Tasks asked for at the same time make a **round**. A round asks for those not yet answered, waits, asks again, with
growing waits: a master that has just taken over stays silent about tasks of agents that are still to come back.
"""

from collections.abc import Iterable

from mesos_py.scheduler.config import Backoff
from mesos_py.types.ids import TaskID

__all__ = ["Reconciler"]


class _Round:
    __slots__ = ("attempt", "due", "tasks")

    def __init__(self, due: float) -> None:
        self.tasks: dict[TaskID, None] = {}
        self.attempt = 0
        self.due = due


class Reconciler:
    """Which tasks to ask for, and when."""

    def __init__(self, backoff: Backoff) -> None:
        """``backoff`` is the wait for an answer."""
        self._backoff = backoff
        self._rounds: list[_Round] = []
        self._round_of: dict[TaskID, _Round] = {}

    def ask(self, task_ids: Iterable[TaskID], now: float) -> None:
        """Ask for these from now on, as one new round."""
        new = _Round(now)
        for task_id in task_ids:
            self.answered(task_id)
            new.tasks[task_id] = None
            self._round_of[task_id] = new
        if new.tasks:
            self._rounds.append(new)

    def answered(self, task_id: TaskID) -> None:
        """This one need not be asked for any more."""
        old = self._round_of.pop(task_id, None)
        if old is not None:
            del old.tasks[task_id]
            if not old.tasks:
                self._rounds.remove(old)

    def due(self, now: float) -> list[TaskID]:
        """What to ask for now."""
        asked: list[TaskID] = []
        for round_ in self._rounds:
            if round_.due <= now:
                asked.extend(round_.tasks)
                round_.attempt += 1
                round_.due = now + self._backoff.after(round_.attempt)
        return asked

    def next_deadline(self) -> float | None:
        """When something is due."""
        return min((round_.due for round_ in self._rounds), default=None)

    def waits_for(self, task_id: TaskID) -> bool:
        """Whether this one is asked for and not answered."""
        return task_id in self._round_of

    def forget(self) -> None:
        """Ask for nothing."""
        self._rounds.clear()
        self._round_of.clear()

    def __len__(self) -> int:
        return len(self._round_of)
