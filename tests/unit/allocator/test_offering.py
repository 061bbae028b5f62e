"""What is offered, when, and to whom it is not."""

import pytest
from allocator_world import World, bag

from mesos_py.errors import InvariantError
from mesos_py.types.infos import Demand


def test_an_offer_is_all_that_is_free_on_an_agent():
    world = World()
    world.framework("F1")
    world.agent("A", "cpus:4;mem:400;ports:[1-9]", used={("F1", "*"): bag("cpus:1;ports:[1-2]")})
    (made,) = world.allocate()
    assert made.resources == bag("cpus:3;mem:400;ports:[3-9]")


@pytest.mark.parametrize(
    ("free", "offered"),
    [("cpus:0.01", True), ("cpus:0.009;mem:31", False), ("mem:32", True), ("disk:5000;ports:[1-9]", False)],
)
def test_crumbs_are_not_offered(free, offered):
    world = World()
    world.framework("F1")
    world.agent("A", free)
    assert bool(world.offers()) is offered


def test_without_minima_an_agent_still_needs_cpus_or_memory():
    world = World(min_allocatable=[])
    world.framework("F1")
    world.agent("A1", "disk:100")
    world.agent("A2", "cpus:0.001")
    assert world.offers() == [("F1", "A2")]


def test_a_reservation_is_for_its_role_and_those_below():
    world = World()
    world.framework("F1", "ads")
    world.framework("F2", "eng/web")
    world.framework("F3", "engine")
    world.agent("A", "cpus(eng):4;mem(eng):400;cpus:1;mem(ads/x):50")
    made = {one.framework_id: str(one.resources) for one in world.allocate()}
    assert made == {"F1": "cpus:1", "F2": "cpus(eng):4;mem(eng):400"}


def test_a_reservation_without_takers_is_not_offered():
    world = World()
    world.framework("F1")
    world.agent("A", "cpus(eng):4;mem(eng):400")
    assert world.offers() == []
    world.framework("F2", "eng")
    assert world.offers() == [("F2", "A")]


def test_a_suppressed_role_gets_nothing_until_revived():
    world = World()
    world.framework("F1", "a", "b", suppressed=["a"])
    world.allocator.suppress("F1", ["b", "unknown"])
    world.agent("A")
    assert world.offers() == []
    world.allocator.revive("F1", ["a"])
    assert world.allocator.next_deadline() == 0.0
    assert [made.role for made in world.allocate()] == ["a"]


def test_an_inactive_agent_is_not_offered():
    world = World()
    world.framework("F1")
    world.agent("A")
    world.allocator.set_agent_active("A", False)
    assert world.offers() == []
    world.allocator.set_agent_active("A", True)
    assert world.offers() == [("F1", "A")]


def test_a_disconnected_framework_keeps_what_runs_and_gets_offers_when_back():
    world = World()
    world.framework("F1")
    world.agent("A", used={("F1", "*"): bag("cpus:1")})
    world.allocator.deactivate_framework("F1")
    assert world.offers() == []
    world.allocator.update_framework("F1", ["*"], filters={})
    (made,) = world.allocate()
    assert made.resources == bag("cpus:3;mem:4096")


def test_a_dropped_role_gets_nothing_more_and_stays_charged_until_its_tasks_end():
    world = World()
    world.framework("F1", "a")
    world.agent("A", used={("F1", "a"): bag("cpus:1;mem:96")})
    world.allocator.update_framework("F1", ["b"], filters={})
    (made,) = world.allocate()
    assert (made.role, made.resources) == ("b", bag("cpus:3;mem:4000"))
    world.allocator.recover("F1", "a", "A", bag("cpus:1;mem:96"), now=0.0)
    (made,) = world.allocate()
    assert (made.role, made.resources) == ("b", bag("cpus:1;mem:96"))


def test_a_removed_framework_frees_all_it_held():
    world = World()
    world.framework("F1")
    world.framework("F2")
    world.agent("A1", used={("F1", "*"): bag("cpus:4;mem:4096")})
    world.allocate()
    world.allocator.remove_framework("F1")
    assert world.offers() == [("F2", "A1")]


def test_an_agent_added_again_is_what_it_says_now():
    world = World()
    world.framework("F1")
    world.agent("A")
    world.allocate()
    world.agent("A", "cpus:2;mem:100")
    (made,) = world.allocate()
    assert made.resources == bag("cpus:2;mem:100")


def test_what_comes_from_the_unknown_is_ignored():
    world = World()
    world.framework("F1")
    world.agent("A")
    (made,) = world.allocate()
    for framework, role, agent in [("F9", "*", "A"), ("F1", "x", "A"), ("F1", "*", "A9")]:
        world.allocator.recover(framework, role, agent, made.resources, now=0.0, refuse_s=5.0)
    assert world.allocator.next_deadline() is None


def test_nothing_is_given_back_twice():
    world = World()
    world.framework("F1")
    world.agent("A")
    (made,) = world.allocate()
    world.give_back(made)
    with pytest.raises(InvariantError):
        world.give_back(made)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.add_framework("F1", ["*"], filters={}),
        lambda a: a.update_framework("F9", ["*"], filters={}),
        lambda a: a.remove_framework("F9"),
        lambda a: a.suppress("F9", ["*"]),
        lambda a: a.remove_agent("A9"),
    ],
)
def test_the_master_may_not_lose_track(call):
    world = World()
    world.framework("F1")
    with pytest.raises(InvariantError):
        call(world.allocator)


def test_an_agent_may_not_run_more_than_it_has():
    world = World()
    world.framework("F1")
    with pytest.raises(InvariantError):
        world.agent("A", "cpus:1;mem:100", used={("F1", "*"): bag("cpus:2")})
    with pytest.raises(InvariantError):
        world.agent("A", "cpus:1;ports:[1-9]", used={("F1", "*"): bag("ports:[1-5]"), ("F1", "a"): bag("ports:[5-9]")})
    assert world.offers() == []


def test_tampered_accounts_are_noticed():
    world = World()
    world.framework("F1")
    world.agent("A")
    world.allocate()
    agent = world.allocator._accounts.agents["A"]
    agent.free = bag("cpus:1")
    with pytest.raises(InvariantError):
        world.allocator.check()


def test_nothing_is_left_behind():
    world = World()
    allocator = world.allocator
    for number in range(300):
        framework, agent = f"F{number}", f"A{number}"
        world.framework(framework, f"r{number}/x")
        world.agent(agent, f"cpus:4;mem:4096;thing{number}:1", rack=f"r{number}")
        allocator.request(framework, f"r{number}/x", [Demand(slice=bag("cpus:1"), count=2)])
        (made,) = world.allocate()
        world.give_back(made, refuse_s=1e6, resources="cpus:1")
        world.allocate()
        if number % 2:
            allocator.remove_framework(framework)
            allocator.remove_agent(agent)
        else:
            allocator.remove_agent(agent)
            allocator.remove_framework(framework)
    world.allocate()
    parts = [allocator._sorter, allocator._filters, allocator._minima, allocator._refusals, allocator._accounts]
    for part in [allocator, *parts]:
        for name, value in vars(part).items():
            if name not in ("_free_masks", "_min_allocatable", "_lapses"):
                assert not isinstance(value, (dict, list)) or not value, name
    assert len(allocator._refusals._lapses) <= 64
    assert len(allocator._free_masks) <= 2  # masks are used again, so that they stay short
