"""What the isolators for cpu, memory, pids, io and devices decide; plain directories stand for their cgroups."""

import math
from pathlib import Path

import pytest

from mesos_py.adapters.cgroups.v1 import CgroupsV1
from mesos_py.adapters.cgroups.v2 import CgroupsV2
from mesos_py.adapters.isolators.blkio import IOIsolator
from mesos_py.adapters.isolators.cpu import CpuIsolator
from mesos_py.adapters.isolators.devices import GRANTED, DevicesIsolator
from mesos_py.adapters.isolators.memory import MemoryIsolator
from mesos_py.adapters.isolators.pids import PidsIsolator
from mesos_py.errors import ConfigError
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import ContainerID
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from tests.unit.adapters.isolators.support import a_launch, a_spec

C1 = ContainerID("C-1")
MB = 1 << 20
GB = 1 << 30


@pytest.fixture
def cgroups(tmp_path):
    """Version 2, with one container's directory."""
    (tmp_path / "cgroup.controllers").write_text("cpu io memory pids\n")
    container = tmp_path / "mesos" / "key" / "C-1"
    container.mkdir(parents=True)
    (container / "memory.max").write_text("max\n")
    return CgroupsV2(str(tmp_path), "mesos", "key")


@pytest.fixture
def read(cgroups):
    return lambda name: Path(cgroups.root, "C-1", name).read_text()


@pytest.fixture
def write(cgroups):
    return lambda name, text: Path(cgroups.root, "C-1", name).write_text(text)


def prepared(isolator, resources, limits=None):
    spec = a_spec(resources=Resources.parse(resources), limits=limits or {})
    launch = a_launch(spec)
    isolator.prepare(spec, launch)
    return launch


# Cpu


@pytest.mark.parametrize(
    ("resources", "limits", "hard", "weight", "quota"),
    [
        ("cpus:2", {}, False, "200", "max 100000"),
        ("cpus:2", {}, True, "200", "200000 100000"),
        ("cpus:2", {"cpus": 3.5}, False, "200", "350000 100000"),
        ("cpus:2", {"cpus": 3.5}, True, "200", "350000 100000"),
        ("cpus:2", {"cpus": math.inf}, True, "200", "max 100000"),
        ("cpus:2", {"cpus": "inf"}, True, "200", "max 100000"),
        ("cpus:0.5;cpus(ads):1", {}, False, "150", "max 100000"),
        ("mem:1", {}, False, "10", "max 100000"),  # an executor without tasks still has to end
        ("mem:1", {}, True, "10", "10000 100000"),
        ("cpus:0.001", {}, True, "10", "10000 100000"),
    ],
)
def test_cpu(cgroups, read, resources, limits, hard, weight, quota):
    prepared(CpuIsolator(cgroups, hard_limit=hard), resources, limits)
    assert (read("cpu.weight"), read("cpu.max")) == (weight, quota)


def test_cpu_is_resized(cgroups, read):
    isolator = CpuIsolator(cgroups)
    prepared(isolator, "cpus:1", {"cpus": 2.0})
    isolator.update(C1, Resources.parse("cpus:4"), {})
    assert (read("cpu.weight"), read("cpu.max")) == ("400", "max 100000")


# Memory


@pytest.mark.parametrize(
    ("resources", "limits", "low", "most"),
    [
        ("mem:64", {}, 64 * MB, 64 * MB),
        ("mem:64;mem(ads):64", {}, 128 * MB, 128 * MB),
        ("mem:64.5", {"mem": 100.25}, int(64.5 * MB), int(100.25 * MB)),
        ("mem:64", {"mem": math.inf}, 64 * MB, "max"),
        ("mem:64", {"mem": 1e300}, 64 * MB, "max"),  # the kernel would take its lowest 64 bits, which are 0
        ("cpus:1", {}, 32 * MB, 32 * MB),
        ("mem:1", {"mem": 2.0}, 32 * MB, 32 * MB),
    ],
)
def test_memory(cgroups, read, write, resources, limits, low, most):
    write("memory.swap.max", "max")
    prepared(MemoryIsolator(cgroups), resources, limits)
    assert (read("memory.low"), read("memory.max"), read("memory.swap.max")) == (str(low), str(most), "0")


def test_swap_may_be_left_alone(cgroups, read, write):
    write("memory.swap.max", "max")
    prepared(MemoryIsolator(cgroups, limit_swap=False), "mem:64")
    assert read("memory.swap.max") == "max"


@pytest.mark.parametrize(
    ("resources", "limits", "low", "most"),
    [
        ("mem:128", {}, 128, 128),
        ("mem:48", {}, 48, 64),
        ("mem:48", {"mem": 256.0}, 48, 256),
        ("mem:48", {"mem": 50.0}, 48, 64),
    ],
)
def test_the_hard_limit_is_only_raised(cgroups, read, resources, limits, low, most):
    isolator = MemoryIsolator(cgroups)
    prepared(isolator, "mem:64")
    isolator.update(C1, Resources.parse(resources), limits)
    assert (read("memory.low"), read("memory.max")) == (str(low * MB), str(most * MB))


def test_no_limit_stays_none(cgroups, read):
    isolator = MemoryIsolator(cgroups)
    prepared(isolator, "mem:64", {"mem": math.inf})
    isolator.update(C1, Resources.parse("mem:500"), {})
    assert read("memory.max") == "max"


@pytest.mark.parametrize(
    ("resources", "limits", "score"),
    [
        ("mem:1024", {}, None),
        ("mem:1024", {"mem": 1024.0}, None),
        ("mem:1024", {"mem": 2048.0}, 750),
        ("mem:1024", {"mem": math.inf}, 750),
        ("mem:4096", {"mem": math.inf}, 0),
        ("mem:8192", {"mem": math.inf}, 0),
        ("cpus:1", {"mem": 64.0}, 1000),
    ],
)
def test_who_uses_more_than_was_asked_for_goes_first_when_the_host_is_short(cgroups, resources, limits, score):
    isolator = MemoryIsolator(cgroups, host_bytes=4 * GB)
    assert prepared(isolator, resources, limits).oom_score_adj == score


def use(write, *, used, peak, ooms):
    write("memory.current", str(used))
    write("memory.peak", str(peak))
    write("memory.stat", f"anon {3 * MB}\nfile {MB // 2}\n")
    write("memory.swap.current", str(2 * MB))
    write("memory.events.local", f"low 0\noom {ooms}\noom_kill {ooms}\n")


def test_a_limit_that_was_broken_is_told_with_figures(cgroups, write):
    isolator = MemoryIsolator(cgroups)
    prepared(isolator, "mem:64")
    use(write, used=64 * MB, peak=64 * MB, ooms=1)
    limitation = isolator.broke(C1)
    assert limitation.reason is Reason.CONTAINER_LIMITATION_MEMORY
    figures = "64 MB used, peak 64 MB (rss 3 MB, cache 0.5 MB, swap 2 MB)"
    assert limitation.message == f"memory limit of 64 MB exceeded: {figures}"
    use(write, used=MB, peak=64 * MB, ooms=1)
    assert isolator.broke(C1).message == "memory limit of 64 MB exceeded: 1 MB used after the kill, peak 64 MB"


def test_nothing_was_broken(cgroups, write):
    isolator = MemoryIsolator(cgroups)
    prepared(isolator, "mem:64")
    use(write, used=64 * MB, peak=64 * MB, ooms=0)
    assert isolator.broke(C1) is None
    assert isolator.broke(ContainerID("C-2")) is None, "nothing is known of it"


def test_what_happened_before_it_was_watched_is_told_at_once(cgroups, write):
    isolator = MemoryIsolator(cgroups)
    prepared(isolator, "mem:64")
    use(write, used=MB, peak=64 * MB, ooms=2)
    loop, told = Loop(), []
    isolator._limited = lambda container_id, limitation: told.append(container_id)
    isolator.recovered(a_spec(), 1, {})
    isolator.recovered(a_spec(container_id="C-2"), 1, {})
    assert told == [C1]
    isolator.ended(C1)
    isolator.ended(C1)
    isolator.close()
    loop.close()


# Usage


def test_usage(cgroups, write):
    use(write, used=5 * MB, peak=6 * MB, ooms=0)
    write("cpu.stat", "usage_usec 1500000\nthrottled_usec 250000\n")
    write("pids.current", "7\n")
    write("io.stat", "8:0 rbytes=10 wbytes=20\n")
    usage = ContainerUsage(container_id=C1)
    for kind in (CpuIsolator, MemoryIsolator, PidsIsolator, IOIsolator):
        kind(cgroups).measure(C1, usage)
    assert usage == ContainerUsage(
        container_id=C1,
        processes=7,
        cpu_s=1.5,
        throttled_s=0.25,
        memory_bytes=5 * MB,
        memory_peak_bytes=6 * MB,
        io_read_bytes=10,
        io_written_bytes=20,
    )


def test_what_is_gone_has_no_usage(cgroups):
    usage = ContainerUsage(container_id=ContainerID("C-2"))
    for kind in (CpuIsolator, MemoryIsolator, PidsIsolator, IOIsolator):
        kind(cgroups).measure(usage.container_id, usage)
    assert usage == ContainerUsage(container_id=ContainerID("C-2"))


# Processes


def test_pids(cgroups, read):
    prepared(PidsIsolator(cgroups), "cpus:1")
    assert read("pids.max") == "4096"
    prepared(PidsIsolator(cgroups, max_pids=9), "cpus:1")
    assert read("pids.max") == "9"


def test_any_number_of_pids(cgroups):
    prepared(PidsIsolator(cgroups, max_pids=0), "cpus:1")
    assert not Path(cgroups.root, "C-1", "pids.max").exists()


# What can be enforced


@pytest.mark.parametrize("kind", [CpuIsolator, MemoryIsolator, PidsIsolator, IOIsolator])
def test_what_a_host_lacks_is_told(tmp_path, kind):
    assert "cgroup v1 hierarchy of" in kind(CgroupsV1({"freezer": str(tmp_path)}, "mesos", "key")).why_not()
    assert kind(CgroupsV1({}, "mesos", "key")).why_not().startswith("no cgroups: ")


@pytest.mark.parametrize("kind", [CpuIsolator, MemoryIsolator, PidsIsolator, IOIsolator])
def test_what_is_enforced_is_told(cgroups, kind):
    isolator = kind(cgroups)
    assert isolator.why_not() == ""
    assert isolator.describe().startswith("cgroup v2, ")


# Devices


@pytest.fixture
def rules(tmp_path):
    """Cgroups of version 1, and what is written to them in order."""
    cgroups = CgroupsV1({"freezer": str(tmp_path), "devices": str(tmp_path)}, "mesos", "key")
    written = []

    class Devices:
        def deny_all(self):
            written.append("deny all")

        def deny(self, device):
            written.append(f"deny {device}")

        def allow(self, device):
            written.append(f"allow {device}")

    cgroups.devices = lambda container_id: Devices()
    return cgroups, written


def test_all_but_the_usual_nodes_are_denied(rules):
    cgroups, written = rules
    isolator = DevicesIsolator(cgroups, allowed=["/dev/null"])
    prepared(isolator, "cpus:1")
    assert written[:4] == ["deny all", "allow c *:* m", "allow b *:* m", "allow c 1:3 rwm"]
    assert "allow c 136:* rwm" in written
    assert written.count("allow c 1:3 rwm") == 2
    assert not [rule for rule in written if rule.startswith("allow b") and rule != "allow b *:* m"]
    assert isolator.describe().endswith("tun, /dev/null")


def test_what_others_granted_before_stays_granted(rules):
    cgroups, written = rules
    spec = a_spec()
    launch = a_launch(spec)
    launch.notes[GRANTED] = "/dev/zero\n/dev/full"
    DevicesIsolator(cgroups).prepare(spec, launch)
    assert written[-2:] == ["allow c 1:5 rwm", "allow c 1:7 rwm"]


@pytest.mark.parametrize(
    ("path", "why"),
    [("/dev/no-such-device", "No such file or directory"), ("/etc/passwd", "not a device node")],
)
def test_what_is_no_device_cannot_be_allowed(rules, path, why):
    with pytest.raises(ConfigError, match=f"^allowed_devices: {path}: {why}$"):
        DevicesIsolator(rules[0], allowed=[path])


def test_under_v2_devices_are_not_restricted(cgroups):
    assert "eBPF" in DevicesIsolator(cgroups).why_not()
