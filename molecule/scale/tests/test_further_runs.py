"""What further runs of site.yml do with what they find."""

from shared.hosts import done
from shared.plays import changes, play

BEGAN = "systemctl show -P ExecMainStartTimestampMonotonic {}"


def test_another_secret_is_brought_by_another_playbook():
    code, said = play("playbooks/site.yml", "-e", "mesos_cluster_secret=one-that-is-not-that-of-this-cluster")
    assert code != 0
    assert "the passwords of node1 do not come from mesos_cluster_secret" in said
    assert set(changes(said).values()) == {0}


def test_what_a_run_that_was_cut_off_has_written_is_read(host):
    """It ended before it had restarted what reads that."""
    done(host, "touch /etc/mesos/agent.env /etc/rabbitmq/mesos/definitions.json")
    before = {unit: done(host, BEGAN.format(unit)) for unit in ("mesos-agent", "mesos-master", "rabbitmq-server")}
    code, said = play("playbooks/site.yml")
    assert code == 0, said
    assert "RUNNING HANDLER [rabbitmq : Load the broker's definitions]" in said
    after = {unit: done(host, BEGAN.format(unit)) for unit in before}
    assert {unit for unit in before if after[unit] != before[unit]} == {"mesos-agent"}
