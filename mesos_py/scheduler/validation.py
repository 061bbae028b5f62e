"""Whether what a user wants to do with offers makes sense, before anything is sent. Pure; raises UserError.

The master judges everything again; this catches what would come back as an ERROR status, with a sentence at the
place of the mistake.
"""

import math
from collections.abc import Iterable, Sequence

from mesos_py.errors import UserError
from mesos_py.types.host import Limit, why_not_limits, why_not_rlimits, why_not_volumes
from mesos_py.types.ids import ExecutorID, TaskID, why_not_an_id
from mesos_py.types.offers import Launch, LaunchGroup, Offer, Operation
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, TaskInfo

__all__ = ["checked_operations"]


def checked_operations(offers: Sequence[Offer], operations: Iterable[Operation]) -> list[Operation]:
    """The operations, fitted to the offers.

    A task that asks for plain resources where the offer also holds reserved ones is given the reserved ones first.
    Raises UserError if the offers do not go together, a description is wrong, or the whole asks for more than is
    offered.
    """
    return _Check(offers).operations(operations)


class _Check:
    """One call's running remainder."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        if not offers:
            raise UserError("at least one offer is needed")
        if len({offer.offer_id for offer in offers}) != len(offers):
            raise UserError("an offer is given twice")
        if len({(offer.agent_id, offer.role) for offer in offers}) != 1:
            raise UserError("offers used together must be of one agent and one role")
        self._left = offers[0].resources if len(offers) == 1 else Resources.sum(offer.resources for offer in offers)
        self._executors: set[ExecutorID] = {name for offer in offers for name in offer.executor_ids}
        self._task_ids: set[TaskID] = set()

    def operations(self, operations: Iterable[Operation]) -> list[Operation]:
        return [self._operation(operation) for operation in operations]

    def _operation(self, operation: Operation) -> Operation:
        if not operation.tasks:
            raise UserError("a launch needs tasks")
        executor = operation.executor if isinstance(operation, LaunchGroup) else None
        if executor is not None:
            executor = self._fitted_executor(executor)
        in_group = isinstance(operation, LaunchGroup)
        tasks = [self._task(task, in_group=in_group, has_executor=executor is not None) for task in operation.tasks]
        if isinstance(operation, LaunchGroup):
            return LaunchGroup(tasks=tasks, executor=executor)
        return Launch(tasks=tasks)

    def _task(self, task: TaskInfo, *, in_group: bool, has_executor: bool) -> TaskInfo:
        task_id = task.task_id
        if why := why_not_an_id(task_id):
            raise UserError(f"task: {why}")
        if task_id in self._task_ids:
            raise UserError(f"task {task_id!r}: the id is given twice in one call")
        self._task_ids.add(task_id)
        if in_group and task.executor is not None:
            raise UserError(f"task {task_id!r}: a task of a group has no executor of its own; give it to the group")
        if has_executor and task.command is not None:
            raise UserError(f"task {task_id!r}: a command, but its group has an executor")
        if not has_executor and (task.command is None) == (task.executor is None):
            raise UserError(f"task {task_id!r}: it needs either a command or an executor, not both or neither")
        if task.command is not None:
            _check_command(f"task {task_id!r}", task.command)
        if not task.resources:
            raise UserError(f"task {task_id!r}: it needs resources")
        executor = task.executor and self._fitted_executor(task.executor)
        limits = _checked_limits(task) if task.limits else task.limits
        resources = self._charge(f"task {task_id!r}", task.resources)
        if resources is task.resources and executor is task.executor and limits == task.limits:
            return task
        fields = {name: getattr(task, name) for name in task.__struct_fields__}
        return TaskInfo(**{**fields, "resources": resources, "executor": executor, "limits": limits})

    def _fitted_executor(self, executor: ExecutorInfo) -> ExecutorInfo:
        """Checked, and charged unless it runs there already."""
        if why := why_not_an_id(executor.executor_id):
            raise UserError(f"executor: {why}")
        name = f"executor {executor.executor_id!r}"
        _check_command(name, executor.command)
        if executor.executor_id not in self._executors:
            self._executors.add(executor.executor_id)
            if executor.resources:
                # Taken as it is: the same executor must look the same in every launch.
                self._charge(name, executor.resources, exact=True)
        return executor

    def _charge(self, who: str, wanted: Resources, *, exact: bool = False) -> Resources:
        """Take from what is left; the keys it was taken under."""
        found: Resources | None = wanted
        if not self._left.contains(wanted):
            found = None if exact else self._left.find(wanted)
        if found is None:
            raise UserError(f"{who}: it needs {wanted}, the offer has {self._left or 'nothing'} left")
        self._left -= found
        return found


def _checked_limits(task: TaskInfo) -> dict[str, Limit]:
    """As they are sent: infinity as a word."""
    if why := why_not_limits(task.limits, task.resources):
        raise UserError(f"task {task.task_id!r}: {why}")
    return {name: "inf" if limit == math.inf else limit for name, limit in task.limits.items()}


def _check_command(who: str, command: CommandInfo) -> None:
    if bool(command.value) == bool(command.argv):
        raise UserError(f"{who}: its command needs either value (a shell line) or argv, not both or neither")
    if why := why_not_rlimits(command.rlimits) or why_not_volumes(command.volumes):
        raise UserError(f"{who}: {why}")
