"""Each failure is said in so many words; tasks go on, and the next run has the cluster whole."""

import re

import pytest

from shared.clusters import fault, is_whole, leader_of, status_of
from shared.hosts import done, until
from shared.plays import Play, changes, play

pytestmark = pytest.mark.usefixtures("no_worse")


def test_a_full_disk(hosts):
    done(hosts["node2"], "fallocate -l $(($(df --output=avail -B 1 /opt | tail -n 1) - (200 << 20))) /opt/full")
    try:
        code, said = play("playbooks/site.yml")
    finally:
        done(hosts["node2"], "rm /opt/full")
    assert code != 0
    assert re.search(r"node2 has \d+ MB free on /opt or /var, and needs \d+ \(common_free_mb\); nothing was", said)
    assert set(changes(said).values()) == {0}


def test_a_clock_that_is_wrong(hosts):
    done(hosts["node3"], "systemctl stop chrony; date -s @$(($(date +%s) + 900))")
    try:
        code, said = play("playbooks/site.yml")
    finally:
        done(hosts["node3"], f"date -s @{done(hosts['node1'], 'date +%s')}; systemctl start chrony")
    assert code != 0
    assert re.search(r"the clock of node3 differs from the controller's by \d+ s .* nothing was changed", said)
    assert set(changes(said).values()) == {0}


def test_a_certificate_that_has_ended(hosts, survivors):
    """The broker's: who is connected stays so, and who is not is told why.

    Where all is emulated that agent is out of reach for longer than masters wait, and its task is begun again.
    """
    survivors.remove("node2")
    assert play("molecule/failures/expire.yml")[0] == 0
    done(hosts["node2"], "systemctl restart --no-block mesos-agent")
    until(lambda: "certificate has expired" in status_of(hosts["node2"], "agent"))
    code, said = play("playbooks/site.yml")
    assert code == 0
    assert changes(said)["node1"] > 0


def test_no_mirror_and_a_host_that_has_nothing_of_us(hosts, survivors):
    """Debian's packages are there; all else comes from the controller."""
    survivors.remove("node3")
    assert play("playbooks/remove_agents.yml", "-e", "agents=node3 mesos_agent_drain_deadline_s=1")[0] == 0
    done(hosts["node3"], "systemctl stop mesos-master; rm -r /opt/mesos /etc/mesos; mkdir -p /root/away")
    done(hosts["node3"], "mv -t /root/away $(ls -d /etc/apt/sources.list* /etc/apt/apt.conf.d/*proxy*)")
    done(hosts["node3"], "echo 'deb http://127.0.0.1:9/ bookworm main' >/etc/apt/sources.list")
    try:
        code, _ = play("playbooks/site.yml")
    finally:
        back = "mv -t /etc/apt sources.list*; ls *proxy* | xargs -r mv -t /etc/apt/apt.conf.d"
        done(hosts["node3"], f"rm /etc/apt/sources.list; cd /root/away; {back}")
    assert code == 0


def test_a_host_that_loses_power_while_a_playbook_is_at_it(hosts, survivors):
    survivors.remove("node3")
    leader = leader_of(hosts)
    running = Play("playbooks/site.yml", "-e", "common_inotify_instances=1031")
    running.until("PLAY [The release, meanwhile]")
    fault("kill", "node3")
    code, said = running.end()
    assert code != 0
    assert re.search(r"fatal: \[node3\]: UNREACHABLE!", said)
    assert "PLAY [Masters]" not in said
    rest = {name: hosts[name] for name in survivors}
    until(lambda: leader_of(rest) is not None)
    assert leader in (leader_of(rest), "node3")
    fault("start", "node3")
    until(lambda: is_whole(hosts), 600.0)
    code, said = play("playbooks/site.yml")
    assert code == 0, said
    assert set(changes(play("playbooks/site.yml")[1]).values()) == {0}
