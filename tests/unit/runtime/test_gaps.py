"""Bodies that are missing are noticed by the next one that arrives."""

from mesos_py.runtime import gaps
from mesos_py.runtime.gaps import Gaps


def missed(*numbers: int) -> list[int]:
    watched = Gaps()
    return [watched.missed("sender", number) for number in numbers]


def test_numbers_that_follow_each_other_miss_nothing():
    assert missed(1, 2, 3) == [0, 0, 0]


def test_a_gap_is_noticed_once():
    assert missed(1, 2, 5, 6, 10) == [0, 0, 2, 0, 3]


def test_whoever_is_first_heard_misses_nothing():
    assert missed(77, 78) == [0, 0]


def test_a_sender_that_begins_anew_or_repeats_misses_nothing():
    assert missed(7, 1, 2, 2, 3) == [0, 0, 0, 0, 0]


def test_a_sender_that_does_not_count_is_left_alone():
    assert missed(0, 0, 5, 0, 6) == [0, 0, 0, 0, 0]


def test_senders_are_told_apart_and_forgotten():
    watched = Gaps()
    assert [watched.missed(who, number) for who, number in (("a", 1), ("b", 9), ("a", 2), ("b", 11))] == [0, 0, 0, 1]
    watched.forget()
    assert watched.missed("a", 50) == 0


def test_strangers_cannot_make_it_grow(monkeypatch):
    monkeypatch.setattr(gaps, "_SENDERS_KEPT", 10)
    watched = Gaps()
    for number in range(1000):
        watched.missed(number, 1)
    assert len(watched._last) <= 10
