"""Whether a call can be served, and if not why, in words fit to send back. Nothing here changes anything."""

import math
from collections.abc import Sequence

from mesos_py.allocator.filters import why_not_filter
from mesos_py.master.state import Agent, Framework
from mesos_py.messages.scheduler import Subscribe
from mesos_py.types.attributes import why_not_attributes
from mesos_py.types.host import why_not_limits, why_not_rlimits, why_not_volumes
from mesos_py.types.ids import why_not_an_id
from mesos_py.types.infos import AgentInfo, Demand, FrameworkInfo
from mesos_py.types.offers import LaunchGroup
from mesos_py.types.resources import Resources
from mesos_py.types.roles import why_not_a_role
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, HealthCheck, KillPolicy, TaskInfo

__all__ = [
    "why_not_agent",
    "why_not_demand",
    "why_not_group",
    "why_not_kill_policy",
    "why_not_subscribe",
    "why_not_task",
]

_MAX_FAILOVER_TIMEOUT_S = 10 * 365 * 24 * 3600.0
_MAX_NAME = 255
_MAX_ROLES = 256
_MAX_DEMANDS = 256
"""In one request: every pass of the allocator looks at each."""
_MAX_DEMANDS_TOGETHER = 1000
_MAX_CONSTRAINTS = 1000
_MAX_HOSTS = 10_000
"""Of one framework, over all its roles."""
_MAX_TEXT = 2048
_MAX_LABELS = 64 * 1024


def _why_not_seconds(name: str, seconds: float) -> str | None:
    if not math.isfinite(seconds) or seconds < 0:
        return f"{name} must be a number of seconds from 0 up, not {seconds}"
    return None


def why_not_subscribe(call: Subscribe) -> str | None:
    """Why a framework may not subscribe like this."""
    info = call.framework
    if call.framework_id and (why := why_not_an_id(call.framework_id)):
        return f"framework_id: {why}"
    if why := _why_not_words(info):
        return why
    if len(info.roles) > _MAX_ROLES:
        return f"a framework has at most {_MAX_ROLES} roles, this one {len(info.roles)}"
    if len(set(info.roles)) != len(info.roles):
        return f"roles are given twice: {', '.join(info.roles)}"
    for role in info.roles:
        if why := why_not_a_role(role):
            return why
    if not set(call.suppressed_roles) <= set(info.roles):
        return f"suppressed_roles {call.suppressed_roles} are not all among roles {info.roles}"
    if why := _why_not_seconds("failover_timeout_s", info.failover_timeout_s):
        return why
    if info.failover_timeout_s > _MAX_FAILOVER_TIMEOUT_S:
        return "failover_timeout_s is more than ten years"
    return _why_not_filters(info)


def _why_not_filters(info: FrameworkInfo) -> str | None:
    """The allocator keeps all of them, and asks every constraint of every kind of agent."""
    filters = info.filters.values()
    if (constraints := sum(len(each.constraints) for each in filters)) > _MAX_CONSTRAINTS:
        return f"filters have at most {_MAX_CONSTRAINTS} constraints together, these {constraints}"
    if (hosts := sum(len(each.hosts or ()) for each in filters)) > _MAX_HOSTS:
        return f"filters have at most {_MAX_HOSTS} hosts together, these {hosts}"
    for role, offer_filter in info.filters.items():
        if role not in info.roles:
            return f"there is a filter for role {role!r}, which is not among roles {info.roles}"
        if why := why_not_filter(offer_filter):
            return f"filter for role {role!r}: {why}"
    return None


def _why_not_words(info: FrameworkInfo) -> str | None:
    """They are kept for as long as the framework is remembered, and shown with every list."""
    if not 0 < len(info.name) <= _MAX_NAME:
        return f"a framework needs a name of 1 to {_MAX_NAME} characters"
    for what, text in (("user", info.user), ("hostname", info.hostname), ("webui_url", info.webui_url)):
        if len(text) > _MAX_TEXT:
            return f"{what} is longer than {_MAX_TEXT} characters"
    if sum(len(name) + len(text) for name, text in info.labels.items()) > _MAX_LABELS:
        return f"labels are longer than {_MAX_LABELS} characters together"
    return None


def why_not_agent(info: AgentInfo) -> str | None:
    """Why a node cannot be an agent like this."""
    for what, name in (("name", info.name), ("host name", info.hostname)):
        if not 0 < len(name) <= _MAX_NAME:
            return f"an agent needs a {what} of 1 to {_MAX_NAME} characters"
    return why_not_attributes(info.attributes)


def why_not_kill_policy(policy: KillPolicy) -> str | None:
    """Why a task cannot be killed like this."""
    return _why_not_seconds("kill_policy.grace_period_s", policy.grace_period_s)


def why_not_demand(demands: Sequence[Demand], others: int = 0) -> str | None:
    """Why a statement of demand makes no sense, or is too much beside so many ``others`` for other roles."""
    if len(demands) > _MAX_DEMANDS:
        return f"a request has at most {_MAX_DEMANDS} demands, this one {len(demands)}"
    if (together := len(demands) + others) > _MAX_DEMANDS_TOGETHER:
        return f"a framework has at most {_MAX_DEMANDS_TOGETHER} demands over all its roles, this one {together}"
    for demand in demands:
        if not demand.slice:
            return "a demand needs a slice that is not empty"
        if not 0 <= demand.count <= 10**9:
            return f"a demand's count must be from 0 to 10^9, not {demand.count}"
    return None


def why_not_task(task: TaskInfo, framework: Framework, agent: Agent, left: Resources) -> str | None:
    """Why a task cannot be launched alone on this agent from what is ``left`` of the offers."""
    if why := _why_not_form(task):
        return why
    if task.task_id in framework.tasks or task.task_id in framework.unreachable:
        return f"task id {task.task_id!r} is in use"
    executor = task.executor
    if executor is not None:
        if why := _why_not_executor(executor, framework, agent):
            return why
        if (framework.framework_id, executor.executor_id) not in agent.executors:
            if not left.contains(executor.resources):
                return f"its executor needs {executor.resources}, the offers have {left or 'nothing'} left"
            left -= executor.resources
    if not left.contains(task.resources):
        return f"the task needs {task.resources}, the offers have {left or 'nothing'} left"
    return None


def why_not_group(group: LaunchGroup, framework: Framework, agent: Agent, left: Resources) -> str | None:
    """Why a task group cannot be launched; then none of it is."""
    if not group.tasks:
        return "a task group needs tasks"
    executor = group.executor
    if executor is not None:
        if why := _why_not_executor(executor, framework, agent):
            return why
        if (framework.framework_id, executor.executor_id) not in agent.executors:
            if not left.contains(executor.resources):
                return f"the group's executor needs {executor.resources}, the offers have {left or 'nothing'} left"
            left -= executor.resources
    seen = set()
    for task in group.tasks:
        if why := _why_not_member(task, executor):
            return f"task {task.task_id!r}: {why}"
        if task.task_id in framework.tasks or task.task_id in framework.unreachable or task.task_id in seen:
            return f"task id {task.task_id!r} is in use"
        seen.add(task.task_id)
        if not left.contains(task.resources):
            return f"task {task.task_id!r} needs {task.resources}, the offers have {left or 'nothing'} left for it"
        left -= task.resources
    return None


def _why_not_member(task: TaskInfo, executor: ExecutorInfo | None) -> str | None:
    if task.executor is not None:
        return "a task of a group names no executor; only the group may"
    if executor is not None and task.command is not None:
        return "it is a command, but its group has an executor"
    return _why_not_form(task, in_executor=executor is not None)


def _why_not_form(task: TaskInfo, *, in_executor: bool = False) -> str | None:
    """What is wrong with a task whatever the offer."""
    if why := why_not_an_id(task.task_id):
        return why
    if not in_executor and (task.command is None) == (task.executor is None):
        return "a task needs either a command or an executor, not both or neither"
    if task.command is not None and (why := _why_not_command(task.command)):
        return why
    if not task.resources:
        return "a task needs resources"
    if task.resources.scalar("gpus") % 1000:
        return f"gpus must be whole, not {task.resources.gpus}"
    if why := why_not_kill_policy(task.kill_policy):
        return why
    if task.max_completion_time_s is not None and (
        why := _why_not_seconds("max_completion_time_s", task.max_completion_time_s)
    ):
        return why
    if task.limits and (why := why_not_limits(task.limits, task.resources)):
        return why
    if task.health_check is not None:
        return _why_not_health_check(task.health_check)
    return None


def _why_not_command(command: CommandInfo) -> str | None:
    if bool(command.value) == bool(command.argv):
        return "a command needs either value (a shell line) or argv, not both or neither"
    if "\0" in command.value or any("\0" in word for word in command.argv):
        return "a command may not hold NUL characters"
    for name, value in command.environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            return f"environment variable {name!r} has no usable name or value"
    return why_not_rlimits(command.rlimits) or why_not_volumes(command.volumes)


def _why_not_health_check(check: HealthCheck) -> str | None:
    kinds = (check.command, check.http_port, check.tcp_port)
    if sum(kind is not None for kind in kinds) != 1:
        return "a health check needs exactly one of command, http_port and tcp_port"
    if check.command is not None and (why := _why_not_command(check.command)):
        return why
    for port in (check.http_port, check.tcp_port):
        if port is not None and not 0 < port < 65536:
            return f"{port} is not a port"
    if not check.http_path.startswith("/"):
        return "http_path must begin with /"
    if check.consecutive_failures < 1:
        return "consecutive_failures must be at least 1"
    for name in ("delay_s", "interval_s", "timeout_s", "grace_period_s"):
        if why := _why_not_seconds(name, getattr(check, name)):
            return why
    return None


def _why_not_executor(executor: ExecutorInfo, framework: Framework, agent: Agent) -> str | None:
    if why := why_not_an_id(executor.executor_id):
        return f"executor: {why}"
    if why := _why_not_command(executor.command):
        return f"executor {executor.executor_id!r}: {why}"
    if why := _why_not_seconds("shutdown_grace_period_s", executor.shutdown_grace_period_s):
        return why
    known = agent.executors.get((framework.framework_id, executor.executor_id))
    if known is not None and known.info != executor:
        return f"executor {executor.executor_id!r} already runs on this agent with another description"
    return None
