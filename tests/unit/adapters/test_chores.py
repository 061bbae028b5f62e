"""Chores get their turns, answer in the loop, and stop when told."""

import threading

import pytest

from mesos_py.adapters.chores import Chores
from mesos_py.runtime.loop import Loop
from tests.unit.adapters.containers_support import turn_until


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def chores(loop):
    chores = Chores(loop, "test chores")
    yield chores
    chores.close()


def counting(to, result=None):
    for _ in range(to):
        yield
    return result


def endless(began=None):
    while True:
        if began is not None:
            began.set()
        yield


def test_results_come_in_the_loops_thread(loop, chores):
    seen = []
    for result in "ab":
        chores.add(counting(3, result), lambda it: seen.append((it, threading.get_ident())))
    turn_until(loop, lambda: len(seen) == 2)
    assert seen == [("a", threading.get_ident()), ("b", threading.get_ident())]


def test_an_endless_chore_holds_up_nobody(loop, chores):
    began, seen = threading.Event(), []
    chores.add(endless(began), seen.append)
    began.wait()
    chores.add(counting(1000, "short"), seen.append)
    turn_until(loop, lambda: seen)
    assert seen == ["short"]


def test_a_broken_chore_answers_none_and_the_next_is_done(loop, chores, capsys):
    def broken():
        yield
        raise RuntimeError("ouch")

    seen = []
    chores.add(broken(), seen.append)
    chores.add(counting(1, "next"), seen.append)
    turn_until(loop, lambda: len(seen) == 2)
    assert seen == [None, "next"]
    assert "ouch" in "".join(capsys.readouterr())


def test_closing_stops_the_thread_and_silences_it(loop):
    before = threading.active_count()
    chores = Chores(loop, "test chores")
    began, seen = threading.Event(), []
    chores.add(counting(0, "too late"), lambda it: (chores.close(), seen.append(it)))
    chores.add(counting(0, "never told"), seen.append)
    chores.add(endless(began), seen.append)
    began.wait()
    chores.close()
    loop.turn(timeout=0)
    assert seen == []
    assert threading.active_count() == before


def test_what_is_never_used_has_no_thread(loop):
    before = threading.active_count()
    chores = Chores(loop, "test chores")
    assert threading.active_count() == before
    chores.close()
