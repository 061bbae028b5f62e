"""The cgroups that this host has, for tests that are run against each of them; and processes inside them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesos_py.adapters.cgroups.hierarchy import agent_key, read_hierarchies
from mesos_py.adapters.cgroups.v1 import CgroupsV1
from mesos_py.adapters.cgroups.v2 import CgroupsV2
from mesos_py.adapters.isolators.launch import Launch
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import ContainerID, FrameworkID
from mesos_py.types.resources import Resources
from tests.support.patience import PATIENCE

ROOT = "mesos-tests"

_JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'


class OldCgroupsV2(CgroupsV2):
    """As on a kernel before 5.14."""

    def _kernel_kills(self, core):
        return False


def here() -> dict[str, str]:
    """The hierarchies that a suite is run against, and why one is left out.

    v2-bare is an empty one beside v1; v2-before-5.14 is a v2 whose cgroup.kill is left alone.
    """
    found = read_hierarchies()
    controllers = set(Path(f"{found.v2}/cgroup.controllers").read_text().split()) if found.v2 else set()
    controllers &= {"cpu", "memory", "pids"}
    missing = {
        "v1": "" if {"freezer", "memory"} <= found.v1.keys() else "this host has no cgroup v1",
        "v2": "" if "memory" in controllers else "this host has no cgroup v2 with controllers",
        "v2-bare": "" if found.v2 and not controllers else "this host has no cgroup v2 without controllers",
        "v2-before-5.14": "" if found.v2 else "this host has no cgroup v2",
    }
    return {name: why or cgroups_of(name, "/tests").why_not() for name, why in missing.items()}


def cgroups_of(name: str, work_dir: str | os.PathLike[str]) -> CgroupsV1 | CgroupsV2:
    found = read_hierarchies()
    root = f"{ROOT}-{os.getpid()}"  # tests may be run by several processes at once
    if name == "v1":
        return CgroupsV1(found.v1, root, agent_key(work_dir))
    kind = OldCgroupsV2 if name == "v2-before-5.14" else CgroupsV2
    return kind(found.v2 or "/none", root, agent_key(work_dir))


def parameters(*names: str) -> list:
    """For a fixture: each hierarchy by its name, or skipped with the reason."""
    reasons = here()
    return [
        pytest.param(name, marks=[pytest.mark.skip(reason=reasons[name])] if reasons[name] else []) for name in names
    ]


def until(condition, within_s: float = 20.0, loop: Loop | None = None):
    """What the condition gives once it holds."""
    turning = loop or Loop()
    try:
        deadline = time.monotonic() + within_s * PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            turning.turn(0.002)
        return found
    finally:
        if loop is None:
            turning.close()


class Cell:
    """One agent's cgroups with isolators, and what it is told; everything is killed and removed at the end."""

    def __init__(self, cgroups, *isolators):
        self.cgroups, self.isolators = cgroups, isolators
        self.loop = Loop()
        self.told = []
        self._running: list[subprocess.Popen[bytes]] = []
        cgroups.open()
        for isolator in isolators:
            assert isolator.why_not() == ""
            isolator.open(self.loop, lambda container_id, limitation: self.told.append((container_id, limitation)))

    def create(self, number: int = 1, resources: str = "cpus:1;mem:64", limits=None) -> Launch:
        spec = self.spec(number, resources, limits)
        launch = Launch(container_id=spec.container_id, sandbox="/", argv=[], environment={})
        launch.cgroups += self.cgroups.create(spec.container_id)
        for isolator in self.isolators:
            isolator.claim(spec)
            isolator.prepare(spec, launch)
        return launch

    def spec(self, number: int = 1, resources: str = "cpus:1;mem:64", limits=None) -> ContainerSpec:
        return ContainerSpec(
            container_id=ContainerID(f"C-{number}"),
            framework_id=FrameworkID("F"),
            sandbox="/",
            argv=[],
            resources=Resources.parse(resources),
            limits=limits or {},
        )

    def start(self, launch: Launch, *argv: str, **options) -> subprocess.Popen[bytes]:
        """Run a program in the container; ``python`` stands for this interpreter, without its site packages."""
        program = [sys.executable, "-I", "-S", "-c", *argv[1:]] if argv[0] == "python" else list(argv)
        process = subprocess.Popen(["/bin/sh", "-c", _JOIN, "sh", *launch.cgroups, "--", *program], **options)
        self._running.append(process)
        spec = self.spec(int(launch.container_id[2:]))
        for isolator in self.isolators:
            isolator.started(spec, process.pid)
        return process

    def end(self, container_id: ContainerID) -> None:
        until(lambda: self.cgroups.kill(container_id), loop=self.loop)
        for isolator in self.isolators:
            isolator.ended(container_id)
        until(lambda: self.cgroups.kill(container_id) and self.cgroups.remove(container_id), loop=self.loop)

    def close(self) -> None:
        for container_id in self.cgroups.containers():
            self.end(container_id)
        for process in self._running:
            process.wait()
            for pipe in (process.stdout, process.stdin):
                if pipe is not None:
                    pipe.close()
        for isolator in self.isolators:
            isolator.close()
        self.cgroups.close()
        self.loop.close()


def leftovers() -> list[str]:
    """What the tests of this process have left in any hierarchy."""
    found = read_hierarchies()
    mounts = {*found.v1.values(), *([found.v2] if found.v2 else [])}
    return [str(root) for mount in mounts if (root := Path(mount, f"{ROOT}-{os.getpid()}")).exists()]
