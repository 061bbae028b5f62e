"""Which tasks an agent takes on; the answers are fit to be sent back."""

import math
from collections.abc import Iterable

from mesos_py.types.host import why_not_limits, why_not_rlimits, why_not_volumes
from mesos_py.types.ids import why_not_an_id
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, HealthCheck, TaskInfo

__all__ = ["why_not_executor", "why_not_group", "why_not_task"]


def why_not_task(task: TaskInfo) -> str | None:
    """Why a task cannot run as it is described, or None."""
    if why := why_not_an_id(task.task_id):
        return f"task id: {why}"
    if (task.command is None) == (task.executor is None):
        return "a task needs either a command or an executor"
    if task.command is not None and (why := _why_not_command(task.command)):
        return why
    if task.executor is not None and (why := why_not_executor(task.executor)):
        return why
    return _why_not_terms(task)


def why_not_group(tasks: Iterable[TaskInfo], executor: ExecutorInfo | None) -> str | None:
    """Why tasks cannot run together, or None."""
    if executor is not None and (why := why_not_executor(executor)):
        return why
    seen = set()
    for task in tasks:
        if task.task_id in seen:
            return f"task {task.task_id!r} is there twice"
        seen.add(task.task_id)
        if executor is None:
            why = "a task of a group has no executor of its own" if task.executor is not None else why_not_task(task)
        elif task.executor is not None and task.executor != executor:
            why = "its executor is not that of the group"
        else:
            why = why_not_an_id(task.task_id) or _why_not_terms(task)
        if why:
            return f"task {task.task_id!r}: {why}"
    return None


def why_not_executor(executor: ExecutorInfo) -> str | None:
    """Why an executor cannot be started as it is described, or None."""
    if why := why_not_an_id(executor.executor_id):
        return f"executor id: {why}"
    if not _is_time(executor.shutdown_grace_period_s):
        return "the executor's shutdown grace period is no time"
    return _why_not_command(executor.command)


def _why_not_command(command: CommandInfo) -> str | None:
    if bool(command.value) == bool(command.argv):
        return "a command needs either a shell line (value) or arguments (argv)"
    if "\0" in command.value or any("\0" in argument for argument in command.argv):
        return "a command may not hold NUL characters"
    for name, value in command.environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            return f"{name!r} cannot be an environment variable"
    return why_not_rlimits(command.rlimits) or why_not_volumes(command.volumes)


def _why_not_terms(task: TaskInfo) -> str | None:
    if not _is_time(task.kill_policy.grace_period_s):
        return "the kill policy's grace period is no time"
    if task.max_completion_time_s is not None and not _is_time(task.max_completion_time_s):
        return "max_completion_time_s is no time"
    if task.limits and (why := why_not_limits(task.limits, task.resources)):
        return why
    return _why_not_health_check(task.health_check) if task.health_check is not None else None


def _why_not_health_check(check: HealthCheck) -> str | None:
    if sum(kind is not None for kind in (check.command, check.http_port, check.tcp_port)) != 1:
        return "a health check needs exactly one of command, http_port and tcp_port"
    if not all(map(_is_time, (check.delay_s, check.interval_s, check.timeout_s, check.grace_period_s))):
        return "one of the health check's times is no time"
    if check.consecutive_failures < 0:
        return "a health check cannot fail less than 0 times"
    return _why_not_command(check.command) if check.command is not None else None


def _is_time(seconds: float) -> bool:
    return 0.0 <= seconds < math.inf
