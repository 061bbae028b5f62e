"""Real daemons under something that speaks with services as systemd does: ready when they are of use, not before."""

import contextlib
import signal
import sys

import pytest

from tests.support.cluster import Process, wait_for
from tests.support.rabbitmq import free_ports
from tests.support.systemd import Manager

pytestmark = pytest.mark.integration


@pytest.fixture
def start(tmp_path):
    """Starts a daemon; gives its process and what hears of it."""
    with contextlib.ExitStack() as stack:

        def start(role, *words):
            manager = stack.enter_context(Manager(tmp_path / f"{role}.notify"))
            command = [sys.executable, "-m", "mesos_py", role, "--http-port", "0", *words]
            work = ["--work-dir", str(tmp_path / role), "--log-format", "json"]
            variables = {"NOTIFY_SOCKET": manager.address}
            if role == "agent":  # of the master less is heard at first than fits into a socket
                variables["WATCHDOG_USEC"] = "3000000"
            process = Process(
                [*command, *work], tmp_path / f"{role}.log", "USR1" if role == "agent" else "TERM", **variables
            )
            stack.callback(lambda: process.leave() if role == "agent" else process.stop())
            return process, manager

        yield start


def until(manager, wanted):
    """All that is told up to what is waited for."""
    heard = []
    wait_for(lambda: heard.append(manager.hear()) or wanted(heard[-1]), "it is told")
    return heard


def is_ready(told):
    return told.get("READY") == "1"


def test_each_is_ready_when_it_is_of_use(rabbitmq, start):
    agent, of_agent = start("agent", "--broker", rabbitmq.url(), "--name", "a1", "--resources", "cpus:1;mem:64")
    waiting = until(of_agent, lambda told: "looking for a master" in told.get("STATUS", ""))
    assert not any(map(is_ready, waiting))
    master, of_master = start("master", "--broker", rabbitmq.url())
    [*before, of_master_ready] = until(of_master, is_ready)
    assert of_master_ready["STATUS"].startswith("leading epoch ")
    assert not any(map(is_ready, before))
    [*_, ready] = until(of_agent, is_ready)
    assert ready["STATUS"].startswith("registered as M")
    until(of_agent, lambda told: told == {"WATCHDOG": "1"})
    if " with 1 agent, " not in of_master_ready["STATUS"]:
        until(of_master, lambda told: " with 1 agent, " in told.get("STATUS", ""))

    rabbitmq.stop(hard=True)
    try:
        [*_, lost] = until(of_agent, lambda told: "broker lost since" in told.get("STATUS", ""))
        assert lost["STATUS"].startswith("cut off from the broker, 0 tasks run on: broker lost since ")
        assert not is_ready(lost)
    finally:
        rabbitmq.start()
    until(of_agent, lambda told: told.get("STATUS", "").startswith("registered as "))

    master.popen.send_signal(signal.SIGHUP)
    until(of_master, lambda told: "RELOADING" in told)
    until(of_master, is_ready)
    master.stop()
    until(of_master, lambda told: told.get("STOPPING") == "1")
    assert master.popen.returncode == 0
    assert agent.is_running


def test_a_master_without_a_broker_is_not_ready(start):
    [port] = free_ports(1)
    _, manager = start("master", "--broker", f"amqp://guest:s3cret@127.0.0.1:{port}/")
    told = until(manager, lambda told: "broker lost since" in told.get("STATUS", ""))
    assert not any(map(is_ready, told))
    assert "s3cret" not in str(told)
