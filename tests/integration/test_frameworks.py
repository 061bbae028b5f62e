"""Frameworks that fail over, are removed and come back, and hear of agents: on a real broker, with real tasks."""

import contextlib
import json
import os
import signal

import pytest

from mesos_py import (
    TERMINAL,
    ErrorReason,
    ExecutorInfo,
    FailureReason,
    Framework,
    FrameworkEndedError,
    Reason,
    TaskInfo,
    TaskState,
    command_task,
)
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo
from tests.support.cluster import cluster, one_cluster, wait_for
from tests.support.proxy import Proxy

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

RUNNING = [TaskState.RUNNING]


class Author:
    """Somebody who runs frameworks and notes what they hear; all are ended with the test."""

    def __init__(self, cluster, proxy, rabbitmq):
        self.cluster = cluster
        self.proxy = proxy
        self._through_proxy = rabbitmq.url(port=proxy.port)
        self._running = []

    def run(self, *, cut_off=False, **options):
        """A framework, started; ``cut_off`` if it will be, with the proxy."""
        framework = Framework(options.pop("name", "service"), **({"failover_timeout_s": 60.0} | options))
        notes = framework.notes = {
            what: [] for what in ("registered", "error", "update", "rescind", "failure", "agent_returned")
        }
        for what, heard in notes.items():
            getattr(framework, f"on_{what}")(heard.append)
        framework.start(self._through_proxy if cut_off else self.cluster.broker)
        self._running.append(framework)
        return framework

    def states(self, framework):
        """(task id, state, reason) of all that it was told."""
        return [(status.task_id, status.state, status.reason) for status in framework.notes["update"]]

    def shown(self, framework_id):
        """The framework as the master shows it."""
        return next((f for f in self.cluster.items("/frameworks") if f["framework_id"] == framework_id), None)

    def wait_status(self, framework_id, status):
        wait_for(lambda: (self.shown(framework_id) or {}).get("status") == status, f"{framework_id} is {status}")

    def close(self):
        self.proxy.join()
        for framework in self._running:
            framework.stop()
        for framework in self._running:
            with contextlib.suppress(FrameworkEndedError):
                framework.join(20)


@pytest.fixture
def proxy(rabbitmq):
    proxy = Proxy(rabbitmq.port)
    yield proxy
    proxy.close()


@pytest.fixture
def author(cluster, proxy, rabbitmq):
    author = Author(cluster, proxy, rabbitmq)
    yield author
    author.close()


def launched(framework, *commands, **options):
    """Tasks t0, t1, ..., all running."""
    tasks = [command_task(f"t{n}", line, cpus=0.1, mem=16, **options) for n, line in enumerate(commands)]
    offer = framework.wait_offer(cpus=0.1 * len(tasks), mem=16 * len(tasks))
    framework.launch(offer, tasks)
    for task in tasks:
        framework.wait(task.task_id, states=RUNNING, timeout=20)
    return offer.agent_id


def the_end_of(framework):
    with pytest.raises(FrameworkEndedError) as ended:
        assert framework.join(30), "it goes on"
    return ended.value.reason


def queues(rabbitmq):
    return {line for line in rabbitmq.ctl("list_queues", "name").split() if ".framework." in line}


def test_a_second_instance_takes_over_and_the_first_is_told(author, rabbitmq):
    others = queues(rabbitmq)  # of an earlier test, as long as the broker has not seen its end
    first = author.run(auto_acknowledge=False)
    framework_id = first.wait_registered(20)
    launched(first, "sleep 100")
    offer = first.wait_offer(cpus=0.1)  # held
    (unacknowledged,) = [status for status in first.notes["update"] if status.state is TaskState.RUNNING]
    (queue,) = queues(rabbitmq) - others
    second = author.run(framework_id=framework_id)
    assert the_end_of(first) == ErrorReason.FAILED_OVER
    assert [error.reason for error in first.notes["error"]] == [ErrorReason.FAILED_OVER]
    assert offer in [one for offers in first.notes["rescind"] for one in offers]
    assert second.wait("t0", states=RUNNING, timeout=20).agent_id == unacknowledged.agent_id
    assert unacknowledged.update_id in [status.update_id for status in second.notes["update"]]
    assert second.wait_offer(cpus=0.1, timeout=20)
    wait_for(lambda: queue not in queues(rabbitmq), "the first one's queue is gone")
    assert len(queues(rabbitmq) - others) == 1
    assert second.connected
    assert not second.notes["error"]


@pytest.mark.parametrize("new_leader", [False, True])
def test_a_first_instance_that_was_cut_off_does_not_fight_the_second(author, cluster, new_leader):
    first = author.run(cut_off=True)
    framework_id = first.wait_registered(20)
    launched(first, "sleep 100")
    author.proxy.part()
    author.wait_status(framework_id, "disconnected")
    second = author.run(framework_id=framework_id)
    second.wait_registered(20)
    if new_leader:
        cluster.daemon("master").kill()
        cluster.start_master()
        wait_for(lambda: len(second.notes["registered"]) == 2, "the new leader knows the second one")
    registered = list(second.notes["registered"])
    author.proxy.join()
    assert the_end_of(first) == ErrorReason.FAILED_OVER
    assert second.wait("t0", states=RUNNING, timeout=20)
    assert second.notes["registered"] == registered
    assert not second.notes["error"]
    assert len(first.notes["registered"]) == 1


def test_one_that_takes_over_during_a_failover_of_the_master_hears_of_all_tasks(author, cluster):
    first = author.run(cut_off=True)
    framework_id = first.wait_registered(20)
    launched(first, *["sleep 100"] * 4)
    author.proxy.part()
    cluster.daemon("master").kill()
    agents = [cluster.daemon(f"agent{number}").popen.pid for number in (1, 2)]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)  # they will be late
    try:
        cluster.start_master()
        second = author.run(framework_id=framework_id)
        assert second.wait_registered(20) == framework_id
        assert not second.notes["update"]
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGCONT)
    for number in range(4):
        second.wait(f"t{number}", states=RUNNING, timeout=30)


SCHEDULER = """
import sys
from mesos_py import Framework, command_task
framework = Framework("kept", state_file=sys.argv[1], failover_timeout_s=float(sys.argv[2]))
framework.on_registered(lambda event: print(event.framework_id, event.again, event.replaces, flush=True))
framework.on_update(lambda status: print(status.task_id, status.state, flush=True))
with framework:
    framework.wait_registered()
    if "launch" in sys.argv:
        framework.launch(framework.wait_offer(cpus=0.1, mem=16), command_task("t", "sleep 100", cpus=0.1, mem=16))
    framework.wait("none")
"""


@contextlib.contextmanager
def scheduler(cluster, *words):
    with cluster.running_python(SCHEDULER.replace("sys.argv", repr(["", *words]))) as process:
        yield process


def test_a_killed_scheduler_finds_its_id_and_its_tasks(cluster, tmp_path):
    state = tmp_path / "state"
    with scheduler(cluster, str(state), "60", "launch") as old:
        wait_for(lambda: "t RUNNING" in old.text(), "its task runs")
        old.kill()
    framework_id = json.loads(state.read_text())["framework_id"]
    with scheduler(cluster, str(state), "60") as heir:
        wait_for(lambda: "t RUNNING" in heir.text(), "it hears of the task")
        assert f"{framework_id} True None" in heir.text()
        assert cluster.mesos("teardown", "--yes", framework_id).returncode == 0
        assert heir.wait() != 0
        assert "t KILLED" in heir.text()
        assert "FrameworkEndedError: FRAMEWORK_REMOVED: an operator has removed this framework" in heir.text()


def test_a_scheduler_that_comes_back_too_late_gets_a_fresh_id(cluster, tmp_path):
    state = tmp_path / "state"
    with scheduler(cluster, str(state), "0.5", "launch") as old:
        wait_for(lambda: "t RUNNING" in old.text(), "its task runs")
        old.kill()
    framework_id = json.loads(state.read_text())["framework_id"]
    cluster.wait_ready()  # removed, and the task is killed
    with scheduler(cluster, str(state), "0.5") as late:
        wait_for(lambda: f"False {framework_id}" in late.text(), "it is another framework now, and knows it")
    assert json.loads(state.read_text())["framework_id"] not in ("", framework_id)


def test_a_framework_removed_while_it_was_cut_off_goes_on_as_another(author):
    framework = author.run(cut_off=True, failover_timeout_s=0.5)
    removed = framework.wait_registered(20)
    launched(framework, "sleep 100")
    author.proxy.part()
    author.wait_status(removed, "removed")
    author.proxy.join()
    wait_for(lambda: len(framework.notes["registered"]) == 2, "it is registered again")
    assert author.states(framework)[-1] == ("t0", TaskState.KILLED, Reason.FRAMEWORK_REMOVED)
    event = framework.notes["registered"][1]
    assert (event.again, event.replaces) == (False, removed)
    assert framework.framework_id == event.framework_id != removed
    assert [error.reason for error in framework.notes["error"]] == [ErrorReason.FRAMEWORK_REMOVED]
    launched(framework, "sleep 100")  # the same task id: the first is over


def test_one_that_must_keep_its_id_ends_instead(author):
    framework = author.run(cut_off=True, failover_timeout_s=0.5, keep_id=True)
    removed = framework.wait_registered(20)
    launched(framework, "sleep 100")
    author.proxy.part()
    author.wait_status(removed, "removed")
    author.proxy.join()
    assert the_end_of(framework) == ErrorReason.FRAMEWORK_REMOVED
    assert author.states(framework)[-1] == ("t0", TaskState.KILLED, Reason.FRAMEWORK_REMOVED)


def test_who_leaves_for_good_gets_no_fresh_id(author, tmp_path):
    state = tmp_path / "state"
    framework = author.run(state_file=state)
    framework_id = framework.wait_registered(20)
    assert state.exists()
    framework.stop()
    assert framework.join(20)
    assert not state.exists()
    author.wait_status(framework_id, "removed")
    assert {f["status"] for f in author.cluster.items("/frameworks") if f["name"] == "service"} == {"removed"}


def test_an_agent_that_is_unreachable_and_back_is_told(author, cluster):
    framework = author.run()
    agent_id = launched(framework, "sleep 100")
    agent = next(agent for agent in cluster.items("/agents") if agent["agent_id"] == agent_id)
    pid = cluster.daemon(agent["hostname"].replace("host", "agent")).popen.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        framework.wait("t0", states=[TaskState.UNREACHABLE], timeout=40)
        (failure,) = wait_for(lambda: framework.notes["failure"], "the agent is given up")
        assert (failure.agent_id, failure.reason) == (agent_id, FailureReason.UNREACHABLE)
    finally:
        os.kill(pid, signal.SIGCONT)
    (returned,) = wait_for(lambda: framework.notes["agent_returned"], "the agent is back")
    assert returned.agent_id == agent_id
    assert framework.wait("t0", states=RUNNING, timeout=20).reason == Reason.AGENT_REREGISTERED


def test_an_executor_that_crashes_and_an_agent_that_leaves_are_told(author, cluster):
    framework = author.run()
    command = CommandInfo(value="exit 7")
    crash = ExecutorInfo(executor_id="crash", command=command, resources=Resources.of(cpus=0.1, mem=16))
    offer = framework.wait_offer(cpus=0.3, mem=64)
    framework.launch(offer, TaskInfo(task_id="t", resources=Resources.of(cpus=0.1, mem=16), executor=crash))
    assert framework.wait("t", states=TERMINAL, timeout=30).state is TaskState.FAILED
    (failure,) = wait_for(lambda: framework.notes["failure"], "the executor's end is told")
    assert (failure.executor_id, failure.status, failure.reason) == ("crash", 7, FailureReason.EXECUTOR_ENDED)
    number = int(offer.hostname.removeprefix("host"))
    cluster.daemon(f"agent{number}").leave()
    cluster.start_agent(number)
    left = wait_for(lambda: framework.notes["failure"][1:], "the agent's leave is told")[0]
    assert (left.agent_id, left.executor_id, left.reason) == (offer.agent_id, None, FailureReason.LEFT)
