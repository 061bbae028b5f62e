import os
import threading

import psutil
import pytest

from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.rotation import OutputRotation, rotate
from mesos_py.runtime.loop import Loop
from tests.unit.adapters.containers_support import Containers, turn_until


def test_small_files_stay(tmp_path):
    (tmp_path / "stdout").write_bytes(b"x" * 10)
    rotate(str(tmp_path), 10)
    assert os.listdir(tmp_path) == ["stdout"]


def test_a_large_file_moves_and_the_writer_goes_on(tmp_path):
    with open(tmp_path / "stderr", "ab", buffering=0) as writer:
        writer.write(b"old" * 10)
        rotate(str(tmp_path), 20)
        writer.write(b"new")
        assert (tmp_path / "stderr").read_bytes() == b"new"
        assert (tmp_path / "stderr.1").read_bytes() == (b"old" * 10)[-20:]
        writer.write(b"newer" * 10)
        rotate(str(tmp_path), 20)
    assert (tmp_path / "stderr").read_bytes() == b""
    assert (tmp_path / "stderr.1").read_bytes().endswith(b"newer")
    assert sorted(os.listdir(tmp_path)) == ["stderr", "stderr.1"]


def _link(sandbox, victim):
    (sandbox / "stdout").symlink_to(victim)


def _hard_link(sandbox, victim):
    os.link(victim, sandbox / "stdout")


def _link_for_the_copy(sandbox, victim):
    (sandbox / "stdout").write_bytes(b"x" * 100)
    (sandbox / "stdout.1").symlink_to(victim)


def _fifo(sandbox, _victim):
    os.mkfifo(sandbox / "stdout")


@pytest.mark.parametrize("trick", [_link, _hard_link, _link_for_the_copy, _fifo])
def test_nothing_else_is_touched(tmp_path, trick):
    victim, sandbox = tmp_path / "victim", tmp_path / "sandbox"
    victim.write_bytes(b"v" * 100)
    sandbox.mkdir()
    trick(sandbox, victim)
    rotate(str(sandbox), 10)
    assert victim.read_bytes() == b"v" * 100


def test_a_copy_that_cannot_be_made_leaves_the_file(tmp_path):
    (tmp_path / "stdout").write_bytes(b"x" * 100)
    (tmp_path / "stdout.1").mkdir()
    with pytest.raises(OSError, match=r"stdout\.1"):
        rotate(str(tmp_path), 10)
    assert (tmp_path / "stdout").stat().st_size == 100


def test_running_containers_are_looked_at(tmp_path):
    before = psutil.Process().num_fds(), threading.active_count()
    loop = Loop()
    containers = Containers(loop, ProcessContainerizer(loop, tmp_path / "run"), tmp_path)
    rotation = OutputRotation(loop, lambda: containers.it.running().values(), max_bytes=1000, interval_s=0.02)
    rotation.open()
    spec = containers.sh("yes 0123456789 | head -c 5000; echo up >up; while [ ! -e go ]; do sleep 0.01; done; echo end")
    sandbox = tmp_path / "task-1" / "C-1"
    turn_until(loop, lambda: (sandbox / "up").exists() and (sandbox / "stdout").stat().st_size == 0)
    (sandbox / "go").touch()
    assert containers.end_of(spec).exit_code == 0
    assert (sandbox / "stdout").read_text() == "end\n"
    assert (sandbox / "stdout.1").stat().st_size == 1000
    rotation.close()
    containers.it.close()
    loop.close()
    assert (psutil.Process().num_fds(), threading.active_count()) == before
