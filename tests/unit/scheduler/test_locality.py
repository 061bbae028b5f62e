"""Delay scheduling: next to the data first, the same rack after a while, then anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py import Delay, DelayPolicy, Locality, TaskSpec, UserError, command_task, delay_fit
from mesos_py.testing.builders import an_offer

POLICY = DelayPolicy(node_s=3, rack_s=2)


def spec(name, *hosts):
    return TaskSpec(task=command_task(name, "true", cpus=1), hosts=list(hosts))


def offer(host, cpus=1, rack=""):
    attributes = {"rack": rack} if rack else {}
    return an_offer(f"O-{host}", f"cpus:{cpus}", agent_id=host, hostname=host, attributes=attributes)


def where(packing):
    return {placement.task.task_id: placement.place.hostname for placement in packing.placements()}


def test_a_place_next_to_the_data_is_taken_at_once():
    packing = delay_fit([spec("t", "b")], [offer("a"), offer("b")], Delay(POLICY, 0.0), now=0.0)
    assert where(packing) == {"t": "b"}
    assert [each.hostname for each in packing.unused] == ["a"]


@pytest.mark.parametrize(("now", "placed"), [(0.0, []), (2.9, []), (3.0, ["same-rack"]), (5.0, ["elsewhere"])])
def test_others_are_declined_for_a_while(now, placed):
    delay = Delay(POLICY, 0.0)
    delay.saw([offer("home", rack="r1")])
    offers = {"same-rack": offer("same-rack", rack="r1"), "elsewhere": offer("elsewhere", rack="r2")}
    offered = [offers[placed[0]] if placed else offers["same-rack"]]
    packing = delay_fit([spec("t", "home")], offered, delay, now=now)
    assert list(where(packing).values()) == placed


def test_who_is_at_home_there_goes_before_who_came_first():
    delay = Delay(POLICY, 0.0)
    packing = delay_fit([spec("first", "gone"), spec("second", "a")], [offer("a")], delay, now=100.0)
    assert where(packing) == {"second": "a"}


def test_tasks_without_data_are_at_home_anywhere_and_end_no_wait():
    delay = Delay(POLICY, 0.0)
    packing = delay_fit([spec("t")], [offer("a")], delay, now=4.0)
    assert where(packing) == {"t": "a"}
    assert delay.allowed(4.0) is Locality.RACK


def test_a_launch_next_to_data_begins_the_wait_anew():
    delay = Delay(POLICY, 0.0)
    delay_fit([spec("t", "a")], [offer("a")], delay, now=100.0)
    assert delay.allowed(100.0) is Locality.NODE
    assert delay.next_deadline(100.0) == 103.0


def test_a_launch_far_away_does_not():
    delay = Delay(POLICY, 0.0)
    delay_fit([spec("t", "gone")], [offer("a")], delay, now=100.0)
    assert delay.allowed(100.0) is Locality.ANY
    assert delay.next_deadline(100.0) is None


def test_a_policy_must_make_sense():
    with pytest.raises(UserError):
        DelayPolicy(node_s=-1)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 10)), max_size=20),
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True),
)
def test_nothing_is_placed_farther_away_than_is_allowed(wants, hosts):
    delay = Delay(POLICY, 0.0)
    now = 0.0
    for number, (home, later) in enumerate(wants):
        now += later
        allowed = delay.allowed(now)
        packing = delay_fit([spec(f"t{number}", home)], [offer(host) for host in hosts], delay, now)
        for host in where(packing).values():
            assert host == home or allowed is Locality.ANY
        if home in hosts:
            assert where(packing) == {f"t{number}": home}
