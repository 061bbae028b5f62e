"""What `mesos run` writes, and where."""

import io
import json
import sys

import pytest

from mesos_py.frameworks.run_display import Display
from mesos_py.types.tasks import TaskState, TaskStatus


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    def flush(self):
        raise BrokenPipeError


@pytest.fixture
def streams(monkeypatch):
    """Puts these in place of stdout and stderr."""

    def replace(out, err):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        return out, err

    return replace


def a_display(*, instances=1, as_json=False, on_unread=lambda: None):
    return Display(instances, as_json=as_json, on_unread=on_unread)


def test_lines_go_where_the_task_wrote_them(streams):
    out, err = streams(io.StringIO(), io.StringIO())
    display = a_display()
    display.lines("t-0", "stdout", ["[red]one[/red]", "x" * 300])
    display.lines("t-0", "stderr", ["\x1b[1mtwo"])
    assert out.getvalue() == f"t-0 | [red]one[/red]\nt-0 | {'x' * 300}\n"
    assert err.getvalue() == "t-0 | \x1b[1mtwo\n"


def test_the_progress_bar_makes_way_for_lines(streams):
    out, err = streams(Terminal(), Terminal())
    with a_display() as display:
        display.lines("t-0", "stdout", ["one", "two"])
    assert out.getvalue() == ""  # it is the same terminal
    before, _, after = err.getvalue().partition("t-0 | ")
    assert "\r\x1b[2K" in before  # the bar is wiped first
    assert after.index("one") < after.index("two")


def test_lines_for_a_file_are_plain_beside_a_bar(streams):
    out, _ = streams(io.StringIO(), Terminal())
    with a_display() as display:
        display.lines("t-0", "stdout", ["one"])
    assert out.getvalue() == "t-0 | one\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_it_is_told_once_that_nobody_reads(streams, as_json):
    streams(Broken(), io.StringIO())
    told = []
    display = a_display(as_json=as_json, on_unread=lambda: told.append(True))
    for _ in range(3):
        display.lines("t-0", "stdout", ["one"])
    assert told == [True]
    assert display.is_unread


def test_a_line_of_json_for_each_line(streams):
    out, _ = streams(io.StringIO(), io.StringIO())
    a_display(as_json=True).lines("t-0", "stdout", ["a", "b"])
    assert [json.loads(line)["line"] for line in out.getvalue().splitlines()] == ["a", "b"]


@pytest.mark.parametrize(("instances", "title"), [(1, "1 instance in 2.0 s"), (2, "2 instances in 2.0 s")])
def test_the_summary_counts(streams, instances, title):
    _, err = streams(io.StringIO(), io.StringIO())
    outcomes = {"0": TaskStatus(task_id="t-0", state=TaskState.FAILED, source="EXECUTOR", timestamp=0.0)}
    a_display(instances=instances).summary(outcomes, 2.0, interrupted=False)
    assert title in " ".join(err.getvalue().split())
