"""The age at which sandboxes go: Mesos's formula, its numbers, and what holds for all numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.agent.gc import allowed_age

WEEK = 7 * 24 * 3600.0
parts = st.floats(0, 1)


@pytest.mark.parametrize(
    ("used", "age"),
    [
        (0.0, 0.9 * WEEK),
        (0.45, 0.45 * WEEK),
        (0.8, 0.1 * WEEK),
        (0.9, 0.0),
        (0.95, 0.0),
        (1.0, 0.0),
    ],
)
def test_a_week_and_a_tenth_to_keep_free(used, age):
    assert allowed_age(WEEK, 0.1, used) == pytest.approx(age)


def test_without_headroom_an_empty_disk_keeps_all_for_the_whole_delay():
    assert allowed_age(WEEK, 0.0, 0.0) == WEEK


@given(parts, parts, parts)
def test_a_fuller_disk_keeps_nothing_longer(headroom, used, more):
    less, much = sorted((used, more))
    assert 0.0 <= allowed_age(WEEK, headroom, much) <= allowed_age(WEEK, headroom, less) <= WEEK
