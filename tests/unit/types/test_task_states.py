"""The table of states, checked by enumeration."""

from itertools import product

import pytest

from mesos_py.types.tasks import LIVE, NEXT_STATES, TERMINAL, TaskState

S = TaskState

ALLOWED = {
    **{(start, end): True for start in LIVE for end in TERMINAL | {S.UNREACHABLE}},
    **{(S.UNREACHABLE, end): True for end in TERMINAL | LIVE},
    (S.STAGING, S.STARTING): True,
    (S.STAGING, S.RUNNING): True,
    (S.STAGING, S.KILLING): True,
    (S.STARTING, S.STARTING): True,
    (S.STARTING, S.RUNNING): True,
    (S.STARTING, S.KILLING): True,
    (S.RUNNING, S.RUNNING): True,
    (S.RUNNING, S.KILLING): True,
    (S.KILLING, S.KILLING): True,
}


@pytest.mark.parametrize(("start", "end"), list(product(TaskState, TaskState)))
def test_every_step_is_allowed_or_not(start, end):
    assert (end in NEXT_STATES[start]) == ALLOWED.get((start, end), False)


def test_every_state_is_live_terminal_or_one_of_two_special_ones():
    assert LIVE | TERMINAL | {S.UNREACHABLE, S.UNKNOWN} == set(TaskState)
    assert not LIVE & TERMINAL
    assert set(NEXT_STATES) == set(TaskState)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_follows_the_end(state):
    assert not NEXT_STATES[state]


def test_every_state_but_unknown_is_reached_from_staging():
    reached, waiting = {S.STAGING}, [S.STAGING]
    while waiting:
        for state in NEXT_STATES[waiting.pop()] - reached:
            reached.add(state)
            waiting.append(state)
    assert reached == set(TaskState) - {S.UNKNOWN}


@pytest.mark.parametrize("state", sorted(LIVE | {S.UNREACHABLE}))
def test_whatever_lives_can_end(state):
    assert NEXT_STATES[state] >= TERMINAL


def test_there_is_no_state_lost():
    """ARCHITECTURE 7: all frameworks are partition-aware."""
    assert "LOST" not in {state.value for state in TaskState}
