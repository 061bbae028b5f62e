"""What roles are sure of, and what they may not exceed."""

import pytest
from allocator_world import World, bag

from mesos_py.allocator.drf import drf
from mesos_py.allocator.priority import priority
from mesos_py.types.infos import Demand, OfferFilter
from mesos_py.types.offers import Offer
from mesos_py.types.quota import Quota, amounts_from, parse_amounts
from mesos_py.types.resources import Resources


def amounts(text):
    return amounts_from(parse_amounts(text))


def quotas(world, **texts):
    """Guarantee and limit of each role, with a bar between them."""
    made = {}
    for role, text in texts.items():
        guarantee, _, limit = text.partition("|")
        made[role] = Quota(amounts(guarantee), amounts(limit))
    world.allocator.set_quotas(made)


def offered(world):
    """By framework, in all."""
    total = {}
    for made in world.allocate():
        total[made.framework_id] = total.get(made.framework_id, Resources()) + made.resources
    return total


@pytest.fixture(params=[drf, priority])
def world(request):
    return World(request.param)


# Limits


def test_a_role_is_cut_at_its_limit_exactly(world):
    quotas(world, ads="|cpus:2.5;gpus:0")
    world.framework("F1", "ads")
    world.agent("A1", "cpus:2;mem:100;gpus:1;ports:[1-9]")
    world.agent("A2", "cpus:2;mem:100;gpus:1")
    assert offered(world) == {"F1": bag("cpus:2.5;mem:200;ports:[1-9]")}


def test_a_limit_is_of_the_role_with_all_below_it(world):
    quotas(world, ads="|cpus:3")
    world.framework("F1", "ads/web")
    world.framework("F2", "ads")
    world.framework("F3", "adsense")
    for number in range(4):
        world.agent(f"A{number}", "cpus:2;mem:100")
    total = offered(world)
    assert total["F1"].cpus + total["F2"].cpus == 3
    assert total["F3"].cpus == 5


def test_what_comes_back_may_be_given_again(world):
    quotas(world, ads="|cpus:2")
    world.framework("F1", "ads")
    world.agent("A1", "cpus:2;mem:100")
    world.agent("A2", "cpus:2;mem:100")
    [made] = world.allocate()
    world.allocator.remove_agent(made.agent_id)
    assert world.allocator.next_deadline() == 0.0
    assert [again.resources for again in world.allocate()] == [bag("cpus:2;mem:100")]


def test_what_runs_beyond_a_limit_stays(world):
    world.framework("F1", "ads")
    world.agent("A1", "cpus:8;mem:100", used={("F1", "ads"): bag("cpus:4;mem:10")})
    quotas(world, ads="|cpus:2")
    assert world.offers() == []
    [share] = world.allocator.shares()
    assert share.consumed == {"cpus": 4000}


def test_reserved_resources_count_against_a_limit_also_while_they_are_idle(world):
    quotas(world, ads="|cpus:3")
    world.framework("F1", "ads/web")
    world.agent("A1", "cpus:4;mem:100;cpus(ads):2")
    assert offered(world) == {"F1": bag("cpus(ads):2;cpus:1;mem:100")}


def test_held_limits_keep_what_they_speak_of(world):
    world.allocator.hold_limits(True)
    quotas(world, ads="|cpus:3", eng="cpus:1")
    world.framework("F1", "ads")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:1;mem:100")
    world.agent("A2", "cpus:1;mem:100")
    assert world.offers() == [("F2", "A1"), ("F2", "A2")]
    world.agent("A3", "cpus:1;mem:100")
    world.allocator.suppress("F2", ["eng"])
    assert world.offers() == []
    world.allocator.hold_limits(False)
    assert world.offers() == [("F1", "A3")]


# Guarantees


def test_a_role_is_served_first_until_it_has_what_it_is_sure_of(world):
    quotas(world, ads="cpus:3;mem:300")
    world.framework("F1", "ads", "eng")
    world.framework("F2", "eng")
    world.allocator.set_weight("ads", 0.001)
    world.agent("A1", "cpus:2;mem:200")
    world.agent("A2", "cpus:2;mem:200")
    first, second, third = world.allocate()
    assert (first.role, first.resources) == ("ads", bag("cpus:2;mem:200"))
    assert (second.role, second.resources) == ("ads", bag("cpus:1;mem:100"))
    assert (third.role, third.resources) == ("eng", bag("cpus:1;mem:100"))


def test_headroom_is_kept_while_nobody_wants_it(world):
    quotas(world, ads="cpus:3")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:2;mem:200")
    world.agent("A2", "cpus:2;mem:200")
    assert offered(world)["F2"].cpus == 1
    world.agent("A3", "cpus:2;mem:200")
    assert offered(world)["F2"].cpus == 2
    world.framework("F1", "ads")
    assert offered(world)["F1"].cpus == 3


def test_two_roles_do_not_take_each_others_headroom(world):
    quotas(world, ads="cpus:2", eng="cpus:2")
    world.framework("F1", "ads")
    world.agent("A1", "cpus:5;mem:200")
    assert offered(world) == {"F1": bag("cpus:3;mem:200")}


def test_resources_without_a_guarantee_are_shared_as_ever(world):
    quotas(world, ads="gpus:2")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:4;mem:200;gpus:1")
    world.agent("A2", "cpus:4;mem:200")
    assert offered(world) == {"F2": bag("cpus:8;mem:400")}


def test_agents_that_bring_a_role_no_nearer_are_not_its_first(world):
    quotas(world, ads="gpus:2")
    world.framework("F1", "ads")
    world.framework("F2", "eng")
    world.agent("A0", "cpus:1;mem:100", used={("F1", "ads"): bag("cpus:1;mem:100")})
    world.agent("A1", "cpus:4;mem:200")
    assert world.offers() == [("F2", "A1")]


def test_nothing_goes_without_cpus_or_memory_that_are_kept(world):
    """Else the memory that ads needs with its cpus would be lent out with nothing to compute."""
    quotas(world, ads="cpus:4")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:4;mem:200")
    assert world.offers() == []
    world.framework("F1", "ads")
    assert offered(world) == {"F1": bag("cpus:4;mem:200")}


def test_what_is_left_once_the_cpus_are_gone_goes_to_those_who_are_sure_of_it(world):
    quotas(world, ads="cpus:4", eng="mem:100")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:4;mem:200")
    assert world.offers() == []
    world.framework("F1", "ads")
    assert offered(world) == {"F1": bag("cpus:4;mem:100"), "F2": bag("mem:100")}


def test_what_is_free_on_an_inactive_agent_is_no_headroom(world):
    quotas(world, ads="cpus:2")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:2;mem:200")
    world.agent("A2", "cpus:2;mem:200")
    world.allocator.set_agent_active("A1", False)
    assert world.offers() == []
    world.allocator.set_agent_active("A1", True)
    assert offered(world)["F2"].cpus == 2


def test_one_offer_for_the_sure_part_and_the_rest(world):
    quotas(world, ads="cpus:1;mem:10")
    world.framework("F1", "ads")
    world.agent("A1", "cpus:4;mem:200")
    [made] = world.allocate()
    assert made.resources == bag("cpus:4;mem:200")


def test_what_a_role_lacks_comes_first_also_once_another_has_taken_the_cpus_it_may_not_have(world):
    quotas(world, web="mem:200|cpus:0")
    world.framework("F1", "ads")
    world.framework("F2", "eng")
    world.framework("F3", "web")
    world.allocator.request("F1", "ads", [Demand(slice=bag("cpus:8"), count=1)])
    world.agent("A1", "cpus:8;mem:300;disk:50")
    assert offered(world) == {"F1": bag("cpus:8"), "F2": bag("mem:100"), "F3": bag("mem:200;disk:50")}


def test_what_a_role_lacks_comes_first_also_where_it_would_not_have_taken_it_before(world):
    quotas(world, web="cpus:10")
    world.framework("F1", "ads")
    world.framework("F2", "web", filters={"web": OfferFilter(hosts=["A1", "A2"], least=bag("mem:50"))})
    world.allocator.request(
        "F2", "web", [Demand(slice=bag("cpus:4"), count=1), Demand(slice=bag("cpus:1;mem:50"), count=2)]
    )
    world.agent("A1", "cpus:4;mem:100")
    world.agent("A2", "cpus:5;mem:50")
    world.agent("A3", "cpus:20;mem:100")
    made = {(each.framework_id, each.agent_id): each.resources for each in world.allocate()}
    assert made["F2", "A2"] == bag("cpus:5;mem:50")
    assert made["F2", "A1"] == bag("cpus:1;mem:50"), "of the larger slice nothing is left to be wanted"
    assert made["F1", "A1"] == bag("cpus:3;mem:50")


def test_demand_is_cut_from_what_a_quota_allows(world):
    quotas(world, ads="|cpus:5")
    world.framework("F1", "ads")
    world.allocator.request("F1", "ads", [Demand(slice=bag("cpus:2;mem:10"), count=9)])
    world.agent("A1", "cpus:8;mem:200")
    assert offered(world) == {"F1": bag("cpus:4;mem:20")}


def test_without_quotas_all_is_as_before(world):
    quotas(world, ads="cpus:3")
    world.framework("F2", "eng")
    world.agent("A1", "cpus:2;mem:200")
    assert world.offers() == []
    quotas(world)
    assert world.offers() == [("F2", "A1")]
    assert world.allocator.next_deadline() is None


# Taking back


def an_offer(made):
    return Offer(
        offer_id="O",
        framework_id=made.framework_id,
        agent_id=made.agent_id,
        hostname="",
        role=made.role,
        resources=made.resources,
    )


def test_no_more_offers_are_too_much_than_it_takes(world):
    world.framework("F1", "ads")
    world.framework("F2", "eng")
    for number in range(6):
        world.agent(f"A{number}", "cpus:2;mem:200")
    offers = [an_offer(made) for made in reversed(world.allocate())]
    assert world.allocator.excess(offers) == []
    quotas(world, ads="|cpus:4")
    assert world.allocator.excess(offers) == [next(offer for offer in offers if offer.role == "ads")]
    quotas(world, ads="cpus:4", ops="cpus:3")
    back = world.allocator.excess(offers)
    assert [offer.role for offer in back] == ["eng", "ads"]
    quotas(world, ads="cpus:6", eng="cpus:6")
    assert world.allocator.excess(offers) == []


# Reading


def test_roles_with_a_quota_or_weight_are_shown_without_a_framework(world):
    quotas(world, ads="cpus:1|cpus:2")
    world.framework("F1", "ads/web")
    world.allocator.set_weight("ops", 2)
    world.agent("A1", "cpus:4;mem:200;cpus(ads):1", used={("F1", "ads/web"): bag("cpus:0.5;mem:1")})
    shown = {share.role: share for share in world.allocator.shares()}
    assert list(shown) == ["ads/web", "ads", "ops"]
    assert (shown["ads"].frameworks, shown["ads"].consumed) == (0, {"cpus": 1500})
    assert shown["ads"].quota == Quota({"cpus": 1000}, {"cpus": 2000})
    assert shown["ads"].allocated == bag("cpus:0.5;mem:1")
    assert (shown["ops"].weight, shown["ops"].dominant_share, shown["ops"].quota) == (2, 0, Quota())


def test_a_weight_taken_away_is_as_configured():
    world = World(weights={"ads": 3.0})
    world.framework("F1", "ads")
    world.framework("F2", "eng")
    for role in ("ads", "eng"):
        world.allocator.set_weight(role, 5)
        world.allocator.set_weight(role, None)
    assert {share.role: share.weight for share in world.allocator.shares()} == {"ads": 3.0, "eng": 1.0}
