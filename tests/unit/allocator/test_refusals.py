"""What a decline means, and for how long."""

from allocator_world import World, bag

from mesos_py.allocator.refusals import MOST, Refusals


def declined_world(refuse_s, **config):
    world = World(**config)
    world.framework("F1")
    world.agent("A")
    assert world.decline_all(refuse_s) == [("F1", "A")]
    return world


def test_a_refusal_holds_until_it_lapses():
    world = declined_world(5.0)
    world.now = 1.0
    assert world.offers() == []
    assert world.allocator.next_deadline() == 5.0
    world.now = 4.999
    assert world.offers() == []
    world.now = 5.0
    assert world.offers() == [("F1", "A")]


def test_a_refusal_lasts_an_allocation_interval_at_least():
    world = declined_world(0.1)
    assert world.allocator.next_deadline() == 1.0
    world.now = 0.9
    assert world.offers() == []
    world.now = 1.0
    assert world.offers() == [("F1", "A")]


def test_zero_seconds_only_wait_for_the_next_interval():
    world = declined_world(0.0)
    assert world.allocator.next_deadline() == 1.0
    assert world.offers() == []
    world.now = 1.0
    assert world.decline_all(0.0) == [("F1", "A")]
    assert world.allocator.next_deadline() == 2.0


def test_what_one_refuses_the_next_is_offered_after_the_interval():
    world = World()
    world.framework("F1")
    world.framework("F2")
    world.agent("A")
    assert world.decline_all(60.0) == [("F1", "A")]
    assert world.offers() == []
    world.now = 1.0
    assert world.offers() == [("F2", "A")]


def test_what_comes_free_otherwise_is_offered_at_once():
    world = World()
    world.framework("F1")
    world.agent("A")
    (made,) = world.allocate()
    world.give_back(made)
    assert world.allocator.next_deadline() == 0.0
    assert world.offers() == [("F1", "A")]


def test_more_than_was_refused_is_offered():
    world = World()
    world.framework("F1")
    world.agent("A")
    (made,) = world.allocate()
    world.give_back(made, 60.0, "cpus:3;mem:4096")
    world.now = 1.0
    assert world.offers() == []
    world.give_back(made, None, "cpus:0.5")
    assert [one.resources for one in world.allocate()] == [bag("cpus:3.5;mem:4096")]


def test_part_of_what_was_refused_is_not_offered():
    world = World()
    world.framework("F1")
    world.framework("F2")
    world.agent("A")
    (made,) = world.allocate()
    world.give_back(made, 60.0)
    world.now = 1.0
    (made,) = world.allocate()
    assert made.framework_id == "F2"
    world.allocator.suppress("F2", ["*"])
    world.give_back(made, None, "cpus:2")
    assert world.offers() == []


def test_a_refusal_is_for_one_role():
    world = World()
    world.framework("F1", "a", "b")
    world.agent("A")
    (made,) = world.allocate()
    world.give_back(made, 60.0)
    world.now = 1.0
    assert [one.role for one in world.allocate()] == ["b"]


def test_reviving_forgets_refusals_and_waiting():
    for refuse_s in (60.0, 0.0):
        world = declined_world(refuse_s)
        world.allocator.revive("F1", ["*"])
        assert world.offers() == [("F1", "A")]


def test_reviving_brings_back_what_nobody_else_took():
    world = declined_world(60.0)
    world.now = 2.0
    assert world.offers() == []
    world.allocator.revive("F1", ["*"])
    assert world.allocator.next_deadline() == 0.0
    assert world.offers() == [("F1", "A")]


def test_subscribing_again_forgets_refusals():
    world = declined_world(60.0)
    world.allocator.deactivate_framework("F1")
    world.allocator.update_framework("F1", ["*"], filters={})
    assert world.offers() == [("F1", "A")]


def test_a_newcomer_need_not_wait_for_what_another_declined():
    world = declined_world(60.0)
    world.framework("F2")
    assert world.allocator.next_deadline() == 0.0
    assert world.offers() == [("F2", "A")]


def test_of_two_equal_refusals_the_later_end_counts():
    refusals = Refusals()
    refusals.add(1, "A", bag("cpus:1"), 10.0)
    refusals.add(1, "A", bag("cpus:1"), 20.0)
    refusals.add(1, "A", bag("cpus:1"), 15.0)
    assert refusals.lapse(19.0) == []
    assert refusals.next_lapse() == 20.0
    assert refusals.lapse(20.0) == ["A"]
    assert len(refusals) == 0


def test_a_larger_refusal_stands_beside_a_smaller_one():
    refusals = Refusals()
    refusals.add(1, "A", bag("cpus:4"), 10.0)
    refusals.add(1, "A", bag("cpus:1"), 20.0)
    assert refusals.refusing("A", bag("cpus:2")) == 1
    refusals.lapse(10.0)
    assert refusals.refusing("A", bag("cpus:2")) == 0
    assert refusals.refusing("A", bag("cpus:1")) == 1
    refusals.check()


def test_a_refusal_replaces_those_that_it_contains_and_outlives():
    refusals = Refusals()
    refusals.add(1, "A", bag("cpus:1"), 10.0)
    refusals.add(1, "A", bag("cpus:2"), 30.0)
    refusals.add(1, "A", bag("mem:9"), 10.0)
    refusals.add(2, "A", bag("cpus:1"), 10.0)
    refusals.add(1, "B", bag("cpus:1"), 10.0)
    refusals.add(1, "A", bag("cpus:4"), 20.0)
    assert len(refusals) == 5
    assert refusals.refusing("A", bag("cpus:1")) == 3
    refusals.add(1, "A", bag("cpus:4;mem:9"), 30.0)
    assert len(refusals) == 3
    refusals.check()


def test_a_client_has_so_many_refusals_on_an_agent_and_those_that_last():
    refusals = Refusals()
    for number in range(1, 1001):
        refusals.add(1, "A", bag(f"cpus:{number};mem:{1001 - number}"), float(number))
    assert len(refusals) == MOST
    assert refusals.next_lapse() == 1001 - MOST
    refusals.add(1, "A", bag("disk:1"), 5.0)
    assert refusals.refusing("A", bag("disk:1")) == 0
    assert len(refusals) == MOST
    refusals.check()


def test_refusing_and_reviving_for_ever_takes_no_memory():
    refusals = Refusals()
    for _ in range(1000):
        refusals.add(1, "A", bag("cpus:1"), 1e9)
        refusals.forget_client(1)
    assert len(refusals._lapses) <= 65
    assert refusals.next_lapse() is None
    refusals.check()
