"""In which order frameworks and roles are served."""

from collections import Counter

import pytest
from allocator_world import World, bag

from mesos_py.allocator.drf import drf
from mesos_py.allocator.priority import priority
from mesos_py.allocator.sorter import MOST_OTHERS
from mesos_py.errors import ConfigError, UserError


def served(world):
    return [framework for framework, _ in world.offers()]


def test_whole_agents_go_round_equal_frameworks():
    world = World()
    world.framework("F1")
    world.framework("F2")
    for number in range(4):
        world.agent(f"A{number}")
    assert served(world) == ["F1", "F2", "F1", "F2"]


def test_the_dominant_share_decides_not_the_number_of_offers():
    world = World()
    world.framework("F1")
    world.framework("F2")
    world.agent("big", "cpus:6;mem:10")
    for number in range(3):
        world.agent(f"small{number}", "cpus:1;mem:10")
    assert served(world) == ["F1", "F2", "F2", "F2"]  # 6/9 of the cpus against 3/4 of the memory


def test_equal_shares_of_different_resources_tie_exactly():
    world = World()
    world.framework("F1")
    world.framework("F2")
    world.agent("A1", "cpus:1;mem:7")  # cpus 1/3, mem 7/21: the same third
    world.agent("A2", "cpus:1;mem:7")
    world.agent("A3", "cpus:1;mem:7")
    first = world.allocate()
    assert [made.framework_id for made in first] == ["F1", "F2", "F1"]


def test_ties_go_to_who_was_served_less_often_then_to_the_first_name():
    world = World()
    world.framework("F2")
    world.framework("F1")
    world.agent("A")
    (made,) = world.allocate()
    assert made.framework_id == "F1"
    world.give_back(made)
    (made,) = world.allocate()
    assert made.framework_id == "F2"
    world.give_back(made)
    assert served(world) == ["F1"]


def test_what_runs_on_a_returning_agent_counts():
    world = World()
    world.framework("F1")
    world.framework("F2")
    world.agent("A1", used={("F1", "*"): bag("cpus:4;mem:4096")})
    world.agent("A2")
    assert served(world) == ["F2"]


def test_an_inactive_framework_gets_nothing_and_its_tasks_weigh_on_its_role():
    world = World()
    world.framework("F1", "a", active=False)
    world.framework("F2", "a")
    world.framework("F3", "b")
    world.agent("A1", used={("F1", "a"): bag("cpus:4;mem:4096")})
    world.agent("A2")
    world.agent("A3")
    assert served(world) == ["F3", "F2"]


def test_what_was_given_while_alone_in_line_counts_when_others_come_back():
    world = World()
    world.framework("F1")
    world.framework("F2", suppressed=["*"])
    world.agent("A1", "cpus:1;mem:100")
    world.agent("A2", "cpus:1;mem:100")
    made = world.allocate()
    assert [one.framework_id for one in made] == ["F1", "F1"]
    world.give_back(made[0])
    world.allocator.revive("F2", ["*"])
    assert served(world) == ["F2"]


def test_weights_are_proportions():
    world = World(weights={"a": 2.0})
    world.framework("F1", "a")
    world.framework("F2", "b")
    for number in range(9):
        world.agent(f"A{number}")
    assert Counter(served(world)) == {"F1": 6, "F2": 3}


def test_weights_change_later_allocations_only():
    world = World()
    world.framework("F1", "a")
    world.framework("F2", "b")
    for number in range(4):
        world.agent(f"A{number}")
    assert Counter(served(world)) == {"F1": 2, "F2": 2}
    world.allocator.set_weight("a", 5.0)
    assert world.allocator.next_deadline() is None
    for number in range(4, 12):
        world.agent(f"A{number}")
    assert Counter(served(world)) == {"F1": 8}  # up to 10 : 2


def test_weights_compare_siblings_only():
    # eng (1) and ads (1) get 6 each; within eng, web (2) gets 4 and db (1) gets 2
    world = World(weights={"eng/web": 2.0})
    world.framework("W", "eng/web")
    world.framework("D", "eng/db")
    world.framework("A", "ads")
    for number in range(12):
        world.agent(f"A{number}")
    assert Counter(served(world)) == {"A": 6, "W": 4, "D": 2}


def test_frameworks_of_a_role_count_together_beside_its_sub_roles():
    # eng has two frameworks of its own and one sub-role: the two share what is the sub-role's equal
    world = World()
    world.framework("E1", "eng")
    world.framework("E2", "eng")
    world.framework("W", "eng/web")
    for number in range(8):
        world.agent(f"A{number}")
    assert Counter(served(world)) == {"W": 4, "E1": 2, "E2": 2}


def test_one_framework_is_served_once_in_each_of_its_roles():
    world = World()
    world.framework("F1", "a", "b")
    world.framework("F2", "a")
    for number in range(4):
        world.agent(f"A{number}")
    assert Counter((made.framework_id, made.role) for made in world.allocate()) == {
        ("F1", "b"): 2,
        ("F1", "a"): 1,
        ("F2", "a"): 1,
    }


def test_priority_serves_the_higher_weight_first_and_shares_among_equals():
    world = World(priority, weights={"gold": 10.0})
    world.framework("S1", "silver")
    world.framework("T1", "tin")
    world.framework("G1", "gold")
    world.framework("G2", "gold")
    for number in range(4):
        world.agent(f"A{number}")
    made = world.allocate()
    assert Counter(one.framework_id for one in made) == {"G1": 2, "G2": 2}
    for one in made:
        world.give_back(one, refuse_s=60.0)
    world.now = 1.0
    assert Counter(served(world)) == {"G1": 2, "G2": 2}  # each has refused the other half
    world.allocator.suppress("G1", ["gold"])
    world.allocator.suppress("G2", ["gold"])
    for number in range(4, 8):
        world.agent(f"A{number}")
    assert served(world) == ["S1", "T1", "S1", "T1"]


@pytest.mark.parametrize("policy", [drf, priority])
@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_a_number_above_zero(policy, weight):
    with pytest.raises(ConfigError):
        World(policy, weights={"a": weight})
    with pytest.raises(UserError):
        World(policy).allocator.set_weight("a", weight)


def test_shares_show_roles_in_line_with_what_is_below_them():
    world = World(weights={"eng": 2.0})
    world.framework("E", "eng")
    world.framework("W", "eng/web")
    world.framework("A", "ads")
    world.agent("A1", "cpus:8;mem:100", used={("W", "eng/web"): bag("cpus:4"), ("A", "ads"): bag("mem:25")})
    shares = world.allocator.shares()
    assert [(s.role, s.weight, s.dominant_share, s.allocated, s.frameworks) for s in shares] == [
        ("ads", 1.0, 0.25, bag("mem:25"), 1),  # level with eng, 0.25 / 1 and 0.5 / 2, and first by name
        ("eng", 2.0, 0.5, bag("cpus:4"), 1),  # what eng has itself is nothing, so it is before its sub-role
        ("eng/web", 1.0, 0.5, bag("cpus:4"), 1),
    ]


def test_a_resource_that_leaves_the_cluster_is_forgotten():
    world = World()
    world.framework("F1", "a")
    world.agent("A1", "cpus:1;mem:100;fpgas:2", used={("F1", "a"): bag("fpgas:1")})
    world.agent("A2", "cpus:1;mem:100")
    (share,) = world.allocator.shares()
    assert share.dominant_share == 0.5
    world.allocator.remove_agent("A1")
    world.allocate()
    (share,) = world.allocator.shares()
    assert (share.dominant_share, share.allocated) == (1.0, bag("cpus:1;mem:100"))


def test_agents_cannot_name_resources_without_end():
    world = World()
    world.framework("F1", "a")
    world.agent("A0", "cpus:1;" + ";".join(f"x{number}:1" for number in range(250)))
    odd = bag("x0:1;x249:1")
    world.agent("A1", "cpus:1;mem:100;x0:2;x249:2;y:1", used={("F1", "a"): odd})
    made = world.allocate()
    (share,) = world.allocator.shares()
    assert len(dict(share.allocated.items())) == MOST_OTHERS + 2
    assert (share.allocated.get("x0"), share.allocated.get("mem"), share.allocated.get("x249")) == (3000, 100_000, None)
    world.allocator.recover("F1", "a", "A1", odd, now=0.0, used=True)
    for one in made:
        world.give_back(one)
    world.allocator.remove_agent("A0")
    world.allocate()
    world.agent("A2", "cpus:1;z:1", used={("F1", "a"): bag("z:1")})
    world.allocate()
    (share,) = world.allocator.shares()
    assert (share.allocated.get("z"), share.allocated.get("y")) == (1000, None)
    for agent_id in ("A1", "A2"):
        world.allocator.remove_agent(agent_id)
    world.agent("A3", "cpus:1;y:1")
    world.allocate()
    (share,) = world.allocator.shares()
    assert share.allocated == bag("cpus:1;y:1")
