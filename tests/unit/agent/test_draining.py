from signal import SIGTERM

import pytest

from mesos_py.agent.checkpoint import DrainEnded, DrainOrdered, KillOrdered, SequenceSeen
from mesos_py.agent.events import ContainerStarted, ExecutorConnected
from mesos_py.messages.agent import DrainAgent, ReregisterAgent
from mesos_py.messages.executor import KillExecutorTask, ShutdownOrder
from mesos_py.types.containers import ContainerLives
from mesos_py.types.tasks import KillPolicy, Reason, TaskState
from tests.unit.agent.rig import AGENT, RecordingRig, Rig, a_task, an_executor

DRAINING = Reason.AGENT_DRAINING


def drain(rig, **wishes):
    rig.sequence += 1
    return rig.say(DrainAgent(agent_id=AGENT, sequence=rig.sequence, **wishes))


def drains(rig):
    return rig.agent.view().draining


def told(rig):
    return [(status.state, status.reason) for status in rig.statuses()]


def work(task_id="t1", **fields):
    return a_task(task_id, executor=an_executor(), **fields)


# Command tasks


def test_tasks_are_killed_and_the_framework_is_told_why():
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    drain(rig)
    assert told(rig) == [(TaskState.KILLING, DRAINING)]
    assert rig.statuses()[0].message == "its agent is being drained"
    assert rig.signals() == [SIGTERM]
    rig.ack(2)
    rig.end(container_id, exit_code=0)
    assert told(rig) == [(TaskState.KILLED, DRAINING)]
    assert drains(rig)
    rig.ack(3)
    assert not drains(rig)
    assert rig.records(DrainEnded)


def test_an_agent_with_nothing_to_end_has_ended_it():
    rig = Rig()
    drain(rig)
    assert not drains(rig)
    assert [type(record) for record in rig.records(object)] == [SequenceSeen, DrainOrdered, DrainEnded]


@pytest.mark.parametrize(
    ("own_s", "wishes", "holds_s"),
    [
        (5.0, {}, 5.0),
        (5.0, {"max_grace_period_s": 2.0}, 2.0),
        (5.0, {"max_grace_period_s": 60.0}, 5.0),
        (5.0, {"deadline_s": 3.0}, 3.0),
        (5.0, {"max_grace_period_s": 4.0, "deadline_s": 60.0}, 4.0),
    ],
)
def test_the_shortest_grace_period_holds(own_s, wishes, holds_s):
    rig = Rig()
    container_id = rig.start(a_task(kill_policy=KillPolicy(grace_period_s=own_s)))
    drain(rig, **wishes)
    assert [kill.grace_period_s for kill in rig.records(KillOrdered)] == [holds_s]
    rig.wait(holds_s - 0.1)
    assert rig.destroyed() == []
    rig.wait(0.1)
    assert container_id in rig.destroyed()


def test_a_kill_under_way_can_only_become_shorter():
    rig = Rig()
    container_id = rig.start()
    rig.kill(grace_s=10)
    drain(rig, max_grace_period_s=60)
    assert rig.records(KillOrdered) == []
    rig.wait(1)
    drain(rig, max_grace_period_s=2)
    rig.wait(2)
    assert rig.destroyed() == [container_id]


def test_without_grace_there_is_no_term():
    rig = Rig()
    container_id = rig.start()
    drain(rig, max_grace_period_s=0)
    assert (rig.signals(), rig.destroyed()) == ([], [container_id])


def test_a_task_that_has_not_started_does_not():
    rig = Rig()
    rig.launch(a_task())
    drain(rig)
    (spec,) = [rig.agent.view().frameworks[0].tasks[0]]
    assert rig.destroyed() == [spec.container_id]
    rig.on(ContainerStarted(spec.container_id, 1))
    rig.end(spec.container_id, exit_code=None, signal=9)
    assert told(rig) == [(TaskState.KILLED, DRAINING)]


def test_what_is_killed_on_an_agent_that_will_be_gone_is_gone():
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    drain(rig, mark_gone=True)
    rig.ack(2)
    rig.end(container_id)
    assert told(rig) == [(TaskState.GONE_BY_OPERATOR, DRAINING)]


def test_a_task_that_fails_by_itself_meanwhile_fails():
    rig = Rig()
    rig.start(a_task("t1"))
    other = rig.start(a_task("t2", max_completion_time_s=1, kill_policy=KillPolicy(grace_period_s=9)))
    rig.ack(1, "t2")
    rig.wait(1)
    drain(rig)
    rig.ack(2, "t2")
    rig.end(other, exit_code=3)
    assert told(rig) == [(TaskState.FAILED, Reason.MAX_COMPLETION_TIME_REACHED)]


# Orders


def test_nothing_is_taken_on_until_all_is_over():
    rig = Rig()
    first = rig.start()
    drain(rig)
    rig.launch(a_task("t2"))
    assert told(rig) == [(TaskState.DROPPED, DRAINING)]
    rig.ack(1, "t2")
    for update_id in (1, 2):
        rig.ack(update_id)
    rig.end(first)
    rig.ack(3)
    rig.launch(a_task("t3"))
    assert len(rig.specs()) == 1


def test_a_doubled_or_late_order_ends_nothing():
    rig = Rig()
    drain(rig)
    rig.start()
    rig.say(DrainAgent(agent_id=AGENT, sequence=1))
    assert rig.effects == []
    assert rig.agent.view().counters["drains_repeated"] == 1
    assert rig.state_of() is TaskState.RUNNING


def test_an_order_ends_what_was_launched_before_it_and_is_known_to_have_been_obeyed():
    rig = Rig()
    drain(rig)
    rig.run(sequence=1)
    assert rig.agent.view().counters["launches_repeated"] == 1


# Custom executors


def test_tasks_of_executors_are_killed_by_them_and_then_they_are_shut_down():
    rig = Rig()
    container_id = rig.start_executor(work(kill_policy=KillPolicy(grace_period_s=9)))
    rig.report(container_id, TaskState.RUNNING, 1)
    rig.ack(1)
    drain(rig, max_grace_period_s=4)
    assert rig.to_executor() == [KillExecutorTask(task_id="t1", kill_policy=KillPolicy(grace_period_s=4))]
    drain(rig, max_grace_period_s=4)
    assert rig.to_executor() == [], "it has been asked"
    drain(rig, max_grace_period_s=3)
    assert rig.to_executor() == [KillExecutorTask(task_id="t1", kill_policy=KillPolicy(grace_period_s=3))]
    rig.report(container_id, TaskState.KILLED, 2)
    assert told(rig) == [(TaskState.KILLED, DRAINING)]
    assert [event.grace_period_s for event in rig.to_executor() if isinstance(event, ShutdownOrder)] == [3.0]
    rig.ack(2)
    assert drains(rig), "the executor lives"
    rig.end(container_id)
    assert not drains(rig)


def test_an_executor_that_does_not_obey_is_destroyed_at_the_deadline():
    rig = Rig()
    container_id = rig.start_executor(work())
    rig.report(container_id, TaskState.RUNNING, 1)
    rig.ack(1)
    drain(rig, deadline_s=20)
    rig.wait(19)
    assert rig.destroyed() == []
    rig.wait(1)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, exit_code=None, signal=9)
    assert told(rig) == [(TaskState.KILLED, DRAINING)]
    rig.ack(2)
    assert not drains(rig)


def test_a_time_that_is_over_leaves_none():
    rig = Rig()
    command = rig.start(a_task("t1"))
    executor = rig.start_executor(work("t2"))
    drain(rig, deadline_s=0)
    rig.wait(0)
    assert set(rig.destroyed()) <= {command, executor}
    assert executor in rig.destroyed()


def test_a_task_that_its_executor_has_not_got_never_gets_there():
    rig = Rig()
    rig.launch(work())
    container_id = rig.specs()[0].container_id
    drain(rig)
    assert told(rig) == [(TaskState.KILLED, DRAINING)]
    rig.on(ContainerStarted(container_id, 1))
    rig.on(ExecutorConnected(container_id, []))
    assert not [event for event in rig.to_executor() if isinstance(event, KillExecutorTask)]


# Restarts


def test_the_next_process_goes_on():
    rig = RecordingRig()
    command = rig.start(a_task("t1", kill_policy=KillPolicy(grace_period_s=30)))
    executor = rig.start_executor(work("t2"))
    rig.report(executor, TaskState.RUNNING, 1, "t2")
    drain(rig, deadline_s=20)
    rig.now += 5
    rig.restart({command: ContainerLives(1), executor: ContainerLives(2)})
    assert drains(rig)
    rig.on(ExecutorConnected(executor, []))
    assert [event.task_id for event in rig.to_executor() if isinstance(event, KillExecutorTask)] == ["t2"]
    rig.come_back()
    rig.launch(a_task("t3"))
    assert rig.state_of("t3") is TaskState.DROPPED
    rig.wait(15)
    assert set(rig.destroyed()) == {command, executor}
    rig.end(command, exit_code=None, signal=9)
    rig.end(executor, exit_code=None, signal=9)
    view = rig.agent.view().frameworks[0].tasks
    assert {(task.task_id, task.newest_status.reason) for task in view} == {
        ("t1", DRAINING),
        ("t2", DRAINING),
        ("t3", DRAINING),
    }


def test_the_next_process_ends_what_the_first_had_no_time_for():
    rig = RecordingRig()
    command = rig.start()
    before = len(rig.all_records)
    drain(rig)
    cut = next(n for n in range(before, len(rig.all_records)) if isinstance(rig.all_records[n], DrainOrdered))
    rig.restart({command: ContainerLives(1)}, cut=cut + 1)
    assert rig.signals() == [SIGTERM]
    assert rig.state_of() is TaskState.KILLING
    rig.come_back()
    (reported,) = rig.reported
    assert isinstance(reported, ReregisterAgent)


def test_that_it_is_over_is_remembered():
    rig = RecordingRig()
    drain(rig)
    rig.restart({})
    assert not drains(rig)
