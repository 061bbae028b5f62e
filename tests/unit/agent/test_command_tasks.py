import pytest

from mesos_py.agent.checkpoint import ContainerPid, FrameworkSeen, SequenceSeen, TaskLaunched
from mesos_py.agent.effects import Checkpoint
from mesos_py.agent.events import ContainerFailed, ContainerStarted, LeaveOrdered
from mesos_py.messages.agent import RunTasks, ShutdownFramework, StatusUpdate, UnregisterAgent
from mesos_py.types.host import RLimit, Volume
from mesos_py.types.ids import ExecutorID, FrameworkID, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import (
    URI,
    CommandInfo,
    ExecutorInfo,
    HealthCheck,
    KillPolicy,
    Reason,
    Source,
    TaskInfo,
    TaskState,
)
from tests.unit.agent.rig import AGENT, FRAMEWORK, ROLE, Rig, a_beacon, a_task, an_executor

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# Launching


def test_a_task_is_written_down_before_it_is_started():
    rig = Rig(durable=False)
    rig.launch(a_task())
    assert not rig.specs()
    assert [type(e.record) for e in rig.effects if isinstance(e, Checkpoint)] == [
        SequenceSeen,
        FrameworkSeen,
        TaskLaunched,
    ]
    rig.confirm(rig.written - 1)
    assert not rig.specs()
    rig.confirm()
    assert len(rig.specs()) == 1


def test_what_a_task_is_started_with():
    rig = Rig()
    command = CommandInfo(value="./run", environment={"A": "b", "MESOS_TASK_ID": "x"}, uris=[URI(value="/x.tgz")])
    resources = Resources.parse("cpus:1;mem:64;ports:[31001-31002,31005-31005]")
    rig.launch(a_task(command=command, resources=resources, limits={"mem": 128.0}))
    (spec,) = rig.specs()
    sandbox = f"/w/sandboxes/M-A1/M-F1/tasks/t1/{spec.container_id}"
    assert spec.sandbox == sandbox
    assert spec.argv == ["/bin/sh", "-c", "./run"]
    assert spec.environment == {
        "PATH": PATH,
        "A": "b",
        "MESOS_TASK_ID": "t1",
        "MESOS_FRAMEWORK_ID": "M-F1",
        "MESOS_AGENT_ID": "M-A1",
        "MESOS_SANDBOX": sandbox,
        "MESOS_DIRECTORY": sandbox,
        "MESOS_ROLE": "dev",
        "PORT0": "31001",
        "PORT1": "31002",
        "PORT2": "31005",
        "PORTS": "31001,31002,31005",
    }
    assert (spec.user, spec.uris, spec.limits) == ("joe", command.uris, {"mem": 128.0})
    assert (spec.resources, spec.task_id, spec.executor_id) == (resources, "t1", None)


def test_arguments_need_no_shell_and_the_commands_user_counts():
    rig = Rig()
    rig.launch(a_task(command=CommandInfo(argv=["/bin/echo", "$x"], user="ann")))
    (spec,) = rig.specs()
    assert spec.argv == ["/bin/echo", "$x"]
    assert spec.user == "ann"


def test_what_a_command_asks_of_its_host_reaches_the_container():
    wishes = {"rlimits": {"core": RLimit(soft=0, hard=0)}, "volumes": [Volume(host_path="/d", container_path="d")]}
    rig = Rig()
    command = CommandInfo(value="x", **wishes)
    rig.launch(
        a_task("t1", command=command, limits={"cpus": "inf"}),
        a_task("t2", executor=ExecutorInfo(executor_id=ExecutorID("e"), command=command)),
    )
    task, executor = rig.specs()
    for spec in (task, executor):
        assert (spec.rlimits, spec.volumes) == (wishes["rlimits"], wishes["volumes"])
    assert task.limits == {"cpus": float("inf")}


def test_a_started_task_is_running():
    rig = Rig()
    container_id = rig.start()
    (status,) = rig.statuses()
    assert status.state is TaskState.RUNNING
    assert (status.source, status.container_id, status.agent_id) == (Source.EXECUTOR, container_id, AGENT)
    assert (status.update_id, status.timestamp, status.healthy) == (1, 1000.0, None)
    assert rig.records(ContainerPid) == [ContainerPid(container_id=container_id, pid=4711, at=1000.0)]


@pytest.mark.parametrize(
    ("exit_", "state", "message", "code"),
    [
        ({"exit_code": 0}, TaskState.FINISHED, "", 0),
        ({"exit_code": 3}, TaskState.FAILED, "exited with status 3", 3),
        ({"exit_code": None, "signal": 9}, TaskState.FAILED, "killed by SIGKILL", None),
        ({"exit_code": None, "signal": 99}, TaskState.FAILED, "killed by signal 99", None),
        ({"exit_code": None}, TaskState.FAILED, "ended, and nobody could learn how", None),
    ],
)
def test_how_a_task_ends_by_itself(exit_, state, message, code):
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    rig.end(container_id, **exit_)
    (status,) = rig.statuses()
    assert (status.state, status.message, status.exit_code, status.reason) == (state, message, code, None)


def test_a_broken_limit_is_told():
    rig = Rig()
    container_id = rig.start()
    rig.ack(1)
    rig.end(container_id, None, signal=9, reason=Reason.CONTAINER_LIMITATION_MEMORY, message="128 MB")
    (status,) = rig.statuses()
    assert (status.state, status.reason, status.message) == (
        TaskState.FAILED,
        Reason.CONTAINER_LIMITATION_MEMORY,
        "128 MB",
    )


def test_a_container_that_cannot_start_fails_its_task():
    rig = Rig()
    rig.launch(a_task())
    (spec,) = rig.specs()
    rig.on(ContainerFailed(spec.container_id, Reason.CONTAINER_LAUNCH_FAILED, "no such file"))
    (status,) = rig.statuses()
    assert (status.state, status.reason) == (TaskState.FAILED, Reason.CONTAINER_LAUNCH_FAILED)
    assert rig.agent.view().used == Resources()


# At most once


def test_a_repeated_order_is_dropped():
    rig = Rig()
    rig.run(Launch(tasks=[a_task("t1")]), sequence=5)
    assert rig.run(Launch(tasks=[a_task("t2")]), sequence=5) == []
    assert rig.run(Launch(tasks=[a_task("t3")]), sequence=4) == []
    assert rig.agent.view().counters == {"launches_repeated": 2}


def test_a_known_task_is_not_started_again():
    rig = Rig()
    container_id = rig.start()
    rig.launch(a_task())
    assert not rig.specs()
    rig.end(container_id)
    rig.launch(a_task())
    assert not rig.specs()
    assert not rig.statuses()


def test_an_order_of_an_older_epoch_is_dropped():
    rig = Rig()
    rig.say(a_beacon(2), epoch=2)
    assert rig.run(Launch(tasks=[a_task()]), sequence=99, epoch=1) == []
    rig.run(Launch(tasks=[a_task()]), sequence=0, epoch=2)
    assert len(rig.specs()) == 1


def test_a_task_id_twice_in_one_order_starts_once():
    rig = Rig()
    rig.launch(a_task(), a_task())
    assert len(rig.specs()) == 1


# Bad orders


@pytest.mark.parametrize(
    "task",
    [
        a_task("a/b"),
        a_task(""),
        a_task(command=None),
        TaskInfo(task_id=TaskID("t"), resources=Resources(), command=CommandInfo(value="x"), executor=an_executor()),
        a_task(command=CommandInfo()),
        a_task(command=CommandInfo(value="x", argv=["y"])),
        a_task(command=CommandInfo(value="x\0")),
        a_task(command=CommandInfo(value="x", environment={"a=b": ""})),
        a_task(kill_policy=KillPolicy(grace_period_s=-1)),
        a_task(max_completion_time_s=float("nan")),
        a_task(limits={"cpus": 0.5}),
        a_task(command=CommandInfo(value="x", rlimits={"x": RLimit()})),
        a_task(command=CommandInfo(value="x", volumes=[Volume(host_path="d", container_path="d")])),
        a_task(health_check=HealthCheck()),
        a_task(health_check=HealthCheck(tcp_port=1, http_port=2)),
        a_task(health_check=HealthCheck(tcp_port=1, interval_s=-1)),
        a_task(health_check=HealthCheck(tcp_port=1, consecutive_failures=-1)),
        a_task(executor=an_executor("a/b")),
        a_task(executor=an_executor(shutdown_grace_period_s=-1)),
    ],
)
def test_a_task_that_cannot_be_is_an_error(task):
    rig = Rig()
    rig.launch(task)
    assert not rig.specs()
    (status,) = rig.statuses()
    assert (status.state, status.reason, status.source) == (TaskState.ERROR, Reason.TASK_INVALID, Source.AGENT)
    assert status.message
    assert status.update_id == 1
    rig.ack(1, task.task_id)
    assert not rig.agent.view().frameworks


def test_a_task_that_does_not_fit_is_dropped():
    rig = Rig(resources="cpus:2;mem:1024")
    rig.launch(a_task("t1"), a_task("t2"), a_task("t3"))
    assert len(rig.specs()) == 2
    (status,) = rig.statuses()
    assert (status.task_id, status.state, status.reason) == ("t3", TaskState.DROPPED, Reason.RESOURCES_UNKNOWN)


def test_resources_of_another_kind_are_refused():
    rig = Rig(resources="cpus:8;mem:1024;gadgets:4")
    rig.launch(a_task("t1", resources=Resources.parse("cpus:1;gadgets:[1-2]")))
    rig.launch(a_task("t2", resources=Resources.parse("cpus:1;gadgets:1")))
    assert [spec.task_id for spec in rig.specs()] == ["t2"]
    rig.launch(a_task("t3", resources=Resources.parse("cpus:1;gadgets:[1-2]")))
    assert rig.states() == [TaskState.DROPPED]


def test_reservations_are_the_masters_business():
    rig = Rig(resources="cpus(dev):2;cpus:1;mem:1024")
    rig.launch(a_task("t1", resources=Resources.of(cpus=3)))
    assert len(rig.specs()) == 1


def test_a_framework_id_that_is_no_file_name_is_refused():
    rig = Rig()
    rig.say(
        RunTasks(
            agent_id=AGENT,
            sequence=1,
            framework_id=FrameworkID("../etc"),
            framework=FrameworkInfo(name="f"),
            role=ROLE,
            operations=[Launch(tasks=[a_task()])],
        )
    )
    assert not rig.specs()
    assert rig.statuses()[0].reason is Reason.INVALID_FRAMEWORK_ID


# Groups


def test_a_group_starts_together_or_not_at_all():
    rig = Rig(durable=False)
    rig.launch_group(a_task("t1"), a_task("t2"))
    rig.confirm(rig.written - 1)
    assert not rig.specs()
    rig.confirm()
    assert [spec.task_id for spec in rig.specs()] == ["t1", "t2"]


@pytest.mark.parametrize(
    "tasks",
    [
        [a_task("t1"), a_task("t2", command=None)],
        [a_task("t1"), a_task("t1")],
        [a_task("t1"), a_task("t2", executor=an_executor())],
    ],
)
def test_one_bad_member_refuses_the_group(tasks):
    rig = Rig()
    rig.launch_group(*tasks)
    assert not rig.specs()
    assert {s.reason for s in rig.statuses()} == {Reason.TASK_GROUP_INVALID}
    assert len(rig.statuses()) == len({task.task_id for task in tasks})


def test_a_group_that_does_not_fit_is_dropped_whole():
    rig = Rig(resources="cpus:1;mem:1024")
    rig.launch_group(a_task("t1"), a_task("t2"))
    assert rig.states() == [TaskState.DROPPED] * 2


def test_a_repeated_group_is_dropped_and_a_half_known_one_refused():
    rig = Rig()
    rig.launch_group(a_task("t1"), a_task("t2"))
    rig.launch_group(a_task("t1"), a_task("t2"))
    assert not rig.specs()
    rig.launch_group(a_task("t1"), a_task("t3"))
    assert [(s.task_id, s.reason) for s in rig.statuses()] == [("t3", Reason.TASK_GROUP_INVALID)]


def test_one_failure_ends_its_group_and_no_other():
    rig = Rig()
    rig.launch_group(a_task("t1"), a_task("t2"))
    first, second = (spec.container_id for spec in rig.specs())
    rig.launch_group(a_task("t3"))
    rig.on(ContainerStarted(first, 1))
    rig.on(ContainerStarted(second, 2))
    rig.end(first, 1)
    assert rig.signals() == [15]
    rig.end(second, None, signal=15)
    assert rig.state_of("t1") is TaskState.FAILED
    assert rig.state_of("t2") is TaskState.KILLED
    assert rig.state_of("t3") is TaskState.STAGING


def test_a_finished_member_leaves_the_others_alone():
    rig = Rig()
    rig.launch_group(a_task("t1"), a_task("t2"))
    first, second = (spec.container_id for spec in rig.specs())
    rig.on(ContainerStarted(first, 1))
    rig.on(ContainerStarted(second, 2))
    rig.end(first, 0)
    assert (rig.signals(), rig.destroyed()) == ([], [])


def test_killing_a_member_before_the_start_kills_all():
    rig = Rig(durable=False)
    rig.launch_group(*(a_task(f"t{n}", resources=Resources.of(cpus=0.001)) for n in range(2000)))
    rig.kill("t7")
    rig.confirm()
    assert len(rig.states()) == 2000
    assert {(s.state, s.reason) for s in rig.statuses()} == {(TaskState.KILLED, Reason.TASK_KILLED_DURING_LAUNCH)}


# Removed frameworks, leaving


def test_shutting_a_framework_down_forgets_its_updates():
    rig = Rig()
    running = rig.start(a_task("t1"))
    ended = rig.start(a_task("t2"))
    rig.end(ended)
    rig.say(ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))
    assert rig.signals() == [15]
    assert rig.wait(100)
    assert not rig.statuses()
    assert rig.launch(a_task("t3")) == rig.effects
    assert not rig.specs()
    rig.end(running, None, signal=9)
    assert [(s.state, s.update_id) for s in rig.statuses()] == [(TaskState.KILLED, None)]
    assert not rig.agent.view().frameworks


def test_leaving_waits_for_the_tasks_and_their_last_updates():
    rig = Rig()
    container_id = rig.start()
    rig.on(LeaveOrdered())
    assert rig.signals() == [15]
    rig.launch(a_task("t2"))
    assert [s.state for s in rig.statuses()] == [TaskState.DROPPED]
    rig.ack(1, "t2")
    rig.end(container_id)
    assert not rig.sent(UnregisterAgent)
    rig.ack(1)
    rig.ack(2)
    rig.ack(3)
    assert [type(e).__name__ for e in rig.effects[-2:]] == ["SendToMaster", "StopAgent"]
    assert rig.sent(UnregisterAgent)
    assert rig.agent.next_deadline() is None


def test_leaving_does_not_wait_for_a_framework_that_is_away():
    rig = Rig()
    container_id = rig.start()
    rig.on(LeaveOrdered())
    rig.end(container_id)
    rig.wait(9.9)
    assert not rig.sent(UnregisterAgent)
    rig.wait(0.1)
    assert rig.sent(UnregisterAgent)


def test_a_task_that_has_not_started_ends_for_the_reason_for_which_the_agent_leaves():
    rig = Rig()
    rig.launch(a_task("t1"))
    container_id = rig.specs()[0].container_id
    rig.on(LeaveOrdered())
    rig.on(ContainerFailed(container_id, Reason.CONTAINER_LAUNCH_FAILED, "destroyed"))
    assert [(status.state, status.reason) for status in rig.statuses()] == [(TaskState.KILLED, Reason.AGENT_REMOVED)]


def test_an_idle_agent_leaves_at_once():
    rig = Rig()
    rig.on(LeaveOrdered())
    assert rig.sent(UnregisterAgent)


def test_group_operations_of_unknown_executors_are_refused():
    rig = Rig()
    rig.run(LaunchGroup(tasks=[a_task("t1")], executor=an_executor("a/b")))
    assert rig.statuses()[0].reason is Reason.TASK_GROUP_INVALID
    assert rig.sent(StatusUpdate)


def test_a_port_is_given_to_one_task_only():
    rig = Rig()
    both = Resources.parse("cpus:1;ports:[31000-31001]")
    rig.launch(a_task("t1", resources=both), a_task("t2", resources=both))
    assert [spec.task_id for spec in rig.specs()] == ["t1"]
    rig.launch_group(
        a_task("t3", resources=Resources.parse("ports:[31002-31003]")),
        a_task("t4", resources=Resources.parse("ports:[31003-31004]")),
    )
    assert rig.states() == [TaskState.DROPPED] * 2
