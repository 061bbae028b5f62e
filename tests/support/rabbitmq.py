"""A RabbitMQ of our own for tests: Debian's package on free loopback ports, its data in a temporary directory.

Nothing of a system-wide broker is touched: own ports, own node name, own cookie, own epmd. Everything is ended by pid,
even if the tests are killed. With pytest-xdist every worker has its own.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
_PATIENCE_S = 60.0
_pause = threading.Event().wait


class RabbitMQ:
    """One broker node; ``url()`` is where it listens."""

    def __init__(self, work: Path, *further_hosts: str, beside: "RabbitMQ | None" = None) -> None:
        """It listens on loopback, and on ``further_hosts`` besides; a node of the same cluster as ``beside``."""
        self.work = work
        self._beside = beside
        self.port, self.tls_port, self._dist_port, self._epmd_port = free_ports(4)
        if beside is not None:
            self._epmd_port = beside._epmd_port
        self.node = f"mesos-test-{os.getpid()}-{self.port}@localhost"
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._users: set[str] = set()
        self._settings = {
            "num_acceptors.tcp": "2",
            "disk_free_limit.absolute": "1MB",  # a full disk on a test machine is none of our business
            "collect_statistics": "none",
            "log.console": "false",
            "loopback_users": "none",
            **{f"listeners.tcp.{n}": f"{host}:{self.port}" for n, host in enumerate(("127.0.0.1", *further_hosts))},
            "listeners.ssl.1": f"127.0.0.1:{self.tls_port}",
            "ssl_options.cacertfile": str(self.certificate),
            "ssl_options.certfile": str(self.certificate),
            "ssl_options.keyfile": str(self.work / "key.pem"),
            "ssl_options.verify": "verify_none",
            "ssl_options.fail_if_no_peer_cert": "false",
        }
        if beside is not None:
            self._settings["cluster_formation.peer_discovery_backend"] = "classic_config"
            self._settings["cluster_formation.classic_config.nodes.1"] = beside.node

    def url(
        self,
        user: str = "guest",
        password: str = "guest",
        port: int | None = None,
        options: str = "",
        host: str = "127.0.0.1",
        vhost: str = "/",
    ) -> str:
        return f"amqp://{user}:{password}@{host}:{port or self.port}/{vhost}{options}"

    def tls_url(self, user: str = "guest", password: str = "guest") -> str:
        return f"amqps://{user}:{password}@127.0.0.1:{self.tls_port}//?cacertfile={self.certificate}"

    @property
    def certificate(self) -> Path:
        """Of the broker, signed by itself."""
        return self.work / "certificate.pem"

    def start(self) -> None:
        """Start the node and wait until it listens."""
        self._write_settings()
        make_certificate(self.certificate, self.work / "key.pem")
        environment = self._environment()
        if self._epmd is None and self._beside is None:
            epmd = shutil.which("epmd") or "epmd"
            command = [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            nothing = subprocess.DEVNULL
            self._epmd = subprocess.Popen(
                command, env=environment, stdout=nothing, stderr=nothing, start_new_session=True
            )
            self._wait_listening(self._epmd_port, self._epmd)
        with (self.work / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [SCRIPTS / "rabbitmq-server"],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self.work,
                start_new_session=True,  # not for the terminal's Ctrl-C
            )
        pids = [str(process.pid) for process in (self._server, self._epmd) if process is not None]
        watch = ["sh", "-c", 'read _; kill -9 "$@"', "watch", *pids]  # its input ends when we do, however that comes
        self._watcher = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        self._wait_listening(self.port, self._server)
        self._wait_listening(self.tls_port, self._server)

    def stop(self, *, hard: bool = False) -> None:
        """End the node (its data stays, so that it can be started again)."""
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        if self._server is not None:
            self._server.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            _reap(self._server)
            self._server = None

    def wipe(self) -> None:
        """Remove all it has kept; for one that is stopped."""
        shutil.rmtree(self.work / "mnesia")
        self._users.clear()

    def close(self) -> None:
        """End everything that was started."""
        self.stop(hard=True)
        if self._epmd is not None:
            self._epmd.terminate()
            _reap(self._epmd)
            self._epmd = None

    def ctl(self, *arguments: str) -> str:
        """rabbitmqctl."""
        command = [SCRIPTS / "rabbitmqctl", "--quiet", *arguments]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def add_user(self, user: str, password: str, *, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        self.ctl("add_user", user, password)
        self.ctl("set_permissions", user, configure, write, read)
        self._users.add(user)

    def define(self, users: dict[str, str]) -> None:
        """Users by password, each with a virtual host of the same name where it may do everything."""
        definitions = {
            "users": [{"name": user, "password": password, "tags": ""} for user, password in users.items()],
            "vhosts": [{"name": user} for user in users],
            "permissions": [
                {"user": user, "vhost": user, "configure": ".*", "write": ".*", "read": ".*"} for user in users
            ],
        }
        file = self.work / "definitions.json"
        file.write_text(json.dumps(definitions))
        self.ctl("import_definitions", str(file))

    def ensure_user(self, user: str, password: str) -> None:
        """Add a user who may do everything, unless it exists."""
        if user not in self._users:
            self.add_user(user, password)

    def close_connections(self, why: str = "test") -> None:
        """Have the broker close every client's connection."""
        self.ctl("close_all_connections", why)

    def close_connections_of(self, pid: int, why: str = "test") -> None:
        """Close those of one process, and all queues that are its own; what is on its way there may still arrive."""
        sockets = psutil.Process(pid).net_connections(kind="tcp")
        ports = {socket.laddr.port for socket in sockets if socket.raddr and socket.raddr.port == self.port}
        for line in self.ctl("list_connections", "pid", "peer_port").splitlines():
            connection, _, port = line.partition("\t")
            if port.isdecimal() and int(port) in ports:
                self.ctl("close_connection", connection, why)

    def _write_settings(self) -> None:
        lines = (f"{name} = {value}\n" for name, value in self._settings.items())
        (self.work / "rabbitmq.conf").write_text("".join(lines))
        (self.work / "enabled_plugins").write_text("[].\n")

    def _environment(self) -> dict[str, str]:
        work = str(self.work)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return own | {
            "HOME": str((self._beside or self).work),  # where Erlang keeps the cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node instead of watching over it
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{work}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{work}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{work}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{work}/generated",
            "RABBITMQ_SCHEMA_DIR": f"{work}/schema",
            "RABBITMQ_MNESIA_BASE": f"{work}/mnesia",
            "RABBITMQ_LOG_BASE": f"{work}/log",
            "RABBITMQ_PID_FILE": f"{work}/pid",
        }

    def _wait_listening(self, port: int, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            _pause(0.05)
        log = self.work / "server.log"
        tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        raise RuntimeError(f"RabbitMQ does not listen on port {port}:\n{tail}")


@contextlib.contextmanager
def several(work: Path, count: int) -> Iterator[list[RabbitMQ]]:
    """So many nodes that are one broker; they are started, and ended at the end."""
    first = RabbitMQ(work / "1")
    nodes = [first, *(RabbitMQ(work / str(number), beside=first) for number in range(2, count + 1))]
    try:
        for node in nodes:
            node.work.mkdir()
            node.start()
        first.ctl("await_online_nodes", str(count))
        yield nodes
    finally:
        for node in reversed(nodes):
            node.close()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and that the kernel gives to no outgoing connection either."""
    ports: list[int] = []
    candidates = random.Random(os.urandom(8)).sample(range(20_000, 32_000), 1000)  # pytest-randomly seeds the others
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError("no free ports on 127.0.0.1")


def make_certificate(certificate: Path, key: Path) -> None:
    """One for this host's loopback that signs itself, unless it is there."""
    if certificate.exists():
        return
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def installed() -> None:
    """Skip or fail where the package is missing."""
    if not (SCRIPTS / "rabbitmq-server").exists():
        if os.geteuid() == 0 and Path("/etc/debian_version").exists():
            pytest.fail("RabbitMQ is not installed: run `make test` or `apt-get install rabbitmq-server`")
        pytest.skip("needs RabbitMQ: install the package rabbitmq-server (Debian) for these tests")


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A running broker, shared by the tests of one process; whoever stops it starts it again."""
    installed()
    broker = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        broker.start()
        yield broker
    finally:
        broker.close()
