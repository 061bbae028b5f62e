"""docs/operations.md, entry by entry: what people see, and that what it says to do helps. Tasks go on all the time."""

import re

import pytest

from shared.clusters import agents, is_whole, leader_of, readiness, status_of
from shared.hosts import COMMAND, done, mesos, until
from shared.plays import INVENTORY, play

BROKER = "node1"
RUN = "run --user nobody --cpus 0.1 --mem 32 -- true"

pytestmark = pytest.mark.usefixtures("no_worse")


def matches(pattern, hosts, daemon):
    return all(re.search(pattern, status_of(host, daemon)) for host in hosts)


def test_the_broker_is_down(hosts):
    leader = hosts[leader_of(hosts)]
    done(hosts[BROKER], "systemctl stop rabbitmq-server")
    try:
        until(lambda: matches(r"broker lost since \S+: connection refused by node1:5671", [leader], "master"))
        until(lambda: matches(r"cut off from the broker, 1 tasks run on", hosts.values(), "agent"))
        asked = hosts["node2"].run("/bin/bash -c %s", COMMAND + RUN)
        assert asked.rc == 1
        assert "the broker is not reached" in asked.stderr
    finally:
        done(hosts[BROKER], "systemctl start rabbitmq-server")
    until(lambda: is_whole(hosts))


def test_zookeeper_has_no_majority(hosts):
    name = leader_of(hosts)
    leader, others = hosts[name], [host for each, host in hosts.items() if each != name]
    epoch = re.search(r"leading epoch (\d+)", readiness(leader, "master"))[1]
    for host in others:
        done(host, "systemctl stop zookeeper")
    try:
        until(lambda: f"suspended in epoch {epoch}: ZooKeeper is not reached" in status_of(leader, "master"))
        assert not readiness(leader, "master")
        assert len(agents(leader)) == 3
    finally:
        for host in others:
            done(host, "systemctl start zookeeper")
    until(lambda: is_whole(hosts))
    assert f"leading epoch {epoch} " in readiness(leader, "master")
    assert "resumed" in done(leader, "journalctl -u mesos-master -o cat -n 50")


def test_an_agent_does_not_register(hosts):
    agent_id = agents(hosts["node1"])["node2"]["agent_id"]
    file, other = "/etc/mesos/credentials/agent-broker", "another1password"
    former = re.search(r"://agent-node2:([^@]+)@", done(hosts["node2"], f"cat {file}"))[1]
    done(hosts[BROKER], f"rabbitmqctl change_password agent-node2 {other}")
    done(hosts["node2"], "systemctl restart --no-block mesos-agent")
    until(lambda: matches("node1:5671 refused us as user agent-node2: ACCESS_REFUSED", [hosts["node2"]], "agent"))
    for password in (other, former):
        done(hosts[BROKER], f"rabbitmqctl change_password agent-node2 {password}")
        done(hosts["node2"], f"sed -i 's#agent-node2:[^@]*@#agent-node2:{password}@#' {file}")
        done(hosts["node2"], "systemctl restart mesos-agent")
    assert agents(hosts["node1"])["node2"]["agent_id"] == agent_id


def test_an_upgrade_stops_where_a_daemon_is_not_ready(hosts):
    done(hosts["node2"], "systemctl stop mesos-master")
    try:
        code, said = play("playbooks/upgrade.yml", "-e", "mesos_package_label=1.0.0")
    finally:
        done(hosts["node2"], "systemctl start mesos-master")
    assert code != 0
    assert re.search(r"node2 is not ready: .*Nothing was changed: mend it first, or take the host out", said)
    assert not re.search("node[13] is not ready", said)


def test_zookeepers_data_are_lost(hosts, tmp_path):
    """What masters and broker had been told is there again from what was saved.

    Masters do not come to themselves: servers of ZooKeeper that know less than they have seen turn them away.
    """
    operator = hosts["node1"]
    ids = {name: agent["agent_id"] for name, agent in agents(operator).items()}
    mesos(operator, "quota", "set", "web", "--guarantee", "cpus:0.5")
    mesos(operator, "agent", "deactivate", "node3")
    quotas = mesos(operator, "quota", "show")
    assert play("playbooks/backup.yml", "-e", f"backup_directory={tmp_path}")[0] == 0
    (backup,) = tmp_path.iterdir()

    for host in hosts.values():
        done(host, "systemctl stop zookeeper; rm -r /var/lib/zookeeper/version-2")
    for host in hosts.values():
        done(host, "systemctl start zookeeper")
    code, said = play("playbooks/restore.yml", "-e", f"backup={backup}", "-e", f"confirm={INVENTORY.parent.name}")
    assert code == 0, said
    until(lambda: is_whole(hosts))
    known = agents(operator)
    assert {name: agent["agent_id"] for name, agent in known.items()} == ids
    assert known["node3"]["mode"] == "DEACTIVATED"
    assert mesos(operator, "quota", "show") == quotas
    mesos(operator, "agent", "reactivate", "node3")
    mesos(operator, "quota", "remove", "web")
