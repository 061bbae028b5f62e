"""What a task is given of its host, and what is kept from it: with real containers."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.gc import SandboxCollector
from mesos_py.adapters.isolators.base import Isolator
from mesos_py.adapters.isolators.disk import DiskIsolator
from mesos_py.adapters.isolators.namespaces import NamespacesIsolator
from mesos_py.adapters.isolators.ports import PortsIsolator
from mesos_py.adapters.isolators.privileges import PrivilegesIsolator
from mesos_py.adapters.isolators.rlimits import RlimitsIsolator
from mesos_py.adapters.isolators.user import UserIsolator
from mesos_py.adapters.isolators.volumes import VolumesIsolator
from mesos_py.runtime.loop import Loop
from mesos_py.types.host import RLimit, Volume, VolumeMode
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason
from tests.unit.adapters.containers_support import Containers

pytestmark = pytest.mark.integration
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users and mounts volumes")


@pytest.fixture
def make(tmp_path):
    """Containers with some isolators; also in a work directory of which other users may pass."""
    made = []
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and str(directory).startswith("/tmp/"):
            directory.chmod(0o755)

    def make(*isolators, **options):
        loop = Loop()
        root = tmp_path / "sandboxes" / "A" / "F" / "tasks"
        root.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run").mkdir(exist_ok=True)
        containers = Containers(
            loop, ProcessContainerizer(loop, tmp_path / "run", isolators=isolators, **options), root
        )
        made.append(containers)
        return containers

    yield make
    for containers in made:
        containers.it.close()
        containers.loop.close()


def output(spec):
    return Path(spec.sandbox, "stdout").read_text().split("\n")[:-1]


def out_of(containers, line, **more):
    """What a shell line prints; it must end well."""
    spec = containers.sh(line, **more)
    exit_ = containers.end_of(spec)
    assert exit_.exit_code == 0, (exit_, Path(spec.sandbox, "stderr").read_text())
    return output(spec)


def test_rlimits_are_set(make):
    containers = make(RlimitsIsolator({"nofile": RLimit(soft=100, hard=200)}))
    line = "ulimit -Sn; ulimit -Hn; ulimit -c"
    assert out_of(containers, line, rlimits={"core": RLimit(soft=0, hard=0)}) == ["100", "200", "0"]
    assert out_of(containers, line, rlimits={"nofile": RLimit(soft=50, hard=60)})[:2] == ["50", "60"]


@as_root
def test_an_ordinary_user_has_its_groups_and_no_capabilities(make):
    containers = make(UserIsolator([range(65535)]), PrivilegesIsolator())
    line = "id -u; id -g; grep -E '^(Groups|CapPrm|CapBnd|NoNewPrivs)' /proc/self/status; echo $PWD > own"
    nobody = pwd.getpwnam("nobody")
    uid, gid, groups, *rest = out_of(containers, line, user="nobody")
    assert (int(uid), int(gid)) == (nobody.pw_uid, nobody.pw_gid)
    assert set(map(int, groups.split()[1:])) == set(os.getgrouplist("nobody", nobody.pw_gid))
    assert [row.split() for row in rest] == [["CapPrm:", "0" * 16], ["CapBnd:", "0" * 16], ["NoNewPrivs:", "1"]]
    assert out_of(containers, "grep NoNewPrivs /proc/self/status; id -u") == ["NoNewPrivs:\t0", "0"]


@as_root
def test_an_unknown_user_leaves_nothing_behind(make):
    containers = make(UserIsolator([range(65535)]))
    reason, message = containers.failure_of(containers.sh("true", user="no-such-user"))
    assert (reason, message) == (Reason.CONTAINER_LAUNCH_FAILED, "user 'no-such-user' does not exist on this host")
    assert containers.it.running() == {}


@as_root
@pytest.mark.parametrize("private_tmp", [False, True])
def test_a_container_sees_no_sandbox_but_its_own(make, tmp_path, private_tmp):
    """Whoever it runs as, and wherever the agent's files are."""
    sandboxes = tmp_path / "sandboxes"
    containers = make(NamespacesIsolator(["pid", "mount"], private_tmp=private_tmp, sandboxes=str(sandboxes)))
    first = containers.sh("echo mine > secret; cat secret")
    assert containers.end_of(first).exit_code == 0
    line = f"find {sandboxes} -type f; cat {first.sandbox}/secret || echo none; echo new > made; cat $PWD/made"
    second = containers.sh(line)
    assert containers.end_of(second).exit_code == 0
    found = output(second)
    assert [line for line in found if first.sandbox in line] == []
    assert f"{second.sandbox}/stdout" in found
    assert found[-2:] == ["none", "new"]
    assert Path(second.sandbox, "made").read_text() == "new\n"
    assert Path(first.sandbox, "secret").read_text() == "mine\n"
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


@as_root
@pytest.mark.parametrize("walls", [(), ("pid", "mount", "ipc", "uts")])
def test_volumes_are_seen_and_only_written_where_that_is_allowed(make, tmp_path, walls):
    data, scratch, before = tmp_path / "data", tmp_path / "scratch", os.listdir("/mnt")
    for directory in (data, scratch):
        directory.mkdir()
        (directory / "old").write_text("from the host\n")
    (data / "file").write_text("a file\n")
    isolators = [VolumesIsolator({str(data): VolumeMode.RO, str(scratch): VolumeMode.RW})]
    if walls:
        isolators.append(NamespacesIsolator(walls))
    containers = make(*isolators)
    volumes = [
        Volume(host_path=str(data), container_path="in/models"),
        Volume(host_path=str(data / "file"), container_path="words"),
        Volume(host_path=str(scratch), container_path="out", mode=VolumeMode.RW),
        Volume(host_path=str(scratch), container_path="/mnt"),
    ]
    line = (
        "cat in/models/old words /mnt/old; echo new > out/new && cat out/new; "
        "for file in in/models/x words /mnt/x; do echo x 2>/dev/null > $file || echo no; done"
    )
    found = out_of(containers, line, volumes=volumes)
    assert found == ["from the host", "a file", "from the host", "new", "no", "no", "no"]
    assert (scratch / "new").read_text() == "new\n"
    assert sorted(os.listdir(data)) == ["file", "old"]
    assert os.listdir("/mnt") == before
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


@as_root
def test_what_is_mounted_below_a_volume_is_read_only_too(make, tmp_path):
    inner = tmp_path / "data" / "inner"
    inner.mkdir(parents=True)
    containers = make(VolumesIsolator({str(tmp_path): VolumeMode.RO}))
    subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
    try:
        (inner / "old").write_text("seen\n")
        line = "cat x/inner/old; echo new 2>/dev/null > x/inner/new || echo no"
        volumes = [Volume(host_path=str(tmp_path / "data"), container_path="x")]
        assert out_of(containers, line, volumes=volumes) == ["seen", "no"]
    finally:
        subprocess.run(["umount", inner], check=True)


class Swaps(Isolator):
    """Somebody who exchanges a volume just after it was looked at."""

    def __init__(self, path, other):
        self._path, self._other = path, other

    def prepare(self, spec, launch):
        self._path.rmdir()
        self._path.symlink_to(self._other)


@as_root
def test_a_volume_that_becomes_something_else_is_not_mounted(make, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "secret").mkdir()
    containers = make(VolumesIsolator({str(data): VolumeMode.RO}), Swaps(data, tmp_path / "secret"))
    spec = containers.sh("ls x", volumes=[Volume(host_path=str(data), container_path="x")])
    reason, message = containers.failure_of(spec)
    assert reason is Reason.CONTAINER_LAUNCH_FAILED
    assert f"{data} was changed while it was being mounted" in message


class SwapsInSandbox(Isolator):
    """Another process of the user, which exchanges what was made in the sandbox by something that looks alike."""

    def __init__(self, name, other):
        self._name, self._other = name, other

    def prepare(self, spec, launch):
        made = Path(launch.sandbox, self._name)
        shutil.copytree(made, self._other)
        shutil.rmtree(made)
        made.symlink_to(self._other)


@as_root
@pytest.mark.parametrize(("private_tmp", "name"), [(True, ".tmp"), (False, ".sandboxes")])
def test_what_becomes_something_else_in_the_sandbox_is_not_mounted(make, tmp_path, private_tmp, name):
    namespaces = NamespacesIsolator(["mount"], private_tmp=private_tmp, sandboxes=str(tmp_path / "sandboxes"))
    containers = make(namespaces, SwapsInSandbox(name, tmp_path / "other"))
    spec = containers.sh("true")
    _reason, message = containers.failure_of(spec)
    assert f"{spec.sandbox}/{name} was changed while it was being mounted" in message


@as_root
def test_a_volume_that_is_not_allowed_is_a_clear_failure(make, tmp_path):
    containers = make(VolumesIsolator({str(tmp_path / "data"): VolumeMode.RO}))
    spec = containers.sh("true", volumes=[Volume(host_path="/etc", container_path="etc")])
    reason, message = containers.failure_of(spec)
    assert reason is Reason.CONTAINER_LAUNCH_FAILED
    assert message == f"volume /etc is not allowed: this agent mounts {tmp_path}/data:ro"


def test_a_disk_hog_is_stopped_and_its_neighbour_is_not(make):
    containers = make(DiskIsolator(enforce=True, interval_s=0.1))
    resources = Resources.of(cpus=1, disk=4)
    modest = containers.sh("head -c 1000000 /dev/zero > x; exec sleep 100", resources=resources)
    hog = containers.sh("head -c 10000000 /dev/zero > x; exec sleep 100", resources=resources)
    exit_ = containers.end_of(hog)
    assert exit_.reason is Reason.CONTAINER_LIMITATION_DISK
    assert "its sandbox takes 9.5 MB of disk, more than the 4 MB it has" in exit_.message
    assert list(containers.it.running()) == [modest.container_id]
    assert 1_000_000 <= {u.container_id: u.disk_bytes for u in containers.it.usage()}[modest.container_id] < 4_000_000
    containers.it.destroy(modest.container_id)
    containers.end_of(modest)


_LISTEN = "exec python3 -c 'import socket, time; s = socket.create_server((\"\", {port})); time.sleep(100)'"


def test_who_listens_on_others_ports_is_stopped(make):
    def members(container_id):
        return containers.it.members(container_id)

    containers = make(PortsIsolator(members, enforce=True, interval_s=0.2))
    honest = containers.sh(_LISTEN.format(port=31999), resources=Resources.parse("ports:[31999-31999]"))
    thief = containers.sh(_LISTEN.format(port=31998), resources=Resources.parse("ports:[31997-31997]"))
    exit_ = containers.end_of(thief)
    assert exit_.reason is Reason.CONTAINER_LIMITATION
    assert exit_.message == "it listens on ports [31998-31998], of its own it has [31997-31997]"
    usage = {usage.container_id: usage.listening_ports for usage in containers.it.usage()}
    assert usage == {honest.container_id: [31999]}
    containers.it.destroy(honest.container_id)
    containers.end_of(honest)


def test_sandboxes_are_collected_but_not_of_what_runs(make, tmp_path):
    left = []
    containers = make(sandbox_left=left.append)
    collector = SandboxCollector(
        containers.loop, str(tmp_path / "sandboxes"), containers.it.sandboxes, delay_s=0.0, interval_s=0.05
    )
    collector.open()
    try:
        running = containers.sh("exec sleep 100")
        ended = containers.sh("mkdir -p a/b; echo x > a/b/c")
        containers.end_of(ended)
        collector.ended(left.pop())
        containers.until(lambda: collector.stats().removed == 1)
        assert not os.path.exists(os.path.dirname(ended.sandbox))
        assert os.path.exists(f"{running.sandbox}/stdout")
        containers.it.destroy(running.container_id)
        containers.end_of(running)
        collector.ended(left.pop())
        containers.until(lambda: os.listdir(tmp_path / "sandboxes") == [])
    finally:
        collector.close()
