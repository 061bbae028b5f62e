"""Tasks are killed: asked first, forced later, and whatever comes in between."""

import pytest

from mesos_py.agent.checkpoint import KillOrdered
from mesos_py.agent.effects import StartContainer
from mesos_py.agent.events import ContainerFailed, ContainerStarted
from mesos_py.messages.agent import ReconcileTasks
from mesos_py.types.ids import TaskID
from mesos_py.types.tasks import (
    KillPolicy,
    Reason,
    TaskState,
)
from tests.unit.agent.rig import AGENT, FRAMEWORK, Rig, a_task


def test_kill_asks_first_and_forces_later():
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    rig.kill()
    assert rig.states() == [TaskState.KILLING]
    assert rig.signals() == [15]
    assert rig.records(KillOrdered)[0].deadline == 1003.0
    rig.ack(2)
    rig.wait(2.9)
    assert rig.destroyed() == []
    rig.wait(0.1)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    (status,) = rig.statuses()
    assert (status.state, status.message) == (TaskState.KILLED, "killed by SIGKILL")


def test_a_killed_task_is_killed_even_if_it_exits_well():
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    rig.kill()
    rig.ack(2)
    rig.end(container_id, 0)
    assert rig.states() == [TaskState.KILLED]
    assert rig.statuses()[0].exit_code == 0
    rig.wait(10)
    assert rig.destroyed() == []


def test_the_kills_own_policy_goes_before_the_tasks():
    rig = Rig()
    rig.start(a_task(kill_policy=KillPolicy(grace_period_s=20)))
    rig.kill(grace_s=5)
    rig.wait(5)
    assert len(rig.destroyed()) == 1


def test_a_repeated_kill_only_shortens():
    rig = Rig()
    container_id = rig.start()
    rig.kill(grace_s=10)
    assert rig.kill(grace_s=20) == []
    rig.wait(1)
    rig.kill(grace_s=2)
    assert rig.signals() == []
    rig.wait(2)
    assert rig.destroyed() == [container_id]
    rig.kill(grace_s=0)
    assert rig.destroyed() == []


@pytest.mark.parametrize("grace_s", [0.0, -5.0, float("nan")])
def test_no_grace_means_at_once(grace_s):
    rig = Rig()
    container_id = rig.start()
    rig.kill(grace_s=grace_s)
    assert (rig.signals(), rig.destroyed()) == ([], [container_id])


def test_a_task_killed_before_it_is_durable_never_starts():
    rig = Rig(durable=False)
    rig.launch(a_task())
    rig.kill()
    assert not rig.statuses()
    rig.confirm()
    assert not [effect for effect in rig.effects if isinstance(effect, StartContainer)]
    (status,) = rig.statuses()
    assert (status.state, status.reason) == (TaskState.KILLED, Reason.TASK_KILLED_DURING_LAUNCH)


@pytest.mark.parametrize("outcome", ["failed", "started"])
def test_a_task_killed_while_it_is_prepared(outcome):
    rig = Rig()
    rig.launch(a_task())
    (spec,) = rig.specs()
    rig.kill()
    assert rig.destroyed() == [spec.container_id]
    assert rig.kill() == []
    if outcome == "failed":
        rig.on(ContainerFailed(spec.container_id, Reason.CONTAINER_LAUNCH_FAILED, "destroyed"))
    else:
        rig.on(ContainerStarted(spec.container_id, 1))
        assert not rig.statuses()
        rig.end(spec.container_id, None, signal=9)
    (status,) = rig.statuses()
    assert (status.state, status.reason) == (TaskState.KILLED, Reason.TASK_KILLED_DURING_LAUNCH)


def test_the_kill_of_an_unknown_task_is_answered():
    rig = Rig()
    rig.kill("t9")
    (status,) = rig.statuses()
    assert (status.state, status.reason, status.update_id) == (TaskState.DROPPED, Reason.EXECUTOR_TERMINATED, None)


def test_the_kill_of_a_finished_task_is_answered_with_its_end():
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    rig.end(container_id)
    rig.ack(2)
    rig.kill()
    assert [(s.state, s.update_id) for s in rig.statuses()] == [(TaskState.FINISHED, None)]


def test_reconciliation_answers_for_what_is_not_here():
    rig = Rig()
    rig.start()
    rig.say(ReconcileTasks(agent_id=AGENT, framework_id=FRAMEWORK, task_ids=[TaskID("t1"), TaskID("t2")]))
    assert [(s.task_id, s.state, s.reason, s.update_id) for s in rig.statuses()] == [
        ("t2", TaskState.DROPPED, Reason.RECONCILIATION, None)
    ]


def test_max_completion_time_fails_a_task():
    rig = Rig()
    container_id = rig.start(a_task(max_completion_time_s=60))
    rig.ack(1)
    rig.wait(60)
    assert rig.signals() == [15]
    rig.ack(2)
    rig.wait(3)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    (status,) = rig.statuses()
    assert (status.state, status.reason) == (TaskState.FAILED, Reason.MAX_COMPLETION_TIME_REACHED)
