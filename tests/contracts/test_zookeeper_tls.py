"""ZooKeeper reached by TLS: what works, and what is said where it does not."""

from contextlib import closing

import pytest

from mesos_py import ConfigError
from mesos_py.adapters.zookeeper import document
from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.archive import Archivist
from mesos_py.driver.state_file import StateFile
from tests.support.elections import ZookeeperBench
from tests.support.rabbitmq import make_certificate
from tests.support.zookeeper import SecureZookeeper, running

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory):
    """It asks for a certificate, as ZooKeeper does unless it is told not to."""
    yield from running(SecureZookeeper(tmp_path_factory.mktemp("secure")))


def told(monkeypatch, url):
    """What somebody is told who can do nothing with this."""
    monkeypatch.setattr(document, "_PATIENCE_S", 3.0)
    with pytest.raises(ConfigError) as said:
        StateFile(url).read()
    return str(said.value)


def test_what_a_framework_keeps_crosses_no_network_in_the_clear(zookeeper):
    first = StateFile(zookeeper.url("/frameworks/one", "me:secret"))
    first.keep("F1")
    first.save("x" * 500_000)  # of many TLS records
    first.flush()
    first.close()
    second = StateFile(zookeeper.url("/frameworks/one", "me:secret"))
    assert second.read() == "F1"
    assert second.saved(str) == "x" * 500_000
    second.close()


def test_masters_elect_their_leader_again_and_again(zookeeper):
    bench = ZookeeperBench(zookeeper)
    try:
        one, other = bench.peer("one"), bench.peer("other")
        assert other.leader == one.us
        one.cut_off()
        bench.until(lambda: other.leads)
        one.connect()
        bench.until(lambda: one.leader == other.us)
    finally:
        bench.close()


def test_who_cannot_be_believed_is_told_apart_from_who_is_silent(zookeeper, monkeypatch, tmp_path):
    url = zookeeper.url("/x", "me:secret")
    another = tmp_path / "another.pem"
    make_certificate(another, tmp_path / "key.pem")
    stranger = url.replace(str(zookeeper.certificate), str(another))
    said = told(monkeypatch, stranger)
    assert "TLS with 127.0.0.1 failed: self-signed certificate" in said
    assert "secret" not in said
    same = url.replace("127.0.0.1", "127.1")  # an address that its certificate does not name
    assert "TLS with 127.1 failed: Hostname mismatch" in told(monkeypatch, same)


def test_whom_nobody_checks_is_believed(zookeeper):
    trusting = f"zks://127.0.0.1:{zookeeper.port}/x?verify=verify_none&certfile={zookeeper.bundle}"
    with closing(StateFile(trusting)) as there:
        assert there.read() is None


def test_where_no_tls_is_spoken_that_is_what_failed(zookeeper, monkeypatch):
    plain = zookeeper.url("/x", port=zookeeper.servers[0].port)
    assert "TLS with 127.0.0.1 failed" in told(monkeypatch, plain)
    secure = zookeeper.url("/x").partition("?")[0].replace("zks", "zk")
    assert "ZooKeeper does not answer" in told(monkeypatch, secure)


@pytest.mark.parametrize("option", ["cacertfile", "certfile"])
@pytest.mark.parametrize(("text", "why"), [(None, "No such file"), ("no certificate", "PEM|CERTIFICATE")])
def test_files_that_cannot_be_used_are_named_at_once(tmp_path, option, text, why):
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=f"zookeeper: {file} cannot be used: .*({why})"):
        Archivist(parse_address(f"zks://h1/mesos?{option}={file}"))
