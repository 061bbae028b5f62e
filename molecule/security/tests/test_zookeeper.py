"""What a stranger can do at ZooKeeper with what the masters keep there."""

import json

import pytest

from shared.hosts import done

STRANGER = """
import json, re
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.security import make_acl
[(login, hosts)] = re.findall("zk://(.*)@(.*)/", open("/etc/mesos/credentials/master-zookeeper").read())
def logged_in(**how):
    client = KazooClient(hosts, **how)
    client.start(timeout=120)
    return client
def walk(client, path):
    yield path
    for name in client.get_children(path):
        yield from walk(client, path + "/" + name)
paths = list(walk(logged_in(auth_data=[("digest", login)]), "/mesos"))
anybody = [make_acl("world", "anyone", all=True)]
for client in (logged_in(), logged_in(auth_data=[("digest", "mesos:guessed")])):
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
