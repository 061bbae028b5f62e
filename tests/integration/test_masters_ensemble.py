"""Three masters and three ZooKeeper servers: any one of each may go."""

import secrets
import time

import pytest

from tests.integration.test_masters import back_with_all, tasks_running
from tests.support.cluster import wait_for
from tests.support.masters import Masters
from tests.support.zookeeper import Zookeeper, installed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    installed()
    ensemble = Zookeeper(tmp_path_factory.mktemp("ensemble"), servers=3)
    try:
        ensemble.start()
        yield ensemble
    finally:
        ensemble.kill()


@pytest.fixture(scope="module")
def all_masters(rabbitmq, ensemble, tmp_path_factory):
    place = ensemble.url(f"/tests-{secrets.token_hex(4)}")
    masters = Masters(rabbitmq.url(), place, tmp_path_factory.mktemp("masters"), masters=3)
    try:
        masters.start()
        yield masters
    except BaseException:
        print(masters.news())
        raise
    finally:
        masters.stop()


@pytest.fixture
def masters(all_masters):
    all_masters.wait_ready()
    all_masters.news()
    yield all_masters
    print(all_masters.news())


def test_each_server_of_the_ensemble_goes_in_turn(masters, ensemble, tmp_path):
    """Some leader's session moves to another server; whoever leads, all goes on."""
    with tasks_running(masters, tmp_path):
        for server in ensemble.servers:
            server.kill()
            wait_for(lambda: back_with_all(masters), "all is known")
            server.start()
            server.wait_serving()
        wait_for(lambda: back_with_all(masters), "all is known")


def test_the_whole_ensemble_goes_beyond_the_session(masters, ensemble, tmp_path):
    leader = masters.leader()
    with tasks_running(masters, tmp_path) as run:
        ensemble.kill()
        wait_for(lambda: "suspended" in masters.daemon(leader).news(), "the leader noticed")
        assert masters.leads(leader)
        assert run.is_running
        ensemble.start()
        wait_for(lambda: back_with_all(masters), "all is known again")


def test_two_of_three_masters_are_killed(masters, tmp_path):
    with tasks_running(masters, tmp_path):
        first = masters.wait_leader()
        began = time.time()
        masters.daemon(first).kill()
        masters.took_over(began, first)
        second = masters.wait_leader(other_than=first)
        began = time.time()
        masters.daemon(second).kill()
        wait_for(lambda: {masters.leader()} - {"", first, second}, "the last one leads")
        wait_for(lambda: back_with_all(masters), "all is known again")
        print(f"two masters killed: the last one leads, all known {time.time() - began:.2f} s after")
