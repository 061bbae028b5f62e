"""What a virtual machine for tests is: systemd, a pure cgroup v2 hierarchy, and a unit that holds containers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesos_py.adapters.cgroups.hierarchy import find_cgroups, read_hierarchies
from mesos_py.adapters.isolators.memory import MemoryIsolator
from mesos_py.types.tasks import Reason
from tests.support.cgroups import Cell, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        os.geteuid() != 0
        or not Path("/run/systemd/system").exists()
        or read_hierarchies().v1 != {}
        or read_hierarchies().v2 is None,
        reason="needs root on a host with systemd and nothing but cgroup v2: `make test-vm` has one",
    ),
]

V2 = Path("/sys/fs/cgroup")
HOG = "x = bytearray(300 << 20)"
UNIT = "mesos-tests-holder.service"


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def holder():
    """A unit whose cgroup is ours; its only process is parked in a leaf, so that controllers can be passed down."""
    properties = ["Type=exec", "Delegate=cpu io memory pids", "OOMPolicy=continue", "TasksMax=infinity"]
    options = [word for each in properties for word in ("-p", each)]
    command = ["systemd-run", "-q", "--collect", f"--unit={UNIT}", *options, "/bin/sleep", "infinity"]
    subprocess.run(command, check=True, timeout=60)
    try:
        root = systemctl("show", "-P", "ControlGroup", UNIT).strip("/")
        (V2 / root / "init").mkdir()
        (V2 / root / "init" / "cgroup.procs").write_text(systemctl("show", "-P", "MainPID", UNIT))
        yield root
    finally:
        subprocess.run(["systemctl", "-q", "stop", UNIT], check=False, timeout=60)  # one that has ended is unknown


@pytest.fixture
def cell(holder, tmp_path):
    cgroups = find_cgroups(tmp_path, holder)
    for controller in ("cpu", "memory", "pids", "io"):
        cgroups.use(controller)
    cell = Cell(cgroups, MemoryIsolator(cgroups))
    yield cell
    cell.close()


def test_the_first_process_is_systemd():
    assert Path("/proc/1/comm").read_text() == "systemd\n"
    assert systemctl("is-system-running") == "running"


def test_there_is_nothing_but_cgroup_v2():
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    assert [mount[1:3] for mount in mounts if mount[2].startswith("cgroup")] == [[str(V2), "cgroup2"]]
    assert {"cpu", "io", "memory", "pids"} <= set((V2 / "cgroup.controllers").read_text().split())


def test_a_memory_hog_below_the_holder_dies_alone(cell, holder):
    neighbour = cell.start(cell.create(2), "/bin/sleep", "1000")
    hog = cell.start(cell.create(1), "python", HOG)
    until(lambda: cell.told, loop=cell.loop)
    [(_container_id, limitation)] = cell.told
    assert limitation.reason is Reason.CONTAINER_LIMITATION_MEMORY
    assert hog.wait() == -9
    assert neighbour.poll() is None
    assert systemctl("is-active", UNIT) == "active"


def test_systemd_leaves_limits_below_the_holder_alone(cell, holder):
    [directory] = cell.create().cgroups
    limits = [Path(directory, name) for name in ("memory.max", "cgroup.controllers")]
    before = [limit.read_text() for limit in limits]
    systemctl("daemon-reload")
    assert [limit.read_text() for limit in limits] == before
    assert before[0] == f"{64 << 20}\n"


def test_what_runs_below_the_holder_dies_with_it(cell):
    process = cell.start(cell.create(), "/bin/sh", "-c", "setsid sleep 1000 & exec sleep 1000")
    until(lambda: len(cell.cgroups.pids(cell.cgroups.containers()[0])) == 2)
    systemctl("stop", UNIT)
    assert process.wait(60) != 0
    until(lambda: cell.cgroups.containers() == [])


def test_the_code_is_that_of_the_host():
    assert Path(__file__).is_relative_to("/srv/mesos_py")
    assert sys.prefix == "/opt/venv"
