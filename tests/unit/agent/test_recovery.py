import pytest

from mesos_py.agent.checkpoint import AgentNamed, TaskForgotten
from mesos_py.agent.effects import Checkpoint
from mesos_py.agent.events import ContainerFailed, ContainerStarted
from mesos_py.agent.recovery import recover
from mesos_py.agent.state import Stage
from mesos_py.errors import InvariantError
from mesos_py.messages.agent import ShutdownFramework
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.tasks import CommandInfo, Reason, TaskState
from tests.unit.agent.rig import AGENT, FRAMEWORK, Rig, a_beacon, a_task, an_executor


class RecordingRig(Rig):
    def __init__(self, **config):
        self.all_records = []
        super().__init__(**config)

    def on(self, event):
        effects = super().on(event)
        self.all_records += [effect.record for effect in effects if isinstance(effect, Checkpoint)]
        return effects


def facts(state):
    """What must outlive a process."""
    return {
        "agent": (state.agent_id, state.epoch, state.sequence, state.used),
        "containers": {cid: (type(owner).__name__, owner.stage) for cid, owner in state.containers.items()},
        "frameworks": {
            framework.framework_id: (framework.info, framework.removed, list(framework.executors))
            for framework in state.frameworks.values()
        },
        "executors": [
            (executor.info, executor.role, executor.need, executor.sandbox, list(executor.tasks), executor.finished)
            for framework in state.frameworks.values()
            for executor in framework.executors.values()
        ],
        "tasks": [
            (
                task.info,
                task.role,
                task.state,
                task.status_state,
                task.container_id,
                task.sandbox,
                task.ending,
                task.updates,
                task.newest,
                task.next_update_id,
                task.stable_id,
                task.sent_id,
                task.number,
                task.stage is Stage.ENDED,
                task.group.key if task.group is not None else None,
            )
            for task in state.tasks()
        ],
        "history": [(key, task.state) for key, task in state.completed_tasks.items()],
    }


def busy():
    rig = RecordingRig()
    first = rig.start(a_task("t1"))
    rig.start(a_task("t2"))
    rig.ack(1, "t2")
    rig.kill("t2", grace_s=100)
    rig.end(first, 3)
    rig.launch(a_task("t3", command=CommandInfo()), a_task("t4"))
    rig.on(ContainerFailed(rig.specs()[0].container_id, Reason.CONTAINER_LAUNCH_FAILED, "no"))
    rig.ack(1, "t3")
    rig.launch_group(a_task("t5", resources=a_task().resources), a_task("t6"))
    executor = rig.start_executor(a_task("t7", executor=an_executor()), a_task("t8", executor=an_executor()))
    rig.report(executor, TaskState.RUNNING, 3, "t7")
    rig.report(executor, TaskState.FINISHED, 4, "t7")
    rig.ack(1, "t7")
    rig.kill("t8")
    rig.launch(a_task("t9"))
    rig.kill("t9")
    return rig


def test_the_state_after_a_replay_is_the_state_before():
    rig = busy()
    state = recover(rig.agent._state.config, rig.all_records)
    state.check()
    assert facts(state) == facts(rig.agent._state)


def test_a_removed_framework_is_recovered_as_removed():
    rig = busy()
    rig.say(ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))
    state = recover(rig.agent._state.config, rig.all_records)
    state.check()
    before, after = facts(rig.agent._state), facts(state)
    del before["tasks"], after["tasks"]  # what nobody waits for is not written down
    assert after == before
    assert not any(task.updates for task in state.tasks())


def test_after_the_end_nothing_is_left():
    rig = RecordingRig()
    rig.launch(a_task("t1"))
    container_id = rig.specs()[0].container_id
    rig.on(ContainerStarted(container_id, 1))
    rig.say(a_beacon(2), epoch=2)
    rig.epoch = 2
    rig.end(container_id)
    rig.ack(1)
    state = recover(rig.agent._state.config, rig.all_records)
    assert state.task(FRAMEWORK, TaskID("t1")).updates[0].state is TaskState.FINISHED
    executor = rig.start_executor(a_task("t2", executor=an_executor()))
    rig.end(executor, 0)
    state = recover(rig.agent._state.config, rig.all_records)
    assert not state.containers
    assert not state.used


@pytest.mark.parametrize("cut", range(60))
def test_every_beginning_of_the_records_makes_a_sound_state(cut):
    rig = busy()
    recover(rig.agent._state.config, rig.all_records[:cut]).check()


def test_records_with_a_hole_are_refused():
    rig = RecordingRig()
    records = [AgentNamed(agent_id=AGENT), TaskForgotten(framework_id=FrameworkID("F"), task_id=TaskID("t"))]
    with pytest.raises(InvariantError):
        recover(rig.agent._state.config, records)
