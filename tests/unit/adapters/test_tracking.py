import os
import signal
import subprocess

from mesos_py.adapters.tracking import SessionTracker, fill_in, kill_all
from mesos_py.types.containers import ContainerUsage


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
