"""The example executors, run for real against a small agent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesos_py.messages.executor import (
    ExecutorAcknowledged,
    ExecutorMessage,
    LaunchTask,
    SchedulerMessage,
    ShutdownOrder,
)
from tests.unit.scheduler.test_executor_driver import SmallAgent, task

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def start(tmp_path):
    """Start an executor; gives its agent and its process."""
    started = []

    def start(*command):
        path = tmp_path / "agent.sock"
        agent = SmallAgent(path)
        environment = os.environ | {"MESOS_EXECUTOR_SOCKET": str(path), "MESOS_EXECUTOR_TOKEN": "secret"}
        process = subprocess.Popen(command, env=environment)
        started.append((agent, process))
        agent.accept()
        return agent, process

    yield start
    for agent, process in started:
        agent.close()
        process.kill()
        process.wait()


def test_the_perl_executor(start):
    agent, process = start("perl", EXAMPLES / "perl_executor.pl")
    agent.say(LaunchTask(task=task("t", b"drawer")), LaunchTask(task=task("t", b"again")))
    assert agent.read().state == "RUNNING"
    finished = agent.read()
    assert (finished.state, finished.data) == ("FINISHED", b"reward")
    agent.say(SchedulerMessage(data=b"echo"))
    assert agent.read() == ExecutorMessage(data=b"echo")
    agent.say(ShutdownOrder(grace_period_s=5.0))
    for number in (1, 2):
        agent.say(ExecutorAcknowledged(task_id="t", number=number))
    assert process.wait(10) == 0


def test_the_python_executor(start):
    agent, process = start(sys.executable, EXAMPLES / "custom_executor.py")
    agent.say(LaunchTask(task=task("t", b'{"from": 0, "to": 100}')))
    assert agent.updates(1) == [("t", "RUNNING")]
    finished = agent.read()
    assert (finished.state, finished.data) == ("FINISHED", b'{"primes": 25}')
    agent.say(ExecutorAcknowledged(task_id="t", number=finished.number), ShutdownOrder(grace_period_s=5.0))
    assert process.wait(10) == 0
