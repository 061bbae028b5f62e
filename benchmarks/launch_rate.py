"""`python -m benchmarks.launch_rate`: whole lives of tasks that run nothing, through a real broker and a real master.

A life is: offer, launch, RUNNING, acknowledged, FINISHED, acknowledged. Master, agents (real cores, containers that do
nothing) and framework are processes of their own. Beside it, if they are installed (`pip install mesos_py[peers]`, or
any Python given as PEERS_PYTHON), Ray and Dask run tasks that return at once.
"""

import argparse
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.support import beam_pid, cpu_s, emulator, machine, master, median, private_broker, quantile, table
from mesos_py import TERMINAL, CommandInfo, Framework, Resources, TaskInfo, TaskState
from mesos_py.types.ids import TaskID

NEED = Resources.of(cpus=0.1, mem=32)
COMMAND = CommandInfo(value="true")
AGENTS, RESOURCES = 16, "cpus:250;mem:250000"
CHUNK = 250


class Driver:
    """A framework that launches bursts and single tasks and takes the times."""

    def __init__(self, broker: str) -> None:
        self.framework = Framework("bench", refuse_seconds=0)
        self.framework.on_offers(self._on_offers)
        self.framework.on_update(self._on_update)
        self._broker = broker
        self._offers: list = []
        self._number = 0
        self._to_launch = 0
        self._left = 0
        self._then = lambda: None
        self.submitted: dict[str, float] = {}
        self.started: dict[str, float] = {}
        self.chunk = CHUNK

    def run(self, plan) -> None:
        """``plan`` is a generator that yields (tasks, chunk) and is resumed when they all have ended."""
        self._plan = plan
        self.framework.call_later(0.2, self._next)
        self.framework.run(self._broker)

    def _next(self) -> None:
        step = next(self._plan, None)
        if step is None:
            self.framework.stop()
            return
        tasks, wait_s = step
        self.submitted.clear()
        self.started.clear()
        self._to_launch = self._left = tasks
        self.framework.call_later(wait_s, self._launch) if wait_s else self._launch()

    def _on_offers(self, offers) -> None:
        self._offers.extend(offers)
        self._launch()

    def _launch(self) -> None:
        while self._to_launch and self._offers:
            offer = self._offers.pop()
            room = offer.resources.scalar("cpus") // NEED.scalar("cpus")
            count = min(self._to_launch, room, CHUNK)
            if not count:
                continue
            self._to_launch -= count
            self.framework.launch(offer, [self._task() for _ in range(count)])

    def _task(self) -> TaskInfo:
        self._number += 1
        task_id = TaskID(f"t{self._number}")
        self.submitted[task_id] = self._clock()
        return TaskInfo(task_id=task_id, resources=NEED, command=COMMAND)

    def _clock(self) -> float:
        return time.time()

    def _on_update(self, status) -> None:
        if status.state == TaskState.RUNNING:
            self.started[status.task_id] = status.timestamp
        elif status.state in TERMINAL:
            if status.state != TaskState.FINISHED:
                raise RuntimeError(f"{status}")
            self._left -= 1
            if not self._left:
                self._next()

    def latencies_ms(self) -> list[float]:
        """From the call of launch to the start on the agent."""
        return [(self.started[task] - self.submitted[task]) * 1e3 for task in self.submitted]


def measure(broker, sizes: list[int], repeats: int, singles: int, profile: Path | None = None) -> dict:
    """Everything about ourselves, in one run of one master."""
    results: dict = {"rates": {}, "cpu": {}}
    with master(broker.url(), profile=profile) as leader, emulator(broker.url(), AGENTS, RESOURCES) as agents:
        driver = Driver(broker.url())
        pids = {"master": leader.pid, "agents": agents.pid, "framework": os.getpid(), "broker": beam_pid(broker)}

        def plan():
            yield 500, 0
            for size in sizes:
                rates, shares = [], Counter()
                for _ in range(repeats):
                    before = {name: cpu_s(pid) for name, pid in pids.items()}
                    start = time.perf_counter()
                    yield size, 0
                    rates.append(size / (time.perf_counter() - start))
                    for name, pid in pids.items():
                        shares[name] += (cpu_s(pid) - before[name]) / size / repeats * 1e6
                results["rates"][size] = rates
                results["cpu"][size] = dict(shares)
            for gap in (0, 0.01):
                latencies = []
                for _ in range(singles):
                    yield 1, gap
                    latencies += driver.latencies_ms()
                results[f"single {gap}"] = latencies
            half = median(results["rates"][max(sizes)]) / 2
            latencies = []
            batch = max(1, int(half * 0.01))
            began = time.perf_counter()
            for turn in range(200 if singles else 0):
                ahead = began + turn * 0.01 - time.perf_counter()
                yield batch, max(0.0, ahead)
                latencies += driver.latencies_ms()
            results["half"] = (half, latencies)

        driver.run(plan())
    return results


def layers(profile: Path) -> list[tuple[str, float]]:
    """Share of the master's time per layer, by where the profiler saw it."""
    times: Counter = Counter()
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(str(profile)).stats.items():
        times[_layer(file, name)] += own
    waiting = times.pop("waiting", 0.0)
    del waiting
    total = sum(times.values())
    return [(layer, own / total) for layer, own in times.most_common()]


LAYERS = {
    "allocator": "allocator",
    "master": "core",
    "messages": "codec",
    "types": "resources",
    "adapters": "kombu and our wire",
    "runtime": "loop and outbox",
    "daemons": "daemon",
    "web": "HTTP",
}


def _layer(file: str, name: str) -> str:
    if "/kombu/" in file or "/amqp/" in file:
        return "kombu and our wire"
    for package, layer in LAYERS.items():
        if f"/mesos_py/{package}/" in file:
            return layer
    if "msgspec" in name or "Decoder" in name or "Encoder" in name:
        return "codec"
    if "poll" in name or "select" in name:
        return "waiting"
    if "socket" in name:
        return "kombu and our wire"
    return "other (built-ins, imports)"


def peers(sizes: list[int]) -> dict:
    """Ray and Dask in a process of their own; what is not installed is left out."""
    python = os.environ.get("PEERS_PYTHON", sys.executable)
    results = {}
    for peer in ("ray", "dask"):
        command = [python, str(Path(__file__).with_name("peers.py")), peer, *map(str, sizes)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if lines:
            results[peer] = json.loads(lines[-1])
        else:
            print(f"{peer}: not measured ({(done.stderr or 'no output').strip().splitlines()[-1][:150]})")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000, 50000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--singles", type=int, default=300)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    print(machine())
    with private_broker() as broker:
        ours = measure(broker, options.sizes, options.repeats, options.singles)
        with tempfile.TemporaryDirectory() as directory:
            profile = Path(directory) / "master.prof"
            measure(broker, [10000], 2, 0, profile)
            shares = layers(profile)
    others = {} if options.no_peers else peers([1000, 10000])
    report(ours, shares, others)


def report(ours: dict, shares: list, others: dict) -> None:
    rows = []
    for size, rates in ours["rates"].items():
        cpu = ours["cpu"][size]
        row = [f"mesos_py, {size:,} tasks", f"{median(rates):,.0f} [{min(rates):,.0f}-{max(rates):,.0f}]"]
        row += [f"{cpu[name]:.1f}" for name in ("framework", "master", "agents", "broker")]
        for peer in ("ray", "dask"):
            rate = others.get(peer, {}).get("rates", {}).get("10000")
            row.append(f"{median(rates) / rate:.1f}x" if rate else "-")
        rows.append(row)
    for peer, result in others.items():
        rows += [
            [f"{peer}, {int(size):,} tasks", f"{rate:,.0f}", "", "", "", "", "", ""]
            for size, rate in result["rates"].items()
        ]
    head = ["", "tasks/s [min-max]", "framework us/task", "master", "agents", "broker", "x ray", "x dask"]
    table("Launch rate", head, rows)
    rows = []
    for name, latencies in (("one at a time", ours["single 0"]), ("one every 10 ms", ours["single 0.01"]),
                            (f"at {ours['half'][0]:,.0f} tasks/s (half the top rate)", ours["half"][1])):  # fmt: skip
        rows.append([f"mesos_py, {name}", f"{quantile(latencies, 0.5):.2f}", f"{quantile(latencies, 0.99):.2f}"])
    for peer, result in others.items():
        rows.append([f"{peer}, one at a time", f"{result['p50_ms']:.2f}", f"{result['p99_ms']:.2f}"])
    table("From launch to running", ["", "p50 ms", "p99 ms"], rows)
    table("Where the master's time goes (profiled run)", ["layer", "share"], [[n, f"{s:.0%}"] for n, s in shares])


if __name__ == "__main__":
    main()
