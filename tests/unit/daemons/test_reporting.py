"""systemd knows how a daemon fares, is not flooded, and sees when its loop hangs."""

import pytest

from mesos_py.adapters.systemd import ServiceManager
from mesos_py.daemons.reporting import Reporter
from mesos_py.runtime.condition import Condition, Outage
from mesos_py.runtime.loop import Loop
from tests.support.systemd import Manager


class World:
    def __init__(self, manager, **variables):
        self.now = 100.0
        self.manager = manager
        self.loop = Loop(lambda: self.now)
        self.fares = Condition(is_ready=False, text="contending")
        self.asked = 0
        self.reporter = Reporter(
            self.loop, ServiceManager({"NOTIFY_SOCKET": manager.address, **variables}), self.condition
        )
        self.reporter.start()

    def condition(self):
        self.asked += 1
        return self.fares

    def turn(self, after=0.0):
        self.now += after
        self.loop.turn(0)
        return self.manager.told()


@pytest.fixture
def make(tmp_path):
    worlds = []

    def make(**variables):
        worlds.append(World(manager, **variables))
        return worlds[-1]

    with Manager(tmp_path / "notify") as manager:
        yield make
    for world in worlds:
        world.loop.close()


def test_it_is_ready_once_and_its_status_is_kept_current(make):
    world = make()
    assert world.turn() == [{"STATUS": "contending"}]
    world.fares = Condition(is_ready=True, text="leading")
    assert world.turn(after=2) == [{"STATUS": "leading", "READY": "1"}]
    world.fares = Condition(is_ready=False, text="broker lost")
    assert world.turn(after=2) == [{"STATUS": "broker lost"}]
    world.fares = Condition(is_ready=True, text="leading")
    assert world.turn(after=2) == [{"STATUS": "leading"}]


def test_a_busy_daemon_reports_once_a_second_and_its_last_word_is_not_lost(make):
    world = make()
    world.turn()
    for number in range(10):
        world.fares = Condition(is_ready=True, text=f"{number} tasks")
        assert world.turn(after=0.01) == []
    assert world.reporter.next_deadline() == pytest.approx(101.0)
    assert world.turn(after=1) == [{"STATUS": "9 tasks", "READY": "1"}]


def test_an_idle_daemon_is_left_asleep(make):
    world = make()
    world.turn()
    world.turn(after=0.5)
    world.turn(after=0.5)  # the look that the turn before had asked for
    assert world.reporter.next_deadline() is None


def test_the_watchdog_hears_of_a_loop_that_turns_and_of_no_other(make):
    world = make(WATCHDOG_USEC="30000000")
    assert {"WATCHDOG": "1"} in world.turn()
    assert world.reporter.next_deadline() == pytest.approx(110.0)
    assert world.turn(after=9) == []
    assert world.turn(after=1.5) == [{"WATCHDOG": "1"}]
    world.now += 1000  # in which the loop hangs
    assert world.manager.told() == []


def test_what_did_not_get_through_is_said_again(tmp_path):
    with Manager(tmp_path / "first") as manager:
        world = World(manager)
    world.loop.turn(0)  # nobody listens
    (tmp_path / "first").unlink()
    with Manager(tmp_path / "first") as world.manager:
        assert world.turn(after=2) == [{"STATUS": "contending"}]
    world.loop.close()


def test_a_reload_ends_even_if_the_daemon_is_not_ready_then(make):
    world = make()
    world.fares = Condition(is_ready=True, text="leading")
    world.turn()
    world.fares = Condition(is_ready=False, text="broker lost")
    world.reporter.reloading()
    world.reporter.reloaded()
    [reloading, ready] = world.turn()
    assert reloading["RELOADING"] == "1"
    assert ready == {"STATUS": "broker lost", "READY": "1"}


def test_a_daemon_that_reloads_before_it_is_ready_does_not_become_it(make):
    world = make()
    world.reporter.reloading()
    world.reporter.reloaded()
    assert world.manager.told() == []


def test_after_the_last_word_nothing_is_reported(make):
    world = make()
    world.turn()
    world.reporter.stopping("stopping")
    world.fares = Condition(is_ready=True, text="never mind")
    assert world.turn(after=5) == [{"STOPPING": "1", "STATUS": "stopping"}]


def test_without_systemd_nobody_is_asked():
    loop = Loop()
    asked = []
    Reporter(loop, ServiceManager({}), lambda: asked.append(1)).start()
    loop.turn(0)
    loop.close()
    assert asked == []


def test_an_outage_says_since_when():
    outage = Outage("broker", lambda: 1_795_000_000.0)
    assert outage.text == "broker not reached yet"
    outage.end()
    assert outage.text == ""
    outage.begin("lost", "connection reset")
    assert outage.text == "broker lost since 2026-11-18T11:06:40Z: connection reset"
