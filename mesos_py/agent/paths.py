"""Where an agent's files are.

::

    work_dir/
      sandboxes/<agent id>/
        <framework id>/
          tasks/<task id>/<container id>/          a command task's sandbox
          executors/<executor id>/<container id>/  a custom executor's sandbox, shared by its tasks
"""

from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, TaskID

__all__ = ["agent_sandboxes", "all_sandboxes", "executor_sandbox", "framework_sandboxes", "task_sandbox"]


def all_sandboxes(work_dir: str) -> str:
    """Of everything that ever ran here."""
    return f"{work_dir}/sandboxes"


def agent_sandboxes(work_dir: str, agent_id: AgentID) -> str:
    """Of everything that ran under one agent id."""
    return f"{work_dir}/sandboxes/{agent_id}"


def framework_sandboxes(work_dir: str, agent_id: AgentID, framework_id: FrameworkID) -> str:
    """Of everything that one framework ran."""
    return f"{work_dir}/sandboxes/{agent_id}/{framework_id}"


def task_sandbox(framework_sandboxes: str, task_id: TaskID, container_id: ContainerID) -> str:
    """Of one run of a command task."""
    return f"{framework_sandboxes}/tasks/{task_id}/{container_id}"


def executor_sandbox(framework_sandboxes: str, executor_id: ExecutorID, container_id: ContainerID) -> str:
    """Of one run of a custom executor."""
    return f"{framework_sandboxes}/executors/{executor_id}/{container_id}"
