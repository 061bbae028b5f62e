"""What teardown.yml asks for, and that it leaves nothing. By its name it comes after what needs the cluster."""

import pytest

from shared.hosts import done
from shared.plays import INVENTORY, changes, play

LEFT = """
systemctl list-unit-files --no-legend 'mesos*' 'zookeeper*'
systemctl list-unit-files --no-legend --state=enabled 'rabbitmq*'
find / -xdev '(' -path /proc -o -path /sys -o -path /srv -o -path /tmp ')' -prune -o -iname '*mesos*' -print
getent passwd mesos; getent group mesos
ps -eo comm= | grep -E '^(beam|epmd|java|mesos)'
grep -rs mesos /etc --exclude='*-'
true
"""


@pytest.mark.parametrize("words", [(), ("-e", "confirm=another")])
def test_the_cluster_must_be_named(words):
    code, said = play("playbooks/teardown.yml", *words)
    assert code != 0
    assert f"nothing was touched. To go on, add -e confirm={INVENTORY.parent.name}" in said
    assert set(changes(said).values()) == {0}


def test_nothing_is_left(hosts):
    hosts["node1"].run("systemctl stop scale")  # a framework that somebody runs by hand is his to end
    words = ("playbooks/teardown.yml", "-e", f"confirm={INVENTORY.parent.name}")
    code, said = play(*words)
    assert code == 0, said
    assert {name: done(host, LEFT) for name, host in hosts.items()} == dict.fromkeys(hosts, "")
    code, said = play(*words)
    assert code == 0, said
    assert set(changes(said).values()) == {0}
