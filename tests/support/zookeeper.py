"""A ZooKeeper of our own for tests: Debian's package on free loopback ports, its data in a temporary directory.

One server, or an ensemble of several. Nothing of a system-wide ZooKeeper is touched, and everything is ended by pid,
even if the tests are killed.
"""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.rabbitmq import free_ports, make_certificate

JAR = Path("/usr/share/java/zookeeper.jar")
NETTY = Path("/usr/share/java/netty-codec.jar")
"""Which TLS takes, and Debian's zookeeper.jar does not name."""
TICK_MS = 500
_PATIENCE_S = 60.0
_pause = threading.Event().wait

_LOGGING = """\
log4j.rootLogger=WARN, CONSOLE
log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
log4j.appender.CONSOLE.layout.ConversionPattern=%d{ISO8601} %p %c: %m%n
"""


class Server:
    """One server of an ensemble."""

    def __init__(self, work: Path, number: int, port: int, peers: str, more: Mapping[str, object]) -> None:
        self.port = port
        self._more = more
        self._number = number
        self._work = work / f"server{number}"
        self._peers = peers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it keeps what it had. It need not serve yet."""
        data = self._work / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(str(self._number))
        (self._work / "log4j.properties").write_text(_LOGGING)
        settings = {
            "tickTime": TICK_MS,
            "minSessionTimeout": TICK_MS,
            "initLimit": 20,
            "syncLimit": 5,
            "dataDir": data,
            "clientPortAddress": "127.0.0.1",
            "clientPort": self.port,
            "admin.enableServer": "false",
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "srvr",
            **self._more,
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self._work / "zoo.cfg").write_text("".join(lines) + self._peers)
        java = "exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.forceSync=no -cp"
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command = f"{java} {self._work}:{JAR}:{NETTY} {main} {self._work}/zoo.cfg"
        with (self._work / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "sh", "-c", command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._work,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_serving(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while "Mode:" not in self.ask("srvr"):
            running = self._process is not None and self._process.poll() is None
            if not running or time.monotonic() > deadline:
                raise RuntimeError(f"ZooKeeper does not serve:\n{(self._work / 'log').read_text()[-2000:]}")
            _pause(0.05)

    def ask(self, word: str) -> str:
        """What it answers to one of its four letter words; nothing if it does not."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as asking:
                asking.sendall(word.encode())
                return asking.makefile().read()
        except OSError:
            return ""

    def send(self, number: int) -> None:
        """A signal, such as STOP and CONT."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """With -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Zookeeper:
    """An ensemble; ``url()`` is where it is."""

    def __init__(self, work: Path, servers: int = 1) -> None:
        ports = free_ports(3 * servers)
        numbers = range(1, servers + 1)
        peers = ""
        if servers > 1:
            pairs = zip(numbers, ports[servers : 2 * servers], ports[2 * servers :], strict=True)
            peers = "".join(f"server.{number}=127.0.0.1:{one}:{two}\n" for number, one, two in pairs)
        self.servers = [Server(work, number, ports[number - 1], peers, {}) for number in numbers]

    @property
    def port(self) -> int:
        """Where the first server takes clients."""
        return self.servers[0].port

    def url(self, path: str, login: str = "", port: int | None = None) -> str:
        ports = [port] if port else [server.port for server in self.servers]
        hosts = ",".join(f"127.0.0.1:{one}" for one in ports)
        return f"zk://{login}@{hosts}{path}" if login else f"zk://{hosts}{path}"

    def start(self) -> None:
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait_serving()

    def kill(self) -> None:
        """All servers, with -9; what they had stays, so that they can be started again."""
        for server in self.servers:
            server.kill()


E = TypeVar("E", bound=Zookeeper)


class SecureZookeeper(Zookeeper):
    """One server that also speaks TLS, with those who show a certificate; ``url()`` is where it does."""

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.work = work
        [self._secure_port] = free_ports(1)
        settings = {
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "secureClientPortAddress": "127.0.0.1",
            "secureClientPort": self._secure_port,
            "ssl.keyStore.location": self.bundle,
            "ssl.trustStore.location": self.certificate,
        }
        self.servers = [Server(work, 1, self.servers[0].port, "", settings)]

    @property
    def port(self) -> int:
        return self._secure_port

    @property
    def certificate(self) -> Path:
        """Its own, which signs itself."""
        return self.work / "certificate.pem"

    @property
    def bundle(self) -> Path:
        """The same with its key."""
        return self.work / "bundle.pem"

    def start(self) -> None:
        make_certificate(self.certificate, self.work / "key.pem")
        self.bundle.write_text((self.work / "key.pem").read_text() + self.certificate.read_text())
        super().start()

    def url(self, path: str, login: str = "", port: int | None = None) -> str:
        files = f"cacertfile={self.certificate}&certfile={self.bundle}"
        return f"{super().url(path, login, port or self.port).replace('zk', 'zks', 1)}?{files}"


def installed() -> None:
    """Skip or fail where the package is missing."""
    if not JAR.exists():
        if os.geteuid() == 0 and Path("/etc/debian_version").exists():
            pytest.fail("ZooKeeper is not installed: run `make test` or `apt-get install zookeeper`")
        pytest.skip("needs ZooKeeper: install the package zookeeper (Debian) for these tests")


def running(ensemble: E) -> Iterator[E]:
    """For fixtures: it serves until they are done."""
    installed()
    try:
        ensemble.start()
        yield ensemble
    finally:
        ensemble.kill()


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zookeeper]:
    """A running server, shared by the tests of one process; whoever stops it starts it again."""
    yield from running(Zookeeper(tmp_path_factory.mktemp("zookeeper")))
