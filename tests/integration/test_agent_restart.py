"""Agents are killed, stopped and changed under running tasks: nothing is lost, nothing runs twice."""

from collections import Counter
from functools import partial

import pytest

from mesos_py import Framework, TaskState, command_task
from mesos_py.types.tasks import TERMINAL
from tests.support.cluster import cluster, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

MANY = 50


@pytest.fixture(name="framework")
def _framework(cluster):
    framework = Framework("witness")
    framework.start(cluster.broker)
    yield framework
    framework.stop()
    framework.join(20)


class Job:
    """Tasks on one agent, which note each of their runs."""

    def __init__(self, cluster, framework, tmp_path, count, line):
        offer = framework.wait_offer(cpus=0.05 * count, mem=16 * count, timeout=30)
        self.cluster, self.framework, self.directory = cluster, framework, tmp_path
        self.number = int(offer.hostname.removeprefix("host"))
        self.ids = [f"t{n}" for n in range(count)]
        wait = f"until [ -e {tmp_path}/go ]; do sleep 0.1; done"
        lines = {name: line.format(n=n, wait=wait) for n, name in enumerate(self.ids)}
        framework.launch(
            offer,
            [
                command_task(name, f"echo {name} >>{tmp_path}/runs; {line}", cpus=0.05, mem=16)
                for name, line in lines.items()
            ],
        )
        for name in self.ids:
            framework.wait(name, states=["RUNNING"], timeout=30)
        wait_for(lambda: len(self.runs()) == count, "every task has begun")

    @property
    def agent(self):
        return self.cluster.daemon(f"agent{self.number}")

    def start_agent(self, *options):
        self.cluster.start_agent(self.number, *options)

    def agent_id(self):
        (agent_id,) = [a["agent_id"] for a in self.cluster.items("/agents") if a["hostname"] == f"host{self.number}"]
        return agent_id

    def go(self):
        (self.directory / "go").touch()

    def runs(self):
        file = self.directory / "runs"
        return Counter(file.read_text().split() if file.exists() else [])

    def ends(self):
        ended = [self.framework.wait(name, states=TERMINAL, timeout=60) for name in self.ids]
        assert set(self.runs().values()) == {1}, "a task ran twice"
        return ended


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_tasks_outlive_their_agent(cluster, framework, tmp_path, how):
    job = Job(cluster, framework, tmp_path, MANY, "{wait}; exit {n}")
    before = job.agent_id()
    getattr(job.agent, how)()
    assert len(cluster.processes()) >= MANY
    job.start_agent()
    wait_for(lambda: "registered" in job.agent.text(), "the agent is back")
    job.go()
    ended = job.ends()
    assert [status.exit_code for status in ended] == list(range(MANY))
    assert [status.state for status in ended] == [TaskState.FINISHED] + [TaskState.FAILED] * (MANY - 1)
    assert job.agent_id() == before


def test_what_ended_while_the_agent_was_away(cluster, framework, tmp_path):
    job = Job(cluster, framework, tmp_path, 3, "{wait}; [ {n} != 2 ] || kill -9 $$; exit {n}")
    job.agent.kill()
    job.go()
    wait_for(lambda: not cluster.processes(), "all tasks have ended")
    job.start_agent()
    ended = job.ends()
    assert [(status.state, status.exit_code) for status in ended] == [
        (TaskState.FINISHED, 0),
        (TaskState.FAILED, 1),
        (TaskState.FAILED, None),
    ]
    assert ended[2].message == "killed by SIGKILL"


def test_kills_that_the_agent_missed(cluster, framework, tmp_path):
    job = Job(cluster, framework, tmp_path, 2, "sleep 100")
    job.agent.kill()
    framework.kill("t0")
    job.start_agent()
    assert framework.wait("t0", states=TERMINAL, timeout=60).state is TaskState.KILLED
    framework.kill("t1")
    assert [status.state for status in job.ends()] == [TaskState.KILLED] * 2
    wait_for(lambda: not cluster.processes(), "nothing runs")


def test_a_teardown_that_the_agent_missed(cluster, tmp_path):
    framework = Framework("brief")
    framework.start(cluster.broker)
    job = Job(cluster, framework, tmp_path, 2, "sleep 100")
    job.agent.kill()
    framework.stop()
    framework.join(20)
    assert cluster.processes()
    job.start_agent()
    wait_for(lambda: not cluster.processes(), "the tasks have ended")


def test_an_agent_that_only_cleans_up(cluster, framework, tmp_path):
    job = Job(cluster, framework, tmp_path, 3, "sleep 100")
    job.agent.kill()
    job.start_agent("--recover", "cleanup")
    assert job.agent.wait() == 0
    assert not cluster.processes()
    job.start_agent()
    assert {status.state for status in job.ends()} <= {TaskState.FAILED, TaskState.KILLED, TaskState.GONE}


def test_an_agent_that_is_killed_again_and_again(cluster, framework, tmp_path):
    job = Job(cluster, framework, tmp_path, 10, "{wait}; exit {n}")
    for last_words in ("", "starting", "broker connected", "registered"):
        job.agent.kill()
        job.start_agent()
        agent = job.agent
        size = agent.output.stat().st_size
        wait_for(partial(_has_said, agent, size, last_words), "it has come that far")
    job.agent.kill()
    job.start_agent()
    job.go()
    assert [status.exit_code for status in job.ends()] == list(range(10))


def _has_said(agent, since, words):
    return words in agent.output.read_bytes()[since:].decode()


def test_nothing_is_offered_of_an_agent_that_was_stopped(cluster, framework, tmp_path):
    job = Job(cluster, framework, tmp_path, 1, "{wait}")
    job.agent.stop()

    def away():
        (agent,) = [a for a in cluster.items("/agents") if a["hostname"] == f"host{job.number}"]
        return not agent["connected"]

    wait_for(away, "the master knows", patience_s=5)
    job.start_agent()
    job.go()
    assert job.ends()[0].state is TaskState.FINISHED
