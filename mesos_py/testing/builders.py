"""Values for tests, with sane defaults: say only what the test is about."""

from typing import Any

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.master.core import Master
from mesos_py.master.registry import Registry
from mesos_py.master.state import MasterConfig
from mesos_py.types.attributes import parse_attributes
from mesos_py.types.ids import AgentID, ExecutorID, FrameworkID, MasterID, OfferID, Role, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo, MasterInfo
from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ANY_ROLE
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, Source, TaskInfo, TaskState, TaskStatus

__all__ = [
    "a_framework",
    "a_master",
    "a_master_info",
    "a_status",
    "a_task",
    "an_agent",
    "an_executor",
    "an_offer",
]


def a_master_info(master_id: str = "M", epoch: int = 1) -> MasterInfo:
    """A leader."""
    return MasterInfo(master_id=MasterID(master_id), epoch=epoch)


def a_master(
    config: MasterConfig | None = None,
    allocator: AllocatorConfig | None = None,
    registry: Registry | None = None,
    info: MasterInfo | None = None,
) -> Master:
    """A master's core with the default policy, not connected yet."""
    policy = drf(allocator or AllocatorConfig())
    return Master(info or a_master_info(), config or MasterConfig(), policy, registry or Registry())


def an_agent(
    name: str = "a", resources: str = "cpus:4;mem:1024", attributes: str = "", hostname: str = ""
) -> AgentInfo:
    """A node."""
    return AgentInfo(
        name=name,
        hostname=hostname or name,
        resources=Resources.parse(resources),
        attributes=parse_attributes(attributes),
    )


def a_framework(name: str = "f", *roles: str, **fields: Any) -> FrameworkInfo:
    """A framework that subscribes; any other field by its name."""
    return FrameworkInfo(name=name, roles=[Role(role) for role in roles] or [ANY_ROLE], **fields)


def an_executor(executor_id: str = "e", resources: str = "", **fields: Any) -> ExecutorInfo:
    """A custom executor."""
    return ExecutorInfo(
        executor_id=ExecutorID(executor_id),
        command=CommandInfo(value="run"),
        resources=Resources.parse(resources),
        **fields,
    )


def a_task(task_id: str = "t", resources: str = "cpus:1;mem:64", **fields: Any) -> TaskInfo:
    """A command task, unless ``executor`` or another ``command`` is given."""
    if "executor" not in fields:
        fields.setdefault("command", CommandInfo(value="true"))
    return TaskInfo(task_id=TaskID(task_id), resources=Resources.parse(resources), **fields)


def a_status(task_id: str = "t", state: TaskState = TaskState.RUNNING, **fields: Any) -> TaskStatus:
    """An executor's word, at time 0, without need of acknowledgement."""
    return TaskStatus(task_id=TaskID(task_id), state=state, **{"source": Source.EXECUTOR, "timestamp": 0.0, **fields})


def an_offer(offer_id: str = "O1", resources: str = "cpus:4;mem:1024", **fields: Any) -> Offer:
    """All of an agent, to a framework in the default role."""
    defaults = {
        "framework_id": FrameworkID("F1"),
        "agent_id": AgentID("A1"),
        "hostname": "a",
        "role": ANY_ROLE,
        "resources": Resources.parse(resources),
    }
    return Offer(offer_id=OfferID(offer_id), **{**defaults, **fields})
