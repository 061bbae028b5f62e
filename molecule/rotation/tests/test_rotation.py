"""The old passwords and the old CA are good for nothing any more, and no task was lost or begun twice meanwhile."""

import re

import pytest

from shared.clusters import is_whole, run_on_each
from shared.hosts import done, until
from shared.loads import Record


def test_the_load_came_to_no_harm(hosts):
    Record(hosts).check()


def test_the_cluster_is_whole_and_takes_tasks(hosts):
    until(lambda: is_whole(hosts))
    run_on_each(hosts["node2"], "true")


@pytest.mark.parametrize("file", ["credentials/master-broker", "credentials/agent-broker", "operator.env"])
def test_the_broker_knows_none_of_the_old_passwords(hosts, file):
    """Those of now are good, so what refuses the old ones is the password."""
    for name, host in hosts.items():
        for place, is_good in (("/root/former", False), ("/etc/mesos", True)):
            url = re.search(r"amqps?://([^:]+):([^@]+)@", done(host, f"cat {place}/{file}"))
            answer = hosts["node1"].run("rabbitmqctl --quiet authenticate_user %s %s", url[1], url[2])
            assert (answer.rc == 0) == is_good, (name, place)


@pytest.mark.parametrize("port", [2281, 5050, 5051, 5671])
def test_no_host_shows_a_certificate_of_the_old_ca(hosts, port):
    for name, host in hosts.items():
        where = "node1:5671" if port == 5671 else f"{name}:{port}"
        for place, is_good in (("/root/former", False), ("/etc/mesos", True)):
            ask = f"openssl s_client -connect {where} -CAfile {place}/pki/ca.pem -verify_return_error </dev/null"
            assert (host.run(ask).rc == 0) == is_good, (name, place)


def test_the_old_password_opens_nothing_in_zookeeper(hosts):
    """What the masters have written can be read with the new one, and not with the old."""
    save = "MESOS_ZOOKEEPER=$(cat {}/credentials/master-zookeeper) mesos registry save /root/saved"
    done(hosts["node1"], save.format("/etc/mesos"))
    refused = hosts["node1"].run("/bin/bash -c %s", save.format("/root/former"))
    assert (refused.rc, "the password is wrong" in refused.stderr) == (78, True)
