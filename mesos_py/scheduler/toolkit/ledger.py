"""The tasks that live or may live, each with what its framework knows of it: what the next process must be told."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from mesos_py.errors import UserError
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import TERMINAL, TaskState, TaskStatus

__all__ = ["Ledger"]

T = TypeVar("T")


class Ledger(Generic[T]):
    """Task ids and an entry of your own type for each, from before the launch until the end was heard.

    >>> ledger = Ledger(framework.saved(dict[TaskID, Job]) or {})
    >>> ledger.add("job-7", Job(...))                # then framework.save(ledger.entries), then the launch
    >>> ledger.heard(status)                         # the Job; it is forgotten if it has ended
    """

    def __init__(self, entries: Mapping[TaskID, T] | None = None) -> None:
        """``entries`` are those that an earlier process saved; each of them is ``unheard``."""
        self.entries: dict[TaskID, T] = dict(entries or {})
        """What to save."""
        self._unheard: dict[TaskID, None] = dict.fromkeys(self.entries)

    @property
    def unheard(self) -> list[TaskID]:
        """Tasks of an earlier process of which nothing was heard yet: reconcile them, and do not replace them."""
        return list(self._unheard)

    def add(self, task_id: TaskID, entry: T) -> None:
        """Note a task that is about to be launched. Raises UserError if its id is in use."""
        if task_id in self.entries:
            raise UserError(f"task id {task_id!r} is in use")
        self.entries[task_id] = entry

    def heard(self, status: TaskStatus) -> T | None:
        """The entry of the task that this is about, which goes if the task does not run; None if there is none."""
        self._unheard.pop(status.task_id, None)
        if status.state in TERMINAL or status.state is TaskState.UNKNOWN:
            return self.entries.pop(status.task_id, None)
        return self.entries.get(status.task_id)

    def get(self, task_id: TaskID) -> T | None:
        """The entry of a task."""
        return self.entries.get(task_id)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self.entries

    def __iter__(self) -> Iterator[TaskID]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)
