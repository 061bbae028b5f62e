"""What goes wrong with the broker itself: nobody is taken for dead, each trouble is said once, and so is its end."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.support.cluster import json_lines, make_cluster, wait_for
from tests.support.rabbitmq import RabbitMQ

pytestmark = pytest.mark.integration

DAEMONS = ("master", "agent1", "agent2")
WATERMARK = "0.4"


class Watch:
    """What the daemons log of the broker from now on."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._before = {name: len(cluster.daemon(name).text()) for name in DAEMONS}

    def said(self, name):
        lines = json_lines(self._cluster.daemon(name).text()[self._before[name] :])
        return [line for line in lines if line["event"].startswith("broker ")]

    def events(self, name):
        return [line["event"] for line in self.said(name)]

    def wait(self, *events, names=DAEMONS, patience_s=30.0):
        """Each of the daemons has said exactly this."""
        wait_for(
            lambda: all(len(self.events(name)) >= len(events) for name in names),
            f"{events} from {names}",
            patience_s,
        )
        assert {name: self.events(name) for name in names} == {name: list(events) for name in names}


@pytest.fixture
def cluster(rabbitmq, tmp_path):
    """A new one: whoever has just seen a trouble tells of the end of the next only when that lasts."""
    with make_cluster(rabbitmq.url(), tmp_path) as cluster:
        yield cluster
        print(cluster.news())


@pytest.fixture
def watch(cluster):
    return Watch(cluster)


@contextlib.contextmanager
def alarm(rabbitmq: RabbitMQ):
    rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", WATERMARK)


@contextlib.contextmanager
def a_run(cluster, tmp_path, instances=4):
    """Tasks that go on until they may end; then all of them have run once, and nobody was given up."""
    go, begun = tmp_path / "go", tmp_path / "begun"
    command = f"echo $MESOS_TASK_ID >> {begun}; until [ -e {go} ]; do sleep 0.2; done"
    words = ["--instances", str(instances), "--cpus", "0.1", "--mem", "16", "--name", "steady", "--", command]
    unreachable = counter(cluster, "agents_unreachable")
    with cluster.running("run", *words) as run:
        wait_for(lambda: begun.exists() and len(begun.read_text().split()) == instances, "all tasks run")
        try:
            yield run
        finally:
            go.touch()
        assert run.wait(60) == 0, run.text()
    assert sorted(begun.read_text().split()) == [f"steady-{number}" for number in range(instances)]
    assert counter(cluster, "agents_unreachable") == unreachable


def counter(cluster, name):
    return cluster.get("/state")["counters"].get(name, 0)


def test_a_memory_alarm_lasts_longer_than_the_masters_patience(cluster, rabbitmq, watch, tmp_path):
    with a_run(cluster, tmp_path) as run:
        with alarm(rabbitmq):
            watch.wait("broker blocked")
            assert not cluster.get("/state")["connected"]
            told = [line for line in watch.said("agent1") if "low on memory" in line["why"]]
            assert "raise vm_memory_high_watermark" in told[0]["why"]
            with cluster.running("run", "--", "true") as late:  # one that begins during the alarm says why it gives up
                still(lambda: all(agent["connected"] for agent in cluster.items("/agents")), 14.0)  # patience is 10 s
                assert late.wait() == 1
                assert "low on memory" in late.text()
        watch.wait("broker blocked", "broker unblocked")
        still(lambda: all(agent["connected"] for agent in cluster.items("/agents")), 2.0)
    assert run.text().count("the broker takes no messages") == 1
    assert run.text().count("the broker takes messages again") == 1


def still(condition, seconds):
    """It holds all the time."""
    with pytest.raises(AssertionError, match="still so"):
        wait_for(lambda: not condition(), "still so", seconds)


ALL = ("set_permissions", "-p", "{}", "{}", ".*", ".*", ".*")
CLOSE = ("close_all_connections", "--vhost", "{}", "because of the test")
FAULTS_OF_ONE_USER = {
    "the user is deleted": (
        [("delete_user", "{}")],
        [("add_user", "{}", "secret"), ALL],
        "check user and password in the broker URL",
    ),
    "the password is changed": (
        [("change_password", "{}", "another"), CLOSE],
        [("change_password", "{}", "secret")],
        "check user and password in the broker URL",
    ),
    "the virtual host is deleted": (
        [("delete_vhost", "{}")],
        [("add_vhost", "{}"), ALL],
        "create the virtual host",
    ),
    "the virtual host is closed to us": (
        [("clear_permissions", "-p", "{}", "{}"), CLOSE],
        [ALL],
        "give the user permissions in it",
    ),
    "queues may not be declared": (
        [("set_permissions", "-p", "{}", "{}", "^$", ".*", ".*"), CLOSE],
        [ALL],
        "set_permissions",
    ),
    "nothing may be published": (
        [("set_permissions", "-p", "{}", "{}", ".*", "^$", ".*"), CLOSE],
        [ALL],
        "set_permissions",
    ),
}
FAULTS_OF_ALL = {
    "the broker is stopped": ([("stop_app",)], [("start_app",)], "refused"),
    "the broker is wiped": ([("stop_app",), ("reset",)], [("start_app",)], "refused"),
}


@pytest.mark.timeout(300)
def test_faults_that_somebody_mends(rabbitmq, tmp_path):
    """Side by side, each on a cluster with a user and virtual host, or a broker, of its own."""
    rabbitmq.define(dict.fromkeys(FAULTS_OF_ONE_USER, "secret"))
    with ThreadPoolExecutor() as threads:
        stories = {
            **{name: threads.submit(befall_user, rabbitmq, tmp_path, name) for name in FAULTS_OF_ONE_USER},
            **{name: threads.submit(befall_broker, tmp_path, name) for name in FAULTS_OF_ALL},
        }
    failed = {name: story.exception() for name, story in stories.items()}
    assert not any(failed.values()), {name: str(error) for name, error in failed.items() if error is not None}


def befall_user(rabbitmq, tmp_path, fault):
    url = rabbitmq.url(quote(fault), "secret", vhost=quote(fault))
    befall(rabbitmq, url, tmp_path / fault.replace(" ", "-"), FAULTS_OF_ONE_USER[fault], fault)


def befall_broker(tmp_path, fault):
    directory = tmp_path / fault.split()[-1]
    directory.mkdir()
    broker = RabbitMQ(directory)
    try:
        broker.start()
        befall(broker, broker.url(), directory / "cluster", FAULTS_OF_ALL[fault])
    finally:
        broker.close()


def befall(rabbitmq, url, work, fault, whom=""):
    """However long it lasts, what is said of it is little, and ends with what to do."""
    breaking, mending, advice = fault
    work.mkdir()
    with make_cluster(url, work) as cluster:
        watch = Watch(cluster)
        with a_run(cluster, work) as run:
            try:
                for command in breaking:
                    rabbitmq.ctl(*(word.format(whom) for word in command))
                wait_for(lambda: all(advice in str(watch.said(name)) for name in DAEMONS), f"{advice!r} is said")
                still(lambda: all(len(watch.events(name)) <= 4 for name in DAEMONS), 5.0)
            finally:
                for command in mending:
                    rabbitmq.ctl(*(word.format(whom) for word in command))
            wait_for(lambda: all(watch.events(name)[-1] == "broker connected" for name in DAEMONS), "all are back", 60)
            wait_for(lambda: all(agent["connected"] for agent in cluster.items("/agents")), "the master has them back")
        for name in DAEMONS:
            assert 2 <= len(watch.said(name)) <= 5, watch.said(name)
    assert 1 <= run.text().count("the broker is not reached") <= 4
    assert 1 <= run.text().count("the broker is reached") <= 2
