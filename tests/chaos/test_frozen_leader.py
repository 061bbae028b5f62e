"""A leader is frozen with orders in hand, and wakes up when another leads: nothing that it sends takes effect."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from mesos_py import Framework, TaskState, command_task
from tests.support.cluster import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(300)]

NOT_RUN = {TaskState.DROPPED, TaskState.GONE, TaskState.UNKNOWN}


def test_what_a_woken_leader_sends_is_ignored(site, tmp_path, measured):
    with site.under_load(tmp_path) as loads, contextlib.ExitStack() as stack:
        ghost = Ghost(site, tmp_path / "ghost")
        stack.callback(ghost.leave)
        old, began = site.wait_leader(), time.time()
        with measured("leader: frozen with orders in hand, wakes up late", loads):
            site.freeze(old)
            ghost.launch()
            order = stack.enter_context(order_to_kill(site.url_of(old), [load.long_task("host1") for load in loads]))
            new = site.wait_leader(other_than=old)
            loads.wait_progress()
            agents = site.near_agents()
            before = ignored_orders(agents)
            site.thaw(old)
            order.recv(1)
            wait_for(lambda: site.follows(old), "the old leader stands by")
            # it leads again only if ZooKeeper, too slow for its pings, has ended the session of the new leader
            assert site.wait_leader() == new or site.logged(new, "zookeeper lost", began, why="session over")
            site.wait_whole()
        assert ghost.wait_known() in NOT_RUN
        loads.wait_progress()
        # none if it heard of the end of its session before it looked at anything else
        print(f"agents ignored {ignored_orders(agents) - before} orders of the old leader")
    assert not ghost.effect.exists()


def ignored_orders(agents):
    """How many orders of old masters these have ignored."""
    states = [httpx.get(f"{url}/state", timeout=10.0, trust_env=False).json() for url in agents]
    return sum(state["counters"].get("orders_of_old_masters", 0) for state in states)


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


@contextlib.contextmanager
def order_to_kill(url, task_ids):
    """An operator's orders to kill these tasks, which wait for the process at this URL to read them."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), 60) as asking:
        for task_id in task_ids:
            head = f"POST /tasks/{task_id}/kill HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 0\r\n\r\n"
            asking.sendall(head.encode())
        yield asking
