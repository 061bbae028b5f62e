"""A broker of three nodes: whichever of them goes, all go to another, tasks go on, and nobody is taken for dead."""

import contextlib

import pytest

from mesos_py.adapters.topology import (
    BEACON,
    agent_queue,
    framework_queue,
    master_address,
    master_inboxes,
    queue_address,
)
from tests.support.cluster import json_lines, make_cluster, wait_for
from tests.support.rabbitmq import installed, several
from tests.support.transports import used

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    installed()
    with several(tmp_path_factory.mktemp("nodes"), 3) as nodes:
        yield nodes


@pytest.fixture
def url(nodes):
    first, *others = nodes
    return ";".join([first.url(), *(f"127.0.0.1:{node.port}" for node in others)])


@contextlib.contextmanager
def without(node, *, hard):
    node.stop(hard=hard)
    try:
        yield
    finally:
        node.start()
        node.ctl("await_online_nodes", "3")


@pytest.fixture
def bench(url):
    yield from used(lambda _user: url)


def lost(cluster, port):
    """Whether all daemons have said that this node is lost to them."""
    said = [json_lines(cluster.daemon(name).text()) for name in ("master", "agent1", "agent2")]
    return all(any(line["event"] == "broker lost" and f":{port}" in line["why"] for line in lines) for lines in said)


@pytest.mark.parametrize("hard", [False, True], ids=["stopped", "killed"])
def test_tasks_go_on_and_more_are_launched_while_a_node_is_away(nodes, url, tmp_path, hard):
    first, second, _third = nodes
    go, begun = tmp_path / "go", tmp_path / "begun"
    task = f"echo $MESOS_TASK_ID >> {begun}; until [ -e {go} ]; do sleep 0.2; done"
    words = ["--instances", "4", "--cpus", "0.1", "--mem", "16", "--name", "steady", "--", task]
    with make_cluster(url, tmp_path) as cluster, cluster.running("run", *words) as steady:
        wait_for(lambda: begun.exists() and len(begun.read_text().split()) == 4, "all tasks run")
        for node in (first, second):
            with without(node, hard=hard):
                wait_for(lambda port=node.port: lost(cluster, port), f"all lose the node at port {node.port}")
                with cluster.running("run", "--cpus", "0.1", "--mem", "16", "--", "true") as another:
                    assert another.wait(60) == 0, another.text()
                assert all(agent["connected"] for agent in cluster.items("/agents"))
        go.touch()
        assert steady.wait(60) == 0, steady.text()
        assert sorted(begun.read_text().split()) == [f"steady-{number}" for number in range(4)]
        assert cluster.get("/state")["counters"].get("agents_unreachable", 0) == 0


def test_queues_of_a_node_that_died_are_made_anew_at_another(nodes, bench):
    """Those that outlive a connection, too."""
    kept = framework_queue("guest", "kept", 3600.0)
    master, other = bench.peer(*master_inboxes(7).values()), bench.peer(kept, agent_queue("guest", "p1"))
    with without(nodes[0], hard=True):
        bench.until(lambda: all(peer.losses and peer.is_connected for peer in (master, other)), 60.0)
        other.send(master_address("agent", "guest"), b"hello")
        master.send(queue_address(kept.name), b"for the framework")
        master.send(BEACON, b"I lead")
        bench.until(lambda: master.got and len(other.got) == 3)
        assert sorted(other.bodies) == [b"I lead", b"I lead", b"for the framework"]
        master.stop()
        other.stop()
        bench.until(lambda: master.stopped and other.stopped)
