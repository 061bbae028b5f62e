"""What breaks under running tasks: the broker, the master, the scheduler. No task is lost, and none runs twice."""

import contextlib
from collections import Counter

import httpx
import pytest

from mesos_py import TERMINAL, Framework, TaskState
from tests.support.cluster import cluster, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

TASKS = 30


class Job:
    """`mesos run` of tasks that say when they start and when they end, half of them early and half late, as told."""

    def __init__(self, cluster, directory):
        self.cluster = cluster
        self.directory = directory
        self.name = directory.name.replace("_", "-")

    @contextlib.contextmanager
    def running(self):
        """All are running; at the end of the block all are told to end, and it is checked that each ran once."""
        where = self.directory
        command = (
            f"echo $MESOS_TASK_ID >> {where}/begun; n=${{MESOS_TASK_ID##*-}}; n=${{n%.*}};"
            f"until [ -e {where}/half$((n % 2)) ]; do sleep 0.2; done; echo $MESOS_TASK_ID >> {where}/ended"
        )
        words = ["--instances", str(TASKS), "--cpus", "0.1", "--mem", "16", "--name", self.name, "--", command]
        with self.cluster.running("run", *words) as run:
            wait_for(lambda: len(self.said("begun")) == TASKS, "all tasks run")
            yield run
            self.end_half(0)
            self.end_half(1)
            assert run.wait(60) == 0, run.text()
        expected = Counter(f"{self.name}-{number}" for number in range(TASKS))
        assert Counter(self.said("begun")) == expected
        assert Counter(self.said("ended")) == expected
        finished = dict.fromkeys(expected, "FINISHED")
        wait_for(lambda: self.states() == finished, "all tasks are shown as FINISHED")

    def end_half(self, half):
        (self.directory / f"half{half}").touch()
        wait_for(lambda: len(self.said("ended")) >= TASKS // 2 * (half + 1), f"half {half} has ended")

    def states(self):
        return {task["task_id"]: task["state"] for task in self.cluster.items("/tasks") if task["name"] == self.name}

    def said(self, what):
        file = self.directory / what
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def job(cluster, tmp_path):
    return Job(cluster, tmp_path)


def test_the_broker_is_killed_and_started_again(cluster, rabbitmq, job):
    before = [cluster.daemon(f"agent{number}").text() for number in (1, 2)]
    with job.running() as run:
        rabbitmq.stop(hard=True)
        try:
            wait_for(lambda: not cluster.get("/state")["connected"], "the master noticed")
            job.end_half(0)  # nobody hears of it yet
        finally:
            rabbitmq.start()
        wait_for(lambda: all_back(cluster, before), "the agents are back")
    assert "the broker is not reached" in run.text()
    assert len(cluster.items("/agents")) == 2


def all_back(cluster, before):
    texts = [cluster.daemon(f"agent{number}").text() for number in (1, 2)]
    return all("registered again" in text[len(old) :] for text, old in zip(texts, before, strict=True))


def test_the_master_is_killed_and_started_again(cluster, job):
    before = {agent["agent_id"] for agent in cluster.items("/agents")}
    old = cluster.get("/state")["master"]["master_id"]
    with job.running():
        cluster.daemon("master").kill()
        job.end_half(0)
        cluster.start_master()
        wait_for(lambda: len(live(cluster)) == TASKS // 2, "those that still run are known again")
    assert cluster.get("/state")["master"]["master_id"] != old
    assert {agent["agent_id"] for agent in cluster.items("/agents")} == before


def test_an_agent_leaves(cluster, tmp_path):
    command = f"echo $MESOS_TASK_ID >> {tmp_path}/begun; until [ -e {tmp_path}/go ]; do sleep 0.2; done"
    words = ["--instances", "8", "--cpus", "0.5", "--mem", "16", "--name", "moved", "--max-retries", "3"]
    with cluster.running("run", *words, "--", command) as run:
        begun = tmp_path / "begun"
        wait_for(lambda: begun.exists() and len(begun.read_text().split()) == 8, "all tasks run")
        host = next(task["hostname"] for task in cluster.items("/tasks") if task["name"] == "moved")
        number = int(host.removeprefix("host"))
        cluster.daemon(f"agent{number}").leave()
        cluster.start_agent(number)
        (tmp_path / "go").touch()
        assert run.wait() == 0
    assert "moved-0: KILLED: the agent was stopped" in run.text()
    assert "trying again" in run.text()


def live(cluster):
    with contextlib.suppress(httpx.TransportError):  # there is no master now
        return cluster.live_tasks()
    return []


SCHEDULER = """
from mesos_py import Framework, command_task
framework = Framework("heir", failover_timeout_s=60)
with framework:
    offer = framework.wait_offer(cpus=0.3, mem=48)
    framework.launch(offer, [command_task(f"t{n}", "sleep 3", cpus=0.1, mem=16) for n in range(3)])
    for n in range(3):
        framework.wait(f"t{n}", states=["RUNNING"])
    print(framework.framework_id, flush=True)
    framework.wait("t0", states=[])
"""


def test_a_killed_scheduler_is_taken_over(cluster):
    with cluster.running_python(SCHEDULER) as old:
        framework_id = wait_for(lambda: old.text().strip(), "three tasks run")
        old.kill()
    assert len(cluster.live_tasks()) == 3
    heard = {}
    heir = Framework("heir", framework_id=framework_id, failover_timeout_s=60)
    heir.on_update(lambda status: heard.setdefault(status.task_id, []).append(status.state))
    heir.start(cluster.broker)
    try:
        assert heir.wait_registered(timeout=20) == framework_id
        heir.reconcile()
        for task_id in ("t0", "t1", "t2"):
            status = heir.wait(task_id, states=TERMINAL, timeout=30)
            assert (status.state, status.exit_code) == (TaskState.FINISHED, 0)
    finally:
        heir.stop()
        heir.join(20)
    assert {task_id: states[0] for task_id, states in heard.items()} == dict.fromkeys(["t0", "t1", "t2"], "RUNNING")


def test_nobody_takes_over(cluster):
    with cluster.running_python(SCHEDULER.replace("failover_timeout_s=60", "failover_timeout_s=0.5")) as old:
        wait_for(lambda: old.text().strip(), "three tasks run")
        old.kill()
    cluster.wait_ready()  # the framework is removed, its tasks are killed
