"""Leaves out of a failing run's faults whatever it fails without."""

from collections.abc import Callable

from mesos_py.testing.simulation.explore import Outcome, run_seed
from mesos_py.testing.simulation.faults import Fault

__all__ = ["shrink"]

_RUNS = 400


def shrink(
    failed: Outcome, run: Callable[[int, list[Fault]], Outcome] = run_seed, most_runs: int = _RUNS
) -> tuple[Outcome, int]:
    """The run with the fewest faults found that breaks the same promise, and how many runs it took to find it.

    Parts of the list are left out, halves first and single faults last, for as long as that leads anywhere and
    ``most_runs`` are not used up.
    """
    best, runs = failed, 0
    size = max(1, len(best.faults) // 2)
    while True:
        start, shorter = 0, False
        while start < len(best.faults) and runs < most_runs:
            runs += 1
            tried = run(best.seed, best.faults[:start] + best.faults[start + size :])
            if tried.promise == failed.promise:
                best, shorter = tried, True
            else:
                start += size
        if runs >= most_runs or not best.faults or (size == 1 and not shorter):
            return best, runs
        size = max(1, size // 2)
