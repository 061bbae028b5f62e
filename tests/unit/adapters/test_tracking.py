import errno
import os
import signal
import subprocess

import pytest

from mesos_py.adapters import containerizer as module
from mesos_py.adapters.containerizer import ProcessContainerizer
from mesos_py.adapters.tracking import SessionTracker, fill_in, kill_all, kill_now
from mesos_py.runtime.loop import Loop
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.tasks import Reason
from tests.unit.adapters.containers_support import Containers


def test_signals_to_what_has_gone_are_lost():
    assert kill_all([4194999], signal.SIGKILL) == []


def test_a_container_is_killed_in_several_looks():
    process = subprocess.Popen(["/bin/sh", "-c", "sleep 100 & wait"], start_new_session=True)
    tracker = SessionTracker()
    tracker.look()
    assert process.pid in tracker.members("C", process.pid)
    assert not tracker.kill("C", process.pid, has_ended=False)
    process.wait()
    clean = 0
    while clean < 2:
        tracker.look()
        clean += tracker.kill("C", process.pid, has_ended=True)
    assert tracker.members("C", process.pid) == []
    assert tracker.remove("C")


def test_a_number_in_use_again_is_somebody_else():
    tracker = SessionTracker()
    tracker.look()
    assert tracker.kill("C", os.getpid(), has_ended=True)


def test_without_a_process_there_is_nothing():
    tracker = SessionTracker()
    tracker.look()
    assert tracker.members("C", 0) == []
    assert tracker.kill("C", 0, has_ended=True)
    assert tracker.known() == []


def test_usage_is_added_up_where_nobody_measured():
    usage = ContainerUsage(container_id="C", memory_bytes=7)
    fill_in(usage, [os.getpid(), 4194999])
    assert (usage.processes, usage.memory_bytes) == (1, 7)
    assert usage.cpu_s > 0


class Blind(SessionTracker):
    def look(self):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("tracker", [SessionTracker(), Blind()])
def test_what_has_just_begun_is_killed_whatever_is_lacking(tracker):
    process = subprocess.Popen(["/bin/sleep", "100"], start_new_session=True)
    kill_now(tracker, "C", process.pid)
    assert process.wait() == -signal.SIGKILL


def test_a_container_that_cannot_be_watched_is_killed(tmp_path, monkeypatch):
    def refuse(*_process):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(module, "pidfd_of", refuse)
    loop = Loop()
    containers = Containers(loop, ProcessContainerizer(loop, tmp_path / "run"), tmp_path)
    spec = containers.sh("sleep 100 & sleep 100")
    exit_ = containers.end_of(spec)
    assert (exit_.reason, exit_.message) == (
        Reason.CONTAINER_LAUNCH_FAILED,
        "the agent cannot watch it: Too many open files",
    )
    tracker = SessionTracker()
    tracker.look()
    assert tracker.members("C", containers.started[spec.container_id]) == []
    containers.it.close()
    loop.close()
