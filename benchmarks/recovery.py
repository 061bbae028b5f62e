"""`python -m benchmarks.recovery`: an agent is killed (SIGKILL) under many running tasks and started again.

Real broker, master and agent process, and isolated containers. Measured from the start of the new process until it has
found its containers, and until the master has taken it back; beside a restart of the same agent with nothing to
recover. Afterwards all tasks must still run, in the processes in which they ran before. Needs root.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.support import free_port, machine, median, private_broker, process, table
from mesos_py import CommandInfo, Framework, Resources, TaskInfo, TaskState
from mesos_py.types.ids import TaskID

CPUS, MEM = 0.01, 16
NEED = Resources.of(cpus=CPUS, mem=MEM)
STEPS = ("starting", "recovered", "registered", "registered again")
_PATIENCE_S = 300.0


class Sleepers:
    """A framework whose tasks sleep until it is stopped."""

    def __init__(self, tasks: int) -> None:
        self.framework = Framework("recovery", refuse_seconds=0)
        self.framework.on_offers(self._on_offers)
        self.framework.on_update(self._on_update)
        self._tasks = tasks
        self._launched = 0
        self._running: set[str] = set()
        self.all_run = threading.Event()
        self.broken: list[str] = []

    def _on_offers(self, offers) -> None:
        for offer in offers:
            room = int(min(self._tasks - self._launched, offer.resources.scalar("mem") // NEED.scalar("mem"), 50))
            numbers = range(self._launched, self._launched + room)
            self._launched += room
            if room:
                self.framework.launch(offer, [self._task(number) for number in numbers])
            else:
                self.framework.decline(offer)

    def _task(self, number: int) -> TaskInfo:
        command = CommandInfo(argv=["/bin/sleep", "100000"])
        return TaskInfo(task_id=TaskID(f"t{number}"), resources=NEED, command=command)

    def _on_update(self, status) -> None:
        if status.state == TaskState.RUNNING:
            self._running.add(status.task_id)
            if len(self._running) == self._tasks:
                self.all_run.set()
        elif status.state not in (TaskState.STARTING, TaskState.KILLING, TaskState.KILLED):
            self.broken.append(f"{status.task_id} {status.state} {status.message}")
            self.all_run.set()


class Agent:
    """A real agent process, restarted on the same work directory."""

    def __init__(self, broker: str, work: str, tasks: int) -> None:
        resources = f"cpus:{CPUS * (tasks + 1):.2f};mem:{MEM * (tasks + 1)};disk:1000;ports:[]"
        self._command = [sys.executable, "-m", "mesos_py", "agent", "--broker", broker, "--work-dir", work]
        self._command += ["--http-port", str(free_port()), "--resources", resources]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> dict[str, float]:
        """Seconds until it told of each step, up to its being registered."""
        began = time.perf_counter()
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        )
        steps = {}
        assert self._process.stdout is not None
        for line in self._process.stdout:
            step = json.loads(line)["event"]
            if step in STEPS:
                steps[step.removesuffix(" again")] = time.perf_counter() - began
            if "registered" in steps:
                threading.Thread(target=self._drain, args=[self._process.stdout], daemon=True).start()
                return steps
        raise RuntimeError("the agent ended before it was registered")

    def end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        try:
            self._process.wait(_PATIENCE_S)
        finally:
            self._process.kill()

    @staticmethod
    def _drain(output) -> None:
        for _line in output:
            pass


@contextlib.contextmanager
def cluster(tasks: int) -> Iterator[tuple[str, httpx.Client, Agent]]:
    """A broker, a master's HTTP API, and an agent that is not started yet."""
    port = free_port()
    with (
        private_broker() as broker,
        tempfile.TemporaryDirectory(prefix="bench-recovery-") as work,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        master = ["mesos_py", "master", "--broker", broker.url(), "--work-dir", f"{work}/master"]
        with process(*master, "--log-level", "warning", "--http-port", str(port)):
            agent = Agent(broker.url(), f"{work}/agent", tasks)
            yield broker.url(), client, agent


def measure(tasks: int, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    with cluster(tasks) as (broker, client, agent):
        agent.start()
        for _ in range(rounds):
            agent.end(signal.SIGKILL)
            found["empty"].append(agent.start()["registered"])
        sleepers = Sleepers(tasks)
        began = time.perf_counter()
        sleepers.framework.start(broker)
        try:
            if not sleepers.all_run.wait(_PATIENCE_S) or sleepers.broken:
                raise RuntimeError(f"not all tasks run: {sleepers.broken[:3]}")
            found["launch"].append(time.perf_counter() - began)
            before = processes()
            for _ in range(rounds):
                agent.end(signal.SIGKILL)
                steps = agent.start()
                for step, took_s in steps.items():
                    found[step].append(took_s)
            check(client, tasks, before, sleepers.broken)
        finally:
            sleepers.framework.stop()
            sleepers.framework.join()
            agent.end(signal.SIGUSR1)  # leave the cluster, and kill what runs
    return found


def processes() -> set[int]:
    """Pids of what the tasks run."""
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (directory / "cmdline").read_text() == "/bin/sleep\0100000\0":
                found.add(int(directory.name))
    return found


def check(client: httpx.Client, tasks: int, before: set[int], broken: list[str]) -> None:
    """Raise RuntimeError unless all tasks run as before."""
    total = client.get("/tasks", params={"state": "RUNNING", "limit": 0}).json()["total"]
    if total != tasks or broken or processes() != before:
        raise RuntimeError(f"of {tasks} tasks {total} run, and were told to have ended: {broken[:3]}")


def report(found: dict[str, list[float]], tasks: int) -> None:
    rows = [
        [f"{step}, {tasks} tasks", f"{median(found[key]):.2f} [{min(found[key]):.2f}-{max(found[key]):.2f}]"]
        for key, step in (
            ("starting", "the program is up and has read the journal"),
            ("recovered", "containers found"),
            ("registered", "registered again"),
        )
        if found[key]
    ]
    empty = found["empty"]
    rows.append(["registered again, no task", f"{median(empty):.2f} [{min(empty):.2f}-{max(empty):.2f}]"])
    rows.append(["times that", f"{median(found['registered']) / median(empty):.2f}"])
    table("Seconds from the start of an agent process after kill -9: median [min-max]", ["until", ""], rows)
    print(f"\nThe {tasks} tasks had been started in {found['launch'][0]:.1f} s; all run on in the same processes.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    report(measure(options.tasks, options.rounds), options.tasks)


if __name__ == "__main__":
    main()
