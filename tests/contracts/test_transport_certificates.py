"""A broker that asks its clients for certificates of its own CA lets in those who have one, and says no to the rest."""

from collections.abc import Iterator

import pytest
import trustme

from mesos_py.adapters.topology import agent_queue, queue_address
from tests.support.rabbitmq import RabbitMQ
from tests.support.transports import Bench, used

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker(rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """``rabbitmq`` is asked for only to be told how to get one where there is none."""
    del rabbitmq
    work = tmp_path_factory.mktemp("certificates")
    broker = RabbitMQ(work)
    ca, stranger = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(work / "ca.pem")
    for name, issuer in (("ours", ca), ("strange", stranger)):
        issuer.issue_cert("node1").private_key_and_cert_chain_pem.write_to_path(work / f"{name}.pem")
    settings = {"cacertfile": str(work / "ca.pem"), "verify": "verify_peer", "fail_if_no_peer_cert": "true"}
    broker._settings |= {f"ssl_options.{name}": value for name, value in settings.items()}
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture
def bench(broker: RabbitMQ) -> Iterator[Bench]:
    yield from used(lambda user: broker.tls_url(user) + f"&certfile={broker.work}/ours.pem")


def test_who_has_a_certificate_is_let_in(bench: Bench):
    queue = agent_queue("guest", "p1")
    reader, writer = bench.peer(queue), bench.peer()
    writer.send(queue_address(queue.name), b"hello")
    bench.until(lambda: reader.bodies == [b"hello"])


@pytest.mark.parametrize("option", ["", "strange"])
def test_who_has_none_or_a_strangers_is_not(broker: RabbitMQ, bench: Bench, option: str):
    certificate = f"&certfile={broker.work}/{option}.pem" if option else ""
    peer = bench.peer(url=broker.tls_url() + certificate, up=False)
    bench.until(lambda: peer.story)
    assert f"127.0.0.1:{broker.tls_port}" in peer.story[0]
    assert not peer.is_connected


def test_a_file_that_is_not_there_is_told(broker: RabbitMQ, bench: Bench):
    peer = bench.peer(url=broker.tls_url() + "&certfile=/nowhere.pem", up=False)
    bench.until(lambda: peer.story)
    assert "No such file" in peer.story[0]
