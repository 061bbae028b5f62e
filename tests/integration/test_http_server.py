"""The HTTP server over real sockets: ports, stopping, and what happens to those who are connected."""

import contextlib
import itertools
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from litestar import Litestar, get
from litestar.response import Stream

from mesos_py.errors import ConfigError
from mesos_py.runtime.loop import Loop
from mesos_py.web import server as module
from mesos_py.web.reader import Reader
from mesos_py.web.server import WebServer
from tests.support.cluster import wait_for

pytestmark = pytest.mark.integration


@get("/hello")
async def hello() -> str:
    return "hello"


@get("/forever")
async def forever() -> Stream:
    async def drip():
        import anyio

        while True:
            yield b"drop"
            await anyio.sleep(0.02)

    return Stream(drip())


@pytest.fixture
def app():
    return Litestar([hello, forever], logging_config=None)


def test_a_free_port_is_picked_and_told(app):
    server = WebServer(app, "127.0.0.1", 0)
    server.start()
    try:
        assert not server.url.endswith(":0")
        assert httpx.get(f"{server.url}/hello").text == "hello"
    finally:
        server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/hello")


def test_the_url_is_known_before_the_application_answers(app):
    server = WebServer(app)
    url = server.bind()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.get, f"{url}/hello", timeout=10)  # waits in the listener's queue
        server.start()
        assert waiting.result().text == "hello"
    assert server.url == url
    server.stop()


def test_a_port_in_use_is_one_clear_line(app):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"^the HTTP API cannot listen on 127.0.0.1:{port}: address already"):
            WebServer(app, "127.0.0.1", port).start()


def test_who_does_not_say_a_whole_request_is_not_listened_to_for_long(app, monkeypatch):
    monkeypatch.setattr(module, "_REQUEST_S", 0.2)
    server = WebServer(app)
    server.start()
    try:
        with httpx.Client(base_url=server.url) as client:
            post = b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1"
            for part in (b"", b"GET /hello HTTP/1.1\r\nHost:", post):
                with connection_to(server) as stranger:
                    stranger.sendall(part)
                    while stranger.recv(1000):
                        pass
            with client.stream("GET", "/forever") as answer:
                assert len(list(itertools.islice(answer.iter_raw(), 30))) == 30, "who has asked is answered on"
    finally:
        server.stop()


def test_so_many_are_connected_and_no_more(app, monkeypatch):
    monkeypatch.setattr(module, "_MOST_CONNECTIONS", 3)
    server = WebServer(app)
    server.start()
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(connection_to(server)).sendall(b"GET")
            with connection_to(server) as one_more, contextlib.suppress(ConnectionResetError):
                assert one_more.recv(1) == b""
        wait_for(lambda: has_room(server), "the others have gone")
    finally:
        server.stop()


def has_room(server):
    try:
        return httpx.get(f"{server.url}/hello").text == "hello"
    except httpx.TransportError:
        return False


def connection_to(server):
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


@pytest.mark.parametrize("host", ["203.0.113.77", "no such host", "x" * 300])
def test_an_impossible_address_is_one_clear_line(app, host):
    with pytest.raises(ConfigError, match=r"^the HTTP API cannot listen on ") as caught:
        WebServer(app, host, 0).start()
    assert "\n" not in str(caught.value)


def test_ipv6(app):
    server = WebServer(app, "::1", 0)
    server.start()
    assert server.url.startswith("http://[::1]:")
    assert httpx.get(f"{server.url}/hello").text == "hello"
    server.stop()


def test_the_port_is_free_again_after_stop_and_stop_twice_is_harmless(app):
    first = WebServer(app)
    first.start()
    port = int(first.url.rsplit(":", 1)[1])
    httpx.get(f"{first.url}/hello")
    first.stop()
    first.stop()
    second = WebServer(app, "127.0.0.1", port)
    second.start()
    assert httpx.get(f"{second.url}/hello").text == "hello"
    second.stop()


def test_stop_does_not_wait_for_those_who_stay(app, capfd):
    server = WebServer(app)
    server.start()
    with httpx.stream("GET", f"{server.url}/forever") as stream:
        assert next(stream.iter_raw(4)) == b"drop"
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 4
    assert not any(thread.name.startswith("web ") for thread in threading.enumerate())
    assert "".join(capfd.readouterr()) == ""


def test_a_busy_loop_still_answers_and_readers_cost_it_little():
    """A core that is always busy and a hundred readers of an expensive list."""
    from mesos_py.web.paging import Items, cut

    loop = Loop()
    stop = threading.Event()
    spent = []

    def expensive():
        begin = time.perf_counter()
        items = [str(n) for n in range(20_000)]
        spent.append(time.perf_counter() - begin)
        return items

    reader = Reader(loop)

    @get("/list")
    async def listed() -> Items[str]:
        return cut(Items, (await reader.snapshot("list", expensive)).value, 0, 10)

    def turn():
        while not stop.is_set():
            loop.turn(0.01)

    core = threading.Thread(target=turn)
    core.start()
    server = WebServer(Litestar([listed], logging_config=None))
    server.start()
    begin = time.monotonic()
    with ThreadPoolExecutor(4) as pool, httpx.Client(base_url=server.url) as client:
        answers = list(pool.map(lambda _: client.get("/list").status_code, range(200)))
    elapsed = time.monotonic() - begin
    stop.set()
    core.join(5)
    server.stop()
    loop.close()
    assert answers == [200] * 200
    assert sum(spent) <= 0.05 * elapsed + max(spent)
