"""Offers cut to what a framework says it wants."""

from allocator_world import World, bag

from mesos_py.types.infos import Demand, OfferFilter


def demand(slice_, count):
    return Demand(slice=bag(slice_), count=count)


def wanting_world(*demands, agents=1, total="cpus:4;mem:4096;disk:10", **options):
    world = World()
    world.framework("F1", **options)
    for number in range(agents):
        world.agent(f"A{number}", total)
    world.allocator.request("F1", "*", demands)
    return world


def offered(world):
    return [str(made.resources) for made in world.allocate()]


def test_offers_are_whole_slices_up_to_the_count():
    world = wanting_world(demand("cpus:1.5;mem:100", 5), agents=3)
    assert offered(world) == ["cpus:3;mem:200", "cpus:3;mem:200", "cpus:1.5;mem:100"]
    assert world.allocator.next_deadline() is None


def test_the_rest_of_an_agent_goes_to_others():
    world = wanting_world(demand("cpus:1;mem:96", 1))
    world.framework("F2")
    assert offered(world) == ["cpus:1;mem:96", "cpus:3;disk:10;mem:4000"]


def test_several_demands_are_packed_together():
    world = wanting_world(demand("cpus:3;mem:10", 2), demand("cpus:1;mem:10", 2), agents=2)
    assert offered(world) == ["cpus:4;mem:20", "cpus:4;mem:20"]


def test_slices_that_are_ranges_are_given_once():
    world = wanting_world(demand("cpus:1;ports:[5-6]", 3), total="cpus:4;mem:10;ports:[1-9]")
    assert offered(world) == ["cpus:1;ports:[5-6]"]


def test_reserved_parts_are_used_first():
    world = World()
    world.framework("F1", "ads")
    world.agent("A", "cpus:2;cpus(ads):1;mem:100")
    world.allocator.request("F1", "ads", [demand("cpus:2;mem:50", 1)])
    assert offered(world) == ["cpus:1;cpus(ads):1;mem:50"]


def test_a_count_of_zero_says_no_offers_and_no_demand_says_all():
    world = wanting_world(demand("cpus:1", 0))
    assert offered(world) == []
    world.allocator.request("F1", "*", [])
    assert offered(world) == ["cpus:4;disk:10;mem:4096"]


def test_what_returns_unrefused_is_wanted_again():
    world = wanting_world(demand("cpus:2;mem:10", 1))
    (made,) = world.allocate()
    world.give_back(made)
    assert offered(world) == ["cpus:2;mem:10"]


def test_what_is_refused_is_not_wanted_again():
    world = wanting_world(demand("cpus:2;mem:10", 1))
    (made,) = world.allocate()
    world.give_back(made, refuse_s=5.0)
    world.now = 100.0
    assert offered(world) == []


def test_what_a_task_used_is_not_wanted_again():
    world = wanting_world(demand("cpus:2;mem:10", 1))
    (made,) = world.allocate()
    world.allocator.recover(made.framework_id, made.role, made.agent_id, made.resources, now=world.now, used=True)
    assert offered(world) == []


def test_what_was_used_on_an_agent_that_leaves_is_not_wanted_again():
    world = wanting_world(demand("cpus:2;mem:10", 1), agents=2)
    (made,) = world.allocate()
    world.allocator.remove_agent(made.agent_id)
    assert offered(world) == []


def test_never_more_is_wanted_than_was_stated():
    world = World()
    world.framework("F1")
    world.agent("A", used={("F1", "*"): bag("cpus:2;mem:20")})
    world.allocator.request("F1", "*", [demand("cpus:1;mem:10", 1)])
    world.allocator.recover("F1", "*", "A", bag("cpus:2;mem:20"), now=0.0)
    assert offered(world) == ["cpus:1;mem:10"]
    assert offered(world) == []


def test_a_demand_reopened_elsewhere_finds_what_lies_idle():
    world = wanting_world(demand("cpus:2;mem:10", 1), total="cpus:2;mem:10", agents=2)
    (made,) = world.allocate()
    world.give_back(made)
    world.allocator.remove_agent(made.agent_id)
    assert [(one.agent_id, str(one.resources)) for one in world.allocate()] == [("A1", "cpus:2;mem:10")]


def test_a_slice_too_small_to_offer_gives_way_once_it_is_met_elsewhere():
    """A0 would hold the large slice, but not beside the small one, which A1 has room for."""
    world = World()
    world.framework("F1")
    demands = [demand("cpus:0.001", 1), demand("cpus:4;mem:400", 1), demand("cpus:1;disk:50", 1)]
    world.allocator.request("F1", "*", demands)
    assert world.allocate() == []
    world.agent("A0", "cpus:4;mem:400")
    world.agent("A1", "cpus:2;mem:400;disk:50")
    placed = [(made.agent_id, str(made.resources)) for made in world.allocate()]
    assert placed == [("A1", "cpus:1.001;disk:50"), ("A0", "cpus:4;mem:400")]


def test_a_demand_that_is_withdrawn_may_leave_room_for_another():
    world = wanting_world(demand("cpus:0.001", 1), demand("cpus:4;mem:4096", 1))
    assert offered(world) == []
    world.allocator.request("F1", "*", [demand("cpus:4;mem:4096", 1)])
    assert offered(world) == ["cpus:4;mem:4096"]


def test_a_cut_that_was_refused_is_not_offered():
    world = wanting_world(demand("cpus:2;mem:10", 1))
    (made,) = world.allocate()
    world.give_back(made, refuse_s=60.0)
    world.allocator.request("F1", "*", [demand("cpus:1;mem:5", 2)])
    world.now = 2.0
    assert offered(world) == []
    world.allocator.request("F1", "*", [demand("cpus:1;mem:5", 3)])
    assert offered(world) == ["cpus:3;mem:15"]


def test_the_least_worth_offering_holds_for_cuts():
    world = wanting_world(demand("cpus:1;mem:10", 1), filters={"*": OfferFilter(least=bag("cpus:2"))})
    assert offered(world) == []
    world.allocator.request("F1", "*", [demand("cpus:1;mem:10", 2)])
    assert offered(world) == ["cpus:2;mem:20"]
