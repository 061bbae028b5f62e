"""Celery with our workers against as many started by hand: `python -m benchmarks.frameworks.celery [--tasks N]`.

Both serve the same application, each from a virtual host of its own on the same broker, and get bursts of tasks in
turns. While those started by hand have theirs, everything of the cluster is frozen, so that what it costs in the
background counts against us. Aim: within 3 %.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import kombu
import psutil

from benchmarks.support import machine, master, median, private_broker, process, quantile, table
from tests.support.rabbitmq import RabbitMQ

WORKERS = 2
APP = """
import os
from celery import Celery
app = Celery("bench_app", broker=os.environ["BENCH_BROKER"], backend="rpc://")
app.conf.update(worker_prefetch_multiplier=64, task_ignore_result=False)
@app.task(name="nothing")
def nothing(number):
    return number
"""
BURST = """
import sys, time
from celery import group
from bench_app import nothing
group(nothing.s(number) for number in range(50)).apply_async().get(timeout=60)
start = time.perf_counter()
group(nothing.s(number) for number in range(int(sys.argv[1]))).apply_async().get(timeout=60)
print(time.perf_counter() - start)
"""


def burst(work: Path, url: str, count: int) -> float:
    """Tasks a second, from the first that is sent to the last result."""
    words = [sys.executable, "-c", BURST, str(count)]
    environment = os.environ | {"BENCH_BROKER": url}
    done = subprocess.run(words, cwd=work, check=True, capture_output=True, text=True, env=environment, timeout=120)
    return count / float(done.stdout)


def wait_workers(url: str) -> None:
    with kombu.Connection(url) as connection:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(connection.channel_errors):
                if connection.channel().queue_declare(queue="celery", passive=True).consumer_count == WORKERS:
                    return
            time.sleep(0.2)
    raise SystemExit("the workers do not come")


@contextlib.contextmanager
def by_hand(work: Path, url: str) -> Iterator[None]:
    words = [sys.executable, "-m", "celery", "-A", "bench_app", "worker", "-c", "1", "-l", "INFO"]
    with (work / "hand.log").open("ab") as log:
        workers = [
            subprocess.Popen(
                [*words, "-n", f"w{number}@%h"], cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"BENCH_BROKER": url},
            )
            for number in range(WORKERS)
        ]  # fmt: skip
    try:
        wait_workers(url)
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


@contextlib.contextmanager
def by_us(work: Path, broker: RabbitMQ, url: str) -> Iterator[list[psutil.Process]]:
    """All processes of the cluster, workers included."""
    agent = ["mesos_py", "agent", "--broker", broker.url(), "--work-dir", str(work / "agent"), "--http-port", "0"]
    agent += ["--resources", "cpus:4;mem:1024", "--log-level", "warning", "--no-private-tmp"]
    words = ["celery", "-A", "bench_app", "--workdir", str(work), "--broker", broker.url(), "--concurrency", "1"]
    words += ["--min", str(WORKERS), "--max", str(WORKERS), "--mem", "128", "--env", f"BENCH_BROKER={url}"]
    with master(broker.url()) as leader, process(*agent) as node, (work / "celery.log").open("ab") as log:
        command = subprocess.Popen([sys.executable, "-m", "mesos_py", *words], stderr=log)
        try:
            wait_workers(url)
            ours = [psutil.Process(one.pid) for one in (leader, node, command)]
            yield [*ours, *(child for one in ours for child in one.children(recursive=True)), *_in_sandboxes(work)]
        finally:
            command.terminate()
            command.wait(60)


def _in_sandboxes(work: Path) -> Iterator[psutil.Process]:
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "bench_app" in one.cmdline() and str(work) in one.cmdline() and "worker" in one.cmdline():
                yield one


@contextlib.contextmanager
def frozen(processes: list[psutil.Process]) -> Iterator[None]:
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.suspend()
    try:
        yield
    finally:
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    hand, ours = [], []
    with private_broker() as broker, tempfile.TemporaryDirectory(prefix="bench-celery-") as directory:
        work = Path(directory)
        (work / "bench_app.py").write_text(APP)
        urls = [f"{broker.url().removesuffix('//')}/{vhost}" for vhost in ("hand", "ours")]
        for vhost in ("hand", "ours"):
            broker.ctl("add_vhost", vhost)
            broker.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
        with by_hand(work, urls[0]), by_us(work, broker, urls[1]) as cluster:
            for _ in range(options.rounds):
                with frozen(cluster):
                    hand.append(burst(work, urls[0], options.tasks))
                ours.append(burst(work, urls[1], options.tasks))
    ratios = [our / their for their, our in zip(hand, ours, strict=True)]
    print(machine())
    rows = [
        [name, *(f"{figure:{form}}" for figure in (median(found), quantile(found, 0.25), quantile(found, 0.75)))]
        for name, found, form in (("by hand", hand, ",.0f"), ("mesos celery", ours, ",.0f"), ("ratio", ratios, ".3f"))
    ]
    title = f"{WORKERS} workers, bursts of {options.tasks:,} tasks that do nothing, {options.rounds} times in turns"
    table(title, ["workers", "tasks/s, median", "quarter below", "quarter above"], rows)


if __name__ == "__main__":
    main()
