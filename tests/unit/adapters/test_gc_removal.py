"""Removing what strangers left: all of it, nothing else, and never at once."""

import os
import subprocess
import sys

import pytest

from mesos_py.adapters.removal import LEFTOVER, mount_points, remove_tree
from tests.support.descriptors import none_left_open

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and make files immutable")


def remove(path):
    """All of the chore; how many pieces it was, and what it says."""
    return finish(remove_tree(str(path)))


def finish(chore):
    pieces = 0
    while True:
        try:
            next(chore)
        except StopIteration as end:
            return pieces, end.value
        pieces += 1


@pytest.fixture
def box(tmp_path):
    box = tmp_path / "box"
    box.mkdir()
    return box


def test_everything_goes(box):
    (box / "a" / "b" / "c").mkdir(parents=True)
    (box / "empty").mkdir()
    for name in ("stdout", "a/x", "a/b/y", "a/b/c/z", "odd \n\\name"):
        (box / name).write_text("x")
    os.mkfifo(box / "a" / "pipe")
    (box / "dangling").symlink_to("nowhere")
    pieces, problem = remove(box)
    assert problem == ""
    assert pieces >= 8
    assert os.listdir(box.parent) == []


def test_links_are_removed_and_not_followed(box):
    victim = box.parent / "victim"
    (victim / "inner").mkdir(parents=True)
    (victim / "file").write_text("precious")
    (box / "a").mkdir()
    (box / "a" / "up").symlink_to("../../victim")
    (box / "victim").symlink_to(victim)
    os.link(victim / "file", box / "again")
    assert remove(box)[1] == ""
    assert sorted(os.listdir(victim)) == ["file", "inner"]
    assert (victim / "file").read_text() == "precious"


def test_a_sandbox_that_is_a_link_is_not_entered(box):
    (box / "file").write_text("precious")
    link = box.parent / "link"
    link.symlink_to(box)
    assert "Not a directory" in remove(link)[1] or "symbolic links" in remove(link)[1]
    assert (box / "file").exists()


def test_no_depth_is_too_deep(box):
    fd = os.open(box, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=fd)
        with open(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "w") as file:
            file.write("x")
        inner = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    with none_left_open():
        assert remove(box)[1] == ""
    assert os.listdir(box.parent) == []


def test_what_is_gone_is_removed(box):
    assert remove(box.parent / "missing")[1] == ""


def test_a_removal_that_was_interrupted_is_finished(box):
    for number in range(10):
        (box / f"d{number}" / "e").mkdir(parents=True)
    chore = remove_tree(str(box))
    for _ in range(5):
        next(chore)
    chore.close()
    assert os.listdir(box.parent) == [box.name + LEFTOVER]
    assert remove(box)[1] == ""
    assert os.listdir(box.parent) == []


def test_directories_without_permissions_go_for_their_own_user(tmp_path):
    """As an ordinary user; a process of its own, which may become one."""
    code = (
        "import os, sys; os.chdir('/'); path = sys.argv[1]\n"
        "from mesos_py.adapters.removal import mount_points, remove_tree\n"
        "mount_points()  # loads what it needs while that can be read\n"
        "os.geteuid() or os.setuid(65534)\n"
        "os.makedirs(path + '/a/b/c'); open(path + '/a/b/file', 'w').close()\n"
        "for name in ('/a/b/c', '/a/b', '/a', ''): os.chmod(path + name, 0)\n"
        "chore = remove_tree(path)\n"
        "try:\n    while True: next(chore)\nexcept StopIteration as end: sys.exit(end.value or 0)"
    )
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and str(directory).startswith("/tmp/"):
            directory.chmod(0o777)
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "box")], check=True)
    assert os.listdir(tmp_path) == []


@as_root
@pytest.mark.parametrize("options", [["-t", "tmpfs", "none"], ["--bind", "VICTIM"]])
@pytest.mark.parametrize("where", [".", "mnt point"])
def test_what_is_mounted_is_not_touched(box, options, where):
    victim = box.parent / "victim"
    victim.mkdir()
    point = box / where
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", *(str(victim) if word == "VICTIM" else word for word in options), point], check=True)
    try:
        (point / "precious").write_text("x")
        assert str(point) in mount_points()
        assert remove(box)[1] == "something is mounted in it"
        assert (point / "precious").exists()
    finally:
        subprocess.run(["umount", point], check=True)
    assert remove(box)[1] == ""


@as_root
def test_a_mount_that_comes_meanwhile_is_not_entered(box):
    """The kernel tells it apart, also where it is of the same file system."""
    victim = box.parent / "victim"
    victim.mkdir()
    (victim / "precious").write_text("x")
    (box / "mnt").mkdir()
    (box / "file").write_text("x")
    chore = remove_tree(str(box))
    next(chore)  # it has looked at what is mounted
    point = box.parent / (box.name + LEFTOVER) / "mnt"
    subprocess.run(["mount", "--bind", victim, point], check=True)
    try:
        assert finish(chore)[1] == "'mnt': Device or resource busy"
        assert (victim / "precious").exists()
        assert os.listdir(point.parent) == ["mnt"]
    finally:
        subprocess.run(["umount", point], check=True)
    assert remove(box)[1] == ""


@as_root
def test_what_cannot_be_removed_is_named_and_the_rest_goes(box):
    (box / "a" / "b").mkdir(parents=True)
    (box / "a" / "b" / "fixed").write_text("x")
    (box / "other" / "x").mkdir(parents=True)
    if subprocess.run(["chattr", "+i", box / "a" / "b" / "fixed"], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no immutable files")
    left = box.parent / (box.name + LEFTOVER)
    try:
        assert "'fixed': Operation not permitted" in remove(box)[1]
        [fixed] = [path for path in left.rglob("*") if path.is_file()]
        assert fixed.name == "fixed"
        assert not (left / "other").exists()
    finally:
        subprocess.run(["chattr", "-R", "-i", left if left.exists() else box], check=True)
    assert remove(box)[1] == ""
    assert os.listdir(box.parent) == []
