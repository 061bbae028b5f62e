"""What becomes of custom executors and their tasks when their agent is restarted."""

import pytest

from mesos_py.agent.events import BrokerConnected, ContainerStarted, ExecutorConnected
from mesos_py.messages.agent import ReregisterAgent, ShutdownExecutor, ShutdownFramework
from mesos_py.messages.executor import (
    ExecutorAcknowledged,
    ExecutorSubscribed,
    ExecutorUpdate,
    KillExecutorTask,
    LaunchTask,
    LaunchTaskGroup,
    ShutdownOrder,
)
from mesos_py.types.containers import ContainerExit, ContainerLives, NeverBegan
from mesos_py.types.ids import ExecutorID, TaskID
from mesos_py.types.tasks import KillPolicy, Reason, TaskState
from tests.unit.agent.rig import AGENT, FRAMEWORK, RecordingRig, a_beacon, a_task, an_executor

LIVES = ContainerLives(4711)


def of_executor(task_id="t1"):
    return a_task(task_id, executor=an_executor())


def running():
    """An executor with one task that runs."""
    rig = RecordingRig()
    container_id = rig.start_executor(of_executor())
    rig.report(container_id, TaskState.RUNNING, 1)
    rig.ack(1)
    return rig, container_id


def kinds(events):
    return [type(event) for event in events]


def test_an_executor_that_comes_back_goes_on():
    rig, container_id = running()
    rig.restart({container_id: LIVES})
    assert rig.agent.view().recovering
    rig.wait(1.9)
    rig.on(ExecutorConnected(container_id, []))
    assert kinds(rig.to_executor()) == [ExecutorSubscribed]
    assert not rig.agent.view().recovering
    rig.wait(100)
    rig.come_back()
    assert [record.executor.executor_id for record in rig.reported[0].executors] == ["e1"]
    rig.report(container_id, TaskState.FINISHED, 2)
    assert rig.states() == [TaskState.FINISHED]


def test_no_master_is_spoken_to_before_all_are_back_or_given_up():
    rig, container_id = running()
    rig.restart({container_id: LIVES})
    rig.on(BrokerConnected())
    rig.say(a_beacon())
    assert not rig.sent(ReregisterAgent)
    rig.wait(2)
    assert rig.destroyed() == [container_id]
    assert rig.sent(ReregisterAgent)


def test_an_executor_that_stays_away_is_given_up_and_its_tasks_are_gone():
    rig, container_id = running()
    rig.restart({container_id: LIVES}, executor_reregistration_timeout_s=5.0)
    rig.wait(4.9)
    assert not rig.destroyed()
    rig.wait(0.2)
    assert rig.destroyed() == [container_id]
    rig.restart({container_id: LIVES})  # and it stays given up
    rig.wait(0.1)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    rig.come_back()
    [status] = rig.statuses()
    assert (status.state, status.reason) == (TaskState.GONE, Reason.EXECUTOR_REREGISTRATION_TIMEOUT)


@pytest.mark.parametrize("fate", [ContainerExit(exit_code=1), None, NeverBegan()])
def test_an_executor_that_died_meanwhile_takes_its_tasks_with_it(fate):
    rig, container_id = running()
    rig.restart({} if fate is None else {container_id: fate})
    assert not rig.specs()
    rig.come_back()
    [status] = rig.statuses()
    expected = Reason.EXECUTOR_TERMINATED if isinstance(fate, ContainerExit) else Reason.AGENT_RESTARTED
    assert (status.state, status.reason) == (TaskState.FAILED, expected)
    assert not rig.agent.view().frameworks[0].executors


def test_an_executor_that_never_began_is_started_and_gets_its_tasks():
    rig = RecordingRig()
    rig.launch(of_executor())
    [spec] = rig.specs()
    rig.restart({spec.container_id: NeverBegan()})
    assert rig.specs() == [spec]
    rig.on(ContainerStarted(spec.container_id, 1))
    rig.on(ExecutorConnected(spec.container_id, []))
    assert kinds(rig.to_executor()) == [ExecutorSubscribed, LaunchTask]


def test_an_executor_whose_tasks_were_not_written_down_is_not_started():
    rig = RecordingRig()
    rig.launch(of_executor())
    [spec] = rig.specs()
    written = [type(record).__name__ for record in rig.all_records]
    rig.restart({spec.container_id: NeverBegan()}, cut=written.index("ExecutorLaunched") + 1)
    assert not rig.specs()
    assert not rig.agent.view().frameworks


def test_an_executor_that_had_never_connected_has_all_its_time_again():
    rig = RecordingRig(executor_registration_timeout_s=60.0)
    rig.launch(of_executor())
    container_id = rig.specs()[0].container_id
    rig.on(ContainerStarted(container_id, 1))
    rig.wait(50)
    rig.restart({container_id: LIVES})
    assert not rig.agent.view().recovering
    rig.wait(59)
    assert not rig.destroyed()
    rig.wait(2)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    rig.come_back()
    [status] = rig.statuses()
    assert (status.state, status.reason) == (TaskState.FAILED, Reason.EXECUTOR_REGISTRATION_TIMEOUT)


# What is said again


def test_tasks_it_said_nothing_of_are_handed_over_again():
    rig, container_id = running()
    rig.launch(of_executor("t2"))
    rig.launch_group(a_task("t3"), a_task("t4"), executor=an_executor())
    rig.restart({container_id: LIVES})
    rig.on(ExecutorConnected(container_id, []))
    _, task, group = rig.to_executor()
    assert (type(task), task.task.task_id) == (LaunchTask, "t2")
    assert (type(group), [info.task_id for info in group.tasks]) == (LaunchTaskGroup, ["t3", "t4"])


def test_a_group_that_was_not_written_down_whole_is_not_handed_over():
    rig, container_id = running()
    rig.launch_group(a_task("t3"), a_task("t4"), executor=an_executor())
    rig.restart({container_id: LIVES}, cut=len(rig.all_records) - 1)
    rig.on(ExecutorConnected(container_id, []))
    assert kinds(rig.to_executor()) == [ExecutorSubscribed]
    rig.come_back()
    assert [(status.task_id, status.state) for status in rig.statuses()] == [("t3", TaskState.DROPPED)]


def test_what_it_says_again_is_known_by_its_number():
    rig, container_id = running()
    rig.restart({container_id: LIVES})
    known = ExecutorUpdate(task_id=TaskID("t1"), state=TaskState.RUNNING, number=1)
    fresh = ExecutorUpdate(task_id=TaskID("t1"), state=TaskState.FINISHED, number=2)
    rig.on(ExecutorConnected(container_id, [known, fresh]))
    acknowledged = [event.number for event in rig.to_executor() if isinstance(event, ExecutorAcknowledged)]
    assert acknowledged == [1, 2]
    rig.come_back()
    assert rig.states() == [TaskState.FINISHED]
    rig.restart({container_id: LIVES})
    rig.on(ExecutorConnected(container_id, [fresh]))
    rig.come_back()
    assert rig.states() == [TaskState.FINISHED]
    assert [status.update_id for status in rig.statuses()] == [2]


def test_a_kill_is_said_again_as_it_was_wished():
    rig, container_id = running()
    rig.kill(grace_s=30)
    rig.restart({container_id: LIVES})
    rig.on(ExecutorConnected(container_id, []))
    assert rig.to_executor()[1:] == [
        KillExecutorTask(task_id=TaskID("t1"), kill_policy=KillPolicy(grace_period_s=30.0))
    ]


def test_its_limits_are_set_again():
    rig, container_id = running()
    [effect] = [e for e in rig.restart({container_id: LIVES}) if type(e).__name__ == "UpdateContainer"]
    assert str(effect.resources) == "cpus:1.5;mem:192"


# Shutting down


def test_a_shutdown_goes_on():
    rig, container_id = running()
    rig.say(ShutdownExecutor(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=ExecutorID("e1")))
    rig.now += 2
    rig.restart({container_id: LIVES})
    assert not rig.agent.view().recovering  # nobody waits for one that is to go
    rig.on(ExecutorConnected(container_id, []))
    assert rig.to_executor()[1:] == [ShutdownOrder(grace_period_s=3.0)]
    rig.wait(3.1)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    rig.come_back()
    [status] = rig.statuses()
    assert (status.state, status.reason) == (TaskState.FAILED, Reason.EXECUTOR_TERMINATED)


def test_the_removal_of_its_framework_goes_on():
    rig, container_id = running()
    rig.say(ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))
    written = [type(record).__name__ for record in rig.all_records]
    rig.restart({container_id: LIVES}, cut=written.index("FrameworkShutdown") + 1)
    rig.wait(6)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    assert not rig.agent.view().frameworks


def test_a_shutdown_of_one_that_never_began_is_over():
    rig = RecordingRig()
    rig.launch(of_executor())
    [spec] = rig.specs()
    rig.say(ShutdownExecutor(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=ExecutorID("e1")))
    rig.restart({spec.container_id: NeverBegan()})
    assert not rig.specs()
    rig.come_back()
    assert rig.states() == [TaskState.FAILED]
