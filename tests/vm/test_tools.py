"""How virtual machines are called, cached and filled; nothing is booted."""

import io
import itertools
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from vm.command import TCG, Machine, accelerator, command
from vm.image import cache_directory, find_packages, recipe_key
from vm.suite import suite_of
from vm.tree import files_of, pack, with_byte_code


def a_machine(**changed):
    given = {"kernel": Path("/i/vmlinuz"), "initrd": Path("/i/initrd.img"), "ssh_port": 2200}
    return Machine(**{"name": "vm", "directory": Path("/run/vm"), **given, **changed})


def options_of(words, name):
    return [value for option, value in itertools.pairwise(words) if option == name]


# The command


def test_a_machine_has_its_disk_and_a_way_in_on_loopback_only():
    words = command(a_machine(), TCG)
    assert options_of(words, "-drive") == ["id=root,if=none,format=qcow2,cache=unsafe,file=/run/vm/disk.qcow2"]
    assert options_of(words, "-netdev") == ["user,id=n0,hostfwd=tcp:127.0.0.1:2200-:22"]


def test_packages_are_a_second_disk_that_cannot_be_written():
    root, packages = options_of(command(a_machine(packages=Path("/c/a,b.raw")), TCG), "-drive")
    assert "id=root" in root
    assert packages == "id=packages,if=none,format=raw,readonly=on,file=/c/a,,b.raw"


def test_machines_of_one_segment_differ_in_every_address():
    two = [command(a_machine(segment="230.0.0.1:7000", number=number), TCG) for number in (1, 254)]
    assert all("socket,id=n1,mcast=230.0.0.1:7000,localaddr=127.0.0.1" in words for words in two)
    cards = [device for words in two for device in options_of(words, "-device") if "mac=" in device]
    assert len({card.partition("mac=")[2] for card in cards}) == len(cards) == 4


@pytest.mark.parametrize(
    ("cpuinfo", "device", "expected"),
    [
        ("flags\t\t: fpu vmx sse\n", "/dev/null", "kvm"),
        ("flags\t\t: fpu svm\n", "/dev/null", "kvm"),
        ("flags\t\t: fpu vmx\n", "/dev/there-is-none", "tcg"),
        ("flags\t\t: fpu svmx\nmodel name: vmx\n", "/dev/null", "tcg"),
    ],
)
def test_kvm_is_used_where_the_processor_can_and_we_may(cpuinfo, device, expected):
    assert accelerator(cpuinfo, device).name == expected


# The cache


def a_recipe(tmp_path):
    (tmp_path / "guest" / "etc").mkdir(parents=True)
    for name in ("image.py", "customize", "guest/etc/motd"):
        (tmp_path / name).write_text("1")
    return tmp_path


@pytest.mark.parametrize("name", ["image.py", "customize", "guest/etc/motd", "guest/etc/new"])
def test_the_key_changes_with_every_part_of_the_recipe(tmp_path, name):
    recipe = a_recipe(tmp_path)
    before = recipe_key(recipe)
    assert recipe_key(recipe) == before
    (recipe / name).write_text("2")
    assert recipe_key(recipe) != before


def test_the_key_changes_when_a_file_becomes_a_program(tmp_path):
    recipe = a_recipe(tmp_path)
    before = recipe_key(recipe)
    (recipe / "guest/etc/motd").chmod(0o755)
    assert recipe_key(recipe) != before


def test_the_cache_is_where_the_user_wants_it():
    assert cache_directory({"XDG_CACHE_HOME": "/c"}) == Path("/c/mesos_py/vm")
    assert cache_directory({"XDG_CACHE_HOME": ""}) == Path.home() / ".cache/mesos_py/vm"


def a_site(tmp_path, *names):
    site = tmp_path / "site-packages"
    for name in names:
        (site / name).mkdir(parents=True, exist_ok=True)
    return site


def has_mke2fs():
    try:
        return subprocess.run(["mke2fs", "-V"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_packages_are_packed_anew_only_when_they_change(tmp_path):
    if not has_mke2fs():
        pytest.skip("needs mke2fs: the package e2fsprogs")
    cache = tmp_path / "cache"
    first = find_packages(cache, a_site(tmp_path, "a-1.dist-info"))
    made = first.stat().st_mtime_ns
    assert find_packages(cache, a_site(tmp_path)) == first
    assert first.stat().st_mtime_ns == made
    assert find_packages(cache, a_site(tmp_path, "b-1.dist-info")) != first


def test_what_one_that_was_killed_has_begun_is_removed(tmp_path):
    if not has_mke2fs():
        pytest.skip("needs mke2fs: the package e2fsprogs")
    cache, site = tmp_path / "cache", a_site(tmp_path, "a-1.dist-info")
    done = find_packages(cache, site).parent
    begun = done.rename(f"{done}.abc")
    assert find_packages(cache, site).exists()
    assert not begun.exists()


def test_packages_that_nobody_wants_any_more_are_removed(tmp_path):
    if not has_mke2fs():
        pytest.skip("needs mke2fs: the package e2fsprogs")
    cache = tmp_path / "cache"
    old = find_packages(cache, a_site(tmp_path, "a-1.dist-info"))
    wanted = find_packages(cache, a_site(tmp_path, "b-1.dist-info"))
    os.utime(old.parent, (0, 0))
    newest = find_packages(cache, a_site(tmp_path, "c-1.dist-info"))
    assert [file.exists() for file in (old, wanted, newest)] == [False, True, True]


def test_what_could_not_be_made_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no mke2fs
    with pytest.raises(FileNotFoundError):
        find_packages(tmp_path / "cache", a_site(tmp_path, "a-1.dist-info"))
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


# The tree


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "pkg" / "__pycache__").mkdir(parents=True)
    (tree / ".gitignore").write_text("__pycache__/\nsecret\n")
    for name in ("pkg/a.py", "pkg/__pycache__/a.cpython-311.pyc", "pkg/__pycache__/gone.cpython-311.pyc", "secret"):
        (tree / name).write_text(name)
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    return tree


def test_the_tree_is_what_git_would_know_of(tree):
    assert files_of(tree) == [Path(".gitignore"), Path("pkg/a.py")]


def test_a_file_that_git_knows_but_is_gone_is_left_out(tree):
    subprocess.run(["git", "-C", str(tree), "add", "."], check=True)
    (tree / "pkg/a.py").unlink()
    assert files_of(tree) == [Path(".gitignore")]


def test_byte_code_goes_with_its_source(tree):
    assert list(with_byte_code(tree, [Path("pkg/a.py")])) == [
        Path("pkg/a.py"),
        Path("pkg/__pycache__/a.cpython-311.pyc"),
    ]


def test_what_is_packed_belongs_to_root(tree):
    packed = io.BytesIO()
    pack(tree, [Path("pkg/a.py")], packed)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        [member] = archive.getmembers()
        assert (member.name, member.uid, member.gid, member.uname) == ("pkg/a.py", 0, 0, "root")


def test_the_suite_has_the_cgroups_of_this_tree_and_nothing_twice():
    suite = suite_of(ROOT)
    assert {"tests/vm/test_guest.py", "tests/contracts/test_cgroups_contract.py"} <= set(suite)
    assert len(set(suite)) == len(suite)
