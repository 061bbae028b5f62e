"""`python -m benchmarks.processes`: tasks that are real processes (/bin/true), through a real broker, master and agent.

Side by side, in every round of the same run: whole lives of command tasks (offer, launch, RUNNING, acknowledged,
FINISHED, acknowledged) on one agent with room for 64 at once; plain `posix_spawn` and `waitpid` of the same command
from one Python thread; and, as far as they are installed (`pip install mesos_py[peers]`, or any Python given as
PEERS_PYTHON), Ray, Dask and Celery tasks that run the command with `posix_spawn` in two worker processes.

What isolation and supervision cost each container is for `benchmarks.containers`.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.support import (
    TICKS,
    beam_pid,
    cpu_s,
    free_port,
    machine,
    master,
    median,
    private_broker,
    process,
    table,
)
from mesos_py import TERMINAL, CommandInfo, Framework, Resources, TaskInfo, TaskState
from mesos_py.types.ids import TaskID

TRUE = ["/bin/true"]
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
NEED = Resources.of(cpus=1, mem=16)
SLOTS = 64
PEERS = ("ray", "dask", "celery")


class Burst:
    """A framework that runs so many commands, as fast as offers come, after some to warm up."""

    def __init__(self, tasks: int, warm_up: int = 100) -> None:
        self.framework = Framework("processes", refuse_seconds=0)
        self.framework.on_offers(self._on_offers)
        self.framework.on_update(self._on_update)
        self._sizes = [warm_up, tasks]
        self._to_launch = self._left = self._number = 0
        self._began = 0.0
        self.took_s = 0.0
        self.before: dict[str, float] = {}

    def run(self, broker: str, pids: dict[str, int]) -> float:
        """Seconds for the burst."""
        self._pids = pids
        self._next()
        self.framework.run(broker)
        return self.took_s

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each daemon so far."""
        return {name: cpu_s(pid) for name, pid in self._pids.items()} | {"commands": launched_s(self._pids["agent"])}

    def _next(self) -> None:
        if not self._sizes:
            self.took_s = time.perf_counter() - self._began
            self.framework.stop()
            return
        self._to_launch = self._left = self._sizes.pop(0)
        self.before = self.cpu()
        self._began = time.perf_counter()

    def _on_offers(self, offers) -> None:
        for offer in offers:
            room = min(self._to_launch, int(offer.resources.scalar("cpus") // NEED.scalar("cpus")))
            self._to_launch -= room
            if room:
                self.framework.launch(offer, [self._task() for _ in range(room)])
            else:
                self.framework.decline(offer)

    def _task(self) -> TaskInfo:
        self._number += 1
        return TaskInfo(task_id=TaskID(f"t{self._number}"), resources=NEED, command=CommandInfo(argv=TRUE))

    def _on_update(self, status) -> None:
        if status.state in TERMINAL:
            if status.state != TaskState.FINISHED:
                raise RuntimeError(f"{status}")
            self._left -= 1
            if not self._left:
                self._next()


def agent(
    broker: str, work: str, profile: Path | None = None, isolation: str = "all"
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """A real agent process with room for SLOTS tasks."""
    arguments = ["mesos_py", "agent", "--broker", broker, "--work-dir", work, "--log-level", "warning"]
    arguments += ["--isolation", isolation]
    resources = f"cpus:{SLOTS};mem:{SLOTS * 16};disk:1000;ports:[]"
    return process(*arguments, "--http-port", str(free_port()), "--resources", resources, profile=profile)


def children_s(pid: int) -> float:
    """User and system time of all that a process has reaped, and they."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def launched_s(pid: int) -> float:
    """User and system time of an agent's launchers and of all that they have reaped."""
    return sum(cpu_s(launcher) + children_s(launcher) for launcher in children(pid))


def children(pid: int) -> list[int]:
    """Of a process's first thread."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def spawned(count: int, at_once: int) -> float:
    """Seconds for so many plain processes, at most ``at_once`` of them alive."""
    began = time.perf_counter()
    alive = 0
    for _ in range(count):
        if alive == at_once:
            os.waitpid(-1, 0)
            alive -= 1
        os.posix_spawn(TRUE[0], TRUE, ENVIRONMENT)
        alive += 1
    for _ in range(alive):
        os.waitpid(-1, 0)
    return time.perf_counter() - began


def peer(name: str, count: int, broker: str) -> float | None:
    """Tasks/s of a peer in processes of its own, or None if it is not installed."""
    python = os.environ.get("PEERS_PYTHON", sys.executable)
    command = [python, str(Path(__file__).with_name("peers.py")), "--true", name, str(count)]
    environment = {**os.environ, "PEERS_BROKER": broker}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    except subprocess.TimeoutExpired:
        print(f"{name}: not measured (took more than two minutes)", file=sys.stderr)
        return None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        reason = ((done.stderr or done.stdout).strip() or "no output").splitlines()[-1]
        print(f"{name}: not measured ({reason[:150]})", file=sys.stderr)
        return None
    return float(json.loads(lines[-1])["rates"][str(count)])


def measure(
    broker, sizes: list[int], rounds: int, with_peers: bool, profile: Path | None = None, isolation: str = "all"
) -> dict:
    """Everything in turn, ``rounds`` times; rates in tasks/s by who and how many."""
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    cpu: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    missing: set[str] = set()
    with (
        tempfile.TemporaryDirectory(prefix="bench-agent-") as work,
        master(broker.url()) as leader,
        agent(broker.url(), work, profile, isolation) as worker,
    ):
        pids = {"framework": os.getpid(), "master": leader.pid, "agent": worker.pid, "broker": beam_pid(broker)}
        for _ in range(rounds):
            for size in sizes:
                before = children_s(os.getpid())
                rates["posix_spawn, one at a time", size].append(size / spawned(size, 1))
                cpu[size]["plain commands"].append((children_s(os.getpid()) - before) / size * 1e6)
                burst = Burst(size)
                rates["mesos_py", size].append(size / burst.run(broker.url(), pids))
                for name, spent in burst.cpu().items():
                    cpu[size][name].append((spent - burst.before[name]) / size * 1e6)
                rates[f"posix_spawn, {SLOTS} at once", size].append(size / spawned(size, SLOTS))
            for name in PEERS if with_peers else ():
                if name not in missing:
                    rate = peer(name, sizes[0], broker.url())
                    if rate is None:
                        missing.add(name)
                    else:
                        rates[name, sizes[0]].append(rate)
    return {"rates": rates, "cpu": cpu}


def report(results: dict, sizes: list[int]) -> None:
    rates = results["rates"]
    rows = []
    for (name, size), found in sorted(rates.items(), key=lambda item: item[0][1]):
        ours = rates["mesos_py", size]
        ratios = [a / b for a, b in zip(ours, found, strict=False)]  # of the same round
        ratio = "" if name == "mesos_py" else f"{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
        rows.append([name, f"{size:,}", f"{median(found):,.0f} [{min(found):,.0f}-{max(found):,.0f}]", ratio])
    table("Commands (/bin/true), end to end", ["", "tasks", "tasks/s [min-max]", "mesos_py is x times as fast"], rows)
    names = ("framework", "master", "agent", "broker", "commands", "plain commands")
    rows = [[f"{size:,}", *(f"{median(results['cpu'][size][name]):,.0f}" for name in names)] for size in sizes]
    head = [*names[:4], "commands and what starts them", "the same commands without"]
    table("CPU per task, us", ["tasks", *head], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--isolation", default="all", help="isolators of the agent, or none")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--profile", type=Path, help="write the agent's profile there (slower)")
    options = parser.parse_args()
    print(machine())
    with private_broker() as broker:
        with_peers = not options.no_peers
        results = measure(broker, options.sizes, options.rounds, with_peers, options.profile, options.isolation)
    report(results, options.sizes)


if __name__ == "__main__":
    main()
