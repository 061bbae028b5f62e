"""The masters' registry is saved while they write, restored where nothing is left, and given to another password."""

import threading
from contextlib import closing

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.archive import Archive, Archivist
from mesos_py.adapters.zookeeper.election import ZookeeperElection
from mesos_py.adapters.zookeeper.session import Session
from mesos_py.errors import ConfigError
from tests.support.elections import SESSION_S, Peer, ZookeeperBench

pytestmark = pytest.mark.integration

OLD, NEW = "me:old", "me:new"


@pytest.fixture
def bench(zookeeper):
    bench = ZookeeperBench(zookeeper)
    yield bench
    bench.close()


def archivist(bench, login=""):
    return closing(Archivist(parse_address(bench.url(login=login))))


def client_of(bench, login):
    client = KazooClient(f"127.0.0.1:{bench.zookeeper.servers[0].port}", auth_data=[("digest", login)])
    client.start()
    return client


def write(bench, nodes, login=OLD):
    """A registry as masters leave it."""
    with archivist(bench, login) as there:
        there.put(Archive(epoch=7, nodes=nodes))


def contender(bench, login, other=""):
    """A master that is this, and the other one, too, if there is one."""
    peer = Peer(login)
    url = bench.url(login=login) + (f"?other={other}" if other else "")
    peer.session = Session(parse_address(url), bench.loop, SESSION_S)
    peer.election = ZookeeperElection(peer.session, bench.loop, peer.us)
    bench.peers.append(peer)
    peer.election.start(peer)
    bench.until(lambda: peer.leads or peer.leader is not None)
    return peer


def test_what_is_saved_can_be_restored_where_nothing_is_left(mesos, bench, tmp_path):
    write(bench, {"000": b"one", "roles": b"two"})
    file, url = str(tmp_path / "saved"), bench.url(login=OLD)
    said = mesos("registry", "save", file, "--zookeeper", url)
    assert (said.code, said.out) == (0, f"{file}: 2 nodes, of epoch 7\n")
    assert (tmp_path / "saved").stat().st_mode & 0o777 == 0o600
    assert mesos("registry", "save", file, "--zookeeper", url).code == 0
    said = mesos("registry", "restore", file, "--zookeeper", url)
    assert (said.code, "--replace" in said.err) == (78, True)
    write(bench, {"000": b"other", "001": b"more"})
    assert mesos("registry", "restore", file, "--replace", "--zookeeper", url).code == 0
    with archivist(bench, OLD) as there:
        assert there.take().nodes == {"000": b"one", "roles": b"two"}
    client = client_of(bench, OLD)
    client.delete(bench.base, recursive=True)
    client.stop()
    client.close()
    said = mesos("registry", "save", file, "--zookeeper", url)
    assert (said.code, "there is no registry of masters" in said.err) == (78, True)
    said = mesos("registry", "restore", file, "--zookeeper", url)
    assert (said.code, said.out) == (0, f"2 nodes, of epoch 7, are restored from {file}\n")
    with archivist(bench, OLD) as there:
        assert (there.take().epoch, there.take().nodes) == (7, {"000": b"one", "roles": b"two"})


def test_what_cannot_be_restored(mesos, bench, tmp_path):
    file = tmp_path / "saved"
    file.write_text("{}")
    said = mesos("registry", "restore", str(file), "--zookeeper", bench.url())
    assert (said.code, f"{file} is no registry that was saved" in said.err) == (78, True)
    write(bench, {"000": b"one"})
    said = mesos("registry", "save", str(file), "--zookeeper", bench.url(login=NEW))
    assert (said.code, "the password is wrong" in said.err) == (78, True)
    assert mesos("registry", "save", str(file), "--zookeeper", bench.url(login=OLD)).code == 0
    contender(bench, OLD)
    said = mesos("registry", "restore", str(file), "--replace", "--zookeeper", bench.url(login=OLD))
    assert (said.code, "1 masters are running; stop all before" in said.err) == (78, True)
    said = mesos("registry", "save", "--zookeeper", bench.url())
    assert (said.code, "say which file" in said.err) == (2, True)


def test_what_is_saved_is_of_one_moment(bench):
    """Two nodes always hold the same; they are written by transactions meanwhile."""
    write(bench, {"000": b"0", "001": b"0"})
    over = threading.Event()
    begun = threading.Event()

    def change():
        client = client_of(bench, OLD)
        number = 0
        while not over.is_set():
            number += 1
            transaction = client.transaction()
            for name in ("000", "001"):
                transaction.set_data(f"{bench.base}/registry/{name}", str(number).encode())
            transaction.commit()
            begun.set()
            over.wait(0.02)
        client.stop()
        client.close()

    writer = threading.Thread(target=change)
    writer.start()
    begun.wait()
    with archivist(bench, OLD) as there:
        for _ in range(50):
            nodes = there.take().nodes
            assert nodes["000"] == nodes["001"]
    over.set()
    writer.join()


def test_another_password_while_masters_are_there(bench, mesos):
    """Each of three is replaced by one that knows both, and that by one that knows the new one only."""
    old = contender(bench, OLD)
    both = contender(bench, NEW, OLD)
    old.stop()
    bench.until(lambda: both.leads)
    with archivist(bench, NEW) as there, pytest.raises(ConfigError, match="the password is wrong"):
        there.masters()
    assert mesos("registry", "protect", "--zookeeper", bench.url(login=NEW) + f"?other={OLD}").code == 0
    new = contender(bench, NEW)
    both.stop()
    bench.until(lambda: new.leads)
    said = mesos("registry", "protect", "--zookeeper", bench.url(login=NEW))
    assert (said.code, "nodes belong to whom the URL names" in said.out) == (0, True)
    client = client_of(bench, OLD)
    for path in ("", "/masters", "/epoch"):
        with pytest.raises(NoAuthError):
            client.get(bench.base + path)
    client.stop()
    client.close()
