import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.runtime.backoff import delay

seconds = st.floats(0.001, 1e6)


def test_it_doubles_up_to_the_cap():
    assert [delay(n, first=0.1, cap=1.0) for n in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@given(st.integers(1, 10**9), seconds, seconds, st.floats(1.0, 10.0), st.floats(0.0, 0.99))
def test_it_is_positive_capped_and_jitter_only_shortens(attempt, first, cap, factor, jitter):
    wait = delay(attempt, first=first, cap=cap, factor=factor, jitter=jitter)
    assert 0 < wait <= cap
    assert wait <= delay(attempt, first=first, cap=cap, factor=factor)


@given(st.integers(1, 100), seconds, seconds)
def test_it_never_shrinks_with_more_attempts(attempt, first, cap):
    assert delay(attempt, first=first, cap=cap) <= delay(attempt + 1, first=first, cap=cap)


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt):
    with pytest.raises(ValueError, match="count from 1"):
        delay(attempt, first=1, cap=2)
