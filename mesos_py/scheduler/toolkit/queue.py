"""Tasks that wait: the more urgent first, among equals the one that came first."""

from collections.abc import Iterable, Iterator

from mesos_py.errors import UserError
from mesos_py.scheduler.toolkit.specs import TaskSpec
from mesos_py.types.ids import TaskID

__all__ = ["TaskQueue"]


class TaskQueue:
    """Waiting specs by priority, then in order of arrival. Every operation but iteration is O(1).

    >>> queue = TaskQueue()
    >>> queue.add(TaskSpec(task=command_task("a", "true", cpus=1)))
    >>> packing = first_fit(queue, offers)
    >>> queue.remove_all(packing.placed_ids())
    """

    def __init__(self, specs: Iterable[TaskSpec] = ()) -> None:
        """Raises UserError if a task id is given twice."""
        self._by_priority: dict[int, dict[TaskID, TaskSpec]] = {}
        self._priority_of: dict[TaskID, int] = {}
        for spec in specs:
            self.add(spec)

    def add(self, spec: TaskSpec) -> None:
        """Last of its priority. Raises UserError if a task of this id waits already."""
        if spec.task_id in self._priority_of:
            raise UserError(f"task {spec.task_id!r} is waiting already")
        self._priority_of[spec.task_id] = spec.priority
        self._by_priority.setdefault(spec.priority, {})[spec.task_id] = spec

    def remove(self, task_id: TaskID) -> TaskSpec | None:
        """It waits no more; None if it did not."""
        priority = self._priority_of.pop(task_id, None)
        if priority is None:
            return None
        level = self._by_priority[priority]
        spec = level.pop(task_id)
        if not level:
            del self._by_priority[priority]
        return spec

    def remove_all(self, task_ids: Iterable[TaskID]) -> list[TaskSpec]:
        """These wait no more; those that did are returned."""
        return [spec for task_id in task_ids if (spec := self.remove(task_id)) is not None]

    def get(self, task_id: TaskID) -> TaskSpec | None:
        """The waiting spec of this task."""
        priority = self._priority_of.get(task_id)
        return None if priority is None else self._by_priority[priority][task_id]

    def __iter__(self) -> Iterator[TaskSpec]:
        for priority in sorted(self._by_priority, reverse=True):
            yield from self._by_priority[priority].values()

    def __len__(self) -> int:
        return len(self._priority_of)

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._priority_of
