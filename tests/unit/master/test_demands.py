"""What the master makes of a demand: what a task or executor holds has met it."""

import pytest

from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.testing.builders import a_framework, a_status, a_task, an_agent, an_executor
from mesos_py.types.infos import Demand
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import TaskRecord, TaskState
from tests.unit.master.test_core import World


@pytest.fixture
def world():
    """A framework whose whole demand is offered to it."""
    world = World()
    world.subscribe()
    demand = Demand(slice=Resources.of(cpus=2), count=1)
    world.framework(calls.Request(framework_id="M-F1", role="*", demands=[demand]))
    world.agent(agents.RegisterAgent(agent=an_agent("a")))
    world.tick(1.0)
    return world


def offered(world, now):
    world.agent(agents.AgentHeartbeat(agent_id="M-A1"))
    world.framework(calls.SchedulerHeartbeat(framework_id="M-F1"))
    world.tick(now)
    return [str(offer.resources) for offer, _ in world.master.state.offers.values()]


def test_a_demand_met_by_a_running_task_stays_met_when_its_agent_registers_again(world):
    task = a_task("t", "cpus:1", executor=an_executor("e", "cpus:1"))
    world.launch(task)
    status = a_status("t", agent_id="M-A1")
    world.agent(agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=status))
    record = TaskRecord(task=task, role="*", state=TaskState.RUNNING, status_state=TaskState.RUNNING)
    executor = agents.ExecutorRecord(framework_id="M-F1", executor=task.executor, role="*")
    back = agents.ReregisterAgent(
        agent_id="M-A1",
        agent=an_agent("a"),
        frameworks=[agents.FrameworkRecord(framework_id="M-F1", framework=a_framework(), tasks=[record])],
        executors=[executor],
    )
    for now in (2.0, 3.0):
        world.agent(back)
        assert offered(world, now) == []
    assert world.master.state.agents["M-A1"].used() == {("M-F1", "*"): Resources.of(cpus=2)}


def test_what_was_only_offered_is_wanted_again_when_its_agent_registers_again(world):
    assert offered(world, 2.0) == ["cpus:2"]
    world.agent(agents.ReregisterAgent(agent_id="M-A1", agent=an_agent("a")))
    assert offered(world, 3.0) == ["cpus:2"]
