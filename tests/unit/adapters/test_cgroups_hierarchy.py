"""Which cgroups are found and used, by what real hosts have mounted."""

import pytest

from mesos_py.adapters.cgroups.hierarchy import Hierarchies, agent_key, find_cgroups, read_hierarchies
from mesos_py.adapters.cgroups.v1 import CgroupsV1
from mesos_py.adapters.cgroups.v2 import CgroupsV2
from mesos_py.errors import ConfigError

DEBIAN_12 = """\
25 30 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
34 25 0:29 / /sys/fs/cgroup rw,nosuid,nodev,noexec shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
"""

CENTOS_7 = """\
24 18 0:19 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
25 24 0:20 / /sys/fs/cgroup/systemd rw,nosuid shared:10 - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
28 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:12 - cgroup cgroup rw,cpuacct,cpu
29 24 0:24 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:13 - cgroup cgroup rw,memory
30 24 0:25 / /sys/fs/cgroup/freezer rw,nosuid,nodev,noexec,relatime shared:14 - cgroup cgroup rw,freezer
31 24 0:26 / /sys/fs/cgroup/cpuset rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,cpuset
"""

HYBRID = CENTOS_7 + "41 24 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


def test_a_host_with_v2_only():
    assert read_hierarchies(DEBIAN_12) == Hierarchies({}, "/sys/fs/cgroup")
    cgroups = find_cgroups("/var/lib/mesos/agent", mountinfo=DEBIAN_12)
    assert isinstance(cgroups, CgroupsV2)
    assert cgroups.root == f"/sys/fs/cgroup/mesos/{agent_key('/var/lib/mesos/agent')}"


def test_a_host_with_v1_only_and_two_controllers_in_one_hierarchy():
    found = read_hierarchies(CENTOS_7)
    both = "/sys/fs/cgroup/cpu,cpuacct"
    assert found.v1 == {
        "cpu": both,
        "cpuacct": both,
        "memory": "/sys/fs/cgroup/memory",
        "freezer": "/sys/fs/cgroup/freezer",
    }
    assert found.v2 is None
    cgroups = find_cgroups("/w", mountinfo=CENTOS_7)
    assert isinstance(cgroups, CgroupsV1)
    assert cgroups.lacks("cpu") == cgroups.lacks("memory") == ""
    assert cgroups.lacks("pids") == "this host has not mounted the cgroup v1 hierarchy of pids"


def test_a_hybrid_host_is_one_with_v1(tmp_path):
    assert isinstance(find_cgroups("/w", mountinfo=HYBRID), CgroupsV1)


@pytest.mark.parametrize(("controllers", "kind"), [("hugetlb\n", CgroupsV1), ("cpu memory pids\n", CgroupsV2)])
def test_a_hybrid_host_whose_controllers_are_elsewhere(tmp_path, controllers, kind):
    (tmp_path / "cgroup.controllers").write_text(controllers)
    freezer = "30 24 0:25 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
    v2 = f"41 24 0:38 / {tmp_path} rw - cgroup2 cgroup2 rw\n"
    assert isinstance(find_cgroups("/w", mountinfo=freezer + v2), kind)


def test_a_host_with_none():
    cgroups = find_cgroups("/w", mountinfo="22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert cgroups.why_not() == "no cgroups: this host has mounted neither cgroup v2 nor the freezer of cgroup v1"
    assert cgroups.containers() == []
    cgroups.use("memory")
    assert cgroups.lacks("memory")


def test_a_path_with_a_blank():
    assert read_hierarchies(r"1 2 0:1 / /a\040b rw - cgroup2 cgroup2 rw").v2 == "/a b"


def test_the_first_of_two_mounts_counts():
    assert read_hierarchies(DEBIAN_12 + DEBIAN_12.replace("/sys/fs/cgroup", "/elsewhere")).v2 == "/sys/fs/cgroup"


def test_an_agent_finds_its_own_again_and_no_other_s(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "work")
    assert agent_key(tmp_path / "work") == agent_key(f"{tmp_path}/x/../work/") == agent_key(tmp_path / "link")
    assert agent_key(tmp_path / "work") != agent_key(tmp_path / "work2")


@pytest.mark.parametrize("root", ["", "/", "..", "a/../b", "a//b", "."])
def test_a_root_that_is_none(root):
    with pytest.raises(ConfigError, match="cgroups_root: "):
        find_cgroups("/w", root, mountinfo=DEBIAN_12)
