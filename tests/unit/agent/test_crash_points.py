"""An agent dies at every record it writes, and keeps its promises: no task runs twice, no end of one is lost."""

from itertools import count

import pytest

from mesos_py.types.containers import ContainerExit
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.tasks import KillPolicy, TaskState
from tests.unit.agent.crashing import AFTER, BEFORE, LATE, World
from tests.unit.agent.rig import a_task, an_executor

E = an_executor()


def launch(*task_ids, executor=None):
    tasks = [a_task(task_id) if executor is None else a_task(task_id, executor=executor) for task_id in task_ids]
    return lambda world: world.run(Launch(tasks=tasks))


def group(*task_ids, executor=None):
    tasks = [a_task(task_id) if executor is None else a_task(task_id, executor=executor) for task_id in task_ids]
    return lambda world: world.run(LaunchGroup(tasks=tasks, executor=executor))


def ends(task_id, code):
    def end(world):
        container_id = world.container_of(task_id)
        if container_id is not None:
            world.end(container_id, ContainerExit(exit_code=code))

    return end


def executor_ends(task_id, state):
    def end(world):
        for executor in list(world.executors.values()):
            executor.end(task_id, state)

    return end


def all_end(world):
    for container_id in list(world.running):
        world.end(container_id, ContainerExit(exit_code=0))


def kill(task_id, grace_s=3.0):
    return lambda world: world.kill(task_id, KillPolicy(grace_period_s=grace_s))


def no_acknowledgements(world):
    world.acknowledges = False


SCRIPTS = {
    "tasks that end": [launch("t1", "t2"), ends("t1", 0), ends("t2", 7)],
    "an end without acknowledgements": [launch("t1"), no_acknowledgements, ends("t1", 7), World.acknowledge_all],
    "a kill": [launch("t1"), kill("t1")],
    "a kill without grace": [launch("t1"), kill("t1", 0.0)],
    "a kill at once": [lambda world: (launch("t1")(world), kill("t1")(world))],
    "an end and a kill": [launch("t1"), lambda world: (ends("t1", 5)(world), kill("t1")(world))],
    "a group of which one fails": [group("t1", "t2", "t3"), ends("t1", 0), ends("t2", 3)],
    "a group of which all end": [group("t1", "t2"), ends("t1", 0), ends("t2", 0)],
    "an executor with tasks": [
        launch("t1", "t2", executor=E),
        executor_ends("t1", TaskState.FINISHED),
        launch("t3", executor=E),
        executor_ends("t2", TaskState.FAILED),
        executor_ends("t3", TaskState.FINISHED),
        all_end,
    ],
    "an executor with a group and a kill": [
        group("t1", "t2", executor=E),
        kill("t1"),
        executor_ends("t2", TaskState.FINISHED),
        all_end,
    ],
    "an executor that ends under its tasks": [launch("t1", executor=E), all_end],
    "a framework that is removed": [
        launch("t1"),
        launch("t2", executor=E),
        no_acknowledgements,
        World.remove_framework,
    ],
    "one id after the other": [launch("t1"), ends("t1", 1), launch("t2"), ends("t2", 0)],
}
CODES = {"tasks that end": {"t1": 0, "t2": 7}, "an end without acknowledgements": {"t1": 7}}


def play(script, crash_at=(), when=AFTER):
    world = World(crash_at, when)
    for step in [lambda _world: None, *script, all_end]:
        world.do(step)
    world.finish()
    world.check_promises()
    return world


@pytest.mark.parametrize("when", [BEFORE, AFTER, LATE])
@pytest.mark.parametrize("name", SCRIPTS)
def test_it_dies_at_any_record(name, when):
    for number in count(1):
        world = play(SCRIPTS[name], [number], when)
        if not world.crashes:
            assert number > 4, "the script wrote nothing"
            break
        check_codes(name, world)


@pytest.mark.parametrize("when", [BEFORE, AFTER, LATE])
@pytest.mark.parametrize("name", SCRIPTS)
def test_it_dies_again_soon_after(name, when):
    for first in count(1):
        for second in range(1, 9):
            world = play(SCRIPTS[name], [first, second], when)
            check_codes(name, world)
        if not world.crashes:
            break


def check_codes(name, world):
    for task_id, code in CODES.get(name, {}).items():
        if world.started[task_id]:
            status = world.last(task_id)
            assert (status.state, status.exit_code) == (TaskState.FAILED if code else TaskState.FINISHED, code)


def test_the_world_notices_broken_promises():
    world = play(SCRIPTS["tasks that end"])
    world.started["t1"] += 1
    with pytest.raises(AssertionError, match="promise 2"):
        world.check_promises()
    world.started["t1"] -= 1
    world.heard["t2"].reverse()
    with pytest.raises(AssertionError, match="promise 3"):
        world.check_promises()
    del world.heard["t2"]
    with pytest.raises(AssertionError, match="was lost"):
        world.check_promises()
