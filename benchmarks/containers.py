"""`python -m benchmarks.containers`: isolated containers, from order to running and to their end.

Side by side, in every round of the same run: our containerizer with all default isolators and with none; `crun` and
`runc` (Debian packages) with the same namespaces and limits and the same command, as far as they are installed; and
cgroups made by hand around a plain `posix_spawn`. `started` is from the order until whoever gave it knows that the
command was executed (`container_started`; `run --detach` is back), `first act` until the command itself looks at the
clock, `life` until nothing of it is left. Then the same through everything: a framework's launch until it hears
RUNNING, with a real broker, master and agent. Last, what a running container costs in memory. Needs root.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks.processes import agent, children, launched_s
from benchmarks.runtimes import DATE, ENVIRONMENT, MEM_BYTES, PIDS, PLAIN, RUNTIMES, TRUE, measure
from benchmarks.support import machine, master, median, private_broker, quantile, table
from mesos_py import CommandInfo, Framework, Resources, TaskInfo, TaskState
from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.daemons.config import AgentConfig
from mesos_py.daemons.isolation import make_isolation
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import ContainerID, FrameworkID, TaskID

OURS = "mesos_py"
BARE = "mesos_py, no isolation"
NEED = Resources.of(cpus=1, mem=MEM_BYTES / 2**20)
TIMES = ("started", "first act", "life")
SLEEPERS = 100
_PATIENCE_S = 30.0


class Ours:
    """Our containerizer, in this process, as an agent has it."""

    def __init__(self, work: Path, isolation: str) -> None:
        config = AgentConfig(broker="", work_dir=str(work), isolation=isolation, max_pids=PIDS)
        self._work = work
        self.loop = Loop()
        it = make_isolation(config, work / "run", self._members)
        self._containers = ProcessContainerizer(
            self.loop, work / "run", isolators=it.isolators, tracker=it.tracker, prepares_per_turn=8
        )
        self.names = [isolator.name for isolator in it.isolators]
        self._number = count()
        self.pids: dict[ContainerID, int] = {}
        self.started_at: dict[ContainerID, float] = {}
        self.ended: set[ContainerID] = set()
        (work / "run").mkdir(parents=True)
        self._containers.open(self)

    def _members(self, container_id: ContainerID) -> list[int]:
        return self._containers.members(container_id)

    def close(self) -> None:
        for container_id in self.pids.keys() - self.ended:
            self._containers.destroy(container_id)
        self._until(lambda: self.ended >= self.pids.keys())
        for container_id in self.ended:
            self._containers.forget(container_id)
        self._until(lambda: self._containers.next_deadline() is None)  # what the kernel had not let go of is removed
        self._containers.close()
        self.loop.close()
        for pid in children(os.getpid()):  # which end with their last container
            os.waitpid(pid, 0)

    def started(self) -> float:
        """Seconds until one is known to run."""
        began = time.perf_counter()
        container_id = self.start(TRUE)
        self._until(lambda: container_id in self.ended)
        return self.started_at[container_id] - began

    def first_act(self) -> tuple[float, float]:
        """Seconds until the command's own first act, and for its whole life."""
        wall, began = time.time(), time.perf_counter()
        container_id = self.start(DATE)
        self._until(lambda: container_id in self.ended)
        took = time.perf_counter() - began
        return float((self._work / container_id / "stdout").read_text()) - wall, took

    def burst(self, number: int, at_once: int) -> float:
        """Seconds for so many whole lives, at most ``at_once`` of them alive."""
        before, began = len(self.ended), time.perf_counter()
        asked = 0
        while (done := len(self.ended) - before) < number:
            while asked < number and asked - done < at_once:
                self.start(TRUE)
                asked += 1
            self.loop.turn(1.0)
        return time.perf_counter() - began

    def spent_s(self) -> float:
        """CPU time of this process, of the launcher, and of all that it has reaped."""
        return time.process_time() + launched_s(os.getpid())

    def sleepers(self, number: int) -> list[int]:
        """The first processes of so many containers that run until they are killed."""
        asked = [self.start(["/bin/sleep", "600"]) for _ in range(number)]
        self._until(lambda: self.pids.keys() >= set(asked))
        return [self.pids[container_id] for container_id in asked]

    def start(self, argv: list[str]) -> ContainerID:
        container_id = ContainerID(f"c{next(self._number)}")
        spec = ContainerSpec(
            container_id=container_id,
            framework_id=FrameworkID("f"),
            sandbox=str(self._work / container_id),
            argv=argv,
            environment=ENVIRONMENT,
            resources=NEED,
        )
        self._containers.start(spec)
        return container_id

    def _until(self, true) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {_PATIENCE_S:.0f} s")
            self.loop.turn(1.0)

    # Told by the containerizer

    def container_started(self, container_id, pid) -> None:
        self.started_at[container_id] = time.perf_counter()
        self.pids[container_id] = pid

    def container_failed(self, container_id, reason, message) -> None:
        raise RuntimeError(f"{container_id}: {reason} {message}")

    def container_ended(self, container_id, exit_) -> None:
        if exit_.exit_code != 0 and exit_.signal is None:
            raise RuntimeError(f"{container_id}: {exit_}")
        self.ended.add(container_id)


@contextlib.contextmanager
def ours(isolation: str) -> Iterator[Ours]:
    with tempfile.TemporaryDirectory(prefix="bench-containers-") as work, contextlib.ExitStack() as stack:
        it = Ours(Path(work), isolation)
        stack.callback(it.close)
        yield it


def measure_ours(isolation: str, starts: int, number: int, at_once: int) -> dict:
    """The same as benchmarks.runtimes measures."""
    with ours(isolation) as it:
        it.started()  # starts the launcher, too
        started = [it.started() for _ in range(starts)]
        acts = [it.first_act() for _ in range(starts)]
        it.burst(at_once, at_once)
        before = it.spent_s()
        burst_s = it.burst(number, at_once)
        spent_s = it.spent_s() - before
    return {
        "started": started,
        "first act": [act for act, _ in acts],
        "life": [life for _, life in acts],
        "burst_s": burst_s,
        "cpu_s": spent_s,
    }


class OneAtATime:
    """A framework that launches a task, waits until it runs, kills it, and launches the next."""

    def __init__(self, tasks: int) -> None:
        self.framework = Framework("containers", refuse_seconds=0)
        self.framework.on_offers(self._on_offers)
        self.framework.on_update(self._on_update)
        self._left = tasks
        self._current = ""
        self._launched = 0.0
        self.took_s: list[float] = []

    def run(self, broker: str) -> list[float]:
        """Seconds from each launch to RUNNING, without the first."""
        self.framework.run(broker)
        return self.took_s[1:]

    def _on_offers(self, offers) -> None:
        for offer in offers:
            if self._current:
                self.framework.decline(offer)
                continue
            self._current = f"t{self._left}"
            task = TaskInfo(
                task_id=TaskID(self._current), resources=NEED, command=CommandInfo(argv=["/bin/sleep", "60"])
            )
            self._launched = time.perf_counter()
            self.framework.launch(offer, [task])

    def _on_update(self, status) -> None:
        if status.state == TaskState.RUNNING:
            self.took_s.append(time.perf_counter() - self._launched)
            self.framework.kill(status.task_id)
        elif status.state == TaskState.KILLED:
            self._current = ""
            self._left -= 1
            if not self._left:
                self.framework.stop()
        elif status.state not in (TaskState.STARTING, TaskState.KILLING):
            raise RuntimeError(f"{status}")


def through_everything(tasks: int) -> list[float]:
    """Seconds from a framework's launch to RUNNING."""
    with (
        private_broker() as broker,
        tempfile.TemporaryDirectory(prefix="bench-agent-") as work,
        master(broker.url()),
        agent(broker.url(), work),
    ):
        return OneAtATime(tasks + 1).run(broker.url())


def memory(number: int) -> dict[str, float]:
    """MB per running container: of the launcher and the inits, and by how much the agent's process grew."""
    with ours("all") as it:
        it.started()
        before = rss_of_self()
        inits = it.sleepers(number)
        grown = rss_of_self() - before
        ours_alone = [*children(os.getpid()), *inits]
        tables_kb = sum(of_status(pid, "VmPTE") for pid in ours_alone)
        return {
            "launcher and inits (PSS), MB": pss_mb(ours_alone) / number,
            "their page tables, MB": tables_kb / 1024 / number,
            "growth of the agent, MB": grown / number,
        }


def pss_mb(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def of_status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def rss_of_self() -> float:
    return of_status(os.getpid(), "VmRSS") / 1024


def run(options) -> dict[str, dict[str, list[float]]]:
    """Everything in turn, ``rounds`` times: what was found, by who and what."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    missing: set[str] = set()
    for _ in range(options.rounds):
        for name in (PLAIN, OURS, *RUNTIMES, BARE):
            if name in missing:
                continue
            sizes = options.starts, options.burst, options.at_once
            if name in (OURS, BARE):
                got = measure_ours("all" if name == OURS else "none", *sizes)
            else:
                got = measure(name, *sizes)
            if got is None:
                missing.add(name)
                continue
            found[name]["rate"].append(options.burst / got["burst_s"])
            found[name]["cpu"].append(got["cpu_s"] / options.burst)
            for what in TIMES:
                found[name][what] += got[what]
                if got[what]:
                    found[name][f"{what} by round"].append(statistics.median(got[what]))
    return found


def report(found: dict[str, dict[str, list[float]]], options) -> None:
    rows = []
    for name, values in found.items():
        times = [" / ".join(in_ms(values[what])) if values[what] else "" for what in TIMES]
        rate = f"{median(values['rate']):,.0f} [{min(values['rate']):,.0f}-{max(values['rate']):,.0f}]"
        rows.append([name, *times, rate, f"{median(values['cpu']) * 1e3:.1f}"])
    titles = [*(f"{what}, ms, p50 / p99" for what in TIMES), f"lives/s, {options.at_once} at once [min-max]"]
    table("One container at a time, and many", ["", *titles, "CPU ms per life"], rows)
    mine = found.pop(OURS)
    rows = []
    for name, values in found.items():
        times = [ratio(values[f"{what} by round"], mine[f"{what} by round"]) if values[what] else "" for what in TIMES]
        rows.append([name, *times, ratio(mine["rate"], values["rate"]), ratio(values["cpu"], mine["cpu"])])
    head = ["mesos_py, compared with", *TIMES, "lives/s", "CPU per life"]
    table("How many times as fast, and as sparing, by round: median [min-max]", head, rows)


def in_ms(seconds: list[float]) -> list[str]:
    """The median and what one in a hundred exceeds."""
    return [f"{quantile(seconds, share) * 1e3:.1f}" for share in (0.5, 0.99)]


def ratio(above: list[float], below: list[float]) -> str:
    ratios = [a / b for a, b in zip(above, below, strict=False)]  # of the same round
    return f"{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--starts", type=int, default=20, help="of each kind, one at a time, per round")
    parser.add_argument(
        "--burst", type=int, default=200, help="lives per round to count how many there are in a second"
    )
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=100, help="to launch through broker, master and agent")
    options = parser.parse_args()
    print(machine())
    report(run(options), options)
    if options.tasks:
        took_s = through_everything(options.tasks)
        table("From a framework's launch to its hearing RUNNING, one at a time", ["p50 ms", "p99 ms"], [in_ms(took_s)])
    costs = memory(SLEEPERS)
    rows = [[what, f"{value:.2f}"] for what, value in costs.items()]
    table(f"Memory per running container, of {SLEEPERS}", ["", ""], [*rows, ["together", f"{sum(costs.values()):.2f}"]])


if __name__ == "__main__":
    main()
