"""The agent's unix socket, from both ends."""

import os
import socket
import stat
from pathlib import Path

import psutil
import pytest

from mesos_py.adapters.executor_client import ExecutorClient
from mesos_py.adapters.executor_server import UnixExecutorServer
from mesos_py.messages.codec import EXECUTOR_CALLS, EXECUTOR_EVENTS
from mesos_py.messages.executor import (
    ExecutorError,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorUpdate,
    SchedulerMessage,
    ShutdownOrder,
)
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import ContainerID, TaskID
from mesos_py.types.tasks import TaskState
from tests.unit.adapters.containers_support import turn_until

A, B = ContainerID("C-1"), ContainerID("C-2")


class Agent:
    """The server's listener."""

    def __init__(self, loop, run_dir):
        self.loop, self.heard = loop, []
        self.server = UnixExecutorServer(loop, run_dir)
        self.server.open(self)

    def executor_connected(self, container_id, updates):
        self.heard.append((container_id, "connected", list(updates)))

    def executor_said(self, container_id, calls):
        self.heard += [(container_id, "said", call) for call in calls]

    def executor_disconnected(self, container_id):
        self.heard.append((container_id, "disconnected"))

    def until_heard(self, count):
        turn_until(self.loop, lambda: len(self.heard) >= count)
        assert len(self.heard) == count, self.heard
        return self.heard[-1]

    def token(self, container_id):
        return self.server.environment(container_id)["MESOS_EXECUTOR_TOKEN"]

    def path(self):
        return self.server.environment(ContainerID("nobody"))["MESOS_EXECUTOR_SOCKET"]


class Peer:
    """A raw connection."""

    def __init__(self, agent):
        self.agent = agent
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(agent.path())
        self.socket.setblocking(False)
        self.text = b""
        self.closed = False

    def say(self, *messages):
        self.raw(b"".join(map(EXECUTOR_CALLS.encode_line, messages)))
        return self

    def raw(self, text):
        view = memoryview(text)
        while view:
            try:
                view = view[self.socket.send(view) :]
            except BlockingIOError:
                self.agent.loop.turn(0.01)

    def subscribe(self, container_id=A):
        return self.say(ExecutorSubscribe(token=self.agent.token(container_id)))

    def read(self):
        try:
            while text := self.socket.recv(1 << 20):
                self.text += text
            self.closed = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.closed = True
        return self.text

    def until(self, condition):
        turn_until(self.agent.loop, lambda: (self.read(), condition())[1])

    def events(self):
        return [EXECUTOR_EVENTS.decode_line(line) for line in self.read().splitlines()]

    def refused(self):
        self.until(lambda: self.closed)
        (event,) = self.events()
        self.socket.close()
        assert isinstance(event, ExecutorError)
        return event.message


@pytest.fixture(name="agent")
def _agent(tmp_path):
    before = psutil.Process().num_fds()
    loop = Loop()
    agent = Agent(loop, tmp_path / "run")
    yield agent
    agent.server.close()
    loop.close()
    assert psutil.Process().num_fds() <= before + 1  # a test's own end of the connection
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["executors.key"]


@pytest.fixture(name="peers")
def _peers(agent):
    made = []

    def make():
        made.append(Peer(agent))
        return made[-1]

    yield make
    for peer in made:
        peer.socket.close()


def update(number):
    return ExecutorUpdate(task_id=TaskID("t"), state=TaskState.RUNNING, number=number)


def test_a_token_lets_in_and_messages_go_both_ways(agent, peers):
    peer = peers().say(
        ExecutorSubscribe(token=agent.token(A), unacknowledged_updates=[update(1)]),
        ExecutorMessage(data=b"x"),
        update(2),
    )
    agent.until_heard(3)
    assert agent.heard == [
        (A, "connected", [update(1)]),
        (A, "said", ExecutorMessage(data=b"x")),
        (A, "said", update(2)),
    ]
    assert agent.server.send(A, ShutdownOrder(grace_period_s=1.0))
    peer.until(lambda: peer.events() == [ShutdownOrder(grace_period_s=1.0)])


def test_a_message_in_small_pieces(agent, peers):
    peer = peers()
    for byte in EXECUTOR_CALLS.encode_line(ExecutorSubscribe(token=agent.token(A))):
        peer.raw(bytes([byte]))
        agent.loop.turn(0)
    assert agent.until_heard(1) == (A, "connected", [])


def test_nobody_is_connected_before_it_has_subscribed(agent):
    agent.server.environment(A)
    assert not agent.server.send(A, ShutdownOrder(grace_period_s=1.0))


@pytest.mark.parametrize("token", ["", "wrong", "0" * 64])
def test_a_wrong_token_is_refused(agent, peers, token):
    agent.token(A)
    assert peers().say(ExecutorSubscribe(token=token)).refused() == "the token is not valid (any more)"
    assert agent.server.malformed == 1
    assert not agent.heard


def test_another_first_line_is_refused(agent, peers):
    assert peers().say(update(1)).refused() == "the first line must be SUBSCRIBE"


@pytest.mark.parametrize(
    "garbage", [b"hello\n", b"\n", b"[]\n", b"\xff\xfe\n", b'{"type": "NOPE"}\n', b"[" * 2000 + b"\n"]
)
def test_garbage_first_is_refused(agent, peers, garbage):
    peer = peers()
    peer.raw(garbage)
    assert peer.refused()
    assert not agent.heard


def test_garbage_later_is_answered_and_the_neighbours_count(agent, peers):
    peer = peers().subscribe()
    peer.raw(EXECUTOR_CALLS.encode_line(update(1)) + b"garbage\n" + EXECUTOR_CALLS.encode_line(update(2)))
    agent.until_heard(3)
    assert agent.heard[1:] == [(A, "said", update(1)), (A, "said", update(2))]
    peer.until(peer.events)
    assert isinstance(peer.events()[0], ExecutorError)
    assert agent.server.malformed == 1


def test_an_endless_line_ends_the_connection(agent, peers):
    peer = peers().subscribe()
    agent.until_heard(1)
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        peer.raw(b"x" * 3_000_000)
    peer.until(lambda: peer.closed)
    assert agent.heard[1:] == [(A, "disconnected")]
    assert peer.events() in ([ExecutorError(message="a line was longer than 1000000 bytes")], [])


def test_a_large_line_is_read(agent, peers):
    peer = peers().subscribe()
    message = ExecutorMessage(data=b"x" * 700_000)
    peer.say(message)
    assert agent.until_heard(2) == (A, "said", message)


def test_a_second_connection_replaces_the_first(agent, peers):
    first = peers().subscribe()
    agent.until_heard(1)
    second = peers().subscribe()
    agent.until_heard(2)
    first.until(lambda: first.closed)
    agent.server.send(A, SchedulerMessage(data=b"x"))
    second.until(second.events)
    assert agent.heard == [(A, "connected", [])] * 2


def test_an_end_is_told(agent, peers):
    peer = peers().subscribe()
    agent.until_heard(1)
    peer.socket.close()
    assert agent.until_heard(2) == (A, "disconnected")
    assert not agent.server.send(A, SchedulerMessage(data=b"x"))


def test_a_forgotten_container_is_shut_out(agent, peers):
    peer = peers().subscribe()
    token = agent.token(A)
    other = peers().subscribe(B)
    agent.until_heard(2)
    agent.server.forget(A)
    peer.until(lambda: peer.closed)
    assert peers().say(ExecutorSubscribe(token=token)).refused() == "the token is not valid (any more)"
    assert agent.server.send(B, SchedulerMessage(data=b"x"))
    other.until(other.events)
    assert len(agent.heard) == 2


def test_who_never_reads_is_left(agent, peers):
    peer = peers().subscribe()
    agent.until_heard(1)
    event = SchedulerMessage(data=b"x" * 500_000)
    sent = 0
    while agent.server.send(A, event):
        sent += 1
        assert sent < 100
    assert agent.until_heard(2) == (A, "disconnected")
    peer.until(lambda: peer.closed)


def test_a_slow_reader_gets_everything(agent, peers):
    peer = peers().subscribe()
    agent.until_heard(1)
    event = SchedulerMessage(data=b"x" * 500_000)
    for _ in range(8):
        assert agent.server.send(A, event)
    peer.until(lambda: peer.text.count(b"\n") == 8)
    assert peer.events() == [event] * 8


def test_strangers_are_shown_out_in_time(agent, peers):
    now = agent.loop.clock()
    agent.loop.clock = lambda: now
    peer = peers()
    agent.loop.turn(0)
    agent.loop.clock = lambda: now + 11
    agent.loop.turn(0)
    assert peer.refused() == "the first line must be SUBSCRIBE, and it did not come"
    assert agent.server.next_deadline() is None


def test_a_crowd_of_strangers_does_not_keep_executors_out(agent, peers):
    crowd = [peers() for _ in range(100)]
    agent.loop.turn(0)
    crowd += [peers() for _ in range(60)]
    agent.loop.turn(0)
    peers().subscribe()
    agent.until_heard(1)
    assert crowd[0].refused() == "too many connections wait to subscribe"
    for peer in crowd:
        peer.socket.close()


def test_a_crowd_at_the_door_does_not_push_out_who_came_first(agent):
    first = Peer(agent).say(ExecutorSubscribe(token=agent.token(A)))
    crowd = [Peer(agent) for _ in range(128)]
    assert agent.until_heard(1) == (A, "connected", [])
    for peer in (first, *crowd):
        peer.socket.close()


def test_tokens_outlive_the_agent(agent, tmp_path):
    loop = Loop()
    other = UnixExecutorServer(loop, tmp_path / "run")
    token = agent.token(A)
    agent.server.close()
    other.open(agent)
    assert other.environment(A)["MESOS_EXECUTOR_TOKEN"] == token
    assert other.environment(B)["MESOS_EXECUTOR_TOKEN"] != token
    other.close()
    agent.server.open(agent)
    loop.close()


def test_the_key_is_private(agent, tmp_path):
    assert stat.S_IMODE((tmp_path / "run" / "executors.key").stat().st_mode) == 0o600


def test_a_long_path_gets_a_short_socket(tmp_path):
    loop = Loop()
    run_dir = tmp_path / ("x" * 100)
    agent = Agent(loop, run_dir)
    path = agent.path()
    assert len(path) < 108
    assert (run_dir / "executors.sock").readlink() == Path(path)
    assert stat.S_IMODE(Path(path).parent.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    peer = Peer(agent).subscribe()
    agent.until_heard(1)
    peer.socket.close()
    agent.server.close()
    loop.close()
    assert not Path(path).exists()
    loop = Loop()
    again = Agent(loop, run_dir)
    assert again.path() == path, "executors know no other"
    again.server.close()
    loop.close()
    Path(path).parent.rmdir()
    assert not (run_dir / "executors.sock").is_symlink()


# Our own client


class Executor:
    def __init__(self, agent):
        self.agent, self.told = agent, []
        environment = agent.server.environment(A)
        self.token = environment["MESOS_EXECUTOR_TOKEN"]
        self.client = ExecutorClient(agent.loop, environment["MESOS_EXECUTOR_SOCKET"])
        self.client.start(self)

    def connected(self):
        self.told.append("connected")
        assert self.client.send(ExecutorSubscribe(token=self.token))

    def said(self, events):
        self.told += events

    def disconnected(self, reason):
        assert reason
        self.told.append("disconnected")


def test_the_client_talks(agent):
    executor = Executor(agent)
    agent.until_heard(1)
    executor.client.send(update(1))
    agent.until_heard(2)
    agent.server.send(A, SchedulerMessage(data=b"x"))
    turn_until(agent.loop, lambda: executor.told == ["connected", SchedulerMessage(data=b"x")])
    executor.client.stop()
    assert agent.until_heard(3) == (A, "disconnected")
    assert not executor.client.send(update(2))


def test_the_client_comes_back_when_the_agent_does(agent):
    executor = Executor(agent)
    agent.until_heard(1)
    agent.server.close()
    turn_until(agent.loop, lambda: executor.told == ["connected", "disconnected"])
    assert not executor.client.send(update(2))
    for _ in range(3):
        agent.loop.turn(0.1)
    assert executor.told == ["connected", "disconnected"]
    agent.server.open(agent)
    agent.server.environment(A)
    assert agent.until_heard(2) == (A, "connected", [])
    executor.client.stop()


def test_the_client_skips_what_it_does_not_know(agent):
    executor = Executor(agent)
    agent.until_heard(1)
    connection = agent.server._sessions[A].connection
    connection.send(b'{"type": "FROM_THE_FUTURE"}\n' + EXECUTOR_EVENTS.encode_line(SchedulerMessage(data=b"x")))
    turn_until(agent.loop, lambda: executor.told == ["connected", SchedulerMessage(data=b"x")])
    assert executor.client.malformed == 1
    executor.client.stop()
