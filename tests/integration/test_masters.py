"""Several masters as processes, elected through a real ZooKeeper: what happens to them is no matter to what runs."""

import contextlib
import secrets
import time
from collections import Counter

import httpx
import pytest

from tests.support.cluster import wait_for
from tests.support.masters import SESSION_S, Masters

pytestmark = pytest.mark.integration

TASKS = 12


@pytest.fixture(scope="module")
def all_masters(rabbitmq, zookeeper, tmp_path_factory):
    place = zookeeper.url(f"/tests-{secrets.token_hex(4)}", "mesos:s3cret")
    masters = Masters(rabbitmq.url(), place, tmp_path_factory.mktemp("masters"))
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


@contextlib.contextmanager
def tasks_running(masters, where):
    """Tasks run all through the block; then they end, and it is checked that each began and ended once."""
    until_told = f"until [ -e {where}/go ]; do sleep 0.2; done"
    command = f"echo $MESOS_TASK_ID >> {where}/begun; {until_told}; echo $MESOS_TASK_ID >> {where}/ended"
    name = where.name.replace("_", "-")[:40]
    words = ["--instances", str(TASKS), "--cpus", "0.1", "--mem", "16", "--name", name, "--", command]

    def said(what):
        file = where / what
        return Counter(file.read_text().split() if file.exists() else [])

    with masters.running("run", *words) as run:
        wait_for(lambda: said("begun").total() == TASKS, "all tasks run")
        before = {agent["agent_id"] for agent in masters.items("/agents")}
        yield run
        (where / "go").touch()
        assert run.wait(60) == 0, run.text()
        wait_for(lambda: all_known(masters, name), "all tasks are shown as FINISHED")
        assert {agent["agent_id"] for agent in masters.items("/agents")} == before
    once = Counter(f"{name}-{number}" for number in range(TASKS))
    assert said("begun") == once
    assert said("ended") == once


def all_known(masters, name):
    states = [task["state"] for task in masters.items("/tasks") if task["name"] == name]
    return states == ["FINISHED"] * TASKS


def back_with_all(masters):
    """Agents and tasks are known again."""
    with contextlib.suppress(httpx.TransportError):
        connected = [agent for agent in masters.items("/agents") if agent["connected"]]
        return len(connected) == 2 and len(masters.live_tasks()) == TASKS
    return False


def test_one_leads_and_the_other_says_who(masters):
    leader, standby = masters.wait_leader(), masters.standby()
    masters.wait_standing_by(besides=leader)  # an earlier test may have just started it anew
    answer = masters.asked(standby, "/agents?limit=1")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{masters._urls[leader]}/agents?limit=1"
    assert masters.asked(standby, "/health").status_code == 200
    done = masters.mesos("agents", MESOS_MASTER=masters._urls[standby])
    assert done.returncode == 0
    assert "host1" in done.stdout


def test_the_leader_is_killed(masters, tmp_path):
    leader = masters.leader()
    with tasks_running(masters, tmp_path):
        began = time.time()
        masters.daemon(leader).kill()
        took_s = masters.took_over(began, leader)
        wait_for(lambda: back_with_all(masters), "all is known again")
        print(f"kill -9: another leads after {took_s:.2f} s, all known after {time.time() - began:.2f} s")
    assert 0 < took_s < SESSION_S, "that was the session's timeout, not the lifeline"


def test_the_leader_is_stopped(masters, tmp_path):
    leader = masters.leader()
    with tasks_running(masters, tmp_path):
        began = time.time()
        masters.daemon(leader).popen.terminate()
        took_s = masters.took_over(began, leader)
        assert masters.daemon(leader).wait() == 0
        wait_for(lambda: back_with_all(masters), "all is known again")
        print(f"TERM: another leads after {took_s:.2f} s, all known after {time.time() - began:.2f} s")
    assert 0 < took_s < SESSION_S


def test_the_leader_freezes_beyond_its_session(masters, tmp_path):
    leader = masters.leader()
    with tasks_running(masters, tmp_path):
        before = masters.daemon(leader).text()
        began = time.time()
        masters.freeze(leader)
        try:
            took_s = masters.took_over(began, leader)
            new = masters.wait_leader(other_than=leader)
            wait_for(lambda: back_with_all(masters), "all is known again")
            print(f"STOP: another leads after {took_s:.2f} s, all known after {time.time() - began:.2f} s")
        finally:
            masters.thaw(leader)
        wait_for(lambda: '"deposed"' in masters.daemon(leader).text()[len(before) :], "the old leader stands by")
        assert masters.daemon(leader).is_running
        wait_for(lambda: back_with_all(masters), "what the old one sent is no matter")
        # it leads again only if ZooKeeper, too slow for its pings, has ended the session of the new leader
        assert masters.wait_leader() == new or '"session over"' in masters.daemon(new).text()


def test_zookeeper_is_killed_and_started_again(masters, zookeeper, tmp_path):
    with tasks_running(masters, tmp_path):
        zookeeper.kill()
        wait_for(lambda: "suspended" in masters.news(), "the leader noticed")
        zookeeper.start()
        wait_for(lambda: back_with_all(masters), "all is known again")


def test_all_masters_are_killed(masters, tmp_path):
    names = list(masters._urls)
    with tasks_running(masters, tmp_path):
        for name in names:
            masters.daemon(name).kill()
        for name in names:
            masters.start_one(name)
        wait_for(lambda: back_with_all(masters), "all is known again")


def test_leaders_are_killed_again_and_again(masters, tmp_path):
    took = []
    with tasks_running(masters, tmp_path):
        for _ in range(5):
            leader = masters.wait_leader()
            wait_for(lambda: back_with_all(masters), "all is known again")
            masters.wait_standing_by(besides=leader)
            began = time.time()
            masters.daemon(leader).kill()
            took.append(masters.took_over(began, leader))
            masters.start_one(leader)
        wait_for(lambda: back_with_all(masters), "all is known again")
    print(f"kill -9: another leads after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
    assert max(took) < SESSION_S


def test_a_master_with_a_wrong_password_says_so_and_ends(masters, tmp_path):
    wrong = masters.zookeeper.replace("s3cret", "wr0ng")
    words = ["master", "--work-dir", str(tmp_path), "--http-port", "0", "--zookeeper", wrong]
    done = masters.mesos(*words)
    assert done.returncode == 78
    assert "the password is wrong" in done.stderr
    assert "wr0ng" not in done.stderr + done.stdout


def test_no_log_has_the_password(masters):
    texts = [masters.daemon(name).text() for name in masters._urls]
    assert all("zookeeper connected" in text for text in texts)
    assert not any("s3cret" in text for text in texts)
