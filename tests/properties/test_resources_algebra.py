"""Laws that hold for all resources, checked against a dumb model where there is one."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesos_py.errors import UserError
from mesos_py.types.ids import Role
from mesos_py.types.resources import Resources, key_name, key_role
from mesos_py.types.roles import ANY_ROLE, ancestors, is_within
from mesos_py.types.values import format_scalar, normal_ranges, parse_value, scalar_from, scalar_to_number
from tests.support.strategies_messages import large_scalars, resources, roles, scalars

bags = resources()


@given(bags, bags)
def test_addition_commutes(a, b):
    assert a + b == b + a


@given(bags, bags, bags)
def test_addition_associates(a, b, c):
    assert (a + b) + c == a + (b + c) == Resources.sum([a, b, c])


@given(bags)
def test_nothing_changes_nothing(a):
    assert a + Resources() == a == a - Resources()
    assert a - a == Resources()
    assert not a - a


@given(bags, bags)
def test_a_sum_contains_its_parts(a, b):
    assert (a + b).contains(a)
    assert (a + b).contains(b)


@given(bags, bags)
def test_what_was_added_can_be_taken_out(a, b):
    rest = (a + b) - b
    assert a.contains(rest)
    if not any(isinstance(value, (tuple, frozenset)) for _, value in (*a.items(), *b.items())):
        assert rest == a  # ranges and sets add by union, so there the parts may overlap


@given(bags, bags)
def test_contains_exactly_when_subtraction_works(a, b):
    try:
        rest = a - b
    except ValueError:
        assert not a.contains(b)
    else:
        assert a.contains(b)
        assert rest + b == a


@given(bags, bags)
def test_containing_one_another_is_being_equal(a, b):
    assert (a.contains(b) and b.contains(a)) == (a == b)


@given(bags)
def test_text_and_wire_lead_back(a):
    assert Resources.parse(str(a)) == a
    assert Resources.from_wire(a.to_wire()) == a
    assert hash(Resources.parse(str(a))) == hash(a)


@given(bags)
def test_no_arithmetic_changes_its_operands(a):
    before, wire = str(a), a.to_wire()
    wire["cpus"] = -1
    for value in wire.values():
        if isinstance(value, list):
            value.clear()
    _ = a + a, a - a, a.flatten(), a.unreserved(), a.find(a)
    assert str(a) == before


@given(bags)
def test_flat_is_the_same_amount_for_anybody(a):
    flat = a.flatten()
    assert flat == flat.flatten()
    assert flat.roles() == set()
    assert flat.quantities() == a.quantities()
    assert flat.ports == a.ports


@given(bags)
def test_every_key_is_reserved_or_not(a):
    assert a.unreserved() + a.reserved() == a
    assert Resources.sum([a.unreserved(), *(a.reserved(role) for role in sorted(a.roles()))]) == a
    assert a.has_reservations == bool(a.roles()) == bool(a.reserved())


@given(bags, roles)
def test_available_to_a_role_is_what_its_ancestors_hold(a, role):
    expected = [key for key, _ in a.items() if key_role(key) == ANY_ROLE or is_within(role, key_role(key))]
    assert [key for key, _ in a.available_to(role).items()] == expected


@given(bags, resources(reserved=False))
def test_find_gives_a_part_whose_flat_form_is_wanted(a, wanted):
    found = a.find(wanted)
    if found is None:
        assert not a.flatten().contains(wanted)
    else:
        assert a.contains(found)
        assert found.flatten() == wanted


@given(bags, resources(reserved=False))
def test_find_uses_reserved_parts_first(a, wanted):
    found = a.find(wanted)
    if found is not None:
        left = a - found
        for key, value in found.unreserved().items():
            same_name = [other for other, rest in left.reserved().items() if key_name(other) == key]
            assert not same_name or isinstance(value, (tuple, frozenset))


@given(st.lists(scalars(), max_size=20))
def test_sums_of_scalars_do_not_drift(numbers):
    total = Resources.sum(Resources.of(cpus=number) for number in numbers)
    assert total.scalar("cpus") == sum(round(number * 1000) for number in numbers)


@given(large_scalars())
@example(0.001)
def test_scalars_survive_text_and_wire(number):
    thousandths = scalar_from(number)
    assert scalar_from(scalar_to_number(thousandths)) == thousandths
    assert parse_value(format_scalar(thousandths)) == thousandths


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=8)


def numbers_in(ranges) -> set[int]:
    return {number for begin, end in ranges for number in range(begin, end + 1)}


@given(spans, spans)
def test_ranges_behave_as_sets_of_numbers(left, right):
    a, b = Resources({"ports": normal_ranges(left)}), Resources({"ports": normal_ranges(right)})
    assert numbers_in((a + b).ports) == numbers_in(left) | numbers_in(right)
    assert a.contains(b) == (numbers_in(left) >= numbers_in(right))
    if a.contains(b):
        assert numbers_in((a - b).ports) == numbers_in(left) - numbers_in(right)


@given(spans)
def test_normal_ranges_are_sorted_apart_and_unique(pairs):
    normal = normal_ranges(pairs)
    assert normal_ranges(reversed(normal)) == normal
    assert all(end + 1 < begin for (_, end), (begin, _) in pairwise(normal))


@given(roles)
def test_a_role_is_within_all_its_ancestors(role):
    above = list(ancestors(role))
    assert above[0] == role
    assert above[-1] == role.partition("/")[0]
    assert all(is_within(role, one) for one in above)
    assert not is_within(role, Role(role + "x"))


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.floats(), st.text(max_size=5), st.none(), st.booleans())))
def test_a_strange_object_is_read_or_refused(wire):
    try:
        read = Resources.from_wire(wire)
    except UserError:
        return
    assert Resources.from_wire(read.to_wire()) == read == Resources.parse(str(read))


@given(st.text(max_size=30))
@example("cpus:NaN")
@example("cpus:1e400")
@example("cpus:1_000")
@example("cpus:١")
@example("a:{b;c}")
@example("mem:-1")
def test_a_strange_text_is_read_or_refused(text):
    try:
        read = Resources.parse(text)
    except UserError:
        return
    assert Resources.parse(str(read)) == read


@pytest.mark.parametrize("wire", [{"cpus": True}, {"cpus": 1.0}, {"cpus": False}, {"cpus": 1}])
def test_what_is_shared_does_not_depend_on_what_came_before(wire):
    if isinstance(wire["cpus"], bool):
        with pytest.raises(UserError, match="not a number"):
            Resources.from_wire(wire)
    else:
        assert Resources.from_wire(wire) is Resources.from_wire({"cpus": 1})
