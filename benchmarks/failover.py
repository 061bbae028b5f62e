"""`python -m benchmarks.failover`: how long a cluster is without a leader, and until the next one knows all again.

Three master processes, three real ZooKeeper servers, real RabbitMQ, all on loopback. The leader is killed (`kill -9`),
stopped (TERM) or frozen (STOP) again and again. It is measured from the signal until the next one

- leads: its first beacon is heard;
- makes its first offer: a framework's callback is called;
- knows all: the last agent hears that it is taken back, with all its tasks.

Two clusters: *real*, three agent processes with 30 real tasks; and *large*, 10,000 emulated agents (real agent cores in
a few processes, each agent's registration in a body of its own) with 100,000 tasks of ten frameworks. After each round
the leader must have all tasks. What the processes used of the CPU until all was known is told too: where the emulators
are the busiest, the figure is theirs.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from benchmarks.newsroom import Newsroom, of_agents_log
from benchmarks.support import beam_pid, cpu_s, free_port, machine, median, private_broker, quantile, table
from tests.support.cluster import Process, wait_for
from tests.support.rabbitmq import RabbitMQ
from tests.support.zookeeper import Zookeeper

MASTERS, ZOOKEEPERS, REAL_AGENTS, PER_AGENT, FRAMEWORKS = 3, 3, 3, 10, 10
SESSION_S = 2
RESOURCES = "cpus:4;mem:4096;disk:1000;ports:[]"
"""Of each real agent."""
_PATIENCE_S = 300.0
SIGNALS = {"kill -9": signal.SIGKILL, "TERM": signal.SIGTERM, "STOP": signal.SIGSTOP}
STEPS = {"leads": "another leads", "offered": "first offer", "all are back": "all agents and tasks known"}

Round = dict[str, float]
"""Seconds until each of the steps, and of CPU by kind of process."""


class Masters:
    """Three master processes, of which one leads. They log as in production."""

    def __init__(self, broker: str, zookeeper: str, work: Path) -> None:
        self._broker, self._zookeeper, self._work = broker, zookeeper, work
        self._urls = {f"master{number}": f"http://127.0.0.1:{free_port()}" for number in range(1, MASTERS + 1)}
        self._processes: dict[str, Process] = {}
        for name in self._urls:
            self._start(name)

    def _start(self, name: str) -> None:
        words = ["--broker", self._broker, "--zookeeper", self._zookeeper, "--work-dir", str(self._work / name)]
        words += ["--zookeeper-session-timeout-s", str(SESSION_S), "--http-port", self._urls[name].rpartition(":")[2]]
        command = [sys.executable, "-m", "mesos_py", "master", *words]
        self._processes[name] = Process(command, self._work / f"{name}.log")

    def end(self) -> None:
        for process in self._processes.values():
            process.stop()

    def wait_leader(self) -> str:
        """The name of the one that leads, once one does and all others follow."""
        answers = wait_for(self._settled, "one master leads and the others stand by", _PATIENCE_S)
        return next(name for name, status in answers.items() if status == 200)

    def _settled(self) -> dict[str, int] | None:
        answers = {name: self._status(name) for name in self._urls}
        return answers if sorted(answers.values()) == [200, *[307] * (MASTERS - 1)] else None

    def _status(self, name: str) -> int:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self._urls[name]}/agents?limit=0", timeout=5.0, trust_env=False).status_code
        return 0

    def signal(self, name: str, number: int) -> None:
        self._processes[name].popen.send_signal(number)

    def bring_back(self, name: str, number: int) -> None:
        """Let the one that was signalled stand by again."""
        if number == signal.SIGSTOP:
            self.signal(name, signal.SIGCONT)
        else:
            self._processes[name].popen.wait(_PATIENCE_S)
            self._start(name)

    def pids(self) -> list[int]:
        return [process.popen.pid for process in self._processes.values()]

    def running(self, name: str) -> int:
        """How many tasks it believes to run."""
        query: dict[str, str | int] = {"limit": 0, "state": "RUNNING"}
        answer = httpx.get(f"{self._urls[name]}/tasks", params=query, timeout=60.0, trust_env=False)
        return int(answer.raise_for_status().json()["total"])


class Cluster:
    """Masters, agents and frameworks; as many sources say that agents are back as there are in ``agents``."""

    def __init__(self, masters: Masters, news: Newsroom, tasks: int, agents: int, pids: dict[str, list[int]]) -> None:
        self._masters, self._news, self._tasks, self._agents, self._pids = masters, news, tasks, agents, pids

    def _cpu(self) -> Round:
        return {kind: sum(map(cpu_s, pids)) for kind, pids in self._pids.items()}

    def _settle(self) -> None:
        """Wait until nobody has much to do."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            before = sum(self._cpu().values())
            time.sleep(1.0)
            if sum(self._cpu().values()) - before < 0.25:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster does not come to rest")

    def round(self, number: int) -> Round:
        """Signal the leader, and see what becomes of it."""
        victim = self._masters.wait_leader()
        self._pids["masters"] = self._masters.pids()
        self._settle()
        epoch = self._news.catch_up()
        before, began = self._cpu(), time.time()
        self._masters.signal(victim, number)
        found: Round = {}
        back: Round = {}
        while len(found) < len(STEPS) - 1 or len(back) < self._agents:
            news = self._news.next(_PATIENCE_S)
            if news.get("epoch", epoch + 1) <= epoch or news["what"] not in STEPS:
                continue
            into, key = (back, news["who"]) if news["what"] == "all are back" else (found, news["what"])
            into.setdefault(key, news["at"] - began)
        found["all are back"] = max(back.values())
        found |= {kind: spent - before[kind] for kind, spent in self._cpu().items()}
        self._masters.bring_back(victim, number)
        running = self._masters.running(self._masters.wait_leader())
        if running != self._tasks:
            raise RuntimeError(f"of {self._tasks} tasks {running} run")
        return found


@contextlib.contextmanager
def child(*words: str, last_signal: str = "TERM") -> Iterator[subprocess.Popen[str]]:
    """`python -m ...` with its output to be read, ended with the block, or with us."""
    command = ["setpriv", "--pdeathsig", last_signal, sys.executable, "-m", *words]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield started
    finally:
        started.send_signal(signal.Signals[f"SIG{last_signal}"])
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextlib.contextmanager
def coordination(broker: RabbitMQ, work: Path) -> Iterator[tuple[Masters, Newsroom, dict[str, list[int]]]]:
    """Masters with all they need, and who listens to them."""
    ensemble = Zookeeper(work, ZOOKEEPERS)
    with contextlib.ExitStack() as stack:
        stack.callback(ensemble.kill)
        ensemble.start()
        news = Newsroom(broker.url())
        stack.callback(news.close)
        masters = Masters(broker.url(), ensemble.url("/mesos"), work)
        stack.callback(masters.end)
        masters.wait_leader()
        servers = [server.pid for server in ensemble.servers]
        yield masters, news, {"masters": [], "broker": [beam_pid(broker)], "zookeeper": servers}


@contextlib.contextmanager
def owners(broker: RabbitMQ, news: Newsroom, tasks: int, frameworks: int) -> Iterator[int]:
    """The frameworks, once all their tasks run; gives their pid."""
    flags = (
        "--tasks",
        str(tasks),
        "--frameworks",
        str(frameworks),
        "--per-agent",
        str(PER_AGENT // min(frameworks, 2)),
    )
    with child("benchmarks.returning", "frameworks", "--broker", broker.url(), *flags) as started:
        news.read(started)
        while news.next(_PATIENCE_S)["what"] != "all run":
            pass
        yield started.pid


@contextlib.contextmanager
def real(broker: RabbitMQ, work: Path) -> Iterator[Cluster]:
    """Three agent processes, ten tasks on each."""
    with contextlib.ExitStack() as stack:
        masters, news, pids = stack.enter_context(coordination(broker, work))
        pids["agents"] = []
        for number in range(REAL_AGENTS):
            words = ["mesos_py", "agent", "--broker", broker.url(), "--work-dir", str(work / f"agent{number}")]
            words += [
                "--name",
                f"agent{number}",
                "--http-port",
                "0",
                "--resources",
                "cpus:4;mem:4096;disk:1000;ports:[]",
            ]
            agent = stack.enter_context(child(*words, "--log-format", "json", last_signal="USR1"))
            news.read(agent, of_agents_log)
            pids["agents"].append(agent.pid)
        pids["frameworks"] = [stack.enter_context(owners(broker, news, REAL_AGENTS * PER_AGENT, 1))]
        yield Cluster(masters, news, REAL_AGENTS * PER_AGENT, REAL_AGENTS, pids)


@contextlib.contextmanager
def large(broker: RabbitMQ, work: Path, agents: int, processes: int) -> Iterator[Cluster]:
    """Emulated agents, ten tasks on each."""
    with contextlib.ExitStack() as stack:
        masters, news, pids = stack.enter_context(coordination(broker, work))
        pids["agents"] = []
        for number in range(processes):
            share = agents // processes + (number < agents % processes)
            words = ["benchmarks.returning", "agents", "--broker", broker.url()]
            words += ["--agents", str(share), "--name", f"crowd{number}"]
            crowd = stack.enter_context(child(*words))
            news.read(crowd)
            pids["agents"].append(crowd.pid)
        pids["frameworks"] = [stack.enter_context(owners(broker, news, agents * PER_AGENT, FRAMEWORKS))]
        yield Cluster(masters, news, agents * PER_AGENT, processes, pids)


def measure(cluster: Cluster, rounds: dict[str, int]) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {}
    for how in filter(rounds.get, rounds):
        found[how] = []
        for _ in range(rounds[how]):
            found[how].append(cluster.round(SIGNALS[how]))
            print(how, {key: round(value, 3) for key, value in found[how][-1].items()}, file=sys.stderr)
    return found


def times(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:.2f} / {quantile(values, 0.95):.2f} [{min(values):.2f}-{max(values):.2f}]"


def report(title: str, found: dict[str, list[Round]]) -> None:
    rows = [[how, len(rounds), *(times([r[step] for r in rounds]) for step in STEPS)] for how, rounds in found.items()]
    table(f"{title}: seconds from the signal, mean / p95 [min-max]", ["", "rounds", *STEPS.values()], rows)
    kinds = [kind for kind in next(iter(found.values()))[0] if kind not in STEPS]
    rows = [[how, *(f"{median([r[kind] for r in rounds]):.2f}" for kind in kinds)] for how, rounds in found.items()]
    table(f"{title}: seconds of CPU until all was known, median", ["", *kinds], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="for kill -9 and TERM")
    parser.add_argument("--frozen", type=int, default=5, help="rounds for STOP")
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4, help="of emulated agents")
    parser.add_argument("--only", choices=["real", "large"])
    options = parser.parse_args()
    print(machine())
    rounds = {
        how: n for how, n in (("kill -9", options.rounds), ("TERM", options.rounds), ("STOP", options.frozen)) if n
    }
    with private_broker() as broker:
        if options.only != "large":
            with tempfile.TemporaryDirectory(prefix="bench-failover-") as work, real(broker, Path(work)) as cluster:
                report("Three agents, 30 tasks", measure(cluster, rounds))
        if options.only != "real":
            rounds = {"kill -9": options.rounds}
            with (
                tempfile.TemporaryDirectory(prefix="bench-failover-") as work,
                large(broker, Path(work), options.agents, options.processes) as cluster,
            ):
                report(f"{options.agents:,} agents, {options.agents * PER_AGENT:,} tasks", measure(cluster, rounds))


if __name__ == "__main__":
    main()
