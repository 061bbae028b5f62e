"""Fetching into sandboxes, from this host and over HTTP, with sources that mean harm."""

import contextlib
import gzip
import hashlib
import os
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mesos_py.adapters import download as module
from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.fetcher import SandboxFetcher
from mesos_py.adapters.isolators.user import UserIsolator
from mesos_py.runtime.loop import Loop
from mesos_py.types.tasks import URI, Reason
from tests.support.fetching import fetch, source, why_not
from tests.unit.adapters.containers_support import Containers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")


class Site:
    """A web server whose pages are set by the test."""

    def __init__(self):
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[str] = []
        self.gate = threading.Event()
        self.dripped = 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.requests.append(self.path)
                status, headers, body = site.pages.get(self.path.partition("?")[0], (404, {}, b""))
                self.send_response(status)
                if "X-Endless" in headers:
                    self.flush_headers()
                    self.drip(b"a")
                    return
                headers = {"Content-Length": str(len(body))} | headers
                for name in filter(headers.get, headers):
                    self.send_header(name, headers[name])
                self.end_headers()
                self.wfile.write(body)
                if "X-Stall" in headers:
                    self.wfile.flush()
                    site.gate.wait(10)
                if "X-Drip" in headers:
                    self.drip(b"x")

            def drip(self, drop):
                """For ever, unless somebody hangs up."""
                with contextlib.suppress(OSError):
                    while not site.gate.wait(0.01):
                        self.wfile.write(drop)
                        site.dripped += 1

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.01))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def page(self, path, body=b"", status=200, **headers):
        self.pages[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return self.url + path

    def stop(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def the_site():
    site = Site()
    yield site
    site.stop()


@pytest.fixture(name="site")
def _site(the_site):
    the_site.pages.clear()
    the_site.requests.clear()
    the_site.dripped = 0
    return the_site


@pytest.fixture(name="sandbox")
def _sandbox(tmp_path):
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    return sandbox


# Where from


def test_a_path_and_a_file_address(tmp_path, sandbox):
    path = source(tmp_path, "a b.txt")
    fetch(sandbox, path)
    fetch(sandbox, f"file://{tmp_path}/a%20b.txt", output_file="deep/er/copy")
    assert (sandbox / "a b.txt").read_bytes() == (sandbox / "deep/er/copy").read_bytes() == b"content"


def test_http(site, sandbox):
    fetch(sandbox, site.page("/dir/data.bin", b"\0\1") + "?token=secret")
    assert (sandbox / "data.bin").read_bytes() == b"\0\1"


def test_redirects_are_followed(site, sandbox):
    site.page("/there", b"found")
    fetch(sandbox, site.page("/here", status=302, Location="/there"))
    assert (sandbox / "here").read_bytes() == b"found"


def test_what_is_packed_stays_packed(site, sandbox):
    packed = gzip.compress(b"text")
    fetch(sandbox, site.page("/page", packed, Content_Encoding="gzip"))
    assert (sandbox / "page").read_bytes() == packed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/no/such/file", "cannot fetch /no/such/file: No such file or directory"),
        ("/etc", "cannot fetch /etc: it is not a regular file"),
        ("/dev/zero", "cannot fetch /dev/zero: it is not a regular file"),
        ("ftp://host/x", "only http://, https://, file:// and absolute paths can be fetched"),
        ("relative/x", "only http://, https://, file:// and absolute paths can be fetched"),
        ("file://host/x", "a file:// address is file:///path"),
        ("http://127.0.0.1:1/x", "cannot fetch http://127.0.0.1:1/x: [Errno 111] Connection refused"),
        ("http://user:secret@127.0.0.1:1/x?key=secret", "cannot fetch http://127.0.0.1:1/x: "),
        ("http://[::bad/x", "cannot fetch "),
        ("http:///x", "cannot fetch "),
        ("/", "'' is no name for a file in the sandbox"),
    ],
)
def test_sources_that_cannot_be(sandbox, value, message):
    why = why_not(sandbox, value)
    assert message in why
    assert "secret" not in why


def test_an_http_error(site, sandbox):
    assert why_not(sandbox, site.url + "/nothing").endswith("/nothing: the server says 404 Not Found")


def test_a_circle_of_redirects(site, sandbox):
    assert "redirects" in why_not(sandbox, site.page("/a", status=302, Location="/a"))


def test_a_redirect_to_a_file(site, sandbox):
    why_not(sandbox, site.page("/a", status=302, Location="file:///etc/passwd"))
    assert not list(sandbox.iterdir())


def test_a_body_that_breaks_off(site, sandbox):
    assert "cannot fetch" in why_not(sandbox, site.page("/a", b"short", Content_Length="100", Connection="close"))


def test_a_server_that_stalls(site, sandbox, monkeypatch):
    monkeypatch.setattr(module, "_STALL_S", 0.2)
    why = why_not(sandbox, site.page("/a", b"some", Content_Length="100", X_Stall="yes"))
    assert why.endswith("less than 1024 bytes/s came for 0.2 s")


DRIPPING = [{"X_Drip": "yes", "Content_Length": "1000000"}, {"X_Drip": "yes", "Content_Length": ""}, {"X_Endless": "y"}]


@pytest.mark.parametrize("how", DRIPPING, ids=["body", "without a length", "headers"])
def test_a_server_that_drips(site, sandbox, monkeypatch, how):
    monkeypatch.setattr(module, "_STALL_S", 0.3)
    why = why_not(sandbox, site.page("/a", **how))
    assert why.endswith("less than 1024 bytes/s came for 0.3 s")


@pytest.mark.parametrize("how", [*DRIPPING, {"X_Stall": "yes", "Content_Length": "9"}])
def test_a_kill_ends_a_fetch_however_little_comes(site, sandbox, how):
    why = why_not(sandbox, site.page("/a", **how), cancelled=lambda: bool(site.requests))
    assert why.endswith("the task was killed")


def test_a_kill_ends_the_waiting_for_anothers_download(site, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache")
    url = site.page("/a", X_Drip="yes", Content_Length="1000000")
    killed = threading.Event()
    sandboxes = tmp_path / "first", tmp_path / "second"
    for sandbox in sandboxes:
        sandbox.mkdir()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(why_not, sandboxes[0], url, fetcher=fetcher, cache=True, cancelled=killed.is_set)
        while not site.dripped:
            site.gate.wait(0.01)
        try:
            why = why_not(sandboxes[1], url, fetcher=fetcher, cache=True, cancelled=lambda: True)
        finally:
            killed.set()
        assert why.endswith("the task was killed")
        assert first.result().endswith("the task was killed")
    assert site.requests == ["/a"]


def test_a_fetch_is_given_up_when_the_task_is_killed(site, sandbox):
    assert why_not(sandbox, site.page("/a", b"x"), cancelled=lambda: True).endswith("the task was killed")


@as_root
def test_local_files_are_read_with_the_rights_of_the_user(sandbox, tmp_path_factory):
    directory = Path("/var/tmp") / f"mesos-test-{os.getpid()}"
    directory.mkdir(mode=0o755)
    try:
        secret, public = directory / "secret", directory / "public"
        secret.write_text("secret")
        secret.chmod(0o600)
        public.write_text("public" * 100_000)
        public.chmod(0o644)
        fetch(sandbox, public, user="nobody")
        assert (sandbox / "public").read_text() == "public" * 100_000
        assert why_not(sandbox, secret, user="nobody").endswith("user 'nobody' cannot read it")
        assert why_not(sandbox, public, user="nobody", max_bytes=9).endswith("it is larger than 9 bytes")
    finally:
        shutil.rmtree(directory)


# Checks


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "", "a\0b", ".", "dir"])
def test_names_that_are_no_names(tmp_path, sandbox, name):
    (sandbox / "dir").mkdir()
    value = source(tmp_path, "x") if name else "file:///"
    assert "is no name for a file in the sandbox" in why_not(sandbox, value, output_file=name)


def test_a_link_in_the_sandbox_leads_nowhere(tmp_path, sandbox):
    (sandbox / "out").symlink_to(tmp_path)
    assert "is no name for" in why_not(sandbox, source(tmp_path, "x"), output_file="out/file")
    (sandbox / "file").symlink_to(tmp_path / "victim")
    fetch(sandbox, tmp_path / "x", output_file="file")
    assert not (tmp_path / "victim").exists()


def test_digests(tmp_path, sandbox):
    path = source(tmp_path, "x", b"content")
    good = hashlib.sha256(b"content").hexdigest()
    fetch(sandbox, path, sha256=good.upper())
    (sandbox / "x").unlink()
    assert why_not(sandbox, path, sha256="00").endswith(f"its SHA-256 is {good}, not 00")
    assert not list(sandbox.iterdir())


def test_sizes(tmp_path, sandbox):
    path = source(tmp_path, "x", b"1234567")
    fetch(sandbox, path, max_bytes=7)
    assert why_not(sandbox, path, max_bytes=6).endswith("it is larger than 6 bytes")


def test_executables_are_not_unpacked(tmp_path, sandbox):
    fetch(sandbox, source(tmp_path, "tool.gz", b"#!"), executable=True)
    assert stat.S_IMODE((sandbox / "tool.gz").stat().st_mode) == 0o755


# The cache


def test_a_cached_file_is_fetched_once(site, sandbox, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache")
    url = site.page("/a", b"one")
    for name in ("x", "y"):
        fetch(sandbox, url, fetcher=fetcher, cache=True, output_file=name)
        (sandbox / name).write_bytes((sandbox / name).read_bytes() + b" spoiled by the task")
    fetch(sandbox, url, fetcher=fetcher, cache=True, output_file="z")
    assert (sandbox / "z").read_bytes() == b"one"
    assert site.requests == ["/a"]
    fetch(sandbox, url, fetcher=fetcher, output_file="w")
    assert site.requests == ["/a"] * 2


def test_many_tasks_share_one_download(site, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache")
    url = site.page("/a", b"x" * 500_000)
    sandboxes = [tmp_path / f"s{n}" for n in range(8)]
    for sandbox in sandboxes:
        sandbox.mkdir()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda sandbox: fetch(sandbox, url, fetcher=fetcher, cache=True), sandboxes))
    assert site.requests == ["/a"]
    assert {(sandbox / "a").stat().st_size for sandbox in sandboxes} == {500_000}


def test_a_failure_is_not_cached(site, sandbox, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache")
    assert "404" in why_not(sandbox, site.url + "/a", fetcher=fetcher, cache=True)
    fetch(sandbox, site.page("/a", b"now"), fetcher=fetcher, cache=True)
    assert why_not(sandbox, site.url + "/a", fetcher=fetcher, cache=True, sha256="00")
    assert (sandbox / "a").read_bytes() == b"now"
    assert len(os.listdir(tmp_path / "cache")) == 1


def test_what_was_deleted_from_the_cache_is_fetched_again(site, sandbox, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache")
    url = site.page("/a", b"one")
    fetch(sandbox, url, fetcher=fetcher, cache=True)
    (cached,) = (tmp_path / "cache").iterdir()
    cached.unlink()
    fetch(sandbox, url, fetcher=fetcher, cache=True)
    shutil.rmtree(tmp_path / "cache")
    fetch(sandbox, url, fetcher=fetcher, cache=True)
    assert (sandbox / "a").read_bytes() == b"one"
    assert site.requests == ["/a"] * 3


def test_limits_hold_for_cached_files(site, sandbox, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache")
    url = site.page("/a", b"12345")
    fetch(sandbox, url, fetcher=fetcher, cache=True)
    assert why_not(sandbox, url, fetcher=fetcher, cache=True, max_bytes=4).endswith("it is larger than 4 bytes")


def test_the_least_recently_used_goes(site, sandbox, tmp_path):
    fetcher = SandboxFetcher(tmp_path / "cache", cache_bytes=250)
    urls = [site.page(f"/{n}", b"x" * 100) for n in range(3)]
    for n in (0, 1, 0, 2, 0, 1):
        fetch(sandbox, urls[n], fetcher=fetcher, cache=True)
    assert site.requests == ["/0", "/1", "/2", "/1"]
    fetch(sandbox, site.page("/big", b"x" * 1000), fetcher=fetcher, cache=True)
    assert (sandbox / "big").stat().st_size == 1000
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 250


# Within a launch


@pytest.fixture(name="containers")
def _containers(tmp_path):
    loop = Loop()
    it = ProcessContainerizer(
        loop, tmp_path / "run", fetcher=SandboxFetcher(), isolators=[UserIsolator([range(65535)])]
    )
    containers = Containers(loop, it, tmp_path)
    yield containers
    containers.it.close()
    loop.close()


def test_a_task_finds_its_files(containers, site):
    uris = [URI(value=site.page("/tool", b"#!/bin/sh\necho ran $1\n"), executable=True)]
    spec = containers.start("./tool", "it", uris=uris)
    assert containers.end_of(spec).exit_code == 0
    assert (Path(spec.sandbox) / "stdout").read_text() == "ran it\n"


@as_root
def test_files_belong_to_the_user(containers, site):
    uris = [URI(value=site.page("/tool", b"#!/bin/sh\nid -un; rm tool\n"), executable=True)]
    spec = containers.start("./tool", uris=uris, user="nobody")
    assert containers.end_of(spec).exit_code == 0
    assert (Path(spec.sandbox) / "stdout").read_text() == "nobody\n"


def test_a_failed_fetch_fails_the_container(containers, site):
    spec = containers.start("/bin/true", uris=[URI(value=site.url + "/missing")])
    reason, message = containers.failure_of(spec)
    assert reason is Reason.CONTAINER_LAUNCH_FAILED
    assert message == f"cannot fetch {site.url}/missing: the server says 404 Not Found"


def test_a_kill_during_the_fetch_is_answered_at_once(containers, site):
    url = site.page("/slow", b"x", Content_Length="100", X_Stall="yes")
    spec = containers.spec("/bin/true", uris=[URI(value=url)])
    containers.it.start(spec)
    containers.until(lambda: site.requests)
    containers.it.destroy(spec.container_id)
    assert containers.failure_of(spec)[0] is Reason.TASK_KILLED_DURING_LAUNCH
    site.gate.set()
    site.gate = threading.Event()


def test_an_agent_that_stops_does_not_wait_for_a_fetch(tmp_path):
    began, gate, ended = threading.Event(), threading.Event(), threading.Event()

    class Stubborn:
        def fetch(self, *_arguments):
            began.set()
            gate.wait(10)
            ended.set()

    loop = Loop()
    containers = Containers(loop, ProcessContainerizer(loop, tmp_path / "run", fetcher=Stubborn()), tmp_path)
    containers.it.start(containers.spec("/bin/true", uris=[URI(value="/x")]))
    containers.until(began.is_set)
    containers.it.close()
    assert not ended.is_set()
    gate.set()
    assert ended.wait(10)
    loop.close()
