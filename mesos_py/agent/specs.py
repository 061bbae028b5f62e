"""What the container of a task, or of an executor, is made from; the same again after a restart of the agent."""

from collections.abc import Mapping

from mesos_py.agent.environment import argv_of, port_variables
from mesos_py.agent.state import AgentState, Executor, Task
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.tasks import CommandInfo

__all__ = ["executor_spec", "limits_of", "task_spec"]


def task_spec(state: AgentState, task: Task) -> ContainerSpec:
    """Of a command task."""
    framework = task.framework
    command = task.info.command
    assert command is not None
    assert task.container_id is not None
    resources = task.info.resources
    environment = _environment(state, task, command, port_variables(resources) | {"MESOS_TASK_ID": task.info.task_id})
    return ContainerSpec(
        container_id=task.container_id,
        framework_id=framework.framework_id,
        sandbox=task.sandbox,
        argv=argv_of(command),
        environment=environment,
        uris=command.uris,
        user=command.user or framework.info.user,
        rlimits=command.rlimits,
        volumes=command.volumes,
        resources=resources,
        limits={name: float(limit) for name, limit in task.info.limits.items()},
        task_id=task.info.task_id,
    )


def executor_spec(state: AgentState, executor: Executor) -> ContainerSpec:
    """Of a custom executor, with room for the tasks it has now."""
    framework = executor.framework
    command = executor.info.command
    environment = _environment(state, executor, command, {"MESOS_EXECUTOR_ID": executor.info.executor_id})
    return ContainerSpec(
        container_id=executor.container_id,
        framework_id=framework.framework_id,
        sandbox=executor.sandbox,
        argv=argv_of(command),
        environment=environment,
        uris=command.uris,
        user=command.user or framework.info.user,
        rlimits=command.rlimits,
        volumes=command.volumes,
        resources=executor.need,
        limits=limits_of(executor),
        executor_id=executor.info.executor_id,
    )


def limits_of(executor: Executor) -> dict[str, float]:
    """Up to what an executor may burst: what each of its tasks may, besides what it needs itself; {} if none may."""
    limits: dict[str, float] = {}
    for name in ("cpus", "mem") if executor.has_limits else ():
        infos = [task.info for task in executor.tasks.values()]
        if any(name in info.limits for info in infos):
            own = executor.info.resources.scalar(name) / 1000
            limits[name] = own + sum(float(i.limits.get(name, i.resources.scalar(name) / 1000)) for i in infos)
    return limits


def _environment(
    state: AgentState, owner: Task | Executor, command: CommandInfo, own: Mapping[str, str]
) -> dict[str, str]:
    """The agent's, the command's, and what we say of where it runs, which nobody overrides."""
    return {
        **state.config.environment,
        **command.environment,
        **own,
        "MESOS_FRAMEWORK_ID": owner.framework.framework_id,
        "MESOS_AGENT_ID": state.agent_id or "",
        "MESOS_SANDBOX": owner.sandbox,
        "MESOS_DIRECTORY": owner.sandbox,
        "MESOS_ROLE": owner.role,
    }
