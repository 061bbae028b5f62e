"""What an operator does with a real cluster."""

import json
import re

import pytest

from tests.support.cluster import AGENTS, cluster, one_cluster, wait_for

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration

FRAMEWORK_KEYS = {"framework_id", "name", "roles", "status", "tasks", "used", "counters"}


@pytest.fixture
def ask(cluster):
    """A command that has to go well; its lines, or with --json its value."""

    def ask(*words):
        done = cluster.mesos(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in words else done.stdout.splitlines()

    return ask


def test_lists_of_an_idle_cluster(ask):
    title, *rows = ask("agents")
    assert title.split() == ["AGENT", "HOST", "STATE", "TASKS", "CPUS", "MEM", "DISK", "SINCE", "ATTRIBUTES"]
    assert sorted(re.split(r"  +", row)[1:3] for row in rows) == [["host1", "connected"], ["host2", "connected"]]
    agents = ask("agents", "--json")
    assert sorted(agent["attributes"]["rack"] for agent in agents) == ["r1", "r2"]
    assert [agent["used"] for agent in agents] == [{}] * AGENTS
    assert ask("offers", "--json") == []
    assert ask("roles", "--json") == []


def test_a_task_from_start_to_kill(cluster, ask):
    command = "for n in 1 2 3; do echo line $n; done; exec sleep 60"
    words = ["run", "--cpus", "0.5", "--mem", "64", "--name", "slow", "--role", "web", "--", command]
    with cluster.running(*words) as run:
        wait_for(lambda: "line 3" in run.text(), "the task's output")
        (task,) = [task for task in ask("tasks", "--json") if task["name"] == "slow"]
        assert (task["task_id"], task["state"], task["role"]) == ("slow-0", "RUNNING", "web")
        assert task["resources"] == {"cpus": 0.5, "mem": 64.0}
        assert any(row.startswith("slow-0 ") and "RUNNING" in row for row in ask("tasks"))
        (framework,) = [f for f in ask("frameworks", "--json") if f["status"] == "connected"]
        assert framework.keys() >= FRAMEWORK_KEYS
        assert framework["used"] == task["resources"]
        (role,) = ask("roles", "--json")
        assert role["role"] == "web"
        assert role["allocated"]["cpus"] == 0.5
        assert ask("logs", "slow-0") == ["line 1", "line 2", "line 3"]
        with cluster.running("logs", "-f", "slow-0") as logs:
            wait_for(lambda: "line 3" in logs.text(), "the log so far")
            assert logs.is_running
            (said,) = ask("kill", "slow-0")
            assert "slow-0" in said
            assert logs.wait() == 0  # it ends with the task
            assert logs.text().splitlines() == ["line 1", "line 2", "line 3"]
        assert run.wait() == 1
        assert "slow-0: KILLED" in run.text()
    wait_for(lambda: [t["state"] for t in cluster.items("/tasks") if t["name"] == "slow"] == ["KILLED"], "it is killed")
    (task,) = [task for task in ask("tasks", "--all", "--json") if task["name"] == "slow"]
    assert task["state"] == "KILLED"
    assert ask("logs", "slow-0") == ["line 1", "line 2", "line 3"]


def test_offers_in_hand_are_shown(cluster, ask):
    code = (
        "from mesos_py import Framework\n"
        "framework = Framework('hoarder')\n"
        "framework.on_offers(lambda offers: print(len(offers), flush=True))\n"
        "framework.run()\n"
    )
    with cluster.running_python(code):
        wait_for(lambda: len(cluster.items("/offers")) == AGENTS, "both agents offered")
        offers = ask("offers", "--json")
        assert {offer["framework_name"] for offer in offers} == {"hoarder"}
        assert {offer["hostname"] for offer in offers} == {"host1", "host2"}
        assert len(ask("offers")) == 1 + AGENTS
        (framework,) = [f for f in ask("frameworks", "--json") if f["status"] == "connected"]
        assert ask("teardown", "--yes", framework["framework_id"])
    cluster.wait_ready()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["kill", "nobody"], "nobody"),
        (["logs", "nobody"], "nobody"),
        (["teardown", "--yes", "nobody"], "nobody"),
        (["agents", "--master", "http://127.0.0.1:1"], "cannot reach the master at http://127.0.0.1:1: connection"),
    ],
)
def test_what_cannot_be_done_gets_one_line(cluster, words, why):
    done = cluster.mesos(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("mesos: ")
    assert why in line
