"""Nodes are emptied under running tasks, through whatever happens meanwhile: frameworks know, and go on elsewhere."""

import time

import pytest

from mesos_py import Framework, OfferFilter, TaskState, command_task
from mesos_py.types.tasks import TERMINAL
from tests.support.cluster import cluster, one_cluster, wait_for
from tests.support.jobs import DRAINED, Job

__all__ = ["cluster", "one_cluster"]

pytestmark = pytest.mark.integration


def test_a_node_is_emptied_and_taken_back(cluster):
    with Job(cluster, "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.1; done") as job:
        done = cluster.mesos("agent", "drain", job.host, "--wait", "--timeout", "40")
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(" is drained\n")
        assert "3 tasks run" in done.stderr
        assert job.why() == DRAINED
        assert job.agent()["mode"] == "DRAINED"
        other = job.framework.wait_offer(cpus=0.05, mem=16, timeout=30)
        assert other.hostname != job.host, "it is not offered"
        job.framework.launch(other, [command_task("again", "true", cpus=0.05, mem=16)])
        assert job.framework.wait("again", states=TERMINAL, timeout=30).state is TaskState.FINISHED
        assert cluster.mesos("agent", "reactivate", job.host).returncode == 0
        wait_for(lambda: job.framework.wait_offer(cpus=0.05, timeout=30).hostname == job.host, "it is offered again")


def test_tasks_that_take_their_time_are_given_less(cluster):
    with Job(cluster, "trap '' TERM; sleep 1000", grace_s=600) as job:
        began = time.monotonic()
        done = cluster.mesos("agent", "drain", job.host, "--max-grace-period", "1", "--wait", "--timeout", "40")
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began > 1
        assert job.why() == DRAINED
        cluster.mesos("agent", "reactivate", job.host)


def test_the_agent_is_killed_while_it_is_drained(cluster):
    with Job(cluster, "trap '' TERM; sleep 1000", grace_s=5) as job:
        number = int(job.host.removeprefix("host"))
        with cluster.running("agent", "drain", job.host, "--wait") as waiting:
            wait_for(lambda: {task["state"] for task in cluster.items("/tasks")} >= {"KILLING"}, "it is drained")
            cluster.daemon(f"agent{number}").kill()
            cluster.start_agent(number)
            assert waiting.wait(60) == 0, waiting.text()
        assert job.why() == DRAINED
        assert not cluster.processes()
        cluster.mesos("agent", "reactivate", job.host)


def test_an_agent_that_is_away_is_emptied_when_it_is_back(cluster):
    with Job(cluster, "sleep 1000") as job:
        number = int(job.host.removeprefix("host"))
        cluster.daemon(f"agent{number}").stop()
        with cluster.running("agent", "drain", job.host, "--wait") as waiting:
            wait_for(lambda: "it is drained when it is back" in waiting.text(), "it is away")
            assert len(cluster.processes()) >= len(job.ids)
            cluster.start_agent(number)
            assert waiting.wait(60) == 0, waiting.text()
        assert job.why() == DRAINED
        cluster.mesos("agent", "reactivate", job.host)


def test_a_node_is_drained_and_gone(cluster):
    cluster.start_agent(3)
    try:
        wait_for(lambda: len(cluster.items("/agents")) == 3, "it is there")
        done = cluster.mesos("agent", "drain", "host3", "--mark-gone", "--yes", "--wait")
        assert (done.returncode, done.stdout.splitlines()[-1].endswith(" is gone")) == (0, True)
        agent = cluster.daemon("agent3")
        assert agent.wait() != 0
        assert "an operator declared its agent gone" in agent.text()
        assert len(cluster.items("/agents")) == 2
    finally:
        cluster.forget("agent3")


def test_maintenance_is_planned_done_and_over(cluster, tmp_path):
    cluster.start_agent(4)
    try:
        wait_for(lambda: len(cluster.items("/agents")) == 3, "it is there")
        (before,) = [agent["agent_id"] for agent in cluster.items("/agents") if agent["hostname"] == "host4"]
        framework = Framework("asked", filters={"*": OfferFilter(hosts=["host4"])})
        asked = []

        @framework.on_inverse_offers
        def answer(inverse_offers):
            asked.extend(inverse_offers)
            framework.decline_inverse(inverse_offers, reason="one moment", refuse_seconds=600)

        framework.start(cluster.broker)
        offer = framework.wait_offer(cpus=0.05, timeout=30)
        framework.launch(offer, command_task("t1", "sleep 1000", cpus=0.05, mem=16))
        framework.wait("t1", states=["RUNNING"], timeout=30)
        plan = tmp_path / "plan.toml"
        plan.write_text('[[windows]]\nhosts = ["host4"]\nstart = 2026-12-24T18:00:00Z\nduration = "2h"\n')
        assert cluster.mesos("maintenance", "schedule", str(plan)).returncode == 0
        wait_for(lambda: "(one moment)" in cluster.mesos("maintenance", "status").stdout, "the answer is shown")
        assert {(offer.hostname, offer.unavailability.duration_s) for offer in asked} == {("host4", 7200.0)}
        assert framework.wait_offer(cpus=0.05, timeout=30).unavailability == asked[0].unavailability
        assert cluster.mesos("maintenance", "down", "host4", "--yes").returncode == 0
        status = framework.wait("t1", states=TERMINAL, timeout=30)
        assert (status.state, status.message) == (TaskState.GONE, "its machine is down for maintenance")
        assert cluster.daemon("agent4").wait() != 0
        assert not cluster.processes()
        cluster.start_agent(4)
        assert cluster.daemon("agent4").wait() != 0, "it is not let in"
        assert cluster.mesos("maintenance", "up", "host4").returncode == 0
        cluster.start_agent(4)
        wait_for(lambda: before in {agent["agent_id"] for agent in cluster.items("/agents")}, "it is back")
        framework.stop()
        framework.join(20)
    finally:
        cluster.daemon("agent4").leave()
        cluster.forget("agent4")
