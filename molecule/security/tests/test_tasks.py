"""What a task, of whatever framework, can reach on its host: run as nobody, it tries to read what is not its own."""

import json
import shlex

import pytest

from shared.hosts import COMMAND, done, mesos, until

SECRETS = "/etc/mesos/credentials /etc/mesos/pki /etc/mesos/operator.env /etc/mesos/master-http /etc/mesos/agent-http"
OTHERS = "/etc/rabbitmq/mesos /var/lib/rabbitmq /run/credentials /etc/prometheus/mesos /root /var/lib/mesos/master"
PUBLIC = {"/etc/mesos/pki/ca.pem", "/etc/mesos/pki/node.pem"}
JOB = "verify-neighbour"
SOCKET = "/var/lib/mesos/agent/run/executors.sock"
STRANGER = f"""
import socket
with socket.socket(socket.AF_UNIX) as agent:
    agent.settimeout(60)
    agent.connect("{SOCKET}")
    agent.sendall(b'{{"type":"SUBSCRIBE","token":"guessed"}}\\n')
    print(agent.recv(1000).decode())
"""


def here(host, user, *words):
    """Words of a command that runs these as a task of this host."""
    node = ["--constraint", f"@hostname:LIKE:{done(host, 'hostname')}"]
    return ["run", "--user", user, "--cpus", "0.1", "--mem", "64", *node, "--", *words]


def task(host, script):
    """The lines that a task of nobody prints."""
    said = mesos(host, *here(host, "nobody", "/bin/bash", "-c", script))
    return [line.partition(" | ")[2] for line in said.splitlines() if " | " in line]


@pytest.fixture(scope="module")
def neighbour(host):
    """The sandbox of another task of the same user, which runs meanwhile."""
    words = here(host, "nobody", "/bin/sh", "-c", "echo private > diary; exec sleep 86399")
    done(host, f"systemd-run -q --collect --unit={JOB} /bin/bash -c {shlex.quote(COMMAND + shlex.join(words))}")
    find = "find /var/lib/mesos/agent/sandboxes -name diary -newer /proc/1/cmdline"
    until(lambda: host.run(f"{find} | grep -q .").rc == 0 and host.run("pgrep -u nobody -x -f 'sleep 86399'").rc == 0)
    pid = done(host, "pgrep -u nobody -x -f 'sleep 86399'")
    yield done(host, f"readlink /proc/{pid}/cwd"), pid
    done(host, f"systemctl stop {JOB}")
    until(lambda: host.run("pgrep -u nobody -x -f 'sleep 86399'").rc != 0)


def test_it_reads_nothing_that_is_secret(host):
    found = task(host, f"find {SECRETS} {OTHERS} -type f -readable 2>/dev/null; echo looked")
    assert found.pop() == "looked"
    assert set(found) <= PUBLIC


def test_it_neither_sees_nor_reaches_another_task_of_its_user(host, neighbour):
    sandbox, pid = neighbour
    found = task(
        host, f"cat {sandbox}/diary; echo x > {sandbox}/diary; kill {pid}; ls -d /proc/[0-9]* | wc -l; echo tried"
    )
    assert found[-1] == "tried"
    assert int(found[-2]) < 10
    assert "private" not in found
    assert done(host, f"cat {sandbox}/diary") == "private"
    done(host, f"test -d /proc/{pid}")


def test_it_gets_nothing_from_the_agent_without_a_token(host):
    [answer] = task(host, f"/opt/mesos/current/bin/python -c {shlex.quote(STRANGER)}")
    assert json.loads(answer)["type"] == "ERROR"


def test_it_has_no_credentials_and_no_capabilities(host):
    said = "\n".join(task(host, "env; cat /proc/self/status"))
    assert "amqp" not in said
    assert "TOKEN" not in said
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said


@pytest.mark.parametrize("user", ["mesos", "daemon", "zookeeper", "rabbitmq"])
def test_no_task_becomes_a_user_of_the_system(host, user):
    """Not even an operator's: whoever is the user of a daemon reads what that daemon keeps secret."""
    ran = host.run("/bin/bash -c %s", COMMAND + shlex.join(here(host, user, "/usr/bin/id")))
    assert ran.rc != 0
    assert f"cannot run as user '{user}'" in ran.stdout + ran.stderr
