import pytest
from msgspec import structs

from mesos_py.agent.checkpoint import ExecutorEnded, ExecutorLaunched, UpdateMade
from mesos_py.agent.effects import SendToExecutor, UpdateContainer
from mesos_py.agent.events import (
    BrokerLost,
    ContainerFailed,
    ContainerStarted,
    ExecutorConnected,
    ExecutorDisconnected,
    ExecutorSaid,
    LeaveOrdered,
)
from mesos_py.messages.agent import (
    ExecutorExited,
    ExecutorToFramework,
    FrameworkToExecutor,
    PleaseReregister,
    ReregisterAgent,
    ShutdownExecutor,
    ShutdownFramework,
    UnregisterAgent,
)
from mesos_py.messages.executor import (
    ExecutorAcknowledged,
    ExecutorError,
    ExecutorMessage,
    ExecutorSubscribed,
    ExecutorUpdate,
    KillExecutorTask,
    LaunchTask,
    LaunchTaskGroup,
    SchedulerMessage,
    ShutdownOrder,
)
from mesos_py.types.ids import ExecutorID, TaskID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, KillPolicy, Reason, Source, TaskState
from tests.unit.agent.rig import AGENT, FRAMEWORK, Rig, a_task, an_executor

E1 = ExecutorID("e1")


def work(task_id="t1", **fields):
    return a_task(task_id, executor=fields.pop("executor", an_executor()), **fields)


def kinds(events):
    return [type(event) for event in events]


# Starting


def test_an_executor_is_started_with_room_for_its_tasks():
    rig = Rig()
    rig.launch(work("t1"), work("t2"))
    (spec,) = rig.specs()
    assert (spec.executor_id, spec.task_id, spec.argv) == ("e1", None, ["/bin/executor"])
    assert spec.sandbox == f"/w/sandboxes/M-A1/M-F1/executors/e1/{spec.container_id}"
    assert spec.resources == Resources.of(cpus=2.5, mem=320)
    assert spec.environment["MESOS_EXECUTOR_ID"] == "e1"
    assert "MESOS_TASK_ID" not in spec.environment
    assert rig.records(ExecutorLaunched)[0].container_id == spec.container_id


def test_tasks_wait_for_the_connection_and_come_in_order():
    rig = Rig()
    rig.launch(work("t1"))
    (spec,) = rig.specs()
    rig.launch_group(work("t2"), work("t3"), executor=an_executor())
    rig.launch(work("t4"))
    assert not rig.specs()
    rig.on(ContainerStarted(spec.container_id, 1))
    rig.on(ExecutorConnected(spec.container_id, []))
    subscribed, *rest = rig.to_executor()
    assert isinstance(subscribed, ExecutorSubscribed)
    assert (subscribed.executor, subscribed.framework_id, subscribed.hostname) == (
        an_executor(),
        "M-F1",
        "node1.local",
    )
    assert rest == [
        LaunchTask(task=work("t1")),
        LaunchTaskGroup(tasks=[work("t2"), work("t3")]),
        LaunchTask(task=work("t4")),
    ]


def test_the_container_grows_before_the_task_is_handed_over_and_shrinks_after():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.launch(work("t2"))
    resize, launch = (e for e in rig.effects if isinstance(e, UpdateContainer | SendToExecutor))
    assert resize == UpdateContainer(container_id, Resources.of(cpus=2.5, mem=320))
    assert isinstance(launch.event, LaunchTask)
    rig.report(container_id, TaskState.FINISHED, 0, "t1")
    assert UpdateContainer(container_id, Resources.of(cpus=1.5, mem=192)) in rig.effects


def test_an_executor_may_burst_as_far_as_its_tasks_may():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.launch(structs.replace(work("t2"), limits={"mem": 1024}))
    need = Resources.of(cpus=2.5, mem=320)
    assert UpdateContainer(container_id, need, {"mem": 64 + 128 + 1024}) in rig.effects
    rig.report(container_id, TaskState.FINISHED, 0, "t2")
    assert UpdateContainer(container_id, Resources.of(cpus=1.5, mem=192)) in rig.effects


def test_a_task_is_durable_before_it_is_handed_over():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.durable = False
    rig.launch(work("t2"))
    assert not rig.to_executor()
    rig.confirm()
    assert rig.to_executor() == [LaunchTask(task=work("t2"))]
    assert container_id


def test_the_same_executor_id_must_mean_the_same_executor():
    rig = Rig()
    rig.start_executor(work("t1"))
    rig.launch(work("t2", executor=an_executor(name="other")))
    (status,) = rig.statuses()
    assert (status.state, status.reason) == (TaskState.ERROR, Reason.TASK_INVALID)


def test_an_executor_that_does_not_fit_drops_its_task():
    rig = Rig(resources="cpus:1;mem:1024")
    rig.launch(work("t1"))
    assert not rig.specs()
    assert rig.states() == [TaskState.DROPPED]
    assert rig.agent.view().used == Resources()


def test_an_executor_must_connect_in_time():
    rig = Rig()
    rig.launch(work("t1"), work("t2"))
    (spec,) = rig.specs()
    rig.on(ContainerStarted(spec.container_id, 1))
    rig.wait(59)
    assert not rig.destroyed()
    rig.wait(1)
    assert rig.destroyed() == [spec.container_id]
    rig.end(spec.container_id, None, signal=9)
    assert [(s.state, s.reason) for s in rig.statuses()] == [
        (TaskState.FAILED, Reason.EXECUTOR_REGISTRATION_TIMEOUT)
    ] * 2
    assert rig.sent(ExecutorExited)[0].status == 137


def test_an_executor_that_cannot_start_fails_its_tasks():
    rig = Rig()
    rig.launch(work("t1"))
    (spec,) = rig.specs()
    rig.on(ContainerFailed(spec.container_id, Reason.CONTAINER_LAUNCH_FAILED, "no such file"))
    assert [(s.state, s.reason) for s in rig.statuses()] == [(TaskState.FAILED, Reason.CONTAINER_LAUNCH_FAILED)]
    assert rig.sent(ExecutorExited)[0].status is None
    assert rig.records(ExecutorEnded)


# Reporting


def test_a_report_is_acknowledged_once_it_is_durable():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.durable = False
    rig.report(container_id, TaskState.RUNNING, 0, message="hi", data=b"x", healthy=True)
    assert not rig.to_executor()
    assert not rig.statuses()
    rig.confirm()
    assert rig.to_executor() == [ExecutorAcknowledged(task_id=TaskID("t1"), number=0)]
    (status,) = rig.statuses()
    assert (status.state, status.source, status.executor_id) == (TaskState.RUNNING, Source.EXECUTOR, "e1")
    assert (status.message, status.data, status.healthy) == ("hi", b"x", True)


def test_a_repeated_report_is_only_acknowledged_again():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.report(container_id, TaskState.RUNNING, 0)
    rig.report(container_id, TaskState.RUNNING, 0)
    assert not rig.records(UpdateMade)
    assert kinds(rig.to_executor()) == [ExecutorAcknowledged]
    rig.report(container_id, TaskState.FINISHED, 1)
    rig.ack(1)
    rig.ack(2)
    rig.report(container_id, TaskState.FINISHED, 1)
    assert kinds(rig.to_executor()) == [ExecutorAcknowledged]
    assert not rig.statuses()


@pytest.mark.parametrize(
    ("task_id", "state"),
    [
        ("t9", TaskState.RUNNING),
        ("t1", TaskState.STAGING),
        ("t1", TaskState.STARTING),
        ("t1", TaskState.UNREACHABLE),
        ("t1", TaskState.GONE_BY_OPERATOR),
    ],
)
def test_an_impossible_report_is_refused(task_id, state):
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.report(container_id, TaskState.RUNNING, 0)
    rig.report(container_id, state, 1, task_id)
    assert kinds(rig.to_executor()) == [ExecutorError, ExecutorAcknowledged]
    assert not rig.records(UpdateMade)


def test_nothing_follows_the_end():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.report(container_id, TaskState.FAILED, 0)
    rig.report(container_id, TaskState.FINISHED, 1)
    assert kinds(rig.to_executor()) == [ExecutorError, ExecutorAcknowledged]
    assert rig.state_of() is TaskState.FAILED


def test_messages_go_both_ways_while_they_can():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    down = FrameworkToExecutor(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=E1, data=b"down")
    rig.say(down)
    assert rig.to_executor() == [SchedulerMessage(data=b"down")]
    rig.on(ExecutorSaid(container_id, ExecutorMessage(data=b"up")))
    assert rig.sent(ExecutorToFramework) == [
        ExecutorToFramework(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=E1, data=b"up")
    ]
    rig.on(ExecutorDisconnected(container_id))
    assert rig.say(down) == []
    rig.on(BrokerLost())
    assert rig.on(ExecutorSaid(container_id, ExecutorMessage(data=b"up"))) == []
    assert rig.agent.view().counters == {"framework_messages_dropped": 1, "executor_messages_dropped": 1}


# Coming back


def test_what_a_lost_connection_may_have_swallowed_is_said_again():
    rig = Rig()
    container_id = rig.start_executor(work("t1"), work("t2"))
    rig.report(container_id, TaskState.RUNNING, 0, "t1")
    rig.on(ExecutorDisconnected(container_id))
    rig.kill("t1")
    assert not rig.to_executor()
    rig.launch(work("t3"))
    update = ExecutorUpdate(task_id=TaskID("t1"), state=TaskState.KILLING, number=1)
    rig.on(ExecutorConnected(container_id, [update]))
    assert rig.to_executor() == [
        rig.to_executor()[0],
        LaunchTask(task=work("t2")),
        KillExecutorTask(task_id=TaskID("t1")),
        LaunchTask(task=work("t3")),
        ExecutorAcknowledged(task_id=TaskID("t1"), number=1),
    ]
    assert rig.state_of("t1") is TaskState.KILLING


def test_a_group_is_said_again_as_a_group():
    rig = Rig()
    rig.launch_group(work("t1"), work("t2"), executor=an_executor())
    (spec,) = rig.specs()
    rig.on(ContainerStarted(spec.container_id, 1))
    rig.on(ExecutorConnected(spec.container_id, []))
    rig.on(ExecutorDisconnected(spec.container_id))
    rig.on(ExecutorConnected(spec.container_id, []))
    assert rig.to_executor()[1:] == [LaunchTaskGroup(tasks=[work("t1"), work("t2")])]


# Killing


def test_the_kill_of_a_task_handed_over_is_the_executors_work():
    rig = Rig()
    rig.start_executor(work("t1"))
    rig.kill(grace_s=7)
    assert rig.to_executor() == [KillExecutorTask(task_id=TaskID("t1"), kill_policy=KillPolicy(grace_period_s=7))]
    rig.wait(100)
    assert not rig.destroyed()


def test_the_kill_of_a_queued_task_is_ours_and_an_executor_without_work_is_stopped():
    rig = Rig()
    rig.launch(work("t1"))
    (spec,) = rig.specs()
    rig.launch_group(work("t2"), work("t3"), executor=an_executor())
    rig.kill("t2")
    assert [(s.task_id, s.state, s.reason) for s in rig.statuses()] == [
        ("t2", TaskState.KILLED, Reason.TASK_KILLED_DURING_LAUNCH),
        ("t3", TaskState.KILLED, Reason.TASK_KILLED_DURING_LAUNCH),
    ]
    assert not rig.destroyed()
    rig.kill("t1")
    assert rig.destroyed() == [spec.container_id]
    rig.launch(work("t4"))
    assert [(s.state, s.reason) for s in rig.statuses()] == [(TaskState.DROPPED, Reason.EXECUTOR_TERMINATED)]


def test_an_executor_that_was_never_asked_for_is_just_gone():
    rig = Rig(durable=False)
    rig.launch(work("t1"))
    rig.kill()
    assert rig.sent(ExecutorExited)
    rig.confirm()
    assert not rig.specs()
    assert rig.states() == [TaskState.KILLED]
    assert rig.agent.view().used == Resources()


# Ending


def test_the_end_of_an_executor_is_the_end_of_its_tasks():
    rig = Rig()
    container_id = rig.start_executor(work("t1"), work("t2"))
    rig.report(container_id, TaskState.FINISHED, 0, "t1")
    rig.end(container_id, 1)
    assert [(s.task_id, s.state, s.reason, s.message) for s in rig.statuses()] == [
        ("t2", TaskState.FAILED, Reason.EXECUTOR_TERMINATED, "its executor exited with status 1")
    ]
    assert rig.sent(ExecutorExited) == [
        ExecutorExited(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=E1, status=1)
    ]
    assert rig.agent.view().used == Resources()


def test_what_ended_an_executor_is_why_its_tasks_failed():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.end(container_id, None, signal=9, reason=Reason.CONTAINER_LIMITATION_MEMORY)
    assert rig.statuses()[0].reason is Reason.CONTAINER_LIMITATION_MEMORY


def test_shutdown_asks_and_then_forces():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    order = ShutdownExecutor(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=E1)
    rig.say(order)
    assert rig.to_executor() == [ShutdownOrder(grace_period_s=5.0)]
    assert rig.say(order) == []
    rig.wait(2)
    rig.on(ExecutorDisconnected(container_id))
    rig.on(ExecutorConnected(container_id, []))
    assert rig.to_executor()[1:] == [ShutdownOrder(grace_period_s=3.0)]
    rig.wait(3)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    assert [(s.state, s.reason) for s in rig.statuses()] == [(TaskState.FAILED, Reason.EXECUTOR_TERMINATED)]


def test_a_disconnected_executor_is_told_by_signal():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.on(ExecutorDisconnected(container_id))
    rig.say(ShutdownExecutor(agent_id=AGENT, framework_id=FRAMEWORK, executor_id=E1))
    assert rig.signals() == [15]


def test_a_removed_framework_takes_its_executors_along():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.report(container_id, TaskState.RUNNING, 0)
    rig.say(ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))
    assert kinds(rig.to_executor()) == [ShutdownOrder]
    rig.report(container_id, TaskState.KILLED, 1)
    assert [(s.state, s.update_id) for s in rig.statuses()] == [(TaskState.KILLED, None)]
    rig.end(container_id)
    assert not rig.agent.view().frameworks


def test_leaving_shuts_executors_down():
    rig = Rig()
    container_id = rig.start_executor(work("t1"))
    rig.on(LeaveOrdered())
    rig.report(container_id, TaskState.KILLED, 0)
    rig.ack(1)
    assert not rig.sent(UnregisterAgent)
    rig.end(container_id)
    assert rig.sent(UnregisterAgent)


def test_reregistration_lists_executors():
    rig = Rig()
    rig.start_executor(work("t1"))
    rig.say(PleaseReregister(agent_id=AGENT))
    (message,) = rig.sent(ReregisterAgent)
    assert [(e.framework_id, e.executor) for e in message.executors] == [(FRAMEWORK, an_executor())]


def test_group_tasks_may_carry_commands_for_their_executor():
    rig = Rig()
    rig.launch_group(a_task("t1", command=CommandInfo(value="x")), executor=an_executor())
    assert len(rig.specs()) == 1


def test_an_executor_that_reports_without_end_is_answered_with_an_error():
    rig = Rig()
    container_id = rig.start_executor(a_task(executor=an_executor()))
    for number in range(1, 1001):
        rig.report(container_id, TaskState.RUNNING, number)
    rig.report(container_id, TaskState.RUNNING, 1001)
    assert [type(event) for event in rig.to_executor()] == [ExecutorError, ExecutorAcknowledged]
    rig.report(container_id, TaskState.FINISHED, 1002)
    assert [type(event) for event in rig.to_executor()] == [ExecutorAcknowledged]
    assert rig.state_of() is TaskState.FINISHED


def test_an_executor_whose_reports_are_too_large_together_is_answered_with_an_error():
    rig = Rig()
    container_id = rig.start_executor(a_task(executor=an_executor()))

    def is_taken(number, size, state=TaskState.RUNNING):
        rig.report(container_id, state, number, data=bytes(size))
        return kinds(rig.to_executor()) == [ExecutorAcknowledged]

    assert is_taken(1, 750_000)
    assert is_taken(2, 250_000)
    assert not is_taken(3, 1)
    assert is_taken(4, 0)
    rig.ack(1)
    assert is_taken(5, 700_000)
    assert is_taken(6, 750_000, TaskState.FINISHED)
    assert rig.state_of() is TaskState.FINISHED
