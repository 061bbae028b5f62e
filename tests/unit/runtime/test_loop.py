import os
import threading
import time

import pytest

from mesos_py.runtime.clock import system_clock
from mesos_py.runtime.loop import READ, WRITE, Loop


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Alarm:
    """A resident that wants to be run once, at a time."""

    def __init__(self, at: float | None, story: list[str], name: str = "alarm") -> None:
        self.at, self.story, self.name = at, story, name

    def next_deadline(self) -> float | None:
        return self.at

    def run_due(self, now: float) -> None:
        self.at = None
        self.story.append(self.name)


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def loop(clock):
    loop = Loop(clock)
    yield loop
    loop.close()
    loop.close()


@pytest.fixture
def pipe():
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    for fd in (read, write):
        try:
            os.close(fd)
        except OSError:
            continue


def test_a_turn_reads_then_runs_what_is_posted_and_due_then_publishes_then_flushes(loop, clock, pipe):
    story = []
    loop.at_turn_end(lambda: story.append("flush"), last=True)
    loop.at_turn_end(lambda: story.append("publish"))
    loop.add(Alarm(clock.now, story))
    loop.post(lambda: story.append("posted"))
    loop.register(pipe[0], READ, lambda ready: story.append("read"))
    os.write(pipe[1], b"x")
    loop.turn(0)
    assert story == ["read", "posted", "alarm", "publish", "flush"]


def test_what_posts_in_the_last_moment_of_a_turn_runs_in_the_next_without_waiting(loop):
    story = []
    posted = [lambda: story.append("posted")]
    loop.at_turn_end(lambda: loop.post(posted.pop()) if posted else None)
    loop.turn(0)
    assert story == []
    loop.turn(None)
    assert story == ["posted"]


def test_residents_may_wake_each_other_within_a_turn(loop, clock):
    story = []
    second = Alarm(None, story, "second")

    class First(Alarm):
        def run_due(self, now):
            super().run_due(now)
            second.at = 0.0

    loop.add(second)
    loop.add(First(clock.now, story, "first"))
    loop.turn(0)
    assert story == ["first", "second"]


def test_a_resident_that_is_always_due_does_not_hold_up_the_descriptors(loop, clock, pipe):
    class Restless:
        runs = 0

        def next_deadline(self):
            return 0.0

        def run_due(self, now):
            self.runs += 1

    restless, story = Restless(), []
    loop.add(restless)
    loop.register(pipe[0], READ, lambda ready: story.append("read"))
    loop.turn(0)
    os.write(pipe[1], b"x")
    loop.turn(None)
    assert story == ["read"]
    assert restless.runs < 100


def test_deadlines_in_the_future_wait(loop, clock):
    story = []
    alarm = Alarm(clock.now + 0.02, story)
    loop.add(alarm)
    loop.turn(0)
    assert story == []
    start = time.monotonic()
    clock.now += 0.01
    loop.turn(None)  # waits for the remaining 0.01 s
    assert time.monotonic() - start >= 0.009
    clock.now += 0.01
    loop.turn(None)
    assert story == ["alarm"]


def test_nothing_is_run_after_it_was_removed(loop, clock, pipe):
    story = []
    alarm = Alarm(clock.now, story)
    loop.add(alarm)
    loop.remove(alarm)
    end = lambda: story.append("end")  # noqa: E731
    for last in (False, True):
        loop.at_turn_end(end, last=last)
        loop.not_at_turn_end(end)
    loop.register(pipe[0], READ, lambda ready: story.append("read"))
    loop.unregister(pipe[0])
    os.write(pipe[1], b"x")
    loop.turn(0)
    assert story == []


def test_a_descriptor_that_an_earlier_callback_of_the_turn_has_closed_is_left_alone(loop):
    pairs = [os.pipe(), os.pipe()]
    called = []

    def close_the_other(index):
        def callback(ready):
            called.append(index)
            os.read(pairs[index][0], 1)
            other = pairs[1 - index][0]
            loop.unregister(other)
            os.close(other)

        return callback

    for index, (read, write) in enumerate(pairs):
        loop.register(read, READ, close_the_other(index))
        os.write(write, b"x")
    loop.turn(0)
    assert len(called) == 1
    loop.unregister(pairs[called[0]][0])
    for fd in (pairs[called[0]][0], pairs[0][1], pairs[1][1]):
        os.close(fd)


def test_interest_in_a_descriptor_can_change(loop, pipe):
    story = []
    loop.register(pipe[1], WRITE, lambda ready: story.append("writable"))
    loop.turn(0)
    loop.modify(pipe[1], READ, lambda ready: story.append("readable"))
    loop.turn(0)
    assert story == ["writable"]


def test_other_threads_wake_the_loop(loop):
    story = []
    threads = [
        threading.Thread(target=lambda: [loop.post(lambda: story.append(1)) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(story) < 2000 and time.monotonic() < deadline:
        loop.turn(1.0)
    for thread in threads:
        thread.join()
    assert len(story) == 2000


def test_posts_wake_the_loop_every_time(loop):
    """A wake-up that is skipped because one is on its way must not be lost."""
    for _ in range(200):
        done = []
        thread = threading.Thread(target=lambda d=done: loop.post(lambda: d.append(1)))
        thread.start()
        loop.turn(5.0)
        thread.join()
        if not done:
            loop.turn(0)
        assert done


def test_run_ends_with_stop_and_can_be_repeated(loop):
    for _ in range(2):
        loop.post(loop.stop)
        loop.run()
    thread = threading.Timer(0.01, loop.stop)
    thread.start()
    loop.run()
    thread.join()


def test_an_error_in_a_callback_ends_the_run(loop):
    def broken():
        raise ZeroDivisionError

    loop.post(broken)
    with pytest.raises(ZeroDivisionError):
        loop.run()
    loop.post(loop.stop)
    loop.run()


def test_posting_to_a_closed_loop_touches_no_descriptor():
    loop = Loop()
    loop.close()
    read, write = os.pipe()  # most likely the numbers that the loop had
    loop.post(lambda: None)
    loop.stop()
    os.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    os.close(read)
    os.close(write)


def test_the_clock_starts_at_the_wall_clock_and_does_not_run_back():
    clock = system_clock()
    first = clock()
    assert abs(first - time.time()) < 1.0
    assert clock() >= first


def test_a_resident_removed_by_another_is_not_run(loop, clock):
    story = []
    second = Alarm(clock.now, story, "second")

    class Remover(Alarm):
        def run_due(self, now):
            super().run_due(now)
            loop.remove(second)

    loop.add(Remover(clock.now, story, "first"))
    loop.add(second)
    loop.turn(0)
    assert story == ["first"]
