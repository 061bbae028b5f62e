"""The workers of a fleet: who is counted as what, and when it is no use to start more."""

import pytest

from mesos_py import TaskState
from mesos_py.frameworks.celery.fleet import Member, Muster, find
from mesos_py.frameworks.celery.scaling import Fleet, Phase


@pytest.fixture
def muster():
    return Muster(Fleet(queues=("q",), most=10), linger_s=0.0)


def start(muster, name):
    muster.add(Member(task_id=name, phase=Phase.STARTING))
    return name


def test_who_is_heard_is_ready(muster):
    start(muster, "w1")
    muster.heard("w1", "w1@host", 1, 5)
    assert muster.members["w1"] == Member(task_id="w1", phase=Phase.READY, busy=1, node="w1@host", processed=5)
    muster.heard("nobody", "nobody@host", 1, 5)
    assert (list(muster.members), muster.busy) == (["w1"], 1)
    muster.members["w1"].phase = Phase.STOPPING
    muster.heard("w1", "w1@host", 0, 6)
    assert muster.members["w1"].phase is Phase.STOPPING
    assert find([muster], "w1") is muster
    assert find([muster], "nobody") is None


def test_starts_in_vain_are_slower_and_slower_and_end(muster):
    muster.depth = 9
    now, waits = 0.0, []
    for number in range(5):
        assert muster.plan(now).launch == 9
        hopeless = muster.ended(start(muster, f"w{number}"), TaskState.FAILED, now)
        assert hopeless == (number == 4)
        began = now
        while not muster.plan(now).launch:
            now += 0.5
        waits.append(now - began)
    assert waits == [1, 2, 4, 8, 16]


def test_what_the_cluster_does_to_workers_is_no_failure_of_theirs(muster):
    muster.depth = 9
    for number, state in enumerate([TaskState.KILLED, TaskState.DROPPED, TaskState.GONE] * 5):
        assert not muster.ended(start(muster, f"w{number}"), state, 0.0)
    assert muster.plan(0.0).launch == 9


def test_who_has_worked_once_is_tried_for_ever(muster):
    muster.depth = 9
    muster.heard(start(muster, "good"), "good@host", 0, 0)
    assert not muster.ended("good", TaskState.FAILED, 0.0)
    assert not any(muster.ended(start(muster, f"w{number}"), TaskState.FAILED, 0.0) for number in range(20))
    assert muster.plan(59.0).launch == 0
    assert muster.plan(60.0).launch == 9
