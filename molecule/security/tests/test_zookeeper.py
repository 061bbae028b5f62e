"""What a stranger can do at ZooKeeper with what the masters keep there."""

import json

import pytest

from shared.hosts import done

STRANGER = """
import json
from kazoo.exceptions import KazooException
from kazoo.security import make_acl
from msgspec.structs import replace
from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.session import client_of
masters = parse_address(open("/etc/mesos/credentials/master-zookeeper").read().strip())
def logged_in(user, password):
    client = client_of(replace(masters, user=user, password=password), 10.0)
    client.start(timeout=120)
    return client
def walk(client, path):
    yield path
    for name in client.get_children(path):
        yield from walk(client, path + "/" + name)
paths = list(walk(logged_in(masters.user, masters.password), "/mesos"))
anybody = [make_acl("world", "anyone", all=True)]
for client in (logged_in("", ""), logged_in("mesos", "guessed")):
    went = []
    for path in paths:
        for what, attempt in {
            "get": lambda: client.get(path),
            "list": lambda: client.get_children(path),
            "set": lambda: client.set(path, b"mine"),
            "create": lambda: client.create(path + "/mine", b"mine"),
            "open": lambda: client.set_acls(path, anybody),
            "delete": lambda: client.delete(path),
        }.items():
            try:
                attempt()
                how = "done"
            except KazooException as error:
                how = type(error).__name__
            went.append([what, path, how])
    print(json.dumps(went))
"""
EMPTY = ["delete", "/mesos", "NotEmptyError"]
"""What is in the root anybody may delete, were it empty, which what masters keep below it prevents."""


@pytest.mark.parametrize("stranger", [0, 1], ids=["without a name", "with a guessed password"])
def test_a_stranger_does_nothing_to_what_masters_keep_nor_reads_it(host, stranger):
    went = json.loads(done(host, f"/opt/mesos/current/bin/python -c '{STRANGER}'").splitlines()[stranger])
    assert len({path for _what, path, _how in went}) >= 4
    assert [each for each in went if each[2] != "NoAuthError" and each != EMPTY] == []


def test_only_the_host_itself_reaches_it_without_tls(host):
    listening = done(host, "ss -Hltn 'sport = 2181 or sport = 2281'").splitlines()
    places = {line.split()[3].removeprefix("[::ffff:").replace("]", "") for line in listening}
    assert places == {"127.0.0.1:2181", "*:2281"}
