"""What ends the loop's sleep, and how long that may be."""

import os
import signal
import threading

import pytest

from mesos_py.runtime.loop import Loop


class Late:
    """A resident whose deadline is far away."""

    def __init__(self, due):
        self.due = due

    def next_deadline(self):
        return self.due

    def run_due(self, now):
        raise AssertionError(now)


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


def test_what_a_signal_handler_posts_is_run_at_once(loop):
    """The handler runs in the loop's own thread, which sleeps on as soon as the handler returns."""
    ran = []

    def handler(_number, _frame):
        loop.post(lambda: (ran.append("posted"), loop.stop()))

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        loop.add(Late(loop.clock() + 3600))
        loop.run()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ran == ["posted"]


@pytest.mark.parametrize("far", [40 * 24 * 3600.0, 1e18, float("inf")])
def test_deadlines_beyond_what_the_system_takes_are_slept_through(loop, far):
    loop.add(Late(loop.clock() + far))
    threading.Timer(0.05, loop.stop).start()
    loop.run()
