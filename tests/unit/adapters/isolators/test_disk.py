import os
import subprocess
import threading

import pytest

from mesos_py.adapters.isolators.disk import DiskIsolator, disk_usage
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from tests.unit.adapters.containers_support import turn_until
from tests.unit.adapters.isolators.support import a_spec

MB = 1024 * 1024


def used(path):
    """All of the chore at once."""
    chore = disk_usage(str(path))
    while True:
        try:
            next(chore)
        except StopIteration as end:
            return end.value


def du(path):
    return int(subprocess.run(["du", "-sx", "-B1", path], check=True, capture_output=True).stdout.split()[0])


def fill(file, size):
    file.write_bytes(os.urandom(size))


def test_it_counts_as_du_does(tmp_path):
    box = tmp_path / "box"
    (box / "a" / "b").mkdir(parents=True)
    fill(box / "a" / "b" / "large", 3 * MB)
    fill(box / "small", 10)
    os.link(box / "small", box / "a" / "again")
    os.link(box / "a" / "b" / "large", box / "large too")
    (box / "link").symlink_to("/usr")
    (box / "a" / "up").symlink_to("..")
    with open(box / "sparse", "wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(box / "pipe")
    assert used(box) == du(box)
    assert 3 * MB < used(box) < 4 * MB


def test_nothing_to_count(tmp_path):
    assert used(tmp_path / "missing") is None
    (tmp_path / "link").symlink_to("/usr")
    assert used(tmp_path / "link") < MB


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_other_file_systems_are_left_out(tmp_path):
    (tmp_path / "mnt").mkdir()
    fill(tmp_path / "own", MB)
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "mnt"], check=True)
    try:
        fill(tmp_path / "mnt" / "other", MB)
        assert MB <= used(tmp_path) < 2 * MB
    finally:
        subprocess.run(["umount", tmp_path / "mnt"], check=True)


def test_nobody_hides_files_by_depth(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 200, dir_fd=fd)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    file = os.open("hidden", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(file, os.urandom(MB))
    os.close(file)
    os.close(fd)
    assert used(tmp_path) >= MB


# The isolator


class Rig:
    def __init__(self, tmp_path, **options):
        self.now = 1000.0
        self.loop = Loop(lambda: self.now)
        self.limited = []
        self.isolator = DiskIsolator(interval_s=15.0, **options)
        self.isolator.open(self.loop, lambda container_id, limitation: self.limited.append((container_id, limitation)))
        self.root = tmp_path

    def start(self, container_id, disk=0.0):
        sandbox = self.root / container_id
        sandbox.mkdir()
        spec = a_spec(sandbox, container_id, resources=Resources.of(cpus=1, disk=disk))
        self.isolator.started(spec, 1)
        return sandbox

    def bytes_of(self, container_id):
        usage = ContainerUsage(container_id=container_id)
        self.isolator.measure(container_id, usage)
        return usage.disk_bytes

    def look(self, *container_ids):
        """Let the next look come, and wait for what it says of these."""
        before = {container_id: self.bytes_of(container_id) for container_id in container_ids}
        self.now += 15.0
        turn_until(self.loop, lambda: all(self.bytes_of(one) != old for one, old in before.items()))


@pytest.fixture
def make_rig(tmp_path):
    rigs = []

    def make(**options):
        rigs.append(Rig(tmp_path, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.isolator.close()
        rig.loop.close()


def test_sandboxes_are_measured_again_and_again(make_rig):
    rig = make_rig()
    first, second = rig.start("C-1", disk=1), rig.start("C-2")
    fill(first / "x", 2 * MB)
    assert rig.bytes_of("C-1") is None
    rig.look("C-1", "C-2")
    assert rig.bytes_of("C-1") == du(first) > 2 * MB
    assert rig.bytes_of("C-2") == du(second) < MB
    fill(second / "y", MB)
    rig.look("C-2")
    assert rig.bytes_of("C-2") == du(second)
    assert rig.limited == []  # it only looks


def test_whoever_takes_more_than_it_has_is_told_on(make_rig):
    rig = make_rig(enforce=True)
    hog, modest, free = rig.start("C-1", disk=2), rig.start("C-2", disk=4), rig.start("C-3")
    for sandbox in (hog, modest, free):
        fill(sandbox / "x", 3 * MB)
    rig.look("C-1", "C-2", "C-3")
    [(container_id, limitation)] = rig.limited
    assert (container_id, limitation.reason) == ("C-1", Reason.CONTAINER_LIMITATION_DISK)
    assert limitation.message == f"its sandbox takes {du(hog) / MB:.1f} MB of disk, more than the 2 MB it has"


def test_resources_change(make_rig):
    rig = make_rig(enforce=True)
    sandbox = rig.start("C-1", disk=1)
    fill(sandbox / "x", 2 * MB)
    rig.isolator.update("C-1", Resources.of(disk=8), {})
    rig.look("C-1")
    assert rig.limited == []
    rig.isolator.update("C-1", Resources.of(disk=2), {})
    fill(sandbox / "y", MB)
    rig.look("C-1")
    assert len(rig.limited) == 1


def test_what_was_started_by_an_earlier_agent_is_watched(make_rig):
    rig = make_rig(enforce=True)
    sandbox = rig.root / "C-1"
    sandbox.mkdir()
    fill(sandbox / "x", 2 * MB)
    rig.isolator.recovered(a_spec(sandbox, "C-1", resources=Resources.of(disk=1)), 1, {})
    rig.look("C-1")
    assert [container_id for container_id, _ in rig.limited] == ["C-1"]


def test_who_has_ended_is_of_no_interest(make_rig):
    rig = make_rig(enforce=True)
    fill(rig.start("C-1", disk=1) / "x", 2 * MB)
    rig.start("C-2")
    rig.now += 15.0
    rig.isolator.run_due(rig.now)  # the look is under way
    rig.isolator.ended("C-1")
    rig.isolator.ended("C-1")
    turn_until(rig.loop, lambda: rig.bytes_of("C-2") is not None)
    assert rig.limited == []
    assert rig.bytes_of("C-1") is None


def test_with_nothing_running_there_is_nothing_to_do(make_rig):
    threads = threading.active_count()
    rig = make_rig()
    assert rig.isolator.next_deadline() is None
    rig.start("C-1")
    assert rig.isolator.next_deadline() == 1015.0
    rig.isolator.ended("C-1")
    rig.isolator.run_due(1015.0)
    assert rig.isolator.next_deadline() is None
    assert threading.active_count() == threads


def test_it_says_what_it_does():
    assert DiskIsolator().describe() == "sandboxes are measured every 15 s; disk is not limited"
    assert DiskIsolator(enforce=True, interval_s=1.5).describe().endswith("1.5 s; whoever exceeds its disk is ended")
    assert DiskIsolator().why_not() == ""
