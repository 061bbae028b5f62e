"""What the benchmarks share: a private broker, a real master process, CPU times, tables."""

import contextlib
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.rabbitmq import RabbitMQ

TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def private_broker() -> Iterator[RabbitMQ]:
    """RabbitMQ on free loopback ports, ended with the block; the block is left by TERM, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="bench-rabbitmq-") as directory:
        work = Path(directory)
        if os.geteuid() == 0:
            work.chmod(0o755)
        broker = RabbitMQ(work)
        broker.start()
        try:
            yield broker
        finally:
            broker.close()


@contextlib.contextmanager
def process(*arguments: str, profile: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m ...` beside us, ended by SIGTERM with the block."""
    command = [sys.executable, *(["-m", "cProfile", "-o", str(profile)] if profile else []), "-m", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def master(broker: str, *flags: str, profile: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A real master process with the logs of a production one."""
    with tempfile.TemporaryDirectory(prefix="bench-master-") as work:
        arguments = ("mesos_py", "master", "--broker", broker, "--work-dir", work, "--log-level", "warning")
        with process(*arguments, "--http-port", str(free_port()), *flags, profile=profile) as leader:
            yield leader


def emulator(
    broker: str, agents: int, resources: str, name: str = "emulator"
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Emulated agents in a process of their own."""
    flags = ("--broker", broker, "--agents", str(agents), "--resources", resources, "--process", name)
    return process("benchmarks.emulator", *flags)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def beam_pid(broker: RabbitMQ) -> int:
    """Of the Erlang machine, which is a descendant of the server's script."""
    assert broker._server is not None
    import psutil

    family = [psutil.Process(broker._server.pid), *psutil.Process(broker._server.pid).children(recursive=True)]
    return next(child.pid for child in family if child.name().startswith("beam"))


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def likely(values: Sequence[float]) -> tuple[float, float]:
    """Between which the true median is in 95 of 100 cases, however the values are spread (order statistics)."""
    ordered = sorted(values)
    lowest = max(0, int(len(ordered) / 2 - 0.98 * len(ordered) ** 0.5) - 1)
    return ordered[lowest], ordered[-1 - lowest]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table in Markdown, so that it can be copied into docs/benchmarks.md."""
    print(f"\n{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()


def machine() -> str:
    """Where this was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cpus ({model}), Python {platform.python_version()}"
