"""What the isolators for cpu, memory, pids, devices and gpus do to real processes; test ids say under which cgroups."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from mesos_py.adapters.isolators.blkio import IOIsolator
from mesos_py.adapters.isolators.cpu import CpuIsolator
from mesos_py.adapters.isolators.devices import DevicesIsolator
from mesos_py.adapters.isolators.gpus import GpusIsolator
from mesos_py.adapters.isolators.memory import MemoryIsolator
from mesos_py.adapters.isolators.pids import PidsIsolator
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import Reason
from tests.support.cgroups import Cell, cgroups_of, leftovers, parameters, until

pytestmark = pytest.mark.integration

MB = 1 << 20
C1, C2 = ContainerID("C-1"), ContainerID("C-2")

HOG = "x = bytearray(300 << 20)"
CHILD_HOG = """
import os, time
if os.fork() == 0:
    x = bytearray(300 << 20)
time.sleep(1000)
"""
SPIN = "while True: pass"
FORKS = """
import os, sys, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except OSError as error:
    print(made, error.strerror, flush=True)
time.sleep(1000)
"""
OPENS = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        print(path, 'opened')
    except OSError as error:
        print(path, error.strerror)
"""


@pytest.fixture(params=parameters("v1", "v2"))
def cell_with(request, tmp_path):
    """Makes a cell with the isolators that are made from its cgroups."""
    cells = []

    def make(*makers):
        cgroups = cgroups_of(request.param, tmp_path)
        cells.append(Cell(cgroups, *(maker(cgroups) for maker in makers)))
        return cells[-1]

    yield make
    for cell in cells:
        cell.close()
    assert leftovers() == []


def usage_of(cell, container_id=C1):
    usage = ContainerUsage(container_id=container_id)
    for isolator in cell.isolators:
        isolator.measure(container_id, usage)
    return usage


# Memory


def test_a_memory_hog_dies_alone_and_its_limit_is_told_with_figures(cell_with):
    cell = cell_with(MemoryIsolator)
    neighbour = cell.start(cell.create(2), "/bin/sleep", "1000")
    hog = cell.start(cell.create(1), "python", HOG)
    until(lambda: cell.told, loop=cell.loop)
    [(container_id, limitation)] = cell.told
    assert container_id == C1
    assert limitation.reason is Reason.CONTAINER_LIMITATION_MEMORY
    assert limitation.message.startswith("memory limit of 64 MB exceeded: ")
    assert "peak 64 MB" in limitation.message or "peak 63.9 MB" in limitation.message
    assert hog.wait() == -signal.SIGKILL
    assert cell.isolators[0].broke(C1).reason is Reason.CONTAINER_LIMITATION_MEMORY
    assert cell.isolators[0].broke(C2) is None
    assert neighbour.poll() is None


def test_a_child_that_is_killed_for_memory_is_noticed_too(cell_with):
    cell = cell_with(MemoryIsolator)
    parent = cell.start(cell.create(), "python", CHILD_HOG)
    until(lambda: cell.told, loop=cell.loop)
    assert parent.poll() is None


def test_what_nobody_was_there_to_notice_is_known_when_the_container_is_recovered(cell_with, tmp_path):
    cell = cell_with(MemoryIsolator)
    process = cell.start(cell.create(), "python", CHILD_HOG)
    cell.isolators[0].ended(C1)  # as if the agent had ended
    until(lambda: len(cell.cgroups.pids(C1)) == 1 and cell.isolators[0].broke(C1))
    assert not cell.told
    cell.isolators[0].recovered(cell.spec(), process.pid, {})
    assert [container_id for container_id, _ in cell.told] == [C1]


def test_a_container_that_is_recovered_is_watched(cell_with):
    cell = cell_with(MemoryIsolator)
    process = cell.start(cell.create(), "/bin/sh", "-c", f"read x; exec python3 -c '{HOG}'", stdin=subprocess.PIPE)
    cell.isolators[0].ended(C1)
    cell.isolators[0].recovered(cell.spec(), process.pid, {})
    assert not cell.told
    process.stdin.close()
    until(lambda: cell.told, loop=cell.loop)


def test_what_ends_well_below_its_limit_broke_nothing(cell_with):
    cell = cell_with(MemoryIsolator)
    cell.start(cell.create(), "/bin/true").wait()
    assert cell.isolators[0].broke(C1) is None
    cell.end(C1)
    cell.loop.turn(0.05)
    assert cell.told == []


def test_a_task_may_use_more_than_it_asked_for_up_to_its_limit(cell_with):
    cell = cell_with(MemoryIsolator)
    assert cell.start(cell.create(1, "mem:64", {"mem": 512.0}), "python", HOG).wait() == 0
    assert cell.start(cell.create(2, "mem:64", {"mem": float("inf")}), "python", HOG).wait() == 0
    assert not cell.told
    assert usage_of(cell, C1).memory_peak_bytes > 300 * MB
    assert usage_of(cell, C1).memory_limit_bytes == 512 * MB
    assert usage_of(cell, C2).memory_limit_bytes is None


def test_a_limit_is_raised_under_a_running_task_and_never_lowered(cell_with):
    cell = cell_with(MemoryIsolator)
    isolator = cell.isolators[0]
    cell.start(cell.create(), "/bin/sleep", "1000")
    isolator.update(C1, cell.spec(1, "mem:500").resources, {})
    assert usage_of(cell).memory_limit_bytes == 500 * MB
    isolator.update(C1, cell.spec(1, "mem:100").resources, {})
    assert usage_of(cell).memory_limit_bytes == 500 * MB
    isolator.update(C1, cell.spec(1, "mem:100").resources, {"mem": float("inf")})
    assert usage_of(cell).memory_limit_bytes is None


def test_even_the_least_task_gets_32_mb(cell_with):
    cell = cell_with(MemoryIsolator)
    cell.create(1, "mem:1")
    assert usage_of(cell).memory_limit_bytes == 32 * MB


# Cpu


def test_cpu_is_shared_by_what_was_asked_for(cell_with):
    cell = cell_with(CpuIsolator)
    one_cpu = {min(os.sched_getaffinity(0))}
    for number, cpus in ((1, 3), (2, 1)):
        process = cell.start(cell.create(number, f"cpus:{cpus}"), "python", SPIN)
        os.sched_setaffinity(process.pid, one_cpu)
    before = {container_id: usage_of(cell, container_id).cpu_s for container_id in (C1, C2)}
    used = until(
        lambda: (now := {c: usage_of(cell, c).cpu_s - before[c] for c in (C1, C2)}) and sum(now.values()) > 1.0 and now
    )
    assert used[C1] / used[C2] == pytest.approx(3, rel=0.35)


def test_a_quota_holds_a_task_back_while_a_cpu_is_idle(cell_with):
    cell = cell_with(CpuIsolator)
    cell.start(cell.create(1, "cpus:0.1", {"cpus": 0.2}), "python", SPIN)
    usage = until(lambda: (usage := usage_of(cell)).throttled_s > 0.5 and usage)
    assert usage.cpu_s < 0.6 * usage.throttled_s


def test_without_a_limit_only_a_configured_one_holds_back(cell_with):
    cell = cell_with(CpuIsolator)
    cell.start(cell.create(1, "cpus:0.1"), "python", SPIN)
    assert until(lambda: (usage := usage_of(cell)).cpu_s > 0.5 and usage).throttled_s == 0
    cell.isolators[0].update(C1, cell.spec(1, "cpus:0.1").resources, {"cpus": 0.1})
    until(lambda: usage_of(cell).throttled_s > 0.2)
    cell.isolators[0].update(C1, cell.spec(1, "cpus:0.1").resources, {})
    held = usage_of(cell)
    assert (
        until(lambda: (usage := usage_of(cell)).cpu_s > held.cpu_s + 0.3 and usage).throttled_s < 0.3 + held.throttled_s
    )


def test_a_configured_quota_is_the_request(cell_with):
    cell = cell_with(lambda cgroups: CpuIsolator(cgroups, hard_limit=True))
    cell.start(cell.create(1, "cpus:0.2"), "python", SPIN)
    until(lambda: usage_of(cell).throttled_s > 0.3)


# Processes, devices, input and output


def test_forks_beyond_the_limit_fail(cell_with):
    cell = cell_with(lambda cgroups: PidsIsolator(cgroups, max_pids=20))
    process = cell.start(cell.create(), "python", FORKS, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"19 Resource temporarily unavailable\n"
    assert usage_of(cell).processes == 20


def test_what_is_read_and_written_is_counted(cell_with, tmp_path):
    cell = cell_with(MemoryIsolator, IOIsolator)
    file = tmp_path / "written"
    writes = ["/bin/dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=8", "oflag=direct", "status=none"]
    if cell.start(cell.create(1), *writes).wait() or os.major(file.stat().st_dev) == 0:
        pytest.skip("the temporary directory is on no block device")
    cell.start(cell.create(2), "/bin/dd", f"if={file}", "of=/dev/null", "bs=1M", "iflag=direct", "status=none").wait()
    assert usage_of(cell, C1).io_written_bytes >= 8 * MB
    assert usage_of(cell, C2).io_read_bytes >= 8 * MB
    assert usage_of(cell, C2).io_written_bytes < MB


@pytest.fixture
def nodes(tmp_path):
    """Device nodes that look like gpus; nothing answers to them, which is told only to those who may open them."""
    made = []
    for number in range(3):
        path = tmp_path / f"nvidia{number}"
        os.mknod(path, 0o666 | 0o020000, os.makedev(195, 200 + number))
        made.append(str(path))
    return made


def opened(cell, launch, *paths):
    process = cell.start(launch, "python", OPENS, *paths, stdout=subprocess.PIPE, env=launch.environment)
    return dict(line.split(" ", 1) for line in process.stdout.read().decode().splitlines())


def only_v1(cell_with):
    if why := cell_with().cgroups.lacks("devices"):
        pytest.skip(why)


DENIED = "Operation not permitted"


@pytest.mark.parametrize("order", [1, -1])
def test_only_usual_and_granted_nodes_can_be_opened(cell_with, nodes, order):
    only_v1(cell_with)
    makers = (DevicesIsolator, lambda cgroups: GpusIsolator(cgroups, nodes))
    cell = cell_with(*makers[::order])
    first, second = cell.create(1, "gpus:1"), cell.create(2, "cpus:1")
    found = opened(cell, first, "/dev/null", "/dev/urandom", "/dev/kmsg", *nodes)
    assert found["/dev/null"] == found["/dev/urandom"] == "opened"
    assert found["/dev/kmsg"] == DENIED
    assert [found[path] == DENIED for path in nodes] == [False, True, True]
    found = opened(cell, second, "/dev/null", *nodes)
    assert [found[path] == DENIED for path in nodes] == [True, True, True]


def test_a_gpu_is_one_container_s_alone_until_that_has_ended(cell_with, nodes):
    cell = cell_with(lambda cgroups: GpusIsolator(cgroups, nodes))
    first, second = cell.create(1, "gpus:2"), cell.create(2, "gpus:1")
    enforced = cell.cgroups.version == 1
    assert first.environment["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert second.environment["CUDA_VISIBLE_DEVICES"] == ("0" if enforced else "2")
    assert second.environment["NVIDIA_VISIBLE_DEVICES"] == "2"
    found = opened(cell, second, *nodes)
    assert [found[path] == DENIED for path in nodes] == ([True, True, False] if enforced else [False] * 3)
    cell.end(C1)
    third = cell.create(3, "gpus:2")
    assert third.environment["NVIDIA_VISIBLE_DEVICES"] == "0,1"


def test_what_the_operator_allows_can_be_opened(cell_with, nodes):
    only_v1(cell_with)
    cell = cell_with(lambda cgroups: DevicesIsolator(cgroups, allowed=[nodes[1]]))
    found = opened(cell, cell.create(), *nodes)
    assert [found[path] == DENIED for path in nodes] == [True, False, True]


def test_grants_change_with_the_resources_and_are_known_after_a_restart(cell_with, nodes):
    only_v1(cell_with)
    cell = cell_with(DevicesIsolator, lambda cgroups: GpusIsolator(cgroups, nodes))
    launch = cell.create(1, "gpus:1")
    cell.isolators[1].update(C1, cell.spec(1, "gpus:2").resources, {})
    assert [opened(cell, launch, *nodes)[path] == DENIED for path in nodes] == [False, False, True]
    later = GpusIsolator(cell.cgroups, nodes)
    later.recovered(cell.spec(1, "gpus:1"), 1, launch.notes)
    with pytest.raises(OSError, match="3 gpus are wanted, 1 of 3 are free"):
        later.update(C2, cell.spec(2, "gpus:3").resources, {})
    later.update(C1, cell.spec(1, "gpus:1").resources, {})
    assert [opened(cell, launch, *nodes)[path] == DENIED for path in nodes] == [False, True, True]


def test_kill_and_remove_leave_no_process_and_no_cgroup(cell_with):
    cell = cell_with(CpuIsolator, MemoryIsolator, PidsIsolator, IOIsolator)
    launch = cell.create()
    cell.start(launch, "/bin/sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & wait")
    pids = until(lambda: len(found := cell.cgroups.pids(C1)) == 3 and found)
    cell.end(C1)
    assert not any(Path(directory).exists() for directory in launch.cgroups)
    assert not any(words_of(pid) for pid in pids)


def words_of(pid):
    """Empty if it has ended, whether or not it was waited for."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
