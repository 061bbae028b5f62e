"""What can be broken, one generator each: it breaks something up to its ``yield``, and then waits for what that brings.

Whoever breaks several things at once leaves out the waiting. Nothing here mends: ``Site.mend`` does.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mesos_py import TaskState
from tests.chaos.load import Load, Loads
from tests.chaos.site import AGENT_TIMEOUT_S, REMOTE, SERVERS, Site
from tests.support.cluster import wait_for
from tests.support.masters import SESSION_S

BEYOND_SESSION_S = 1.5 * SESSION_S

Story = Callable[[Site, Loads], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """``what`` is shown in the table."""

    name: str
    what: str
    story: Story

    def strike(self, site: Site, loads: Loads) -> Callable[[], None]:
        """Break it; gives what waits for the consequences."""
        story = self.story(site, loads)
        next(story)
        return lambda: next(story, None)


FAULTS: dict[str, Fault] = {}


def _fault(what: str) -> Callable[[Story], Story]:
    def add(story: Story) -> Story:
        name = story.__name__.strip("_")
        FAULTS[name] = Fault(name, what, story)
        return story

    return add


# Masters


@_fault("leader: kill -9")
def _leader_killed(site: Site, loads: Loads) -> Iterator[None]:
    leader = site.some_leader()
    site.kill(leader)
    yield
    site.wait_leader(other_than=leader)


@_fault("standby: kill -9")
def _standby_killed(site: Site, loads: Loads) -> Iterator[None]:
    leader, now = site.some_leader(), time.time()
    site.kill(next(name for name in site.masters if name != leader))
    yield
    loads.wait_progress()
    assert not site.leading(now) or site.logged(leader, "zookeeper lost", now, why="session over")


@_fault("leader: TERM")
def _leader_stopped(site: Site, loads: Loads) -> Iterator[None]:
    leader = site.some_leader()
    site.terminate(leader)
    yield
    assert site.daemon(leader).wait() == 0
    site.wait_leader(other_than=leader)


@_fault("leader: SIGSTOP beyond its session")
def _leader_frozen(site: Site, loads: Loads) -> Iterator[None]:
    leader = site.some_leader()
    site.freeze(leader)
    yield
    site.wait_leader(other_than=leader)


@_fault("two of three masters: kill -9")
def _two_masters_killed(site: Site, loads: Loads) -> Iterator[None]:
    first = site.some_leader()
    site.kill(first)
    second = site.some_leader()
    site.kill(second)
    yield
    wait_for(lambda: {site.leader()} - {"", first, second}, "the last one leads")


@_fault("all masters: kill -9, one restarted")
def _all_masters_killed(site: Site, loads: Loads) -> Iterator[None]:
    for name in site.masters:
        site.kill(name)
    yield
    site.start_one(site.masters[0])
    site.wait_leader()
    loads.wait_progress()


# ZooKeeper


@_fault("ZooKeeper's leader: kill -9")
def _server_killed(site: Site, loads: Loads) -> Iterator[None]:
    site.kill_server(site.chief())
    yield
    wait_for(site.has_chief, "the other servers agree on another")
    loads.wait_progress()


@_fault("ZooKeeper's leader: SIGSTOP")
def _server_frozen(site: Site, loads: Loads) -> Iterator[None]:
    site.freeze_server(site.chief())
    yield
    wait_for(site.has_chief, "the other servers agree on another")
    site.hold(BEYOND_SESSION_S)  # of whoever was connected to the frozen one
    loads.wait_progress()


@_fault("ZooKeeper: all servers kill -9")
def _ensemble_killed(site: Site, loads: Loads) -> Iterator[None]:
    leader, now = site.some_leader(), time.time()
    for number in range(SERVERS):
        site.kill_server(number)
    yield
    wait_for(lambda: site.logged(leader, "suspended", now), "the leader noticed")
    site.hold(BEYOND_SESSION_S)
    assert not site.leading(now)


@_fault("ZooKeeper: all servers SIGSTOP")
def _ensemble_frozen(site: Site, loads: Loads) -> Iterator[None]:
    """When it wakes up it may end all sessions, the leader's as well: any master may lead then."""
    leader, now = site.some_leader(), time.time()
    for number in range(SERVERS):
        site.freeze_server(number)
    yield
    wait_for(lambda: site.logged(leader, "suspended", now), "the leader noticed")
    site.hold(BEYOND_SESSION_S)
    assert not site.leading(now)


# The broker


@_fault("RabbitMQ: kill -9")
def _broker_killed(site: Site, loads: Loads) -> Iterator[None]:
    site.stop_broker()
    yield
    wait_for(lambda: not site.get("/state")["connected"], "the leader noticed")


@_fault("RabbitMQ: kill -9 and wiped")
def _broker_wiped(site: Site, loads: Loads) -> Iterator[None]:
    site.stop_broker(wipe=True)
    yield
    wait_for(lambda: not site.get("/state")["connected"], "the leader noticed")


# Agents


@_fault("agent: kill -9")
def _agent_killed(site: Site, loads: Loads) -> Iterator[None]:
    site.kill("agent1")
    yield
    loads.wait_progress()  # what ran on the dead one ends meanwhile


@_fault("agent: cut off for a moment")
def _agent_cut_off(site: Site, loads: Loads) -> Iterator[None]:
    site.cut()
    yield
    site.hold(AGENT_TIMEOUT_S / 3)


@_fault("agent: cut off beyond its timeout")
def _agent_cut_off_for_long(site: Site, loads: Loads) -> Iterator[None]:
    site.cut()
    yield
    for load in loads:
        wait_for(lambda load=load: _last_state(load) == TaskState.UNREACHABLE, "the tasks are UNREACHABLE")
    site.mend()
    for load in loads:
        wait_for(lambda load=load: _last_state(load) == TaskState.RUNNING, "the tasks are back", 60)


def _last_state(load: Load) -> str:
    return load.last_state(load.long_task(f"host{REMOTE}"))


# Schedulers


@_fault("scheduler: kill -9, another takes over")
def _scheduler_killed(site: Site, loads: Loads) -> Iterator[None]:
    load = loads.all[0]
    load.process.kill()
    running = {task_id for task_id in load.effects("begun") if "-short-" in task_id}
    yield
    wait_for(lambda: running <= set(load.effects("ended")), "tasks end and nobody hears of it")
