from mesos_py.agent.effects import CheckHealth
from mesos_py.agent.events import HealthChecked
from mesos_py.types.tasks import HealthCheck, Reason, TaskState
from tests.unit.agent.rig import Rig, a_task

CHECK = HealthCheck(tcp_port=80, delay_s=15, interval_s=10, grace_period_s=30, consecutive_failures=3)


def checks(rig):
    return [effect for effect in rig.effects if isinstance(effect, CheckHealth)]


def start(check=CHECK):
    rig = Rig()
    container_id = rig.start(a_task(health_check=check))
    rig.ack(1)
    return rig, container_id


def answer(rig, container_id, *results):
    """Each result when its check is due; what was reported for the last."""
    for healthy in results:
        due = rig.agent.next_deadline()
        rig.wait(due - rig.now)
        while not checks(rig):
            rig.wait(rig.agent.next_deadline() - rig.now)
        rig.on(HealthChecked(container_id, healthy, "seen"))
    return [s.healthy for s in rig.statuses()]


def test_first_after_the_delay_then_at_the_interval_from_the_end():
    rig, container_id = start()
    rig.wait(14.9)
    assert not checks(rig)
    rig.wait(0.1)
    assert checks(rig) == [CheckHealth(container_id, CHECK)]
    rig.wait(4)
    rig.on(HealthChecked(container_id, True, ""))
    rig.wait(9.9)
    assert not checks(rig)
    rig.wait(0.1)
    assert checks(rig)


def test_the_first_success_is_reported_and_no_other():
    rig, container_id = start()
    assert answer(rig, container_id, True) == [True]
    assert rig.statuses()[0].reason is Reason.TASK_HEALTH_CHECK_STATUS_UPDATED
    assert rig.state_of() is TaskState.RUNNING
    rig.ack(2)
    assert answer(rig, container_id, True) == []


def test_failures_within_the_grace_period_do_not_count():
    rig, container_id = start()
    assert answer(rig, container_id, False, False) == []
    assert answer(rig, container_id, False) == [False]


def test_after_a_success_every_failure_counts():
    rig, container_id = start()
    answer(rig, container_id, True)
    rig.ack(2)
    assert answer(rig, container_id, False) == [False]


def test_too_many_failures_in_a_row_kill():
    rig, container_id = start(HealthCheck(tcp_port=1, delay_s=0.0, grace_period_s=0.0, consecutive_failures=2))
    answer(rig, container_id, False)
    rig.ack(2)
    answer(rig, container_id, False)
    assert rig.signals() == [15]
    rig.ack(3)
    rig.ack(4)
    rig.wait(3)
    assert rig.destroyed() == [container_id]
    rig.end(container_id, None, signal=9)
    (status,) = rig.statuses()
    assert (status.state, status.healthy, status.message) == (TaskState.KILLED, False, "health checks failed: seen")


def test_a_success_forgives_and_is_reported():
    rig, container_id = start(HealthCheck(tcp_port=1, delay_s=0.0, grace_period_s=0.0, consecutive_failures=2))
    answer(rig, container_id, False)
    rig.ack(2)
    assert answer(rig, container_id, True) == [True]
    rig.ack(3)
    answer(rig, container_id, False)
    assert rig.signals() == []


def test_no_checks_and_no_results_once_a_kill_began():
    rig, container_id = start()
    rig.wait(15)
    assert checks(rig)
    rig.kill(grace_s=100)
    rig.ack(2)
    assert rig.on(HealthChecked(container_id, True, "")) == []
    rig.wait(60)
    assert not checks(rig)


def test_checks_never_come_without_a_pause():
    rig, container_id = start(HealthCheck(tcp_port=80, delay_s=0, interval_s=0, consecutive_failures=10**9))
    answer(rig, container_id, True)
    rig.wait(0.09)
    assert not checks(rig)
    rig.wait(0.01)
    assert checks(rig)


def test_failures_of_a_task_whose_framework_is_away_do_not_pile_up_for_ever():
    patient = HealthCheck(tcp_port=80, delay_s=0, interval_s=0.1, grace_period_s=0, consecutive_failures=10**9)
    rig, container_id = start(patient)
    answer(rig, container_id, *[False] * 1100)
    assert len(next(iter(rig.agent._state.tasks())).updates) == 1000
    rig.end(container_id, 1)
    assert rig.state_of() is TaskState.FAILED
