"""What a batch server refuses, before it has begun and from whoever speaks to its socket, and what it outlives."""

import os

import msgspec
import pytest

from mesos_py.errors import ConfigError
from mesos_py.frameworks.batch import accounting
from mesos_py.frameworks.batch.jobs import Book, Job
from mesos_py.frameworks.batch.server import Server, ServerOptions
from mesos_py.frameworks.batch.store import Store
from mesos_py.frameworks.batch.tasks import output_paths
from mesos_py.messages.scheduler import Subscribe
from mesos_py.runtime.loop import Loop
from tests.unit.scheduler.small_master import SmallMaster


def a_server(directory):
    return Server(ServerOptions(broker="memory://", work_dir=directory, socket=directory / "socket", name="head"))


def a_job(number, **fields):
    usual = {"name": "n", "owner": "ann", "queue": "batch", "nodes": 1, "ppn": 1, "mem_mb": 9, "walltime_s": 9}
    return Job(number=number, work_dir="/", submitted=0.0, **(usual | fields))


def test_a_user_without_a_name_has_no_jobs(tmp_path, monkeypatch):
    """Such as those that systemd makes up (DynamicUser), where nothing tells their names."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    with pytest.raises(ConfigError, match="user 4000000 has no name here"):
        a_server(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodes", 0),
        ("nodes", -1),
        ("nodes", 10_001),
        ("ppn", 0),
        ("ppn", 10_001),
        ("walltime_s", -7),
        ("walltime_s", 10**9),
        ("mem_mb", -1),
        ("mem_mb", 10**13),
        ("array", [-1]),
        ("array", [1] * 10_001),
        ("slots", -1),
        ("priority", 1024),
        ("name", ""),
        ("name", "x\n11/28/2026 04:00:00;E;1.head;user=bob"),
        ("name", "../x"),
        ("account", "x\ny"),
        ("queue", "x\ny"),
        ("dependencies", [{"condition": "after", "job": "x[]"}]),
        ("dependencies", [{"condition": "after", "job": "1\n"}]),
        ("join", "x"),
        ("start_dir", "\0"),
        ("script", "x" * 40_000),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_held_or_not(tmp_path, field, value):
    request = {"type": "SUBMIT", "script": "true", "name": "n", "work_dir": "/", "held": True, field: value}
    error = a_server(tmp_path).answer(os.getuid(), msgspec.json.encode(request)).error
    assert error.startswith("the request is not understood: ")
    assert f"`$.{field}" in error


@pytest.mark.parametrize("kind", ["LIST_JOBS", "DELETE", "HOLD", "RELEASE"])
@pytest.mark.parametrize("name", [b"x[]", b"[]", b"1[x]", b"1[]\\n", b"1234567890", b"\xff"])
def test_what_is_no_name_of_a_job_is_refused(tmp_path, kind, name):
    request = b'{"type": "%b", "jobs": ["%b"]}' % (kind.encode(), name)
    assert "the request is not understood" in a_server(tmp_path).answer(os.getuid(), request).error


def test_a_job_of_before_that_makes_no_sense_is_dropped_and_the_others_go_on(tmp_path, capsys):
    jobs = {"1": a_job(1, nodes=0), "2": a_job(2), "3": a_job(3, walltime_s=-7, is_held=True), "4": a_job(4, mem_mb=0)}
    (tmp_path / "book.json").write_bytes(msgspec.json.encode(Book(next_number=5, jobs=jobs, usage={"ann": 2.0})))
    book, refused = Store(tmp_path).read()
    assert (book.next_number, list(book.jobs), book.usage) == (5, ["2"], {"ann": 2.0})
    a_server(tmp_path)
    assert capsys.readouterr().err.splitlines() == refused
    assert refused[0] == "job 1 is dropped, as it makes no sense: Expected `int` >= 1 - at `$.nodes`"


def test_what_users_name_is_one_word_of_the_accounting_log():
    words = {"user": "ann", "account": "my own", "jobname": "a\n11/28/2026;E;1\u2028"}
    assert accounting.line("now", "S", "1.head", words) == (
        "now;S;1.head;user=ann account=my_own jobname=a_11/28/2026;E;1_\n"
    )


def test_output_to_the_root_directory_has_a_name_also_in_arrays():
    assert output_paths(a_job(1, index=2, stdout=".")) == ("/n.o1-2", "/n.e1-2")


def test_a_server_whose_framework_was_removed_goes_on_with_a_fresh_id(tmp_path, capsys):
    store = Store(tmp_path)
    store.framework_file.write_bytes(msgspec.json.encode({"framework_id": "M-F1"}))
    store.write(Book(jobs={"1": a_job(1)}))
    url = "memory://removed-batch"
    loop = Loop()
    master = SmallMaster(loop, url)
    master.removed = {"M-F1"}
    server = a_server(tmp_path)
    server._framework.attach(loop, url)
    for _ in range(400):
        if not server._framework.connected:
            loop.turn(0.05)
    assert [call.framework_id for call in master.heard(Subscribe)] == ["M-F1", None]
    assert server._framework.connected
    assert msgspec.json.decode(store.framework_file.read_bytes())["framework_id"] == "F1"
    assert "the master refused SUBSCRIBE: framework M-F1 was removed" in capsys.readouterr().err
