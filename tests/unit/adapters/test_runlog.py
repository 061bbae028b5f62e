import os

from mesos_py.adapters.runlog import RunLog, read_run_log
from mesos_py.types.ids import ContainerID

A, B = ContainerID("A"), ContainerID("B")


def test_beginnings_and_ends(tmp_path):
    log = RunLog(tmp_path)
    log.open()
    segment = log.take()
    segment.began(A, 10, 77)
    log.take().began(B, 11, 78)
    assert segment.status(A) is None
    os.write(segment.fd, b"ended A 0\nended B 13")
    assert segment.status(A) == "0"
    assert segment.status(B) is None
    assert read_run_log(tmp_path) == ({A: (10, 77), B: (11, 78)}, {A: "0"})
    os.write(segment.fd, b"7\n")
    assert segment.status(B) == "137"
    log.close()


def test_garbage_is_skipped(tmp_path):
    log = RunLog(tmp_path)
    log.open()
    segment = log.take()
    os.write(segment.fd, b"\xff\xfe\nended\n\nbegan A x y\nended A sandbox\n")
    assert segment.status(A) == "sandbox"
    assert read_run_log(tmp_path) == ({}, {A: "sandbox"})
    log.close()


def test_files_change_and_go(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("mesos_py.adapters.runlog.time.monotonic", lambda: now[0])
    log = RunLog(tmp_path, containers_per_segment=2)
    log.open()
    first = [log.take(), log.take()]
    second = log.take()
    assert first[0] is first[1]
    assert first[0] is not second
    log.give_back(first[0])
    log.give_back(first[1])
    log.take()
    log.take()
    assert first[0].path.exists(), "an end is kept for a while"
    now[0] = 61.0
    log.take()
    log.take()
    assert not first[0].path.exists()
    assert second.path.exists()
    log.close()


def test_no_directory_is_no_record(tmp_path):
    assert read_run_log(tmp_path / "none") == ({}, {})


def test_an_agent_that_ran_nothing_leaves_nothing(tmp_path):
    log = RunLog(tmp_path)
    log.open()
    log.close()
    assert not os.listdir(tmp_path)
