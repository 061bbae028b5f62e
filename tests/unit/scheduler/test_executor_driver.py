"""The public Executor against a small agent at the other end of its socket."""

import socket
import threading

import pytest

from mesos_py import Executor, KillPolicy, Resources, TaskInfo, TaskState, UserError
from mesos_py.errors import ConfigError, MesosError
from mesos_py.messages.codec import EXECUTOR_CALLS, EXECUTOR_EVENTS
from mesos_py.messages.executor import (
    ExecutorAcknowledged,
    ExecutorError,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorSubscribed,
    ExecutorUpdate,
    KillExecutorTask,
    LaunchTask,
    LaunchTaskGroup,
    SchedulerMessage,
    ShutdownOrder,
)
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.tasks import CommandInfo, ExecutorInfo

SUBSCRIBED = ExecutorSubscribed(
    executor=ExecutorInfo(executor_id="e", command=CommandInfo(value="x")),
    framework_id="F",
    framework=FrameworkInfo(name="f"),
    agent_id="A",
    hostname="h",
)


def task(task_id, data=b""):
    return TaskInfo(task_id=task_id, resources=Resources.of(cpus=1), data=data)


class SmallAgent:
    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(10)
        self.listener.bind(str(path))
        self.listener.listen()

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(10)
        self.lines = self.connection.makefile("rb")
        assert self.read() == ExecutorSubscribe(token="secret")
        self.say(SUBSCRIBED)

    def read(self):
        return EXECUTOR_CALLS.decode_line(self.lines.readline())

    def say(self, *events):
        self.connection.sendall(b"".join(EXECUTOR_EVENTS.encode_line(event) for event in events))

    def updates(self, count):
        """The next states, each acknowledged."""
        states = []
        for _ in range(count):
            update = self.read()
            assert isinstance(update, ExecutorUpdate)
            states.append((update.task_id, update.state))
            self.say(ExecutorAcknowledged(task_id=update.task_id, number=update.number))
        return states

    def close(self):
        self.listener.close()
        if hasattr(self, "connection"):
            self.lines.close()
            self.connection.close()


class Running:
    """An executor that runs in a thread, so that the test can play the agent."""

    def __init__(self, executor):
        self.error = None
        self._executor = executor
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self._executor.run()
        except BaseException as error:
            self.error = error

    def join(self):
        self.thread.join(10)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error


@pytest.fixture
def agent(tmp_path, monkeypatch):
    path = tmp_path / "agent.sock"
    monkeypatch.setenv("MESOS_EXECUTOR_SOCKET", str(path))
    monkeypatch.setenv("MESOS_EXECUTOR_TOKEN", "secret")
    agent = SmallAgent(path)
    yield agent
    agent.close()


@pytest.fixture
def executor():
    executor = Executor()

    @executor.on_launch
    def launch(task):
        executor.update(task.task_id, TaskState.RUNNING)
        if not task.task_id.startswith("sleep"):
            executor.update(task.task_id, TaskState.FINISHED, data=task.data.upper())

    executor.on_kill(lambda task_id, policy: executor.update(task_id, TaskState.KILLED, message=str(policy)))
    executor.on_shutdown(lambda grace_s: None)
    return executor


def test_it_runs_tasks_and_reports_them(agent, executor):
    running = Running(executor)
    agent.accept()
    agent.say(LaunchTask(task=task("t1", b"abc")), LaunchTaskGroup(tasks=[task("t2"), task("t3")]))
    assert agent.updates(6)[:2] == [("t1", "RUNNING"), ("t1", "FINISHED")]
    assert executor.subscribed.agent_id == "A"
    agent.say(ShutdownOrder(grace_period_s=5.0))
    running.join()


def test_it_kills(agent, executor):
    running = Running(executor)
    agent.accept()
    agent.say(LaunchTask(task=task("sleep")))
    agent.say(KillExecutorTask(task_id="sleep", kill_policy=KillPolicy(grace_period_s=1.0)))
    assert agent.updates(2) == [("sleep", "RUNNING"), ("sleep", "KILLED")]
    agent.say(ShutdownOrder(grace_period_s=5.0))
    running.join()


def test_reports_come_from_any_thread_and_so_do_their_errors(agent, executor):
    running = Running(executor)
    agent.accept()
    agent.say(LaunchTask(task=task("sleep")))
    agent.updates(1)
    with pytest.raises(UserError, match="not running here"):
        executor.update("nobody", TaskState.RUNNING)
    executor.update("sleep", TaskState.FINISHED)
    executor.message(b"hello")
    agent.updates(1)
    assert agent.read() == ExecutorMessage(data=b"hello")
    executor.stop()
    running.join()
    with pytest.raises(MesosError, match="not running"):
        executor.update("sleep", TaskState.FAILED)


def test_messages_errors_and_timers_reach_their_callbacks(agent, executor):
    heard = []
    executor.on_message(heard.append)
    executor.on_error(heard.append)
    executor.on_registered(lambda subscribed: executor.call_later(0, executor.message, b"later"))
    running = Running(executor)
    agent.accept()
    assert agent.read() == ExecutorMessage(data=b"later")
    agent.say(SchedulerMessage(data=b"x"), ExecutorError(message="no"), ShutdownOrder(grace_period_s=5.0))
    running.join()
    assert heard == [b"x", "no"]


def test_what_was_not_acknowledged_is_said_again(agent, executor):
    running = Running(executor)
    agent.accept()
    agent.say(LaunchTask(task=task("sleep")))
    assert agent.read().state == "RUNNING"
    agent.lines.close()
    agent.connection.close()
    agent.connection, _ = agent.listener.accept()
    agent.lines = agent.connection.makefile("rb")
    assert [update.state for update in agent.read().unacknowledged_updates] == ["RUNNING"]
    agent.say(SUBSCRIBED, ShutdownOrder(grace_period_s=0.0))
    running.join()


def test_a_callback_that_fails_ends_it(agent):
    executor = Executor()

    @executor.on_launch
    def launch(task):
        raise ZeroDivisionError("mine")

    running = Running(executor)
    agent.accept()
    agent.say(LaunchTask(task=task("t")))
    with pytest.raises(ZeroDivisionError, match="mine"):
        running.join()


def test_it_runs_only_under_an_agent(monkeypatch, executor):
    monkeypatch.delenv("MESOS_EXECUTOR_SOCKET", raising=False)
    with pytest.raises(ConfigError, match="started by agents"):
        executor.run()
    with pytest.raises(UserError, match="on_launch"):
        Executor().run()
    with pytest.raises(MesosError, match="not running"):
        executor.call_later(1, print)
