"""Celery with our workers against as many started by hand: `python -m benchmarks.frameworks.celery [--tasks N]`.

Both serve the same application on the same broker, one after the other in turns, and are measured from the first task
that is sent until the last one is done. Aim: within 3 %.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import kombu

from benchmarks.support import machine, master, median, private_broker, process, table
from tests.support.rabbitmq import RabbitMQ

WORKERS = 2
VHOST = "bench"
APP = """
from celery import Celery, group
app = Celery("bench_app", broker={broker!r}, backend="rpc://")
app.conf.update(worker_prefetch_multiplier=64, task_ignore_result=False)
@app.task
def nothing(number):
    return number
def burst(count):
    group(nothing.s(number) for number in range(count)).apply_async().get(timeout=300)
"""
BURST = """
import sys, time
from bench_app import burst
burst(200)
start = time.perf_counter()
burst(int(sys.argv[1]))
print(time.perf_counter() - start)
"""


def rate(work: Path, tasks: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", BURST, str(tasks)], cwd=work, check=True, capture_output=True, text=True
    )
    return tasks / float(done.stdout)


def wait_workers(url: str) -> None:
    with kombu.Connection(url) as connection:
        deadline = time.monotonic() + 180  # a busy machine takes its time to import Celery
        while time.monotonic() < deadline:
            with contextlib.suppress(connection.channel_errors):
                if connection.channel().queue_declare(queue="celery", passive=True).consumer_count == WORKERS:
                    return
            time.sleep(0.2)
    raise SystemExit("the workers do not come")


@contextlib.contextmanager
def by_hand(work: Path) -> Iterator[None]:
    words = [sys.executable, "-m", "celery", "-A", "bench_app", "worker", "-c", "1", "-l", "INFO"]
    logs = [(work / f"hand{number}.log").open("wb") for number in range(WORKERS)]
    workers = [
        subprocess.Popen([*words, "-n", f"w{number}@%h"], cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for number, log in enumerate(logs)
    ]
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


@contextlib.contextmanager
def by_us(work: Path, broker: RabbitMQ) -> Iterator[None]:
    shape = ["--min", str(WORKERS), "--max", str(WORKERS), "--concurrency", "1", "--cpus", "1", "--mem", "128"]
    words = ["celery", "-A", "bench_app", "--workdir", str(work), "--broker", broker.url(), *shape]
    with (work / "celery.log").open("ab") as log:
        command = subprocess.Popen([sys.executable, "-m", "mesos_py", *words], stderr=log)
    try:
        yield
    finally:
        command.terminate()
        command.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"by hand": [], "by mesos celery": []}
    with private_broker() as broker, tempfile.TemporaryDirectory(prefix="bench-celery-") as directory:
        work = Path(directory)
        broker.ctl("add_vhost", VHOST)
        broker.ctl("set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*")
        url = broker.url().removesuffix("//") + f"/{VHOST}"
        (work / "bench_app.py").write_text(APP.format(broker=url))
        agent = ["mesos_py", "agent", "--broker", broker.url(), "--work-dir", str(work / "agent"), "--http-port", "0"]
        agent += ["--resources", "cpus:4;mem:1024", "--log-level", "warning", "--no-private-tmp"]
        for _ in range(options.rounds):
            with by_hand(work):
                wait_workers(url)
                rates["by hand"].append(rate(work, options.tasks))
            with master(broker.url()), process(*agent), by_us(work, broker):
                wait_workers(url)
                rates["by mesos celery"].append(rate(work, options.tasks))
    ratios = [ours / theirs for theirs, ours in zip(*rates.values(), strict=True)]
    print(machine())
    rows = [[name, f"{median(found):,.0f}", f"{min(found):,.0f}-{max(found):,.0f}"] for name, found in rates.items()]
    rows.append(["ratio", f"{median(ratios):.3f}", f"{min(ratios):.3f}-{max(ratios):.3f}"])
    title = f"{WORKERS} workers, {options.tasks:,} tasks that do nothing, {options.rounds} times in turns"
    table(title, ["workers", "tasks/s, median", "range"], rows)


if __name__ == "__main__":
    main()
