"""What each kind of user may do at the broker: logged in as each, everything is tried that nobody should get to do."""

import json
import re
from pathlib import Path

import pytest

from shared.hosts import done

SCRIPT = (Path(__file__).parents[1] / "attempts.py").read_text()
REFUSED, MISMATCH, NOT_ALLOWED = 403, 406, 530
URLS = {
    "master": "cat /etc/mesos/credentials/master-broker",
    "agent": "cat /etc/mesos/credentials/agent-broker",
    "framework": ". /etc/mesos/operator.env; echo $MESOS_BROKER",
}


def ask(host, url, attempts=()):
    """How each attempt went, logged in with this URL; the broker's code if it does not let us in."""
    asked = json.dumps({"url": url, "attempts": attempts})
    ran = host.run("/opt/mesos/current/bin/python -c %s %s", SCRIPT, asked)
    assert ran.rc == 0, ran.stderr
    return json.loads(ran.stdout)


def outcomes(host, kind, attempts):
    return dict(zip(map(tuple, attempts), ask(host, done(host, URLS[kind]), attempts), strict=True))


@pytest.fixture(scope="module")
def queues(host):
    """All that there are: the leader's two, and the agent's."""
    found = done(host, "rabbitmqctl -q list_queues -p mesos name --no-table-headers").split()
    assert len(found) >= 3
    return found


@pytest.mark.parametrize(("kind", "name"), [("agent", "agent-node1"), ("framework", "operator")])
def test_it_may_do_its_work(host, kind, name):
    queue = f"mesos.{kind}.{name}.verify"
    work = [
        ("declare", queue),
        ("bind", queue, "mesos.beacon", ""),
        ("read", queue),
        ("send", "mesos.master", f"{kind}.{name}"),
        ("send as", name, "mesos.master", f"{kind}.{name}"),
        ("delete", queue),
    ]
    assert set(outcomes(host, kind, work).values()) == {"done"}


@pytest.mark.parametrize(("kind", "name"), [("agent", "agent-node1"), ("framework", "operator")])
def test_it_reaches_no_queue_but_its_own(host, kind, name, queues):
    mine = f"mesos.{kind}.{name}."
    others = [queue for queue in queues if not queue.startswith(mine)]
    others += [mine.rstrip("."), f"mesos.{kind}.{name}x.1", "mesos.agent.agent-node2.1", "mesos.framework.shop.1"]
    tried = [(what, queue) for what in ("declare", "read", "consume", "purge", "delete") for queue in others]
    tried += [("send", "", queue) for queue in [*others, f"{mine}verify"]]
    tried += [("bind", queue, "mesos.beacon", "") for queue in others]
    tried += [("bind", f"{mine}verify", "mesos.master", "#"), ("declare", "")]
    went = outcomes(host, kind, tried)
    assert {attempt: code for attempt, code in went.items() if code != REFUSED} == {}


@pytest.mark.parametrize(("kind", "name"), [("agent", "agent-node1"), ("framework", "operator")])
def test_it_speaks_for_nobody_else(host, kind, name):
    tried = [
        ("send", "mesos.master", "agent.agent-node2"),
        ("send", "mesos.master", "framework.shop"),
        ("send", "mesos.master", f"{kind}.{name}.more"),
        ("send", "mesos.master", {"agent": "framework", "framework": "agent"}[kind] + f".{name}"),
        ("send", "mesos.beacon", ""),
        ("send", "amq.direct", ""),
        ("send", "amq.topic", f"{kind}.{name}"),
        ("declare exchange", "mine"),
        ("declare exchange", "mesos.other"),
        ("delete exchange", "mesos.master"),
        ("delete exchange", "mesos.beacon"),
    ]
    went = outcomes(host, kind, tried)
    assert {attempt: code for attempt, code in went.items() if code != REFUSED} == {}
    forged = ("send as", "mesos-master", "mesos.master", f"{kind}.{name}")
    assert outcomes(host, kind, [forged]) == {forged: MISMATCH}


def test_a_master_may_not_do_what_it_has_no_need_of(host):
    tried = [("declare", "other"), ("declare exchange", "other"), ("read", "other"), ("send", "amq.topic", "x")]
    assert set(outcomes(host, "master", tried).values()) == {REFUSED}


@pytest.mark.parametrize("kind", URLS)
def test_a_user_has_one_virtual_host_and_one_password(host, kind):
    url = done(host, URLS[kind])
    assert ask(host, url.replace("/mesos?", "/%2F?")) == NOT_ALLOWED
    assert ask(host, re.sub(r":[^:@]*@", ":guessed@", url)) == REFUSED


def test_nobody_is_let_in_by_default_or_without_tls(host):
    url = done(host, URLS["agent"])
    assert ask(host, re.sub(r"//.*@", "//guest:guest@", url)) == REFUSED
    assert host.run("ss -tlnH '( sport = :5672 )'").stdout == ""
