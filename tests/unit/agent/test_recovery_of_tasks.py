"""What becomes of command tasks when their agent is restarted."""

import pytest

from mesos_py.agent.effects import StopAgent
from mesos_py.agent.events import BrokerConnected, ContainerEnded, ContainerStarted, LeaveOrdered, Ticked
from mesos_py.messages.agent import ReconcileTasks, ShutdownFramework
from mesos_py.types.containers import ContainerExit, ContainerLives, NeverBegan
from mesos_py.types.tasks import HealthCheck, KillPolicy, Reason, TaskState
from tests.unit.agent.rig import AGENT, FRAMEWORK, RecordingRig, a_beacon, a_task

LIVES = ContainerLives(4711)


def test_a_task_that_runs_runs_on():
    rig = RecordingRig()
    container_id = rig.start()
    rig.restart({container_id: LIVES})
    assert not rig.specs()
    assert not rig.signals()
    rig.come_back()
    [report] = rig.reported
    [framework] = report.frameworks
    assert [(task.task.task_id, task.state) for task in framework.tasks] == [("t1", TaskState.RUNNING)]
    assert rig.states() == [TaskState.RUNNING]  # not acknowledged yet
    rig.ack(1)
    rig.end(container_id, 3)
    assert [(status.state, status.exit_code) for status in rig.statuses()] == [(TaskState.FAILED, 3)]


def test_what_is_asked_for_at_the_start_is_what_was_started():
    rig = RecordingRig()
    rig.launch(a_task(limits={"cpus": 2.0}))
    [spec] = rig.specs()
    rig.restart({spec.container_id: NeverBegan()})
    assert rig.specs() == [spec]
    assert not rig.agent.check()


@pytest.mark.parametrize("was_told", [True, False])
@pytest.mark.parametrize(("code", "state"), [(0, TaskState.FINISHED), (7, TaskState.FAILED)])
def test_a_task_that_ended_meanwhile_is_reported_with_its_code(was_told, code, state):
    rig = RecordingRig()
    rig.launch(a_task())
    [spec] = rig.specs()
    if was_told:
        rig.on(ContainerStarted(spec.container_id, 4711))
    rig.restart({spec.container_id: ContainerExit(exit_code=code)})
    assert not rig.specs()
    rig.come_back()
    if was_told:
        rig.ack(1)
    assert [(status.state, status.exit_code) for status in rig.statuses()] == [(state, code)]


def test_a_task_that_was_only_just_started_begins_to_run_now():
    rig = RecordingRig()
    rig.launch(a_task(max_completion_time_s=60))
    container_id = rig.specs()[0].container_id
    rig.now += 10
    rig.restart({container_id: LIVES})
    rig.come_back()
    assert rig.states() == [TaskState.RUNNING]
    rig.wait(59)
    assert not rig.signals()
    rig.wait(1)
    assert rig.signals() == [15]


def test_a_task_that_never_began_is_started_once():
    rig = RecordingRig()
    rig.launch(a_task())
    [spec] = rig.specs()
    rig.restart({spec.container_id: NeverBegan()})
    assert [again.container_id for again in rig.specs()] == [spec.container_id]
    rig.on(ContainerStarted(spec.container_id, 1))
    rig.restart({spec.container_id: LIVES})
    assert not rig.specs()


def test_a_task_that_never_began_and_was_to_be_killed_is_not_started():
    rig = RecordingRig()
    rig.launch(a_task())
    [spec] = rig.specs()
    rig.kill()
    rig.restart({spec.container_id: NeverBegan()})
    assert not rig.specs()
    rig.come_back()
    [status] = rig.statuses()
    assert (status.state, status.reason) == (TaskState.KILLED, Reason.TASK_KILLED_DURING_LAUNCH)


@pytest.mark.parametrize("fates", [{}, {"C-1-1": NeverBegan()}])
def test_of_a_task_that_ran_and_left_no_trace_it_is_said_so(fates):
    """Also if somebody claims that it never began: it did, and must not begin twice."""
    rig = RecordingRig()
    rig.start()
    rig.restart(fates)
    assert not rig.specs()
    rig.come_back()
    rig.ack(1)
    [status] = rig.statuses()
    assert (status.state, status.reason) == (TaskState.FAILED, Reason.AGENT_RESTARTED)


# Kills


def test_a_kill_goes_on_for_the_rest_of_its_time():
    rig = RecordingRig()
    container_id = rig.start()
    rig.kill(grace_s=10)
    rig.now += 6
    rig.restart({container_id: LIVES})
    assert rig.signals() == [15]
    assert rig.wait(3.9) == []
    rig.wait(0.2)
    assert rig.destroyed() == [container_id]
    rig.on(ContainerEnded(container_id, ContainerExit(signal=9)))
    assert rig.state_of() is TaskState.KILLED


def test_an_overdue_kill_is_done_by_force_at_once():
    rig = RecordingRig()
    container_id = rig.start()
    rig.kill(grace_s=10)
    rig.now += 60
    rig.restart({container_id: LIVES})
    assert (rig.signals(), rig.destroyed()) == ([], [container_id])


def test_a_clock_that_was_set_back_makes_no_kill_longer():
    rig = RecordingRig()
    container_id = rig.start()
    rig.kill(grace_s=10)
    rig.now -= 5000
    rig.restart({container_id: LIVES})
    rig.wait(10.1)
    assert rig.destroyed() == [container_id]


def test_a_kill_of_a_task_that_had_not_started_is_done_by_force():
    rig = RecordingRig()
    rig.launch(a_task())
    container_id = rig.specs()[0].container_id
    rig.kill()
    rig.restart({container_id: LIVES})
    assert rig.destroyed() == [container_id]
    rig.on(ContainerEnded(container_id, ContainerExit(signal=9)))
    rig.come_back()
    assert rig.states() == [TaskState.KILLED]


def test_killed_while_the_agent_was_away_is_killed_whatever_its_code():
    rig = RecordingRig()
    container_id = rig.start()
    rig.kill()
    rig.restart({container_id: ContainerExit(exit_code=0)})
    assert rig.state_of() is TaskState.KILLED


def test_the_framework_hears_of_a_kill_that_was_only_just_written_down():
    rig = RecordingRig(durable=False)
    rig.launch(a_task())
    rig.confirm()
    container_id = rig.specs()[0].container_id
    rig.on(ContainerStarted(container_id, 1))
    rig.kill(grace_s=10)
    written = [type(record).__name__ for record in rig.all_records]
    rig.durable = True
    rig.restart({container_id: LIVES}, cut=written.index("KillOrdered") + 1)
    assert rig.state_of() is TaskState.KILLING
    assert rig.signals() == [15]


# Time


def test_the_longest_time_counts_from_when_the_task_began():
    rig = RecordingRig()
    container_id = rig.start(a_task(max_completion_time_s=60))
    rig.now += 50
    rig.restart({container_id: LIVES})
    rig.restart({container_id: LIVES})
    assert rig.wait(9.9) == []
    rig.wait(0.2)
    assert rig.signals() == [15]


def test_health_is_watched_again():
    check = HealthCheck(tcp_port=1, delay_s=5)
    rig = RecordingRig()
    container_id = rig.start(a_task(health_check=check))
    rig.restart({container_id: LIVES})
    rig.now += 5
    [effect] = rig.on(Ticked())
    assert effect.container_id == container_id


# Groups


def test_a_group_of_which_one_failed_meanwhile_is_stopped():
    rig = RecordingRig()
    rig.launch_group(a_task("t1"), a_task("t2"), a_task("t3"))
    one, two, three = [spec.container_id for spec in rig.specs()]
    rig.on(ContainerStarted(one, 1))
    rig.on(ContainerStarted(two, 2))
    rig.restart({one: ContainerExit(exit_code=1), two: LIVES, three: NeverBegan()})
    assert rig.signals() == [15]
    assert not rig.specs()
    states = {task_id: rig.state_of(task_id) for task_id in ("t1", "t2", "t3")}
    assert states == {"t1": TaskState.FAILED, "t2": TaskState.KILLING, "t3": TaskState.KILLED}


def test_members_that_ended_meanwhile_each_have_their_own_end():
    rig = RecordingRig()
    rig.launch_group(a_task("t1"), a_task("t2"), a_task("t3"))
    one, two, three = [ContainerExit(exit_code=code) for code in (1, 0, 3)]
    rig.restart({spec.container_id: exit_ for spec, exit_ in zip(rig.specs(), (one, two, three), strict=True)})
    states = [rig.state_of(task_id) for task_id in ("t1", "t2", "t3")]
    assert states == [TaskState.FAILED, TaskState.FINISHED, TaskState.FAILED]
    assert not rig.signals()


def test_a_broken_group_goes_on_being_stopped():
    """The end of one was written down, what follows from it for the others was not."""
    rig = RecordingRig()
    rig.launch_group(a_task("t1"), a_task("t2"))
    one, two = [spec.container_id for spec in rig.specs()]
    rig.on(ContainerStarted(one, 1))
    rig.on(ContainerStarted(two, 2))
    rig.end(one, 1)
    written = [type(record).__name__ for record in rig.all_records]
    rig.restart({two: LIVES}, cut=written.index("KillOrdered"))
    assert rig.state_of("t2") is TaskState.KILLING
    assert rig.signals() == [15]


@pytest.mark.parametrize("missing", [1, 2])
def test_a_group_that_was_not_written_down_whole_is_not_started(missing):
    rig = RecordingRig()
    rig.launch_group(a_task("t1"), a_task("t2"), a_task("t3"))
    ids = [spec.container_id for spec in rig.specs()]
    rig.restart(dict.fromkeys(ids, NeverBegan()), cut=len(rig.all_records) - missing)
    assert not rig.specs()
    rig.come_back()
    assert [(status.state, status.reason) for status in rig.statuses()] == [
        (TaskState.DROPPED, Reason.AGENT_RESTARTED)
    ] * (3 - missing)


# Frameworks


def test_the_end_of_a_removed_framework_goes_on():
    rig = RecordingRig()
    container_id = rig.start()
    rig.say(ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORK))
    written = [type(record).__name__ for record in rig.all_records]
    rig.restart({container_id: LIVES}, cut=written.index("FrameworkShutdown") + 1)
    assert rig.signals() == [15]
    rig.end(container_id, None, signal=15)
    assert not rig.agent.view().frameworks


# The master


def test_no_master_is_spoken_to_before_it_is_known_what_runs():
    rig = RecordingRig()
    container_id = rig.start()
    rig.restart({container_id: LIVES})
    assert not rig.agent.view().recovering
    rig.on(BrokerConnected())
    rig.say(a_beacon())
    assert len(rig.effects) == 1  # to re-register


def test_updates_that_were_not_acknowledged_are_sent_again_in_order():
    rig = RecordingRig()
    container_id = rig.start()
    rig.end(container_id)
    rig.restart({})
    rig.come_back()
    assert rig.states() == [TaskState.RUNNING]
    rig.ack(1)
    assert rig.states() == [TaskState.FINISHED]
    rig.ack(2)
    rig.restart({})
    rig.come_back()
    assert (rig.statuses(), rig.reported[0].frameworks) == ([], [])


def test_late_questions_are_answered_as_before():
    rig = RecordingRig()
    rig.end(rig.start())
    rig.ack(1)
    rig.ack(2)
    rig.restart({})
    rig.come_back()
    rig.say(ReconcileTasks(agent_id=AGENT, framework_id=FRAMEWORK, task_ids=["t1", "t2"]))
    assert rig.states() == [TaskState.FINISHED, TaskState.DROPPED]


def test_an_order_obeyed_by_the_earlier_process_is_not_obeyed_again():
    rig = RecordingRig()
    container_id = rig.start()
    rig.restart({container_id: LIVES})
    rig.come_back()
    rig.sequence -= 1
    rig.launch(a_task("t2"))
    assert not rig.specs()


def test_another_master_counts_anew():
    """One that was restarted under the same epoch, while the agent was away."""
    rig = RecordingRig()
    rig.say(a_beacon(1, "M-old"))
    container_id = rig.start()
    rig.restart({container_id: LIVES})
    rig.on(BrokerConnected())
    rig.say(a_beacon(1, "M-new"))
    rig.come_back()
    rig.sequence = 0
    rig.launch(a_task("t2"))
    assert len(rig.specs()) == 1


# Cleaning up


def test_cleaning_up_kills_everything_and_says_it_later():
    rig = RecordingRig()
    one, two = rig.start(a_task("t1")), rig.start(a_task("t2"))
    rig.launch(a_task("t3"))
    three = rig.specs()[0].container_id
    rig.restart({one: LIVES, two: ContainerExit(exit_code=4), three: NeverBegan()}, cleanup=True)
    assert (rig.destroyed(), rig.specs()) == ([one], [])
    rig.on(BrokerConnected())
    rig.say(a_beacon())
    assert not [effect for effect in rig.effects if isinstance(effect, StopAgent)]
    rig.end(one, None, signal=9)
    assert StopAgent("") in rig.effects
    rig.restart({}, cleanup=False)
    rig.come_back()
    for task_id in ("t1", "t2"):
        rig.ack(1, task_id)
    assert [rig.state_of(task_id) for task_id in ("t1", "t2", "t3")] == [
        TaskState.KILLED,
        TaskState.FAILED,
        TaskState.KILLED,
    ]


def test_cleaning_up_where_nothing_is_ends_at_once():
    rig = RecordingRig()
    assert StopAgent("") in rig.restart({}, cleanup=True)


def test_one_may_leave_right_after_a_restart():
    rig = RecordingRig()
    container_id = rig.start(a_task(kill_policy=KillPolicy(grace_period_s=1)))
    rig.restart({container_id: LIVES})
    rig.on(LeaveOrdered())
    assert rig.signals() == [15]
    rig.end(container_id, None, signal=15)
    rig.come_back()
    rig.ack(1)
    rig.ack(2)
    rig.ack(3)
    assert StopAgent("") in rig.effects
