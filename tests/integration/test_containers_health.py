"""Health checks against real commands and servers."""

import contextlib
import os
import signal
import socket
import threading
import time

import psutil
import pytest

from mesos_py.adapters import health
from mesos_py.adapters.health import HostHealthChecker
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import ContainerID, FrameworkID
from mesos_py.types.tasks import CommandInfo, HealthCheck
from tests.integration.test_fetcher import Site
from tests.unit.adapters.containers_support import PATH, turn_until


class Checks:
    def __init__(self, sandbox, **given):
        self.loop = Loop()
        self.it = HostHealthChecker(self.loop, **given)
        self.it.open()
        self.spec = ContainerSpec(
            container_id=ContainerID("C-1"),
            framework_id=FrameworkID("F"),
            sandbox=str(sandbox),
            argv=["/bin/true"],
            environment={"PATH": PATH, "COLOUR": "blue", "SIZE": "1"},
        )

    def begin(self, **check):
        answers = []
        self.it.check(ContainerID("C-1"), HealthCheck(**check), self.spec, lambda *answer: answers.append(answer))
        assert not answers, "answers come later"
        return answers

    def see(self, **check):
        answers = self.begin(**check)
        turn_until(self.loop, lambda: answers)
        self.loop.turn(0)
        (answer,) = answers
        return answer

    def command(self, line, **more):
        return self.see(command=CommandInfo(value=line), **more)


@pytest.fixture(name="checks")
def _checks(tmp_path):
    here = psutil.Process()
    files, children = here.num_fds(), set(here.children())
    checks = Checks(tmp_path, uids=[range(1000, 65535)])
    yield checks
    checks.it.close()
    checks.loop.close()
    assert here.num_fds() <= files
    assert not [child for child in set(here.children()) - children if child.name() == "sleep"]


@pytest.fixture(name="site")
def _site():
    site = Site()
    yield site
    site.stop()


def test_commands(checks):
    assert checks.command("exit 0") == (True, "exited with status 0")
    assert checks.command("exit 3") == (False, "exited with status 3")
    assert checks.command("kill -9 $$") == (False, "killed by SIGKILL")
    assert checks.command("kill -35 $$") == (False, "killed by signal 35")
    assert checks.see(command=CommandInfo(argv=["true"])) == (True, "exited with status 0")


def test_a_command_runs_in_the_sandbox_with_the_environment_of_the_task(checks, tmp_path):
    command = CommandInfo(argv=["cp", "/proc/self/environ", "seen"], environment={"SIZE": "2", "a.b": "c"})
    assert checks.see(command=command)[0]
    seen = dict(pair.split("=", 1) for pair in (tmp_path / "seen").read_text().split("\0") if pair)
    assert seen == {"PATH": PATH, "COLOUR": "blue", "SIZE": "2", "a.b": "c"}


def test_a_command_that_cannot_be(checks):
    assert checks.see(command=CommandInfo(argv=["no-such-thing"])) == (False, "exited with status 127")
    assert checks.see(command=CommandInfo(value="true", user="nobody-of-that-name")) == (
        False,
        "the check could not be started: user 'nobody-of-that-name' does not exist on this host",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
def test_a_command_runs_as_its_user(checks):
    assert checks.see(command=CommandInfo(value='test "$(id -un)" = nobody', user="nobody"))[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
def test_a_command_runs_only_as_those_whom_tasks_may_be(tmp_path):
    checks = Checks(tmp_path, uids=[range(1000, 2000)])
    healthy, seen = checks.see(command=CommandInfo(value="true", user="daemon"))
    assert (healthy, seen.split(":")[1]) == (False, " cannot run as user 'daemon'")
    checks.it.close()
    checks.loop.close()


def test_a_command_that_takes_too_long_is_killed(checks, tmp_path):
    answer = checks.command("trap '' TERM; sleep 100 & echo $! >pid; wait", timeout_s=0.3)
    assert answer == (False, "no result within 0.3 s")
    sleeper = int((tmp_path / "pid").read_text())
    turn_until(checks.loop, lambda: not psutil.pid_exists(sleeper) or psutil.Process(sleeper).status() == "zombie")


def test_what_does_not_die_is_not_waited_for(checks, monkeypatch):
    """As one that stands still in the kernel."""
    killed = []
    monkeypatch.setattr(health, "_kill_session", killed.append)
    for _ in range(4):
        assert checks.command("exec sleep 100", timeout_s=0.1) == (False, "no result within 0.1 s")
    assert checks.command("true") == (False, "4 earlier checks have not ended")
    monkeypatch.undo()
    for pid in killed:
        os.killpg(pid, signal.SIGKILL)
    turn_until(checks.loop, lambda: checks.command("true") == (True, "exited with status 0"))


def test_http(checks, site):
    port = site.server.server_address[1]
    site.page("/ok", b"fine")
    site.page("/odd", status=399)
    site.page("/broken", status=500)
    site.page("/moved", status=302, Location="/broken")
    url = f"GET http://127.0.0.1:{port}"
    assert checks.see(http_port=port, http_path="/ok") == (True, f"{url}/ok: 200")
    assert checks.see(http_port=port, http_path="odd") == (True, f"{url}/odd: 399")
    assert checks.see(http_port=port, http_path="/broken") == (False, f"{url}/broken: 500")
    assert checks.see(http_port=port, http_path="/moved") == (False, f"{url}/moved: 500")
    assert checks.see(http_port=port, http_path="/none") == (False, f"{url}/none: 404")
    assert checks.see(http_port=port, http_path="/a b?c=%41") == (False, f"{url}/a b?c=%41: 404")
    assert site.requests[-1] == "/a%20b?c=%41"


def test_where_a_redirect_leads_away_it_is_the_answer(checks, site):
    port = site.server.server_address[1]
    for target in ("http://192.0.2.1/", "https://127.0.0.1/", "//[::1]/"):
        site.page("/away", status=302, Location=target)
        assert checks.see(http_port=port, http_path="/away") == (True, f"GET http://127.0.0.1:{port}/away: 302")
    site.page("/round", status=307, Location=f"http://localhost:{port}/round")
    assert checks.see(http_port=port, http_path="/round")[1].endswith("/round: more than 10 redirects")


def test_no_proxy_is_asked(checks, site, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    site.page("/", b"fine")
    assert checks.see(http_port=site.server.server_address[1])[0]


@pytest.mark.parametrize("kind", ["http_port", "tcp_port"])
def test_nobody_listens(checks, kind):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        healthy, seen = checks.see(**{kind: unused.getsockname()[1]})
    assert not healthy
    assert "Connection refused" in seen


def test_a_server_that_says_nothing_holds_up_nobody(checks):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        slow = checks.begin(http_port=port, timeout_s=0.4)
        started = time.monotonic()
        checks.loop.turn(0)
        assert time.monotonic() - started < 0.2
        assert checks.see(tcp_port=port) == (True, f"connected to port {port}")
        turn_until(checks.loop, lambda: slow)
        assert not slow[0][0]
        assert len(slow) == 1
    turn_until(checks.loop, lambda: all(thread.name != "health check" for thread in threading.enumerate()))


def test_closing_stops_what_is_under_way(tmp_path):
    checks = Checks(tmp_path)
    answers = checks.begin(command=CommandInfo(value="sleep 100"))
    checks.it.close()
    checks.loop.turn(0)
    assert not answers
    checks.loop.close()


def test_who_answers_byte_by_byte_keeps_no_thread(checks):
    def drip(server):
        with server.accept()[0] as connection, contextlib.suppress(OSError):
            while True:
                connection.sendall(b"H")
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=[server])
        dripping.start()
        healthy, seen = checks.see(http_port=server.getsockname()[1], timeout_s=0.1)
        assert not healthy
        assert "no result within 0.1 s" in seen or "timed out" in seen
        dripping.join(10)
    turn_until(checks.loop, lambda: not _asking())


def _asking():
    return [thread for thread in threading.enumerate() if thread.name == "health check"]
