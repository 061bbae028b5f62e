"""Worked examples; the laws are in tests/properties/test_resources_algebra.py."""

import copy

import pytest

from mesos_py.errors import UserError
from mesos_py.types.ids import Role
from mesos_py.types.resources import EMPTY, MAX_KEYS, Resources, key_name, key_of, key_role
from mesos_py.types.values import MAX_PIECES

parse = Resources.parse
of = Resources.of


def test_the_example_of_the_attributes_and_resources_page():
    """Mesos docs/attributes-resources.md, Examples."""
    agent = parse("cpus:24;gpus:2;mem:24576;disk:409600;ports:[21000-24000,30000-34000];bugs(debug_role):{a,b,c}")
    assert (agent.cpus, agent.gpus, agent.mem, agent.disk) == (24, 2, 24576, 409600)
    assert agent.ports == ((21000, 24000), (30000, 34000))
    assert agent.get("bugs(debug_role)") == frozenset("abc")
    assert agent.roles() == {"debug_role"}


def test_numbers_count_to_the_thousandth():
    """Mesos docs/attributes-resources.md, Scalar: 1.5123 is as good as 1.512."""
    assert of(cpus=1.5123) == of(cpus=1.512)
    assert of(cpus=0.1) + of(cpus=0.2) == of(cpus=0.3)
    assert of(cpus=0.3).contains(of(cpus=0.1) + of(cpus=0.2))
    assert of(cpus=0.0004) == EMPTY


def test_over_several_agents_only_numbers_add_up():
    bags = [parse("cpus:1;cpus(ads):2;license:2;ports:[1-2]"), parse("cpus:1;license:{x,y};ports:[1-2]")]
    assert Resources.scalars(bags) == parse("cpus:4;license:2")
    assert Resources.scalars([]) == EMPTY


def test_taking_a_hundred_tenths_leaves_nothing():
    rest = of(cpus=10)
    for _ in range(100):
        rest -= of(cpus=0.1)
    assert not rest


def test_ranges_join_and_split():
    assert parse("ports:[1-3]") + parse("ports:[4-6,9-9]") == parse("ports:[1-6,9-9]")
    assert parse("ports:[1-10]") - parse("ports:[3-4,8-8]") == parse("ports:[1-2,5-7,9-10]")
    assert not parse("ports:[1-5,7-10]").contains(parse("ports:[4-8]"))


def test_sets_add_by_union_and_subtract_by_difference():
    assert parse("disks:{a,b}") + parse("disks:{b,c}") == parse("disks:{a,b,c}")
    assert parse("disks:{a,b}") - parse("disks:{b}") == parse("disks:{a}")
    with pytest.raises(ValueError, match="does not contain"):
        parse("disks:{a}") - parse("disks:{b}")


def test_more_than_there_is_cannot_be_taken():
    with pytest.raises(ValueError, match=r"cpus:1 does not contain cpus:1\.001"):
        of(cpus=1) - of(cpus=1.001)
    with pytest.raises(ValueError, match="does not contain"):
        of(cpus=1) - of(mem=1)


def test_reserved_and_unreserved_do_not_merge():
    assert of(cpus=1) + of(cpus=1, role=Role("ads")) == parse("cpus:1;cpus(ads):1")
    assert not of(cpus=4).contains(of(cpus=1, role=Role("ads")))


def test_a_role_is_offered_what_its_ancestors_hold():
    """Mesos docs/roles.md: a parent's reservation goes to its descendants, not upward or sideways."""
    agent = parse("cpus:1;cpus(eng):2;cpus(eng/web):4;cpus(ops):8;cpus(engine):16")
    assert agent.available_to(Role("eng/web/front")).cpus == 1 + 2 + 4
    assert agent.available_to(Role("eng")).cpus == 1 + 2
    assert agent.available_to(Role("*")).cpus == 1
    assert agent.reserved(Role("eng")).cpus == 2
    assert agent.reserved().cpus == 30
    assert agent.unreserved().cpus == 1


def test_find_takes_reserved_first_and_keeps_the_reservation():
    agent = parse("cpus:2;cpus(ads):1;mem:100;ports:[1-3];ports(ads):[5-6]")
    assert agent.find(of(cpus=1.5, mem=10)) == parse("cpus:0.5;cpus(ads):1;mem:10")
    assert agent.find(parse("ports:[2-5]")) is None
    assert agent.find(parse("ports:[3-3,5-5]")) == parse("ports:[3-3];ports(ads):[5-5]")
    assert agent.find(of(cpus=3.001)) is None
    assert of(cpus=2).find(of(cpus=1)) == of(cpus=1)
    assert agent.find(EMPTY) == EMPTY


def test_flatten_forgets_reservations():
    assert parse("cpus:1;cpus(a):2;disks(a):{x};disks(b):{y}").flatten() == parse("cpus:3;disks:{x,y}")


def test_quantities_sum_the_scalars_of_all_roles():
    assert parse("cpus:1;cpus(a):2.5;ports:[1-2];mem(a):7").quantities() == {"cpus": 3500, "mem": 7000}
    assert parse("cpus:1;cpus(a):2.5").scalar("cpus") == 3500
    assert parse("ports:[1-2]").scalar("ports") == 0


def test_text_may_hold_spaces_repeat_names_and_have_a_default_role():
    assert parse(" cpus : 1 ; cpus:2;; ports : [ 1 - 2 , 4-4 ] ; ") == parse("cpus:3;ports:[1-2,4-4]")
    assert parse("cpus:1;mem(x):2", Role("ads")) == parse("cpus(ads):1;mem(x):2")
    assert parse("cpus(*):1") == of(cpus=1)
    assert parse("") == EMPTY
    assert str(parse("mem:1;cpus:0.5;d:{b,a}")) == "cpus:0.5;d:{a,b};mem:1"
    assert repr(of(cpus=1)) == "Resources('cpus:1')"


@pytest.mark.parametrize(
    "text",
    [
        "cpus",
        "cpus:",
        "cpus:two",
        "cpus:-1",
        "cpus:nan",
        "cpus:inf",
        "cpus:1e300",
        "cpus:1_0",
        ":4",
        "cp us:4",
        "cpus(:4",
        "cpus(a:4",
        "cpus(a b):4",
        "cpus(a//b):4",
        "cpus(../b):4",
        "cpus(-a):4",
        "cpus:[1-2]",
        "ports:5",
        "ports:[5-1]",
        "ports:[1-2",
        "ports:[a-b]",
        "ports:[1]",
        "ports:[1-99999999999999999999]",
        "ports:{a}",
        "disks:{a",
        "disks:1;disks:{a}",
        "disks:1;disks(x):{a}",
        "x" * 300 + ":1",
    ],
)
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(UserError):
        parse(text)


def test_the_wire_form_is_a_plain_object_in_alphabetical_order():
    bag = parse("ports:[31000-31005];mem(ads):512;cpus:1.5;disks:{b,a}")
    assert bag.to_wire() == {"cpus": 1.5, "disks": ["a", "b"], "mem(ads)": 512, "ports": [[31000, 31005]]}
    assert list(bag.to_wire()) == sorted(bag.to_wire())
    assert type(of(mem=2.0).to_wire()["mem"]) is int
    assert Resources.from_wire({"cpus": 0, "ports": [], "disk": 0.0}) == EMPTY


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        "cpus:1",
        1,
        {"cpus": "1"},
        {"cpus": None},
        {"cpus": True},
        {"cpus": -0.001},
        {"cpus": float("nan")},
        {"cpus": float("inf")},
        {"cpus": 1e308},
        {"cpus": 10**400},
        {"cpus": {}},
        {"cpus": [[1, 2]]},
        {"ports": 1},
        {"ports": [[2, 1]]},
        {"ports": [[-2, 1]]},
        {"ports": [[1]]},
        {"ports": [[1, 2, 3]]},
        {"ports": [[1.0, 2]]},
        {"ports": [[True, 2]]},
        {"ports": [1, 2]},
        {"ports": ["12"]},
        {"ports": [[1, 2], "a"]},
        {"ports": [[0, 2**63]]},
        {"ports": [[n * 2, n * 2] for n in range(MAX_PIECES + 1)]},
        {"disks": [""]},
        {"disks": [" a"]},
        {"disks": ["a,b"]},
        {"disks": ["a\n"]},
        {"disks": 1, "disks(a)": ["x"]},
        {"": 1},
        {1: 1},
        {"a\0b": 1},
        {"cpus": 1, " cpus": 2},
        {"cpus": 1, "cpus(*)": 2},
        {f"r{n}": 1 for n in range(MAX_KEYS + 1)},
    ],
    ids=lambda wire: f"{wire!r:.30}",
)
def test_a_wire_form_that_makes_no_sense_is_refused(wire):
    with pytest.raises(UserError):
        Resources.from_wire(wire)


def test_two_kinds_under_one_key_do_not_add_and_contain_nothing_of_each_other():
    number, names = parse("licences:1"), parse("licences:{a}")
    with pytest.raises(UserError, match="not of one kind"):
        number + names
    assert not number.contains(names)
    assert not names.contains(number)
    assert names.find(number) is None


def test_parts_taken_out_in_turn_cannot_share_a_port():
    left = parse("cpus:3;ports:[1-2]")
    port = parse("cpus:1;ports:[1-1]")
    assert left.contains(port + port)
    assert left.without([port, port]) is None
    assert left.without([port, parse("ports:[2-2]")]) == of(cpus=2)
    assert left.without([]) == left
    assert left.without([parse("licences:{a}"), parse("licences:1")]) is None


def test_of_refuses_what_is_no_resource():
    with pytest.raises(UserError):
        of(cpus=-1)
    with pytest.raises(UserError):
        of(ports=1)


def test_keys_hold_a_name_and_a_role():
    key = key_of("cpus", Role("ads/web"))
    assert key == "cpus(ads/web)"
    assert (key_name(key), key_role(key)) == ("cpus", "ads/web")
    assert (key_name("cpus"), key_role("cpus")) == ("cpus", "*")


def test_copies_and_dict_keys():
    bag = parse("cpus:1;ports:[1-2]")
    assert copy.deepcopy(bag) == bag
    assert len({bag, parse("ports:[1-2];cpus:1")}) == 1
    assert bag != "cpus:1;ports:[1-2]"
