"""A real cluster for tests: master and agents as processes of their own, joined by a real broker.

Every process is ended by pid, and by the kernel if the tests are killed. What the daemons logged during a test is
shown when that test fails.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from tests.support.rabbitmq import RabbitMQ, free_ports

PATIENCE_S = 30.0
AGENTS = 2
_pause = threading.Event().wait

T = TypeVar("T")


def wait_for(what: Callable[[], T | None], why: str, patience_s: float = PATIENCE_S) -> T:
    """Whatever ``what`` gives once it is true; AssertionError with ``why`` if it is not in time."""
    deadline = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {why}"
        _pause(0.02)
    return found


def environment(**more: str) -> dict[str, str]:
    """Ours without what configures the command."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MESOS_")} | more


class Process:
    """A process with its output in a file; it does not outlive the tests."""

    def __init__(self, words: Sequence[str], output: Path, last_signal: str = "TERM", **variables: str) -> None:
        """``last_signal`` reaches it when the tests themselves are killed."""
        self.output = output
        self._read = output.stat().st_size if output.exists() else 0
        with output.open("ab") as file:
            self.popen = subprocess.Popen(
                ["env", "--default-signal=INT", "setpriv", "--pdeathsig", last_signal, *words],
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                env=environment(**variables),
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def news(self) -> str:
        """What was written since this was last asked."""
        with self.output.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        return data.decode(errors="replace")

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        return self.popen.wait(patience_s)

    def interrupt(self) -> None:
        self.popen.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """With -9."""
        self.popen.kill()
        self.popen.wait()

    def leave(self) -> None:
        """Let an agent end its tasks and go."""
        self.stop(signal.SIGUSR1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.is_running:
            self.popen.send_signal(number)
            try:
                self.popen.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()


class Cluster:
    """One master and some agents, as `mesos master` and `mesos agent`."""

    def __init__(self, broker: str, work: Path, agents: int = AGENTS) -> None:
        self.broker = broker
        self.agents = agents
        self.work = work
        self._port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self._port}"
        self._numbers = itertools.count()
        self._daemons: dict[str, Process] = {}
        self._http = httpx.Client(base_url=self.url, timeout=10.0, trust_env=False)

    # Daemons

    def start(self) -> None:
        self.start_master()
        for number in range(1, self.agents + 1):
            self.start_agent(number)
        self.wait_ready()

    def start_master(self) -> None:
        """Its patience with the silent, 10 s, is short enough to wait for and long enough for a busy machine."""
        patience = ["--heartbeat-s", "1", "--missed-heartbeats", "10"]
        self._start("master", "master", "--http-port", str(self._port), "--paranoid", *patience)

    def start_agent(self, number: int, *options: str) -> None:
        """Tasks see /tmp, where the tests leave notes for them."""
        ports = f"[{31000 + 100 * number}-{31099 + 100 * number}]"
        self._start(
            f"agent{number}", "agent", "--http-port", "0", "--name", f"agent{number}", "--hostname", f"host{number}",
            "--attributes", f"rack:r{number}", "--resources", f"cpus:4;mem:2048;disk:4096;ports:{ports}",
            "--no-private-tmp", *options, last_signal="USR1",
        )  # fmt: skip

    def _start(self, name: str, *words: str, last_signal: str = "TERM", prefix: Sequence[str] = ()) -> None:
        """``prefix`` goes before the command; ``words`` may name another broker."""
        common = ["--broker", self.broker, "--work-dir", str(self.work / name), "--log-format", "json"]
        command = [*prefix, sys.executable, "-m", "mesos_py", words[0], *common, *words[1:]]
        self._daemons[name] = Process(command, self.work / f"{name}.log", last_signal)

    def daemon(self, name: str) -> Process:
        return self._daemons[name]

    def forget(self, name: str) -> None:
        """A daemon that is not to be there for the next test."""
        self._daemons.pop(name).stop()

    def processes(self) -> list[psutil.Process]:
        """Those of tasks: they work in sandboxes."""
        return [process for process in psutil.process_iter() if _works_below(process, f"{self.work}/")]

    def stop(self) -> None:
        for name, daemon in reversed(self._daemons.items()):
            began = time.monotonic()
            daemon.leave() if name.startswith("agent") else daemon.stop()
            print(f"{name} ended with {daemon.popen.returncode} in {time.monotonic() - began:.1f} s")
        self._http.close()

    # Looking at it

    def get(self, path: str, **params: Any) -> Any:
        return self._http.get(path, params=params).raise_for_status().json()

    def items(self, path: str) -> list[dict[str, Any]]:
        return self.get(path, limit=1000)["items"]

    def live_tasks(self) -> list[str]:
        ended = {"FINISHED", "FAILED", "KILLED", "ERROR", "DROPPED", "GONE"}
        return [task["task_id"] for task in self.items("/tasks") if task["state"] not in ended]

    def is_ready(self) -> bool:
        """All agents are there, and nothing of the last test is."""
        for name, daemon in self._daemons.items():
            assert daemon.is_running, f"{name} has ended"
        try:
            agents = self.items("/agents")
            frameworks = [f for f in self.items("/frameworks") if f["status"] != "removed"]
        except httpx.TransportError:
            return False
        connected = sum(agent["connected"] for agent in agents) == self.agents == len(agents)
        return connected and not frameworks and not self.live_tasks()

    def mend(self) -> None:
        """Remove what a test that failed has left, and start what it has ended, for the next one."""
        if not self._daemons["master"].is_running:
            self.start_master()
        for number in range(1, self.agents + 1):
            if (daemon := self._daemons.get(f"agent{number}")) is None or not daemon.is_running:
                self.start_agent(number)
        wait_for(self._answers, "the master answers")
        for framework in self.items("/frameworks"):
            if framework["status"] != "removed":
                self.mesos("teardown", "--yes", framework["framework_id"])

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return bool(self.get("/agents"))
        return False

    def wait_ready(self) -> None:
        wait_for(self.is_ready, "all agents registered, no framework left")

    def news(self) -> str:
        """What the daemons logged since this was last asked."""
        return "\n".join(f"--- {name}\n{daemon.news()}" for name, daemon in self._daemons.items())

    # Using it

    def mesos(self, *words: str, patience_s: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "mesos_py", *words],
            env=self.variables | variables,
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`mesos run` with small instances."""
        return self.mesos("run", "--cpus", "0.05", "--mem", "16", *words)

    @contextlib.contextmanager
    def running(self, *words: str) -> Iterator[Process]:
        """A process of the command for as long as the ``with`` block."""
        with self._process("mesos", "-m", "mesos_py", *words) as process:
            yield process

    @contextlib.contextmanager
    def running_python(self, code: str, *words: str) -> Iterator[Process]:
        """The same of a program."""
        with self._process("program", "-c", code, *words) as process:
            yield process

    @contextlib.contextmanager
    def _process(self, name: str, *words: str) -> Iterator[Process]:
        output = self.work / f"{name}{next(self._numbers)}.log"
        process = Process([sys.executable, *words], output, **self._own_variables)
        try:
            yield process
        finally:
            if process.is_running:
                process.kill()
            print(f"--- {' '.join(words)}\n{process.text()}")

    @property
    def variables(self) -> dict[str, str]:
        """The environment of whoever uses the cluster."""
        return environment(**self._own_variables)

    @property
    def _own_variables(self) -> dict[str, str]:
        return {"MESOS_BROKER": self.broker, "MESOS_MASTER": self.url, "NO_COLOR": "1", "COLUMNS": "100"}


@contextlib.contextmanager
def make_cluster(broker: str, work: Path) -> Iterator[Cluster]:
    cluster = Cluster(broker, work)
    try:
        cluster.start()
        yield cluster
    except BaseException:
        print(cluster.news())
        raise
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def one_cluster(rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started once for the tests of a module."""
    with make_cluster(rabbitmq.url(), tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(one_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster with nothing running on it; a test must leave it so, but if it fails that is its only fault."""
    one_cluster.wait_ready()
    one_cluster.news()
    failed = request.session.testsfailed
    yield one_cluster
    print(one_cluster.news())  # shown if the test failed
    if request.session.testsfailed > failed:
        one_cluster.mend()


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _works_below(process: psutil.Process, directory: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.cwd().startswith(directory) and process.status() != psutil.STATUS_ZOMBIE
    return False
