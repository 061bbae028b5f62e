"""Celery, batch jobs and MapReduce on one cluster: who gets how much while they come and go.

MESOS_BROKER=amqp://guest:guest@localhost/three python examples/three_frameworks.py --plot shares.svg

It needs a RabbitMQ with a virtual host that has no other cluster, `pip install 'mesos_py[celery]'`, and mesos_py[plot]
for --plot. A master and agents are started for the run and ended with it. MapReduce comes first, then batch jobs, then
a burst for Celery's workers, which is over first; at last MapReduce is alone again.
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery

from mesos_py.cli.plot import save_plot, why_no_plot
from mesos_py.testing.traces.run import FrameworkSeries, Series

NAMES = ("mapreduce", "batch", "celery")
MESOS = (sys.executable, "-m", "mesos_py")
PATIENCE_S = 300
MAP_S, JOB_S, TASK_S = 3, 4, 1
APP = """
import os, time
from celery import Celery
app = Celery("naps", broker=os.environ["NAPS_BROKER"])
app.conf.update(worker_prefetch_multiplier=1)
@app.task
def nap(seconds):
    time.sleep(seconds)
"""


@dataclass
class Run:
    """One run: its processes, and what was seen."""

    broker: str
    work: Path
    agents: int
    cpus: int
    port: int
    total: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    phases: list[tuple[str, float]] = field(default_factory=list)
    """When each began."""
    began: float = 0.0
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def begin(self, phase: str) -> None:
        self.phases.append((phase, time.monotonic() - self.began))
        print(f"{self.phases[-1][1]:4.0f} s: {phase}", flush=True)

    def get(self, path: str) -> list[dict]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}?limit=100", timeout=10) as answer:
            return json.load(answer)["items"]

    def wait(self, what: Callable[[], bool], why: str, more_s: float = 0) -> None:
        """Until that is so and some seconds have passed, with a look at the shares every second."""
        deadline = time.monotonic() + PATIENCE_S + more_s
        since: float | None = None
        while since is None or time.monotonic() < since + more_s:
            if since is None and what():
                since = time.monotonic()
            failed = [name for name, process in self.processes.items() if process.poll()]
            if failed or time.monotonic() > deadline:
                what_went_wrong = f"{', '.join(failed)} failed" if failed else f"not within {PATIENCE_S} s: {why}"
                raise SystemExit(f"{what_went_wrong}; the logs are in {self.work}")
            time.sleep(1)
            self.look()

    def look(self) -> None:
        """Each one's dominant share: the largest part that it has of any resource."""
        shares = dict.fromkeys(NAMES, 0.0)
        for framework in self.get("frameworks"):
            name = framework["name"].partition(" ")[0]
            parts = [framework["used"].get(kind, 0) / self.total[kind] for kind in ("cpus", "mem") if self.total[kind]]
            if framework["status"] != "removed" and name in shares:
                shares[name] = max(parts, default=0.0)
        self.samples.append((time.monotonic() - self.began, shares))

    def has(self, name: str) -> bool:
        return bool(self.samples) and self.samples[-1][1][name] > 0


@contextlib.contextmanager
def running(
    run: Run, name: str, *words: str, end: int = signal.SIGTERM, **variables: str
) -> Iterator[subprocess.Popen]:
    with (run.work / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [*MESOS, *words], cwd=run.work, stdout=log, stderr=log, env=os.environ | variables, start_new_session=True
        )
    run.processes[name] = process
    try:
        yield process
    finally:
        del run.processes[name]
        process.send_signal(end)
        process.wait(60)


@contextlib.contextmanager
def cluster(run: Run) -> Iterator[None]:
    """A master, and agents with ports of their own, as they share a host."""
    common = ["--broker", run.broker, "--log-level", "warning"]
    with contextlib.ExitStack() as stack:
        words = ["master", *common, "--work-dir", str(run.work / "master"), "--http-port", str(run.port)]
        stack.enter_context(running(run, "master", *words))
        for number in range(1, run.agents + 1):
            resources = f"cpus:{run.cpus};mem:{run.cpus * 256};ports:[{33000 + 50 * number}-{33049 + 50 * number}]"
            words = ["agent", *common, "--work-dir", str(run.work / f"agent{number}"), "--name", f"agent{number}"]
            words += ["--http-port", "0", "--resources", resources, "--no-private-tmp"]
            stack.enter_context(running(run, f"agent{number}", *words, end=signal.SIGUSR1))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                agents = run.get("agents")
                if len(agents) == run.agents:
                    break
            time.sleep(0.5)
        else:
            raise SystemExit(f"the agents do not come; the logs are in {run.work}")
        run.total = Counter({kind: sum(agent["resources"][kind] for agent in agents) for kind in ("cpus", "mem")})
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def mapreduce(run: Run, maps: int) -> Iterator[subprocess.Popen]:
    """A job of so many maps, each with one line."""
    (run.work / "lines").write_text("".join(f"{number % 7}\n" for number in range(maps)))
    words = ["mapreduce", "-input", "lines", "-output", "counts", "-inputformat", "NLineInputFormat"]
    words += ["-D", "mapreduce.map.memory.mb=64", "-D", "mapreduce.map.speculative=false"]
    words += ["-mapper", f"sh -c 'sleep {MAP_S}; cat'", "-reducer", "uniq -c"]
    with running(run, "mapreduce", *words, MESOS_BROKER=run.broker) as process:
        yield process


@contextlib.contextmanager
def batch(run: Run) -> Iterator[Callable[..., str]]:
    """A batch server; calls are its commands."""
    own = {"MESOS_BROKER": run.broker, "MESOS_BATCH_SOCKET": str(run.work / "batch/socket")}
    (run.work / "batch").mkdir()

    def call(*words: str) -> str:
        done = subprocess.run(
            [*MESOS, "batch", *words], cwd=run.work, env=os.environ | own, capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    with running(run, "batch", "batch", "serve", "--work-dir", "batch", **own):
        run.wait(lambda: call("pbsnodes").count("state = ") == run.agents, "the batch server knows the agents")
        yield call


def waiting_jobs(call: Callable[..., str]) -> int:
    return sum(job["state"] == "Q" for job in json.loads(call("qstat", "--json") or "[]"))


@contextlib.contextmanager
def celery(run: Run) -> Iterator[tuple[Celery, str]]:
    """An application, and `mesos celery` for it; its queue vanishes with it."""
    queue = f"naps-{os.getpid()}"
    (run.work / "naps.py").write_text(APP)
    app = Celery("naps", broker=run.broker)
    words = ["celery", "-A", "naps", "--queues", queue, "--cpus", "1", "--mem", "128", "--linger", "3"]
    words += ["--env", f"NAPS_BROKER={run.broker}", "--max", str(run.agents * run.cpus)]
    try:
        with running(run, "celery", *words, MESOS_BROKER=run.broker):
            yield app, queue
    finally:
        with app.connection_for_write() as connection, connection.channel() as channel:
            channel.queue_delete(queue)


def waiting_tasks(app: Celery, queue: str) -> int:
    with app.connection_for_read() as connection, connection.channel() as channel:
        return int(channel.queue_declare(queue, passive=True).message_count)


def play(run: Run, pause_s: float) -> None:
    """Who comes when. The work is enough for each to be there until it is to go."""
    slots = run.agents * run.cpus
    maps = round(slots * pause_s * 4.2 / MAP_S)
    jobs = round(slots * pause_s * 1.1 / JOB_S)
    run.began = time.monotonic()
    with mapreduce(run, maps) as mapping:
        run.begin("mapreduce alone")
        run.wait(lambda: run.has("mapreduce"), "maps run", pause_s)
        with batch(run) as pbs:
            (run.work / "job.sh").write_text(f"sleep {JOB_S}\n")
            pbs("qsub", "-t", f"1-{jobs}", "-l", "walltime=60,mem=64mb", "-j", "oe", "job.sh")
            run.begin("mapreduce and batch")
            run.wait(lambda: run.has("batch"), "jobs run", pause_s)
            with celery(run) as (app, queue):
                for _ in range(round(slots * pause_s / 3 / TASK_S)):
                    app.send_task("naps.nap", [TASK_S], queue=queue)
                run.begin("all three")
                run.wait(lambda: run.has("celery"), "workers run")
                run.wait(lambda: not waiting_tasks(app, queue), "the burst is done")
                run.begin("mapreduce and batch again")
                run.wait(lambda: not run.has("celery"), "the workers are gone")
            run.wait(lambda: not waiting_jobs(pbs), "the jobs are done")
            run.begin("mapreduce alone again")
            run.wait(lambda: True, "", pause_s)
            run.begin("the last maps, and the reduce")
            run.wait(lambda: mapping.poll() is not None, "mapreduce is done")


def tell(run: Run) -> None:
    """A table with a line for every few seconds, drawn as well, and one of the phases."""
    step = max(1, len(run.samples) // 40)
    print("\n   s  " + "".join(f"{name:>11}" for name in NAMES) + f"   {', '.join(f'{n[0]} {n}' for n in NAMES)}")
    for at, shares in run.samples[::step]:
        bar = "".join(name[0] * round(50 * shares[name]) for name in NAMES)
        print(f"{at:4.0f}  " + "".join(f"{100 * shares[name]:10.0f}%" for name in NAMES) + f"   |{bar:50.50}|")
    print("\nin the second half of each phase, on average\n")
    print(f"{'phase':28}{'s':>4}" + "".join(f"{name:>11}" for name in NAMES))
    for name, seconds, means in phases(run):
        print(f"{name:28}{seconds:4.0f}" + "".join(f"{100 * means[each]:10.0f}%" for each in NAMES))


def phases(run: Run) -> Iterator[tuple[str, float, dict[str, float]]]:
    ends = [begin for _, begin in run.phases[1:]] + [run.samples[-1][0]]
    for (name, begin), end in zip(run.phases, ends, strict=True):
        seen = [shares for at, shares in run.samples if (begin + end) / 2 <= at <= end]
        yield name, end - begin, {each: statistics.fmean([s[each] for s in seen] or [0.0]) for each in NAMES}


def draw(run: Run, path: Path) -> None:
    """As `mesos simulate` draws; needs mesos_py[plot]."""
    series = Series(
        time_s=[at for at, _ in run.samples],
        utilisation={"all together": [sum(shares.values()) for _, shares in run.samples]},
        frameworks={name: FrameworkSeries(share=[shares[name] for _, shares in run.samples]) for name in NAMES},
    )
    save_plot(path, series, "three frameworks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=3, help="that each agent offers")
    parser.add_argument("--pause", type=float, default=20, help="seconds until the next one comes")
    parser.add_argument("--csv", type=Path, help="write all samples there")
    parser.add_argument("--plot", type=Path, help="draw them into this .svg or .png")
    options = parser.parse_args()
    broker = os.environ.get("MESOS_BROKER", "")
    if not broker.startswith(("amqp", "pyamqp")):
        parser.error("MESOS_BROKER must be the URL of a RabbitMQ, such as amqp://guest:guest@localhost/three")
    if options.plot and (why := why_no_plot(options.plot)):
        parser.error(why)
    work = Path(tempfile.mkdtemp(prefix="three-"))
    run = Run(broker, work, options.agents, options.cpus, free_port())
    with cluster(run):
        play(run, options.pause)
    shutil.rmtree(work, ignore_errors=True)
    tell(run)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([["s", *NAMES], *([at, *shares.values()] for at, shares in run.samples)])
    if options.plot:
        draw(run, options.plot)


if __name__ == "__main__":
    main()
