"""The old passwords and the old CA are good for nothing any more, and no task was lost or begun twice meanwhile."""

import re

import pytest

from shared.clusters import is_whole
from shared.hosts import done, mesos, until
from shared.loads import Record

LONGEST_S = 60.0
"""Without offers, on emulated machines; each pass changes the leader."""
EACH = ("--instances", "3", "--constraint", "@hostname:UNIQUE")


@pytest.fixture(scope="module")
def record(hosts):
    return Record(hosts)


def test_each_task_was_begun_once_and_none_was_lost(record):
    record.check_tasks()


def test_offers_came_again_soon(record):
    assert record.longest_without_offers_s() < LONGEST_S


def test_the_cluster_is_whole_and_takes_tasks(hosts):
    until(lambda: is_whole(hosts))
    mesos(hosts["node2"], "run", "--user", "nobody", "--cpus", "0.1", "--mem", "32", *EACH, "--", "true")


def test_the_broker_knows_none_of_the_old_passwords(hosts):
    """The URLs of now are good, so what refuses the old ones is the password."""
    for name, host in hosts.items():
        for file in ("/root/former-operator.env", "/etc/mesos/operator.env"):
            url = re.search(r"MESOS_BROKER=\S*//([^:]+):([^@]+)@", done(host, f"cat {file}"))
            refused = hosts["node1"].run("rabbitmqctl --quiet authenticate_user %s %s", url[1], url[2]).rc != 0
            assert refused == ("former" in file), (name, file)


@pytest.mark.parametrize("port", [5050, 5051, 5671])
def test_no_host_shows_a_certificate_of_the_old_ca(hosts, port):
    for name, host in hosts.items():
        where = "node1:5671" if port == 5671 else f"{name}:{port}"
        for ca, good in (("/root/former-ca.pem", False), ("/etc/mesos/pki/ca.pem", True)):
            said = host.run(f"openssl s_client -connect {where} -CAfile {ca} -verify_return_error </dev/null")
            assert ("Verify return code: 0 (ok)" in str(said.stdout)) == good, (name, port, ca)


def test_the_old_password_opens_nothing_in_zookeeper(hosts):
    """What the masters have written can be read by those who know the new one, and by nobody else."""
    now = done(hosts["node1"], "cat /etc/mesos/credentials/master-zookeeper")
    assert "other=" not in now
    save = "MESOS_ZOOKEEPER='{}' /opt/mesos/current/bin/mesos registry save /root/saved"
    done(hosts["node1"], save.format(now))
    refused = hosts["node1"].run("/bin/bash -c %s", save.format(re.sub(r"://[^@]+@", "://mesos:other@", now)))
    assert (refused.rc, "the password is wrong" in refused.stderr) == (78, True)
