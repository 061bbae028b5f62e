"""Which agents a framework's filter keeps from it."""

import pytest
from allocator_world import World, bag

from mesos_py.allocator.filters import MAX_CONSTRAINTS, why_not_filter
from mesos_py.types.infos import AttributeConstraint, OfferFilter, Operator


def constraint(attribute, operator, value=""):
    return AttributeConstraint(attribute=attribute, operator=Operator(operator), value=value)


def accepted(*constraints, before=True, **options):
    """The agents that a framework with this filter is offered, subscribed before or after they join."""
    offer_filter = OfferFilter(constraints=list(constraints), **options)
    world = World()
    if before:
        world.framework("F1", filters={"*": offer_filter})
    world.agent("r1", rack="r1", level=2.0, ports=[[1, 5]])
    world.agent("r2", rack="r2", level=2.5)
    world.agent("none")
    if not before:
        world.framework("F1", filters={"*": offer_filter})
    return {agent for _, agent in world.offers()}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("attribute", "operator", "value", "agents"),
    [
        ("rack", "EXISTS", "", {"r1", "r2"}),
        ("rack", "NOT_EXISTS", "", {"none"}),
        ("rack", "EQUALS", "r1", {"r1"}),
        ("rack", "NOT_EQUALS", "r1", {"r2", "none"}),
        ("rack", "MATCHES", "r[0-9]", {"r1", "r2"}),
        ("rack", "MATCHES", "r", set()),
        ("rack", "NOT_MATCHES", ".*2", {"r1", "none"}),
        ("level", "EQUALS", "2", {"r1"}),
        ("level", "MATCHES", r"2\.5", {"r2"}),
        ("ports", "EQUALS", "[1-5]", {"r1"}),
        ("@hostname", "EQUALS", "none", {"none"}),
        ("@hostname", "NOT_MATCHES", "r.", {"none"}),
        ("@hostname", "EXISTS", "", {"r1", "r2", "none"}),
        ("rack", "MATCHES", "(", set()),
        ("rack", "NOT_MATCHES", "(", set()),
        ("rack", "NOT_MATCHES", "\ud800", {"r1", "r2", "none"}),
    ],
)
def test_constraints(attribute, operator, value, agents, before):
    assert accepted(constraint(attribute, operator, value), before=before) == agents


def test_all_constraints_must_hold():
    assert accepted(constraint("rack", "EXISTS"), constraint("@hostname", "NOT_EQUALS", "r1")) == {"r2"}


@pytest.mark.parametrize("before", [True, False])
def test_hosts(before):
    assert accepted(hosts=["r1", "none", "elsewhere"], before=before) == {"r1", "none"}
    assert accepted(hosts=[], before=before) == set()


def test_an_offer_holds_the_least_that_is_worth_offering():
    world = World()
    world.framework("F1", "ads", filters={"ads": OfferFilter(least=bag("cpus:3"))})
    world.agent("A1", "cpus:2;mem:100")
    world.agent("A2", "cpus:2;cpus(ads):1;mem:100")
    assert world.offers() == [("F1", "A2")]


def test_reservations_at_several_levels_add_up_to_the_least():
    world = World()
    world.framework("F1", "eng", filters={"eng": OfferFilter(least=bag("cpus:3"))})
    world.framework("F2", "eng/web", filters={"eng/web": OfferFilter(least=bag("cpus:3"))})
    world.agent("A1", "cpus(eng):1;cpus(eng/web):2;mem:100")
    assert world.offers() == [("F2", "A1")]


def test_a_filter_is_for_its_role_alone():
    world = World()
    world.framework("F1", "a", "b", filters={"a": OfferFilter(hosts=[])})
    world.agent("A1")
    world.agent("A2")
    assert {made.role for made in world.allocate()} == {"b"}


def test_subscribing_again_replaces_the_filter():
    world = World()
    world.framework("F1", filters={"*": OfferFilter(hosts=["A2"], constraints=[constraint("rack", "EXISTS")])})
    world.agent("A1")
    assert world.offers() == []
    world.allocator.update_framework("F1", ["*"], filters={})
    assert world.offers() == [("F1", "A1")]


def test_the_next_in_line_is_asked_when_the_first_does_not_want():
    world = World()
    world.framework("F1", filters={"*": OfferFilter(hosts=[])})
    world.framework("F2")
    world.agent("A1")
    assert world.offers() == [("F2", "A1")]


@pytest.mark.parametrize(
    ("offer_filter", "why"),
    [
        (OfferFilter(), None),
        (OfferFilter(hosts=["a"], constraints=[constraint("rack", "MATCHES", "r[0-9]+")]), None),
        (OfferFilter(constraints=[constraint("rack", "MATCHES", "(")]), "missing )"),
        (OfferFilter(constraints=[constraint("rack", "NOT_MATCHES", r"(a)\1")]), "invalid escape"),
        (OfferFilter(constraints=[constraint("rack", "MATCHES", "((a{100}){100}){100}")]), "repetition"),
        (OfferFilter(constraints=[constraint("rack", "MATCHES", r"(\pL{500}){2}")]), "is none"),
        (OfferFilter(constraints=[constraint("", "EXISTS")]), "no attribute"),
        (OfferFilter(constraints=[constraint("x", "EXISTS")] * (MAX_CONSTRAINTS + 1)), "at most"),
        (OfferFilter(least=bag("cpus(ads):1")), "unreserved"),
    ],
)
def test_a_filter_that_cannot_be_used_says_why(offer_filter, why):
    answer = why_not_filter(offer_filter)
    assert answer is None if why is None else why in (answer or "")


def test_a_hostile_pattern_takes_no_time():
    offer_filter = OfferFilter(constraints=[constraint("@hostname", "MATCHES", "(a*)*(a*)*(a*)*b")])
    assert why_not_filter(offer_filter) is None
    world = World()
    world.framework("F1", filters={"*": offer_filter})
    world.agent("a" * 5000)
    assert world.offers() == []
