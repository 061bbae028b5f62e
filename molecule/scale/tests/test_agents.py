"""After one has left and joined, two agents are there, with what they need and no more. By its name it comes first."""

from shared.clusters import agents
from shared.hosts import done


def test_both_are_connected_and_active(hosts):
    known = agents(hosts["node1"])
    assert {name for name, agent in known.items() if agent["connected"]} == {"node1", "node2"}


def test_the_broker_knows_each_once(hosts):
    users = done(hosts["node1"], "rabbitmqctl --quiet list_users --no-table-headers | cut -f 1").split()
    assert sorted(users) == ["agent-node1", "agent-node2", "mesos-master", "operator"]


def test_its_units_run_and_start_with_its_host(hosts):
    assert done(hosts["node2"], "systemctl is-enabled mesos-agent") == "enabled"  # which wants mesos-tasks
    assert done(hosts["node2"], "systemctl is-active mesos-agent mesos-tasks").split() == ["active", "active"]
