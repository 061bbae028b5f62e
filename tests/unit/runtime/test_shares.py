"""Senders are served in turn and in order; what is too much is dropped, from whoever has the most waiting."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.runtime import shares
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.shares import Backlogs, Shares

KEPT = 1000
PER_ROUND = 3


def backlogs():
    """A body is a list of calls."""
    return Backlogs(list, KEPT, PER_ROUND)


def taken(waiting, calls):
    return [(sender, call) for sender, _body, portion in waiting.take(calls) for call in portion]


def test_a_body_that_comes_to_an_idle_master_is_next():
    waiting = backlogs()
    for number in range(10):
        waiting.put("flooder", [number] * 10, 10)
    taken(waiting, 4)
    waiting.put("quiet", ["subscribe"], 10)
    assert ("quiet", "subscribe") in taken(waiting, PER_ROUND + 1)


def test_one_who_is_alone_has_it_all():
    waiting = backlogs()
    for number in range(10):
        waiting.put("only", [number], 10)
    assert [call for _, call in taken(waiting, 100)] == list(range(10))
    assert len(waiting) == 0


def test_a_long_body_is_handed_over_in_portions():
    waiting = backlogs()
    waiting.put("long", range(8), 10)
    waiting.put("short", "ab", 10)
    assert taken(waiting, 1) == [("long", 0), ("long", 1), ("long", 2)]
    assert taken(waiting, 1) == [("short", "a"), ("short", "b")]
    assert taken(waiting, 100) == [("long", number) for number in range(3, 8)]


def test_long_calls_count_as_several():
    waiting = Backlogs(list, 10**6, per_round=100)
    waiting.put("long", range(8), 8 * 256 * 60)
    waiting.put("short", "ab", 10)
    assert [call for _, call in taken(waiting, 200)] == [0, 1, "a", "b", 2, 3]


def test_the_oldest_of_whoever_has_most_is_dropped():
    waiting = backlogs()
    waiting.put("quiet", ["subscribe"], 300)
    assert waiting.put("flooder", ["old"], 400) == []
    assert waiting.put("flooder", ["new"], 400) == ["flooder"]
    assert taken(waiting, 100) == [("quiet", "subscribe"), ("flooder", "new")]
    assert waiting.size == 0


def test_what_is_dropped_is_never_read():
    read = []
    waiting = Backlogs(lambda body: read.append(body) or [body], KEPT, PER_ROUND)
    for number in range(100):
        waiting.put("flooder", number, 400)
    taken(waiting, 100)
    assert read == [98, 99]


def test_a_body_without_calls_is_no_trouble():
    waiting = backlogs()
    waiting.put("empty", [], 10)
    waiting.put("empty", ["a"], 10)
    assert taken(waiting, 100) == [("empty", "a")]
    assert (len(waiting), waiting.size) == (0, 0)


PUT = st.tuples(st.sampled_from("abcd"), st.integers(0, 12), st.integers(1, 400))
TAKE = st.integers(1, 20)


@given(st.lists(st.one_of(PUT, TAKE), max_size=60))
def test_order_bounds_and_turns(steps):
    """Whatever comes: each sender's calls keep their order, bounds hold, and nobody is passed over."""
    waiting, numbers, seen = backlogs(), Counter(), defaultdict(list)
    dropped, passed_over = Counter(), Counter()
    for step in steps:
        if isinstance(step, tuple):
            sender, calls, size = step
            body = [(numbers[sender], call) for call in range(calls)]
            numbers[sender] += 1
            dropped.update(waiting.put(sender, body, size))
            assert waiting.size <= KEPT
        else:
            for sender, _body, portion in waiting.take(step):
                assert len(portion) <= PER_ROUND
                seen[sender] += portion
                passed_over[sender] = 0
                for other in waiting._backlogs.keys() - {sender}:
                    passed_over[other] += len(portion)
                    assert passed_over[other] <= PER_ROUND * 3, "one of three others is served twice before it"
            for gone in passed_over.keys() - waiting._backlogs.keys():
                del passed_over[gone]
    while len(waiting):
        for sender, _body, portion in waiting.take(1000):
            seen[sender] += portion
    assert waiting.size == 0
    for calls in seen.values():
        assert calls == sorted(set(calls))
    assert all(dropped[sender] <= numbers[sender] for sender in dropped)


@given(st.lists(PUT, max_size=60))
def test_whoever_has_less_than_an_equal_share_loses_nothing(puts):
    waiting, sizes = backlogs(), Counter()
    for sender, calls, size in puts:
        sizes[sender] += size
        for victim in waiting.put(sender, [0] * calls, size):
            assert sizes[victim] > KEPT / 4


# In a loop


class Shared:
    """Shares that hand over in a loop of their own."""

    def __init__(self):
        self.loop = Loop()
        self.handed = Counter()
        self.dropped = Counter()
        self.shares = Shares(
            self.loop,
            list,
            lambda sender, body, calls: self.handed.update({sender: len(calls)}),
            lambda sender: self.dropped.update([sender]),
        )
        self.shares.start()

    def turns(self):
        """How many it takes until all is handed over."""
        for number in range(1000):
            before = self.handed.total()
            self.loop.turn(0)
            if self.handed.total() == before and self.shares._backlogs.size == 0:
                return number
        raise AssertionError("there is always something left")


@pytest.fixture
def shared():
    shared = Shared()
    yield shared
    shared.shares.close()
    shared.loop.close()


def test_a_few_calls_are_handed_over_in_the_turn_that_brings_them(shared):
    shared.shares.put("a", [1, 2], 20)
    shared.shares.put("b", [3], 20)
    assert shared.turns() == 1
    assert shared.handed == {"a": 2, "b": 1}


def test_many_are_spread_over_turns(shared):
    shared.shares.put("a", range(4500), 4500)
    assert shared.turns() == 5
    assert shared.handed == {"a": 4500}


def test_more_is_read_before_anything_of_a_flood_is_handled(shared):
    reads = -(-shares._AHEAD // (shares._BULK + shares._OVERHEAD))
    for _ in range(reads - 1):
        shared.shares.put("flooder", [0], shares._BULK)
        shared.loop.turn(0)
        assert not shared.handed
    shared.shares.put("flooder", [0], shares._BULK)
    shared.shares.put("quiet", [0], 20)
    shared.loop.turn(0)
    assert shared.handed == {"flooder": 2, "quiet": 1}, "one of its long calls before the other's and one after"


def test_a_flood_is_dropped_and_told(shared):
    bodies = 2 * shares._KEPT // shares._BULK
    for _ in range(bodies):
        shared.shares.put("flooder", [0], shares._BULK)
    shared.shares.put("quiet", [0], 20)
    shared.turns()
    assert shared.handed["quiet"] == 1
    assert shared.dropped["flooder"] == bodies - shared.handed["flooder"] > bodies / 2


def test_what_waits_at_the_end_is_dropped():
    shared = Shared()
    shared.shares.put("a", [1], 20)
    shared.shares.close()
    shared.loop.turn(0)
    assert not shared.handed
    shared.loop.close()
