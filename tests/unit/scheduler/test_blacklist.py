"""Nodes on which much fails are left alone for a while, but never most of them."""

import pytest

from mesos_py import Blacklist, BlacklistPolicy, UserError


@pytest.fixture
def blacklist():
    made = Blacklist(BlacklistPolicy(failures=2, within_s=10, for_s=100, most=0.5))
    made.saw(["a", "b", "c"])
    return made


def test_one_piece_of_work_that_fails_again_and_again_is_to_blame_itself(blacklist):
    assert not any(blacklist.failed("a", "same", now) for now in range(5))
    assert blacklist.allows("a", 5.0)


def test_different_work_that_fails_blames_the_node(blacklist):
    assert not blacklist.failed("a", "x", 1.0)
    assert blacklist.failed("a", "y", 2.0)
    assert not blacklist.allows("a", 101.9)
    assert blacklist.next_deadline(50.0) == 102.0
    assert blacklist.allows("a", 102.0)


def test_failures_long_ago_do_not_count(blacklist):
    blacklist.failed("a", "x", 1.0)
    assert not blacklist.failed("a", "y", 12.0)


def test_it_begins_anew_afterwards(blacklist):
    blacklist.failed("a", "x", 1.0)
    blacklist.failed("a", "y", 2.0)
    assert not blacklist.failed("a", "z", 102.0)
    assert blacklist.allows("a", 102.0)


def test_most_of_the_nodes_are_never_left_alone(blacklist):
    for node in "abc":
        blacklist.failed(node, "x", 1.0)
        blacklist.failed(node, "y", 1.0)
    assert blacklist.nodes(2.0) == ["a"]


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"within_s": 0}, {"for_s": -1}, {"most": 2}])
def test_a_policy_must_make_sense(wrong):
    with pytest.raises(UserError):
        BlacklistPolicy(**wrong)
