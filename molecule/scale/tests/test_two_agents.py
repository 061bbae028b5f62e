"""Two agents are there again once one has left and joined, with what it needs and no more."""

import pytest

from shared.clusters import agents
from shared.hosts import done

UNITS = ("mesos-tasks", "mesos-agent")


def test_both_are_connected_and_active(hosts):
    known = agents(hosts["node1"])
    assert {name for name, agent in known.items() if agent["connected"]} == {"node1", "node2"}


def test_the_broker_knows_each_once(hosts):
    users = done(hosts["node1"], "rabbitmqctl --quiet list_users --no-table-headers | cut -f 1").split()
    assert sorted(users) == ["agent-node1", "agent-node2", "mesos-master", "operator"]


@pytest.mark.parametrize("unit", UNITS)
def test_its_units_start_with_its_host(hosts, unit):
    assert done(hosts["node2"], f"systemctl is-enabled {unit}; systemctl is-active {unit}").split()[-1] == "active"
