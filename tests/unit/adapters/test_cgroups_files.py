"""What is written to and read from the files of cgroups, in directories that only look like cgroups."""

import errno
import math
import os
from pathlib import Path

import pytest
from cgroupspy.contenttypes import DeviceAccess

from mesos_py.adapters.cgroups import controllers_v1, controllers_v2
from mesos_py.adapters.cgroups.groups import Group, names_below, processes, remove, subtree
from mesos_py.adapters.cgroups.v1 import CgroupsV1
from mesos_py.adapters.cgroups.v2 import CgroupsV2
from mesos_py.types.ids import ContainerID

C1 = ContainerID("C-1")
MB = 1 << 20


def fill(directory: Path, **files: str) -> Path:
    """Files by their names, with _ for the dots."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", "\0").replace("_", ".").replace("\0", "_")).write_text(text)
    return directory


# Version 2


@pytest.fixture
def v2(tmp_path):
    """A host's root with controllers, and one delegated unit below it."""
    fill(
        tmp_path, cgroup_controllers="cpuset cpu io memory hugetlb pids rdma\n", cgroup_subtree__control="memory pids\n"
    )
    cgroups = CgroupsV2(str(tmp_path), "mesos", "key")
    fill(tmp_path / "mesos", cgroup_subtree__control="")
    fill(tmp_path / "mesos" / "key", cgroup_subtree__control="")
    return cgroups


def test_controllers_are_passed_down_from_the_true_root(v2, tmp_path):
    v2.use("memory")
    v2.use("cpu")
    v2.open()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu"
    assert (tmp_path / "mesos/cgroup.subtree_control").read_text() == "+cpu"  # each was written on its own
    assert (tmp_path / "mesos/key/cgroup.subtree_control").read_text() == "+cpu"


def test_nothing_is_changed_above_a_delegated_root(tmp_path):
    fill(tmp_path, cgroup_controllers="cpu memory\n", cgroup_subtree__control="")
    unit = tmp_path / "system.slice" / "mesos-tasks.service"
    fill(unit, cgroup_controllers="memory\n", cgroup_subtree__control="")
    fill(unit / "key", cgroup_subtree__control="")
    cgroups = CgroupsV2(str(tmp_path), "/system.slice/mesos-tasks.service/", "key")
    assert cgroups.lacks("memory") == ""
    assert cgroups.lacks("cpu") == f"the cgroup v2 controller cpu is not available at {unit}"
    cgroups.use("cpu")
    cgroups.use("memory")
    cgroups.open()
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""
    assert (unit / "cgroup.subtree_control").read_text() == "+memory"
    assert (unit / "key" / "cgroup.subtree_control").read_text() == "+memory"


def test_a_unit_that_is_not_started_is_not_made(tmp_path):
    cgroups = CgroupsV2(str(tmp_path), "system.slice/mesos-tasks.service", "key")
    (tmp_path / "system.slice").mkdir()
    why = f"there is no cgroup {tmp_path}/system.slice/mesos-tasks.service: the unit that it belongs to is not started"
    assert cgroups.why_not() == why
    with pytest.raises(OSError, match="there is no cgroup"):
        cgroups.open()
    assert list((tmp_path / "system.slice").iterdir()) == []


def test_devices_are_not_restricted_and_that_is_told(v2):
    assert "eBPF" in v2.lacks("devices")


@pytest.mark.parametrize(
    ("cpus", "weight"), [(0.001, "1"), (0.5, "50"), (1, "100"), (2.5, "250"), (100, "10000"), (500, "10000")]
)
def test_weight(v2, tmp_path, cpus, weight):
    directory = fill(tmp_path / "mesos/key/C-1")
    v2.cpu(C1).set_share(cpus)
    assert (directory / "cpu.weight").read_text() == weight


@pytest.mark.parametrize(("cpus", "text"), [(0.5, "50000 100000"), (0.001, "1000 100000"), (math.inf, "max 100000")])
def test_quota(v2, tmp_path, cpus, text):
    directory = fill(tmp_path / "mesos/key/C-1")
    v2.cpu(C1).set_limit(cpus)
    assert (directory / "cpu.max").read_text() == text


def test_cpu_time(v2, tmp_path):
    text = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_throttled 3\nthrottled_usec 250000\n"
    fill(tmp_path / "mesos/key/C-1", cpu_stat=text)
    assert (v2.cpu(C1).used_s(), v2.cpu(C1).throttled_s()) == (1.5, 0.25)
    fill(tmp_path / "mesos/key/C-1", cpu_stat="usage_usec 20\nuser_usec 10\nsystem_usec 10\n")
    assert v2.cpu(C1).throttled_s() == 0


@pytest.mark.parametrize(("swap", "told"), [(False, "0"), (True, "max\n")])
def test_memory_limits(v2, tmp_path, swap, told):
    directory = fill(tmp_path / "mesos/key/C-1", memory_max="max\n", memory_swap_max="max\n")
    memory = v2.memory(C1)
    assert memory.limit() == math.inf
    memory.set_limit(64 * MB, swap=swap)
    memory.set_low(32 * MB)
    assert (directory / "memory.max").read_text() == "67108864"
    assert (directory / "memory.low").read_text() == "33554432"
    assert (directory / "memory.swap.max").read_text() == told
    assert memory.limit() == 64 * MB
    memory.set_limit(math.inf, swap=swap)
    assert (directory / "memory.max").read_text() == "max"


def test_memory_use(v2, tmp_path):
    directory = fill(
        tmp_path / "mesos/key/C-1",
        memory_current="7000\n",
        memory_peak="9000\n",
        memory_stat="anon 4096\nfile 2048\nkernel 512\n",
        memory_swap_current="1024\n",
        memory_events="low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n",
        memory_events_local="low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n",
    )
    memory = v2.memory(C1)
    assert (memory.used(), memory.peak(), memory.used_for()) == (7000, 9000, (4096, 2048, 1024))
    assert not memory.was_killed(), "that was the limit of a cgroup below or above it"
    (directory / "memory.events.local").unlink()
    (directory / "memory.peak").unlink()
    (directory / "memory.swap.current").unlink()
    assert memory.was_killed(), "older kernels do not tell these apart"
    assert (memory.peak(), memory.used_for().swap) == (None, 0)


def test_events_are_new_only_once(v2, tmp_path):
    events = fill(tmp_path / "mesos/key/C-1", memory_events="low 0\noom 1\noom_kill 1\n") / "memory.events"
    source = v2.memory(C1).oom_source()
    assert not source.take()
    events.write_text("low 0\noom 2\noom_kill 1\n")
    assert source.take()
    assert not source.take()
    events.write_text("low 9\noom 2\noom_kill 2\n")
    assert not source.take()
    source.close()


def test_input_and_output(v2, tmp_path):
    text = "254:0 rbytes=4096 wbytes=100 rios=1 wios=2 dbytes=0 dios=0\n8:16 \n7:0 rbytes=1 wbytes=1 rios=1 wios=1\n"
    fill(tmp_path / "mesos/key/C-1", io_stat=text)
    assert v2.io(C1).totals() == (4097, 101)
    fill(tmp_path / "mesos/key/C-1", io_stat="")
    assert v2.io(C1).totals() == (0, 0)


@pytest.mark.parametrize(("number", "text"), [(100, "100"), (None, "max")])
def test_pids(v2, tmp_path, number, text):
    directory = fill(tmp_path / "mesos/key/C-1", pids_current="5\n")
    v2.processes(C1).set_max(number)
    assert (directory / "pids.max").read_text() == text
    assert v2.processes(C1).current() == 5


def test_every_file_of_v2_is_read_as_kernels_write_it(tmp_path):
    fill(
        tmp_path,
        cgroup_controllers="cpu io memory pids\n",
        cgroup_events="populated 1\nfrozen 0\n",
        cgroup_freeze="0\n",
        cgroup_max_depth="max\n",
        cgroup_max_descendants="10\n",
        cgroup_procs="12\n13\n",
        cgroup_type="domain\n",
        cpu_max="max 100000\n",
        memory_high="max\n",
        pids_max="max\n",
        pids_events="max 3\n",
        io_stat="8:0 rbytes=1 wbytes=2 cost.usage=9\n",
    )
    group = Group(str(tmp_path))
    core = controllers_v2.CoreController(group)
    assert core.controllers == ["cpu", "io", "memory", "pids"]
    assert core.events == {"populated": 1, "frozen": 0}
    assert (core.freeze, core.max_depth, core.max_descendants, core.type) == (False, None, 10, "domain")
    assert core.procs == [12, 13]
    core.subtree_control = ["+cpu", "-io"]
    assert core.subtree_control == ["+cpu", "-io"]
    core.kill = True
    assert (tmp_path / "cgroup.kill").read_text() == "1"
    with pytest.raises(RuntimeError, match="writeonly"):
        core.kill  # noqa: B018
    cpu = controllers_v2.CpuController(group)
    assert cpu.max == (None, 100_000)
    cpu.max = 5000
    assert (tmp_path / "cpu.max").read_text() == "5000"
    assert controllers_v2.MemoryController(group).high is None
    pids = controllers_v2.PidsController(group)
    assert (pids.max, pids.events) == (None, {"max": 3})
    assert controllers_v2.IOController(group).stat == {"8:0": {"rbytes": 1, "wbytes": 2, "cost.usage": 9}}
    assert set(core.list_interfaces()) >= {"kill", "freeze", "subtree_control", "procs"}
    assert core.get_content("events") == {"populated": 1, "frozen": 0}
    assert core.get_content("stat") is None, "it is not there"


# Version 1


@pytest.fixture
def v1(tmp_path):
    """A host where cpu and cpuacct are mounted together."""
    names = ("cpu", "cpuacct", "memory", "pids", "freezer", "devices", "blkio")
    mounts = {name: str(tmp_path / name.removesuffix("acct")) for name in names}
    for mount in mounts.values():
        Path(mount).mkdir(exist_ok=True)
    return CgroupsV1(mounts, "mesos", "key")


def test_only_what_is_used_is_made_and_shared_hierarchies_once(v1, tmp_path):
    v1.use("cpu")
    v1.use("pids")
    v1.open()
    assert v1.create(C1) == [f"{tmp_path}/{name}/mesos/key/C-1" for name in ("freezer", "cpu", "pids")]
    assert list((tmp_path / "memory").iterdir()) == []
    assert v1.containers() == [C1]
    assert v1.remove(C1)
    v1.close()
    assert [list((tmp_path / name).iterdir()) for name in ("freezer", "cpu", "pids")] == [[], [], []]


@pytest.mark.parametrize(("cpus", "shares"), [(0.001, "2"), (0.5, "512"), (1, "1024"), (64, "65536")])
def test_shares(v1, tmp_path, cpus, shares):
    directory = fill(tmp_path / "cpu/mesos/key/C-1")
    v1.cpu(C1).set_share(cpus)
    assert (directory / "cpu.shares").read_text() == shares


@pytest.mark.parametrize(("cpus", "quota"), [(0.5, "50000"), (0.001, "1000"), (math.inf, "-1")])
def test_quota_v1(v1, tmp_path, cpus, quota):
    directory = fill(tmp_path / "cpu/mesos/key/C-1")
    v1.cpu(C1).set_limit(cpus)
    assert (directory / "cpu.cfs_quota_us").read_text() == quota


def test_swap_is_limited_in_the_order_that_the_kernel_takes(v1, tmp_path):
    """Memory and swap together may never be less than memory alone."""
    directory = fill(
        tmp_path / "memory/mesos/key/C-1",
        memory_limit__in__bytes="9223372036854771712\n",
        memory_memsw_limit__in__bytes="9223372036854771712\n",
    )
    written = []

    class Recorded(type(v1.memory(C1)._memory)):
        def set_property(self, filename, value):
            written.append((os.fsdecode(filename).removeprefix("memory."), value))
            return super().set_property(filename, value)

    memory = v1.memory(C1)
    memory._memory = Recorded(Group(str(directory)))
    assert memory.limit() == math.inf
    memory.set_limit(64 * MB, swap=False)
    memory.set_limit(96 * MB, swap=False)
    memory.set_limit(math.inf, swap=True)
    assert written == [
        ("limit_in_bytes", 64 * MB),
        ("memsw.limit_in_bytes", 64 * MB),
        ("memsw.limit_in_bytes", 96 * MB),
        ("limit_in_bytes", 96 * MB),
        ("limit_in_bytes", -1),
    ]


def test_a_kernel_that_does_not_count_swap(v1, tmp_path):
    directory = fill(
        tmp_path / "memory/mesos/key/C-1",
        memory_limit__in__bytes="9223372036854771712\n",
        memory_failcnt="0\n",
        memory_max__usage__in__bytes="0\n",
    )
    v1.memory(C1).set_limit(64 * MB, swap=False)
    assert not (directory / "memory.memsw.limit_in_bytes").exists()
    assert not v1.memory(C1).reached_limit()


@pytest.mark.parametrize(
    ("failures", "peak", "oom", "killed"),
    [
        ("0", 64 * MB, "under_oom 1\noom_kill 0", True),
        ("0", 64 * MB - 4096, "under_oom 0\noom_kill 1", True),
        ("3", 10 * MB, "under_oom 0\noom_kill 1", True),
        ("3", 64 * MB, "under_oom 0\noom_kill 0", False),  # its cache filled the limit
        ("0", 10 * MB, "under_oom 0\noom_kill 1", False),  # the host was out of memory
    ],
)
def test_who_was_killed_for_its_own_limit(v1, tmp_path, failures, peak, oom, killed):
    fill(
        tmp_path / "memory/mesos/key/C-1",
        memory_limit__in__bytes=f"{64 * MB}\n",
        memory_failcnt=f"{failures}\n",
        memory_max__usage__in__bytes=f"{peak}\n",
        memory_oom__control=f"oom_kill_disable 0\n{oom}\n",
    )
    assert v1.memory(C1).was_killed() is killed


def test_memory_use_v1(v1, tmp_path):
    stat = "cache 1\nrss 2\nhierarchical_memory_limit 5\ntotal_cache 30\ntotal_rss 40\ntotal_swap 50\n"
    fill(
        tmp_path / "memory/mesos/key/C-1",
        memory_stat=stat,
        memory_usage__in__bytes="70\n",
        memory_max__usage__in__bytes="90\n",
    )
    memory = v1.memory(C1)
    assert (memory.used(), memory.peak(), memory.used_for()) == (70, 90, (40, 30, 50))


def test_input_and_output_v1(v1, tmp_path):
    text = "8:0 Read 4096\n8:0 Write 100\n8:0 Total 4196\n8:16 Read 1\n8:16 Write 2\nTotal 4199\n"
    directory = fill(tmp_path / "blkio/mesos/key/C-1")
    (directory / "blkio.throttle.io_service_bytes_recursive").write_text(text)
    assert v1.io(C1).totals() == (4097, 102)
    (directory / "blkio.throttle.io_service_bytes_recursive").write_text("Total 0\n")
    assert v1.io(C1).totals() == (0, 0)


def test_devices_v1(v1, tmp_path):
    directory = fill(tmp_path / "devices/mesos/key/C-1", devices_list="c 1:3 rwm\nc 136:* rw\nb *:* m\n")
    devices = v1.devices(C1)
    devices.deny_all()
    assert (directory / "devices.deny").read_text().startswith("a")
    devices.allow(DeviceAccess("c", 1, 3, "rw"))
    assert (directory / "devices.allow").read_text() == "c 1:3 rw"
    assert DeviceAccess("c", 136, None, "rw") in devices.allowed()


def test_own_controllers_of_v1(tmp_path):
    fill(tmp_path, freezer_state="FREEZING\n", freezer_self__freezing="1\n", freezer_parent__freezing="0\n")
    fill(tmp_path, pids_max="max\n", pids_current="3\n")
    freezer, pids = (
        controllers_v1.FreezerController(Group(str(tmp_path))),
        controllers_v1.PidsController(Group(str(tmp_path))),
    )
    assert (freezer.state, freezer.self_freezing, freezer.parent_freezing) == ("FREEZING", True, False)
    pids.max = 9
    assert (pids.max, pids.current) == (9, 3)


# Directories


def test_a_subtree_is_told_from_above_and_links_are_not_followed(tmp_path):
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "other")
    found = subtree(str(tmp_path / "root"))
    assert found == [str(tmp_path / part) for part in ("root", "root/a", "root/a/b")]
    assert names_below(str(tmp_path / "root")) == ["a"]
    assert subtree(str(tmp_path / "none")) == names_below(str(tmp_path / "none")) == []


def test_a_very_deep_subtree_is_removed(tmp_path):
    path = tmp_path / "root"
    for _ in range(1200):
        path = path / "d"
    here = os.open(tmp_path, os.O_RDONLY)
    os.mkdir("root", dir_fd=here)
    made = os.open("root", os.O_RDONLY, dir_fd=here)
    for _ in range(1200):
        os.mkdir("d", dir_fd=made)
        made, above = os.open("d", os.O_RDONLY, dir_fd=made), made
        os.close(above)
    os.close(made)
    os.close(here)
    assert len(subtree(str(tmp_path / "root"))) == 1201
    assert remove(str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_processes_of_a_whole_subtree(tmp_path):
    fill(tmp_path / "a", cgroup_procs="1\n2\n")
    fill(tmp_path / "a" / "b", cgroup_procs="3\n")
    fill(tmp_path / "a" / "gone")
    assert sorted(processes(str(tmp_path / "a"))) == [1, 2, 3]


def test_who_may_not_write_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    why = CgroupsV2(str(tmp_path), "mesos", "key").why_not()
    assert why == f"cgroups at {tmp_path} are not writable for user 1000: this takes root, or a delegated subtree"


def test_processes_in_the_way_are_told(v2, tmp_path, monkeypatch):
    def refuse(self, filename, value):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(controllers_v2.CoreController, "set_property", refuse)
    v2.use("cpu")
    with pytest.raises(OSError, match="cannot pass on the controller cpu: processes run in this cgroup itself"):
        v2.open()
