import pytest

from mesos_py.errors import UserError
from mesos_py.types.attributes import (
    MAX_ATTRIBUTES,
    attribute_text,
    format_attributes,
    parse_attributes,
    why_not_attributes,
)


def test_the_example_of_the_attributes_and_resources_page():
    """Mesos docs/attributes-resources.md, Examples."""
    assert parse_attributes("rack:abc;zone:west;os:centos5;level:10;keys:[1000-1500]") == {
        "rack": "abc",
        "zone": "west",
        "os": "centos5",
        "level": 10,
        "keys": [[1000, 1500]],
    }


@pytest.mark.parametrize(
    "text", ["", "a:b", "a:-1.5", "a:0.125;b:[1-2,4-9]", "a:x y;b:http://host:80/", "a:nan", "a:1_0", "a:1.2.3"]
)
def test_the_normal_text_form_leads_back(text):
    assert format_attributes(parse_attributes(text)) == text


def test_names_come_in_alphabetical_order_and_spaces_go():
    assert format_attributes(parse_attributes(" b : 2.0 ;; a:x ;")) == "a:x;b:2"


@pytest.mark.parametrize(
    "text", ["a", "a:", ":b", "a:1;a:2", "a:{x,y}", "a:[2-1]", "a:[1-2", "a:1e99", "a:" + "x" * 2000, "\0:1"]
)
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(UserError):
        parse_attributes(text)


def test_constraints_see_numbers_to_the_thousandth():
    assert attribute_text(10.0) == "10"
    assert attribute_text(-0.12345) == "-0.123"
    assert attribute_text([[3, 4], [1, 2]]) == "[1-4]"


@pytest.mark.parametrize("value", [1e300, [[5, 1]], [[1]], [[]], [[-1, 4]]])
def test_an_impossible_value_has_a_text_and_a_reason_against_it(value):
    assert attribute_text(value)
    assert "attribute 'a'" in why_not_attributes({"a": value})


def test_attributes_of_a_stranger_are_bounded():
    assert why_not_attributes({f"a{n}": "x" for n in range(MAX_ATTRIBUTES)}) is None
    assert "more than" in why_not_attributes({f"a{n}": "x" for n in range(MAX_ATTRIBUTES + 1)})
    assert "too long" in why_not_attributes({"a": [[n * 2, n * 2] for n in range(5000)]})
    assert "name" in why_not_attributes({"": "x"})
    assert "name" in why_not_attributes({"a;b": "x"})
