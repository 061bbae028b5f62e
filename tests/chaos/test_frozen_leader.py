"""A leader is frozen with orders in hand, and wakes up when another leads: nothing that it sends takes effect."""

import contextlib
import time

import httpx
import pytest

from mesos_py import Framework, TaskState, command_task
from tests.support.cluster import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(300)]

NOT_RUN = {TaskState.DROPPED, TaskState.GONE, TaskState.UNKNOWN}


def test_what_a_woken_leader_sends_is_ignored(site, tmp_path, measured):
    """When it wakes up it hears neither from ZooKeeper nor from the broker that another leads: it believes it does."""
    with site.under_load(tmp_path) as loads, contextlib.ExitStack() as stack:
        ghost = Ghost(site, tmp_path / "ghost")
        stack.callback(ghost.leave)
        old, began = site.wait_leader(), time.time()
        with measured("leader: frozen with orders in hand, wakes up late", loads):
            site.freeze(old)
            site.deafen(old)
            ghost.launch()
            new = site.wait_leader(other_than=old)
            loads.wait_progress()
            agents = site.near_agents()
            before = ignored_orders(agents)
            with site.frozen_ensemble():
                woken = time.time()
                site.thaw(old)
                wait_for(lambda: site.logged(old, "broker connected", woken), "the old leader is back at the broker")
                order_to_kill(site, old, [load.long_task("host1") for load in loads])
                wait_for(lambda: ignored_orders(agents) > before, "agents ignore what the old leader says")
            wait_for(lambda: site.follows(old), "the old leader stands by")
            # it leads again only if ZooKeeper, too slow for its pings, has ended the session of the new leader
            assert site.wait_leader() == new or site.logged(new, "zookeeper lost", began, why="session over")
            site.wait_whole()
        assert ghost.wait_known() in NOT_RUN
        loads.wait_progress()
    assert not ghost.effect.exists()


def ignored_orders(agents):
    """How many orders of old masters these have ignored."""
    states = [httpx.get(f"{url}/state", timeout=10.0, trust_env=False).json() for url in agents]
    return sum(state["counters"].get("orders_of_old_masters", 0) for state in states)


def order_to_kill(site, master, task_ids):
    """An operator's orders to kill these tasks, which this very master obeys for as long as it believes to lead."""
    for task_id in task_ids:
        answer = httpx.post(f"{site.url_of(master)}/tasks/{task_id}/kill", timeout=10.0, trust_env=False)
        assert answer.status_code in (202, 307, 503), answer.text


class Ghost:
    """A framework that launches one task on an offer of the frozen leader, which may hear of it and must not run it."""

    def __init__(self, site, effect):
        self.effect = effect
        self._framework = Framework("ghost", failover_timeout_s=60).start(site.broker)
        self._offer = self._framework.wait_offer(cpus=0.1, mem=16)

    def launch(self):
        task = command_task("ghost", f"touch {self.effect}", cpus=0.1, mem=16)
        self._framework.launch(self._offer, task)

    def wait_known(self):
        return self._framework.wait("ghost", states=NOT_RUN, timeout=60).state

    def leave(self):
        self._framework.stop()
        self._framework.join(20)
