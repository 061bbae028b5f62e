"""Whatever happens to a cluster, no promise is broken, and once it is left in peace everybody agrees on everything."""

import random

import pytest

from mesos_py.testing.simulation.explore import run_seed
from mesos_py.testing.simulation.faults import write

ALWAYS = range(60)


def survives(seed):
    outcome = run_seed(seed)
    assert not outcome.failure, (
        f"mesos simulate --seed {seed}\n{outcome.failure}\n{write(outcome.faults)}\n{outcome.story}"
    )


@pytest.mark.parametrize("seed", ALWAYS)
def test_no_promise_is_broken(seed):
    survives(seed)


@pytest.mark.parametrize("number", range(20))
def test_no_promise_is_broken_by_what_nobody_has_tried_yet(number):
    survives(random.SystemRandom().randrange(10_000, 10**9))
