"""Celery with our workers against as many started by hand: `python -m benchmarks.frameworks.celery [--tasks N]`.

Both serve the same application on the same broker, each in a virtual host of its own, and wait there for their turns;
measured from the first task that is sent until the last one is done. In turns of those by hand, what is besides workers
(master, agent, `mesos celery`) is stopped, as it would not be there. Aim: within 3 %.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import kombu

from benchmarks.support import likely, machine, master, median, private_broker, process, table
from tests.support.rabbitmq import RabbitMQ

WORKERS = 2
APP = """
import os
from celery import Celery, group
app = Celery("bench_app", broker=os.environ["BENCH_BROKER"], backend="rpc://")
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


def rate(work: Path, url: str, tasks: int) -> float:
    words = [sys.executable, "-c", BURST, str(tasks)]
    env = os.environ | {"BENCH_BROKER": url}
    done = subprocess.run(words, cwd=work, env=env, check=True, capture_output=True, text=True)
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
def by_hand(work: Path, url: str) -> Iterator[None]:
    words = [sys.executable, "-m", "celery", "-A", "bench_app", "worker", "-c", "1", "-l", "INFO"]
    env = os.environ | {"BENCH_BROKER": url}
    with contextlib.ExitStack() as stack:
        workers = []
        for number in range(WORKERS):
            log = stack.enter_context((work / f"hand{number}.log").open("wb"))
            named = [*words, "-n", f"w{number}@%h"]
            workers.append(subprocess.Popen(named, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        try:
            wait_workers(url)
            yield
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(60)


@contextlib.contextmanager
def by_us(work: Path, broker: RabbitMQ, url: str) -> Iterator[list[int]]:
    """The pids of what is besides workers."""
    agent = ["mesos_py", "agent", "--broker", broker.url(), "--work-dir", str(work / "agent"), "--http-port", "0"]
    agent += ["--resources", "cpus:4;mem:1024", "--log-level", "warning", "--no-private-tmp"]
    shape = ["--min", str(WORKERS), "--max", str(WORKERS), "--concurrency", "1", "--cpus", "1", "--mem", "128"]
    words = [sys.executable, "-m", "mesos_py", "celery", "-A", "bench_app", "--workdir", str(work), *shape]
    words += ["--broker", broker.url(), "--env", f"BENCH_BROKER={url}"]
    with master(broker.url()) as leader, process(*agent) as node, (work / "celery.log").open("ab") as log:
        command = subprocess.Popen(words, stderr=log)
        try:
            wait_workers(url)
            yield [leader.pid, node.pid, command.pid]
        finally:
            command.terminate()
            command.wait(60)


@contextlib.contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    hand: list[float] = []
    ours: list[float] = []
    with private_broker() as broker, tempfile.TemporaryDirectory(prefix="bench-celery-") as directory:
        work = Path(directory)
        (work / "bench_app.py").write_text(APP)
        urls = []
        for vhost in ("hand", "ours"):
            broker.ctl("add_vhost", vhost)
            broker.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
            urls.append(broker.url(vhost=vhost))
        with by_hand(work, urls[0]), by_us(work, broker, urls[1]) as besides:
            for number in range(options.rounds):
                for turn in (0, 1) if number % 2 else (1, 0):
                    if turn:
                        ours.append(rate(work, urls[1], options.tasks))
                    else:
                        with stopped(besides):
                            hand.append(rate(work, urls[0], options.tasks))
    ratios = [mine / theirs for mine, theirs in zip(ours, hand, strict=True)]
    print(machine())
    rows = [
        [name, f"{median(found):,.0f}", f"{min(found):,.0f}-{max(found):,.0f}", ""]
        for name, found in (("by hand", hand), ("by mesos celery", ours))
    ]
    low, high = likely(ratios)
    rows.append(["ratio", f"{median(ratios):.3f}", f"{min(ratios):.3f}-{max(ratios):.3f}", f"{low:.3f}-{high:.3f}"])
    title = f"{WORKERS} workers, {options.tasks:,} tasks that do nothing, {options.rounds} times in turns"
    table(title, ["workers", "tasks/s, median", "range", "median, 95 %"], rows)


if __name__ == "__main__":
    main()
