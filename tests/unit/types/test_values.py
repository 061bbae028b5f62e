import math

import pytest

from mesos_py.errors import UserError
from mesos_py.types.values import (
    format_scalar,
    format_value,
    normal_ranges,
    parse_value,
    ranges_common,
    ranges_contain,
    ranges_minus,
    scalar_from,
    scalar_to_number,
    signed_scalar_from,
    value_common,
    value_contains,
    value_from_wire,
    value_minus,
    value_plus,
    value_to_wire,
)


@pytest.mark.parametrize(
    ("number", "thousandths"), [(1.5, 1500), (1.5123, 1512), (0.1 + 0.2, 300), (2, 2000), (0.0004, 0), (1e12, 10**15)]
)
def test_scalars_are_whole_thousandths(number, thousandths):
    assert scalar_from(number) == thousandths


def test_scalars_look_short():
    assert [format_scalar(n) for n in (0, 1, 10, 1500, 2000, -1500, -1)] == [
        "0",
        "0.001",
        "0.01",
        "1.5",
        "2",
        "-1.5",
        "-0.001",
    ]
    assert scalar_to_number(1500) == 1.5
    assert signed_scalar_from(-1.5) == -1500


NO_SCALARS = [-1, math.nan, math.inf, -math.inf, 1e13, 1e308, 10**400, True, "1", None]


@pytest.mark.parametrize("number", NO_SCALARS, ids=lambda number: f"{number!r:.20}")
def test_what_is_no_scalar_is_refused(number):
    with pytest.raises(UserError):
        scalar_from(number)


@pytest.mark.parametrize(
    ("pairs", "normal"),
    [
        ([], ()),
        ([(3, 5), (1, 2)], ((1, 5),)),
        ([(1, 9), (2, 3)], ((1, 9),)),
        ([(1, 2), (4, 5)], ((1, 2), (4, 5))),
        ([(1, 1), (1, 1)], ((1, 1),)),
    ],
)
def test_ranges_merge_overlaps_and_neighbours(pairs, normal):
    assert normal_ranges(pairs) == normal


NO_RANGES = [[(2, 1)], [(-1, 1)], [(1,)], [(1, 2, 3)], ["12"], [b"12"], [1], [(1.0, 2)], [(True, 1)], [(0, 2**63)]]


@pytest.mark.parametrize("pairs", NO_RANGES)
def test_what_is_no_range_is_refused(pairs):
    with pytest.raises(UserError):
        normal_ranges(pairs)


def test_ranges_subtract_and_intersect():
    ten = ((1, 10),)
    assert ranges_minus(ten, ((1, 10),)) == ()
    assert ranges_minus(ten, ((0, 3), (5, 5), (9, 20))) == ((4, 4), (6, 8))
    assert ranges_minus(((1, 2), (4, 6)), ((2, 4),)) == ((1, 1), (5, 6))
    assert ranges_common(ten, ((0, 2), (8, 12))) == ((1, 2), (8, 10))
    assert ranges_contain(ten, ((2, 3), (10, 10)))
    assert not ranges_contain(ten, ((10, 11),))


def test_many_ranges_take_one_walk():
    many = tuple((n * 10, n * 10 + 5) for n in range(4000))
    assert ranges_minus(many, many) == ()
    assert len(ranges_minus(many, tuple((n * 10 + 2, n * 10 + 2) for n in range(4000)))) == 8000


KINDS = [1000, ((1, 2),), frozenset("a")]


@pytest.mark.parametrize(("left", "right"), [(a, b) for a in KINDS for b in KINDS if a is not b])
def test_kinds_do_not_mix(left, right):
    assert not value_contains(left, right)
    assert not value_common(left, right)
    with pytest.raises(UserError):
        value_plus(left, right)


@pytest.mark.parametrize("value", KINDS)
def test_each_kind_adds_subtracts_and_has_two_forms(value):
    assert value_contains(value, value)
    assert value_common(value, value) == value
    assert not value_minus(value, value)
    assert value_minus(value_plus(value, value), value) in (value, (), frozenset())
    assert parse_value(format_value(value)) == value
    assert value_from_wire(value_to_wire(value)) == value


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "Infinity", "1_0", "0x10", "1.2.3", "٣", "", "1 2"])
def test_what_is_no_number_range_or_set_is_text(text):
    assert parse_value(f" {text} ") == text
    assert format_value(text) == text


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1000), ("+1.", 1000), ("-.5", -500), ("1e3", 10**6), ("{}", frozenset())]
)
def test_numbers_and_sets_in_all_spellings(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["[1-2", "{a", "[x]", "[1--2]", "[2-1]", "1e99", "{a;b}", "{a{}"])
def test_what_begins_as_a_value_must_end_as_one(text):
    with pytest.raises(UserError):
        parse_value(text)
