"""What an agent brings back of the tasks of a group, whose own descriptions name no executor."""

import pytest

from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.testing.builders import a_framework, a_task, an_agent, an_executor
from mesos_py.types.offers import LaunchGroup
from mesos_py.types.tasks import TaskRecord, TaskState
from tests.unit.master.test_core import World

TASK = a_task("t", "cpus:1", command=None)


def returned(executor_id):
    """It runs the task and its executor."""
    task = TaskRecord(
        task=TASK, role="*", state=TaskState.RUNNING, status_state=TaskState.RUNNING, executor_id=executor_id
    )
    return agents.ReregisterAgent(
        agent_id="M-A1",
        agent=an_agent("a"),
        frameworks=[agents.FrameworkRecord(framework_id="M-F1", framework=a_framework(), tasks=[task])],
        executors=[agents.ExecutorRecord(framework_id="M-F1", executor=an_executor("e", "cpus:1"), role="*")],
    )


def a_world():
    world = World()
    world.subscribe()
    world.agent(agents.RegisterAgent(agent=an_agent("a")))
    world.tick(1.0)
    return world


def its_task(world):
    [task] = world.master.state.frameworks["M-F1"].tasks.values()
    return task


def test_a_new_leader_learns_the_executor_of_a_task_of_a_group():
    world = a_world()
    world.agent(returned("e"))
    assert its_task(world).executor_id == its_task(world).status.executor_id == "e"


@pytest.mark.parametrize("executor_id", ["e", None])
def test_what_was_known_of_it_before_its_agent_was_lost_is_known_again(executor_id):
    """Agents of before do not tell it."""
    world = a_world()
    [(offer, _)] = world.master.state.offers.values()
    group = LaunchGroup(tasks=[TASK], executor=an_executor("e", "cpus:1"))
    world.framework(calls.Accept(framework_id="M-F1", offer_ids=[offer.offer_id], operations=[group]))
    for now in (100.0, 200.0):
        world.tick(now)
        world.framework(calls.SchedulerHeartbeat(framework_id="M-F1"))
    assert "t" in world.master.state.frameworks["M-F1"].unreachable
    world.agent(returned(executor_id))
    assert its_task(world).executor_id == its_task(world).status.executor_id == "e"


def test_an_executor_id_that_is_none_is_not_believed():
    world = a_world()
    world.agent(returned("no/id"))
    assert world.master.state.counters["task_records_malformed"] == 1
