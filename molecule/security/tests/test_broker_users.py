"""What each kind of user may do at the broker: logged in as each, everything is tried that nobody should get to do."""

import json
import re
from pathlib import Path

import pytest
import testinfra

from shared.hosts import done

BROKER = "node1"
"""It has a master and an agent, too, and so a credential of each kind."""
SCRIPT = (Path(__file__).parents[1] / "attempts.py").read_text()
REFUSED, MISMATCH, NOT_ALLOWED = 403, 406, 530
URLS = {
    "master": "cat /etc/mesos/credentials/master-broker",
    "agent": "cat /etc/mesos/credentials/agent-broker",
    "framework": ". /etc/mesos/operator.env; echo $MESOS_BROKER",
}
NAMES = {"master": "mesos-master", "agent": "agent-node1", "framework": "operator"}
OTHERS = ["agent", "framework"]


def ask(broker, url, attempts=()):
    """How each attempt went, logged in with this URL; the broker's code if it does not let us in."""
    asked = json.dumps({"url": url, "attempts": attempts})
    ran = broker.run("printf %%s %s | /opt/mesos/current/bin/python -c %s", asked, SCRIPT)
    assert ran.rc == 0, ran.stderr
    return json.loads(ran.stdout)


def outcomes(broker, kind, attempts):
    return dict(zip(map(tuple, attempts), ask(broker, done(broker, URLS[kind]), attempts), strict=True))


def let_through(broker, kind, attempts):
    """Those that should have been refused, and how they went instead."""
    return {attempt: code for attempt, code in outcomes(broker, kind, attempts).items() if code != REFUSED}


@pytest.fixture(scope="module")
def broker(request):
    options = request.config.option
    return testinfra.get_host(f"ssh://{BROKER}", ssh_config=options.ssh_config)


@pytest.fixture(scope="module")
def queues(broker):
    """All that there are: the leader's two, and those of agents."""
    found = done(broker, "rabbitmqctl -q list_queues -p mesos name --no-table-headers").split()
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("kind", OTHERS)
def test_it_may_do_its_work(broker, kind):
    name = NAMES[kind]
    queue = f"mesos.{kind}.{name}.verify"
    work = [
        ("declare", queue),
        ("bind", queue, "mesos.beacon", ""),
        ("read", queue),
        ("send", "mesos.master", f"{kind}.{name}"),
        ("send as", name, "mesos.master", f"{kind}.{name}"),
        ("delete", queue),
    ]
    assert set(outcomes(broker, kind, work).values()) == {"done"}


@pytest.mark.parametrize("kind", OTHERS)
def test_it_reaches_no_queue_but_its_own(broker, kind, queues):
    mine = f"mesos.{kind}.{NAMES[kind]}."
    others = [queue for queue in queues if not queue.startswith(mine)]
    others += [mine.rstrip("."), f"{mine.rstrip('.')}x.1", "mesos.agent.agent-none.1", "mesos.framework.none.1"]
    tried = [(what, queue) for what in ("declare", "read", "consume", "purge", "delete") for queue in others]
    tried += [("send", "", queue) for queue in [*others, f"{mine}verify"]]
    tried += [("bind", queue, "mesos.beacon", "") for queue in others]
    tried += [("bind", f"{mine}verify", "mesos.master", "#"), ("declare", "")]
    assert let_through(broker, kind, tried) == {}


@pytest.mark.parametrize("kind", OTHERS)
def test_it_speaks_for_nobody_else(broker, kind):
    mine = f"{kind}.{NAMES[kind]}"
    crossed = {"agent": "framework", "framework": "agent"}[kind]
    tried = [
        ("send", "mesos.master", "agent.agent-node2"),
        ("send", "mesos.master", "framework.shop"),
        ("send", "mesos.master", f"{mine}.more"),
        ("send", "mesos.master", f"{crossed}.{NAMES[kind]}"),
        ("send", "mesos.beacon", ""),
        ("send", "amq.direct", ""),
        ("send", "amq.topic", mine),
        ("declare exchange", "mine"),
        ("declare exchange", "mesos.other"),
        ("delete exchange", "mesos.master"),
        ("delete exchange", "mesos.beacon"),
    ]
    assert let_through(broker, kind, tried) == {}
    forged = ("send as", "mesos-master", "mesos.master", mine)
    assert outcomes(broker, kind, [forged]) == {forged: MISMATCH}


def test_a_master_may_not_do_what_it_has_no_need_of(broker, queues):
    theirs = [queue for queue in queues if not queue.startswith("mesos.master.")]
    tried = [(what, queue) for what in ("declare", "read", "purge", "delete") for queue in [*theirs, "other"]]
    assert let_through(broker, "master", [*tried, ("declare exchange", "other"), ("send", "amq.topic", "x")]) == {}


@pytest.mark.parametrize("kind", URLS)
def test_a_user_has_one_virtual_host_and_one_password(broker, kind):
    url = done(broker, URLS[kind])
    assert ask(broker, url.replace("/mesos?", "/%2F?")) == NOT_ALLOWED
    assert ask(broker, re.sub(r":[^:@]*@", ":guessed@", url)) == REFUSED


def test_nobody_is_let_in_by_default_or_without_tls(broker):
    url = done(broker, URLS["agent"])
    assert ask(broker, re.sub(r"//.*@", "//guest:guest@", url)) == REFUSED
    assert done(broker, "ss -tlnH '( sport = :5672 )'") == ""


@pytest.mark.parametrize("kind", OTHERS)
def test_connections_and_channels_are_bounded(broker, kind):
    """By the broker, which counts a little late."""
    told = json.loads(done(broker, f"rabbitmqctl -q list_user_limits --user {NAMES[kind]}"))
    assert 0 < told["max-connections"] <= told["max-channels"] < 1000
    assert json.loads(done(broker, "rabbitmqctl -q list_vhost_limits -p mesos"))["max-queues"] > 0
