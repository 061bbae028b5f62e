"""Numbers, times and states as people read them; tables as people and programs read them."""

import io
import time

import pytest

from mesos_py.cli import tables, words
from mesos_py.cli.tables import Column
from mesos_py.types.tasks import TaskState


@pytest.mark.parametrize(
    ("mem", "text"),
    [
        (0, "0 MB"),
        (0.5, "0.5 MB"),
        (128, "128 MB"),
        (1000, "1000 MB"),
        (1023, "1023 MB"),
        (1024, "1 GB"),
        (1536, "1.5 GB"),
        (65536, "64 GB"),
        (1048576, "1 TB"),
        (5e9, "4768 TB"),
    ],
)
def test_megabytes(mem, text):
    assert words.megabytes({"mem": mem}) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 kB"),
        (512, "0.5 kB"),
        (20 * 1024, "20 kB"),
        (1023 * 1024, "1023 kB"),
        (2**20, "1 MB"),
        (1.5 * 2**30, "1.5 GB"),
        (2**52, "4096 TB"),
    ],
)
def test_sizes(count, text):
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.004, "0.004s"), (0.256, "0.26s"), (3.14, "3.1s"), (9.6, "9s"), (61, "1m")]
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text


def test_cpus_sum_reserved_and_unreserved():
    assert words.cpus({"cpus": 0.1, "cpus(ads)": 2, "cpusets": 9}) == "2.1"
    assert words.cpus({"cpus": 8}) == "8"
    assert words.cpus({}) == "0"


def test_used_of_total():
    assert words.of("1 GB", "4 GB") == "1/4 GB"
    assert words.of("512 MB", "4 GB") == "512 MB/4 GB"
    assert words.of("0.5", "8") == "0.5/8"
    assert words.of("0 MB", "4 GB") == "0/4 GB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.4, "0s"), (1, "1s"), (59.9, "59s"), (61, "1m"), (3600, "1h"), (90000, "1d"), (864000, "10d")],
)
def test_spans(seconds, text):
    assert words.span(seconds) == text


def test_ago():
    assert words.ago(time.time() - 120) == "2m"
    assert words.ago(time.time() + 120) == "0s"
    assert words.ago(0) == ""


def test_attributes():
    assert (
        words.attributes({"zone": "west", "level": 10.0, "keys": [[1, 5], [7, 7]]})
        == "keys:[1-5,7-7];level:10;zone:west"
    )


def test_every_state_has_a_colour():
    assert set(TaskState) <= set(words.STYLES)


COLUMNS = [
    Column("NAME", lambda i: i["name"]),
    Column("N", lambda i: str(i["n"]), right=True),
    Column("STATE", lambda i: i["state"], state=True),
    Column("EMPTY", lambda i: ""),
]
ITEMS = [{"name": "a" * 100, "n": 1, "state": "RUNNING"}, {"name": "b", "n": 1000, "state": "FAILED"}]


def test_programs_get_whole_aligned_lines(capsys):
    tables.show(COLUMNS, ITEMS, "nothing")
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "N", "STATE"]
    assert first.split() == ["a" * 100, "1", "RUNNING"]
    assert second.index("FAILED") == first.index("RUNNING") == header.index("STATE")


def test_terminals_get_colours(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tables.show(COLUMNS, ITEMS, "nothing")
    assert "\x1b[32mRUNNING" in terminal.getvalue()
    assert "a" * 20 in terminal.getvalue()


def test_what_a_task_says_cannot_drive_the_terminal(capsys):
    tables.show(COLUMNS, [{"name": "x\x1b[2Jy\nz", "n": 1, "state": "RUNNING"}], "nothing")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("\n") == 2


def test_nothing_is_said_on_stderr(capsys):
    tables.show(COLUMNS, [], "no task")
    assert capsys.readouterr() == ("", "no task\n")
