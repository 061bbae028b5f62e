"""How code under test is changed to break a promise, and how many seeds the simulation takes to notice."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from mesos_py.testing.simulation.explore import run_seed

SEEDS = 100


@contextmanager
def instead(target: Any, name: str, made_from: Callable[[Any], Any]) -> Iterator[None]:
    """Let ``target.name`` be what ``made_from`` makes of the original."""
    original = target.__dict__[name] if isinstance(target, type) else getattr(target, name)
    setattr(target, name, made_from(original))
    try:
        yield
    finally:
        setattr(target, name, original)


class Mutation(NamedTuple):
    """One promise broken on purpose."""

    name: str
    promise: str
    """Its number in ARCHITECTURE's list."""
    breaks: Callable[[], AbstractContextManager[None]]
    seed: int
    """The first that finds it, as the table says."""


MUTATIONS: list[Mutation] = []


def mutation(promise: str, seed: int = 0):
    """Add one: the function's name says what it is, its docstring what is broken."""

    def add(breaks):
        MUTATIONS.append(Mutation(breaks.__doc__.rstrip("."), promise, breaks, seed))
        return breaks

    return add


def seeds_needed(each: Mutation, seeds: Iterable[int]) -> tuple[int | None, str]:
    """The first of the seeds that finds it, and which promise it said was broken."""
    with each.breaks():
        for seed in seeds:
            outcome = run_seed(seed)
            if outcome.failure:
                return seed, outcome.promise
    return None, ""
