import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.agent.checkpoint import AgentNamed, Record, TaskForgotten, UpdateMade
from mesos_py.agent.events import ContainerFailed, ContainerStarted
from mesos_py.agent.recovery import described, recover
from mesos_py.agent.snapshot import records_of
from mesos_py.agent.state import Stage
from mesos_py.errors import ConfigError
from mesos_py.messages.agent import ShutdownFramework
from mesos_py.messages.codec import decode_hook
from mesos_py.types.ids import FrameworkID, TaskID
from mesos_py.types.tasks import CommandInfo, Reason, TaskState
from tests.unit.agent.rig import AGENT, FRAMEWORK, RecordingRig, a_beacon, a_task, an_executor

_EXECUTOR = '{"executor_id": "e", "command": {"value": "run"}}'
_TASK = '{"task_id": "t", "resources": {"cpus": 1}, "command": {"value": "true"}}'
_OF_THE_FIRST_RELEASE = [
    ("SequenceSeen", '{"type": "SequenceSeen", "epoch": 2, "sequence": 7}'),
    (
        "ExecutorLaunched",
        f"""{{"type": "ExecutorLaunched", "framework_id": "F", "executor": {_EXECUTOR}, "role": "*",
        "container_id": "C", "sandbox": "/w"}}""",
    ),
    (
        "TaskLaunched",
        f"""{{"type": "TaskLaunched", "framework_id": "F", "task": {_TASK}, "role": "*", "container_id": "C",
        "sandbox": "/w", "group": "G"}}""",
    ),
    ("ContainerPid", '{"type": "ContainerPid", "container_id": "C", "pid": 5}'),
    (
        "KillOrdered",
        '{"type": "KillOrdered", "framework_id": "F", "task_id": "t", "ending": {"state": "KILLED"}, "deadline": 3.0}',
    ),
]


def facts(state):
    """What must outlive a process."""
    return {
        "agent": (state.agent_id, state.epoch, state.sequence, state.sequence >= 0 and state.master_id, state.used),
        "drain": state.drain,
        "containers": {cid: (type(owner).__name__, owner.stage) for cid, owner in state.containers.items()},
        "frameworks": {
            framework.framework_id: (framework.info, framework.removed, list(framework.executors))
            for framework in state.frameworks.values()
        },
        "executors": [
            (
                executor.info,
                executor.role,
                executor.need,
                executor.sandbox,
                list(executor.tasks),
                executor.finished,
                executor.pid,
                executor.seen,
                executor.shutting_down and (executor.ending, executor.kill_deadline),
            )
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
                task.stage is Stage.ENDED or (task.ending, task.kill_deadline, task.kill_grace_s, task.pid, task.began),
                task.updates,
                task.newest,
                task.next_update_id,
                task.stable_id,
                task.sent_id,
                task.stage is Stage.ENDED or task.number,
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


@pytest.mark.parametrize("cut", range(70))
def test_few_records_give_the_same_state_as_all(cut):
    rig = busy()
    state = recover(rig.agent._state.config, rig.all_records[:cut], strict=True)
    again = recover(rig.agent._state.config, records_of(state), strict=True)
    again.check()
    assert facts(again) == facts(state)
    assert list(records_of(again)) == list(records_of(state))


def test_the_records_of_a_running_agent_give_the_same_state_as_all_it_wrote():
    rig = busy()
    assert facts(recover(rig.agent._state.config, rig.agent.records(), strict=True)) == facts(rig.agent._state)


def test_records_that_were_settled_are_left_out():
    rig = RecordingRig(completed_tasks=2)
    for number in range(50):
        rig.end(rig.start(a_task(f"t{number}")))
        rig.ack(1, f"t{number}")
        rig.ack(2, f"t{number}")
    assert len(rig.all_records) > 300
    assert len(list(rig.agent.records())) == 5


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


@pytest.mark.parametrize("cut", range(70))
def test_every_beginning_of_the_records_makes_a_sound_state(cut):
    rig = busy()
    recover(rig.agent._state.config, rig.all_records[:cut]).check()


def test_records_with_a_hole_are_refused_if_that_is_wanted():
    rig = RecordingRig()
    records = [AgentNamed(agent_id=AGENT), TaskForgotten(framework_id=FrameworkID("F"), task_id=TaskID("t"))]
    with pytest.raises(ConfigError, match="TaskForgotten follows from nothing"):
        recover(rig.agent._state.config, records, strict=True)
    assert recover(rig.agent._state.config, records).counters == {"recovery_errors": 1}


@given(missing=st.sets(st.integers(0, 69), max_size=12))
def test_whatever_is_missing_the_rest_is_sound(missing):
    rig = busy()
    records = [record for number, record in enumerate(rig.all_records) if number not in missing]
    state = recover(rig.agent._state.config, records)
    state.check()
    again = recover(rig.agent._state.config, records_of(state), strict=True)
    assert facts(again) == facts(state)


def test_a_missing_update_does_not_take_the_end_with_it():
    rig = RecordingRig()
    rig.kill_id = rig.start()
    rig.kill(grace_s=5)
    rig.end(rig.kill_id, None, signal=15)
    made = [record for record in rig.all_records if isinstance(record, UpdateMade)]
    rig.all_records.remove(made[1])
    state = recover(rig.agent._state.config, rig.all_records)
    task = state.task(FRAMEWORK, TaskID("t1"))
    assert [(status.update_id, status.state) for status in task.updates] == [
        (1, TaskState.RUNNING),
        (2, TaskState.RUNNING),
        (3, TaskState.KILLED),
    ]
    assert state.counters == {"recovery_errors": 1}
    with pytest.raises(ConfigError, match="updates of task 't1' are missing"):
        recover(rig.agent._state.config, rig.all_records, strict=True)


def test_an_agent_says_what_it_was_when_it_wrote():
    rig = RecordingRig()
    assert described(rig.all_records) is None
    assert described(rig.agent.records()) == rig.agent._state.config.info


@pytest.mark.parametrize("record", _OF_THE_FIRST_RELEASE, ids=lambda record: record[0])
def test_records_of_the_first_release_can_be_read(record):
    kind, text = record
    decoded = msgspec.json.decode(text, type=Record, dec_hook=decode_hook)
    assert type(decoded).__name__ == kind
