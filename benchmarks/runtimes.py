"""What `benchmarks.containers` compares with: cgroups made by hand around a plain process, and crun and runc.

`python -m benchmarks.runtimes NAME ...` measures one of them and prints JSON. It runs in a mount namespace of its own
(see `measure`): there the host's programs are bound into a small root, and an empty cgroup v2 mount beside v1 is out
of crun's sight, which refuses such hosts.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PLAIN = "posix_spawn + cgroups"
RUNTIMES = ("crun", "runc")
CONTROLLERS = ("cpu", "cpuacct", "memory", "pids", "freezer")
"""Those that our default isolators use under cgroup v1. crun and runc enter all there are."""
NAMESPACES = ("pid", "mount", "ipc", "uts")
MEM_BYTES = 32 * 2**20
CPU_SHARES = 1024
PIDS = 1000
TRUE = ["/bin/true"]
DATE = ["/bin/date", "+%s.%N"]
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
_PATIENCE_S = 600


class Plain:
    """Directories made and limits written by hand; the process is put there from outside, before it does anything."""

    def __init__(self, family: str) -> None:
        self._root = family
        for controller in CONTROLLERS:
            (CGROUPS / controller / family).mkdir(exist_ok=True)

    def close(self) -> None:
        for controller in CONTROLLERS:
            (CGROUPS / controller / self._root).rmdir()

    def started(self) -> float:
        """Seconds until one runs in its cgroups; then it is ended."""
        began = time.perf_counter()
        pid, leash = self._run(0)
        took = time.perf_counter() - began
        os.close(leash)
        os.waitpid(pid, 0)
        self._remove(0)
        return took

    def first_act(self) -> tuple[float | None, float]:
        """Seconds for the whole life of one; what it does first is not known."""
        began = time.perf_counter()
        pid, leash = self._run(0)
        os.close(leash)
        os.waitpid(pid, 0)
        self._remove(0)
        return None, time.perf_counter() - began

    def begin(self, slot: int) -> int:
        """Start one and let it go on at once; gives its pid."""
        pid, leash = self._run(slot)
        os.close(leash)
        return pid

    def finish(self, slot: int) -> None:
        """After its process has ended."""
        self._remove(slot)

    def _directories(self, slot: int) -> list[Path]:
        return [CGROUPS / controller / self._root / str(slot) for controller in CONTROLLERS]

    def _run(self, slot: int) -> tuple[int, int]:
        cpu, _cpuacct, memory, pids, _freezer = directories = self._directories(slot)
        for directory in directories:
            directory.mkdir()
        (cpu / "cpu.shares").write_text(str(CPU_SHARES))
        (memory / "memory.limit_in_bytes").write_text(str(MEM_BYTES))
        (pids / "pids.max").write_text(str(PIDS))
        # `cat` instead of `true`: it waits for its end of input until it is in its cgroups.
        read, leash = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, read, 0)]
        pid = os.posix_spawn("/bin/cat", ["cat"], ENVIRONMENT, file_actions=actions)
        os.close(read)
        for directory in directories:
            (directory / "cgroup.procs").write_text(str(pid))
        return pid, leash

    def _remove(self, slot: int) -> None:
        for directory in self._directories(slot):
            directory.rmdir()


class Oci:
    """crun or runc, with the smallest bundle that isolates as we do by default."""

    def __init__(self, name: str, work: Path, family: str) -> None:
        self._command = [shutil.which(name) or name, *(["--cgroup-manager=cgroupfs"] if name == "crun" else [])]
        self._state = ["--root", str(work / "state")]
        self._family = family
        self._work = work
        self._number = itertools.count()
        self._roots: list[Path] = []
        if (CGROUPS / "unified").is_mount():
            subprocess.run(["mount", "-t", "tmpfs", "none", CGROUPS / "unified"], check=True)

    def close(self) -> None:
        for root in self._roots:
            subprocess.run(["umount", root / "usr"], check=True)
        for directory in CGROUPS.glob(f"*/{self._family}"):
            if directory.parent.name != "unified":
                for child in (*directory.glob("*/"), directory):
                    child.rmdir()

    def started(self) -> float:
        """Seconds until `run --detach` is back; then it is removed."""
        bundle, name = self._bundle("started", TRUE), self._name()
        began = time.perf_counter()
        self._end_of(self._spawn("run", "--detach", "--bundle", bundle, name))
        took = time.perf_counter() - began
        self._end_of(self._spawn("delete", "--force", name))
        return took

    def first_act(self) -> tuple[float | None, float]:
        """Seconds until the command's own first act, and for its whole life."""
        bundle = self._bundle("act", DATE)
        output = self._work / "output"
        wall, began = time.time(), time.perf_counter()
        self._end_of(self._spawn("run", "--bundle", bundle, self._name(), output=str(output)))
        took = time.perf_counter() - began
        return float(output.read_text()) - wall, took

    def begin(self, slot: int) -> int:
        """Start one whole life; gives the pid of the runtime."""
        return self._spawn("run", "--bundle", self._bundle(str(slot), TRUE), self._name())

    def finish(self, _slot: int) -> None:
        """It has removed everything itself."""

    def _name(self) -> str:
        return f"{self._family}-{next(self._number)}"

    def _bundle(self, name: str, argv: list[str]) -> str:
        directory = self._work / f"bundle-{name}"
        if not directory.exists():
            self._make_root(directory / "root")
            (directory / "config.json").write_text(json.dumps(self._spec(name, argv)))
        return str(directory)

    def _make_root(self, root: Path) -> None:
        for directory in ("usr", "proc", "tmp", "dev", "sys", "etc"):
            (root / directory).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        subprocess.run(["mount", "-o", "bind,ro", "/usr", root / "usr"], check=True)
        self._roots.append(root)

    def _spec(self, name: str, argv: list[str]) -> dict:
        limits = {"memory": {"limit": MEM_BYTES}, "cpu": {"shares": CPU_SHARES}, "pids": {"limit": PIDS}}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": argv,
                "env": [f"{key}={value}" for key, value in ENVIRONMENT.items()],
                "cwd": "/",
            },
            "root": {"path": "root"},
            "hostname": "bench",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {
                "cgroupsPath": f"/{self._family}/{name}",
                "resources": limits,
                "namespaces": [{"type": kind} for kind in NAMESPACES],
            },
        }

    def _spawn(self, *words: str, output: str = os.devnull) -> int:
        command = [*self._command, *self._state, *words]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600)]
        return os.posix_spawn(command[0], command, {**os.environ}, file_actions=actions)

    def _end_of(self, pid: int) -> None:
        check(os.waitpid(pid, 0)[1])


def check(status: int) -> None:
    if status:
        raise RuntimeError(f"ended with status {status}")


def burst(begin: Callable[[int], int], finish: Callable[[int], None], count: int, at_once: int) -> float:
    """Seconds for so many whole lives, at most ``at_once`` of them alive."""
    began = time.perf_counter()
    free, alive = list(range(at_once)), {}
    left, failed = count, 0
    while left or alive:
        while left and free:
            slot = free.pop()
            alive[begin(slot)] = slot
            left -= 1
        pid, status = os.waitpid(-1, 0)
        failed = failed or status
        slot = alive.pop(pid)
        finish(slot)
        free.append(slot)
    check(failed)
    return time.perf_counter() - began


def spent_s() -> float:
    """CPU time of this process and of all that it has reaped, and they."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(name: str, starts: int, count: int, at_once: int) -> dict | None:
    """One of them in a process of its own; None if it is not installed or does not run here."""
    if name in RUNTIMES and shutil.which(name) is None:
        print(f"{name}: not measured (not installed)", file=sys.stderr)
        return None
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "benchmarks.runtimes", name]
    flags = ["--starts", str(starts), "--burst", str(count), "--at-once", str(at_once)]
    with tempfile.TemporaryDirectory(prefix="bench-runtimes-") as work:  # removed here, where nothing is mounted in it
        command += ["--work", work, *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    if done.returncode:
        print(f"{name}: not measured ({(done.stderr.strip() or 'no output').splitlines()[-1][:200]})", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(PLAIN, *RUNTIMES))
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--burst", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--work", type=Path, required=True, help="an empty directory")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    family = f"bench-{os.getpid()}"
    it = Plain(family) if options.name == PLAIN else Oci(options.name, options.work, family)
    with contextlib.closing(it):
        it.started()  # to warm up
        started = [it.started() for _ in range(options.starts)]
        acts = [it.first_act() for _ in range(options.starts)]
        burst(it.begin, it.finish, options.at_once, options.at_once)  # makes what each slot needs
        before = spent_s()
        burst_s = burst(it.begin, it.finish, options.burst, options.at_once)
        cpu_s = spent_s() - before
    lives = {"first act": [act for act, _ in acts if act is not None], "life": [life for _, life in acts]}
    print(json.dumps({"started": started, **lives, "burst_s": burst_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
