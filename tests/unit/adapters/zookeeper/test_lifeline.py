"""A lifeline: only a process that is gone is called dead."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from mesos_py.adapters.zookeeper.lifeline import Lifeline, Watch
from mesos_py.errors import ConfigError
from mesos_py.runtime.loop import READ, Loop

PATIENCE_S = 20
LEADER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
held = listener.accept()
print("held", flush=True)
sys.stdin.read()
"""


class Bench:
    def __init__(self):
        self.loop = Loop()
        self.dead = []
        self.watches = []

    def watch(self, port):
        watch = Watch(self.loop, f"127.0.0.1:{port}", lambda: self.dead.append(port))
        self.watches.append(watch)
        watch.start()
        return watch

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            self.loop.turn(0.02)

    def turn_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.loop.turn(0.02)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    for watch in bench.watches:
        watch.stop()
    bench.loop.close()


@pytest.fixture
def line(bench):
    line = Lifeline(bench.loop, "127.0.0.1")
    line.start()
    yield line
    line.close()


def test_the_end_of_a_process_is_seen(bench):
    words = [sys.executable, "-c", LEADER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as leader:
        port = int(leader.stdout.readline())
        bench.watch(port)
        assert leader.stdout.readline() == "held\n"
        bench.turn_for(0.1)
        assert bench.dead == []
        leader.kill()
        leader.wait()
        began = time.monotonic()
        bench.until(lambda: bench.dead)
        assert bench.dead == [port]
        assert time.monotonic() - began < 5


def test_a_line_that_is_let_go_is_no_sign_of_death(bench, line):
    bench.watch(line.port)
    bench.until(lambda: line._held)
    [held] = line._held.values()
    held.shutdown(socket.SHUT_RDWR)
    bench.until(lambda: line._held and held not in line._held.values())
    assert bench.dead == []


def test_who_is_let_go_again_and_again_asks_less_often(bench, line):
    """As by whoever has the port now: a standby must not spend its time with that."""
    let_go = []

    def accept(_ready):
        stranger, _ = line._listener.accept()
        let_go.append(stranger.close())

    bench.loop.modify(line._listener.fileno(), READ, accept)
    bench.watch(line.port)
    bench.until(lambda: len(let_go) == 2)
    bench.turn_for(0.5)
    assert len(let_go) < 8
    assert bench.dead == []


def test_strangers_do_not_use_up_the_descriptors(bench, line):
    strangers = []
    for _ in range(150):
        strangers.append(socket.create_connection(("127.0.0.1", line.port)))
        bench.loop.turn(0.01)
    bench.until(lambda: len(line._held) == 100)
    bench.watch(line.port)
    bench.turn_for(0.2)
    assert len(line._held) == 100
    assert bench.dead == []
    for stranger in strangers:
        stranger.close()


def test_who_never_lived_is_dead(bench, line):
    line.close()
    bench.watch(line.port)
    bench.until(lambda: bench.dead)


def test_who_does_not_watch_any_more_is_told_nothing(bench, line):
    watch = bench.watch(line.port)
    bench.until(lambda: line._held)
    watch.stop()
    bench.until(lambda: not line._held)
    line.close()
    bench.until(lambda: not [t for t in threading.enumerate() if t.name == f"mesos-lifeline 127.0.0.1:{line.port}"])
    bench.turn_for(0.05)
    assert bench.dead == []


def test_what_a_stranger_says_is_no_matter(bench, line):
    with socket.create_connection(("127.0.0.1", line.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 1000)
        bench.until(lambda: line._held)
        bench.turn_for(0.05)
        assert line._held
    bench.until(lambda: not line._held)


def test_a_port_that_is_taken_is_told(bench, line):
    with pytest.raises(ConfigError, match=f"the lifeline cannot listen on 127.0.0.1:{line.port}"):
        Lifeline(bench.loop, "127.0.0.1", line.port)


def test_one_that_never_began_can_be_closed(bench):
    line = Lifeline(bench.loop, "127.0.0.1")
    line.close()
    line.close()
