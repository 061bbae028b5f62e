"""Sandboxes of what has ended go when they are too old, oldest first; nothing else ever does."""

import os
import threading
import time

import pytest

from mesos_py.adapters.gc import SandboxCollector, used_part
from mesos_py.adapters.removal import LEFTOVER
from mesos_py.adapters.sandbox import make_sandbox
from mesos_py.runtime.loop import Loop
from tests.unit.adapters.containers_support import turn_until

DAY = 24 * 3600.0


class Rig:
    """A collector whose week is a week of its loop's clock, and whose disk is as full as the test says."""

    def __init__(self, root, *, wall_offset_s=0.0, **options):
        self.now = 1000.0
        self.full = 0.0
        self.root = root / "sandboxes"
        self.loop = Loop(lambda: self.now)
        self.in_use = []
        self.options = {"used": lambda path: self.full, "wall": lambda: time.time() + wall_offset_s, **options}
        self.collector = SandboxCollector(self.loop, str(self.root), lambda: self.in_use, **self.options)
        self.is_open = False

    def open(self):
        self.collector.open()
        self.is_open = True
        self.look()
        return self

    def settle(self):
        """Until it waits for its next look."""
        self.loop.turn(timeout=0)
        turn_until(self.loop, lambda: not self.collector._busy)

    def look(self, after_s=60.0):
        self.now += after_s
        self.settle()

    def run(self, number, kind="tasks", framework="F-1"):
        """A container runs: its sandbox, with something in it."""
        sandbox = self.root / "A-1" / framework / kind / f"t-{number}" / f"C-{number}"
        (sandbox / "deep" / "er").mkdir(parents=True)
        (sandbox / "stdout").write_text("hello")
        (sandbox.parent / "latest").symlink_to(sandbox.name)
        self.in_use.append(str(sandbox))
        return sandbox

    def end(self, sandbox):
        self.in_use.remove(str(sandbox))
        self.collector.ended(str(sandbox))

    def left(self):
        return {path.name for path in self.root.glob("*/*/*/*/C-*")}


@pytest.fixture
def make_rig(tmp_path):
    rigs = []

    def make(**options):
        rigs.append(Rig(tmp_path, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        if rig.is_open:
            rig.collector.close()
        rig.loop.close()


def test_a_sandbox_goes_when_its_time_has_come_and_with_it_what_held_only_it(make_rig):
    rig = make_rig(headroom=0.1).open()
    sandbox = rig.run(1)
    rig.end(sandbox)
    rig.look(0.9 * 7 * DAY)
    assert sandbox.exists()
    rig.look()
    assert list(rig.root.iterdir()) == []
    assert rig.root.is_dir()
    assert rig.collector.stats().removed == 1


def test_directories_that_hold_others_stay(make_rig):
    rig = make_rig(headroom=0.0, delay_s=100.0).open()
    first, second, third = rig.run(1), rig.run(2), rig.run(3, "executors")
    again = first.parent / "C-9"
    again.mkdir()
    rig.in_use.append(str(again))
    for sandbox in (first, second, third):
        rig.end(sandbox)
    rig.look(200.0)
    assert rig.left() == {"C-9"}
    assert not second.parent.exists()
    assert not third.parent.parent.exists()
    assert os.listdir(first.parent) == ["C-9"]  # latest pointed to what is gone


def test_the_fuller_the_disk_the_sooner(make_rig):
    rig = make_rig().open()
    sandboxes = [rig.run(number) for number in range(3)]
    for sandbox in sandboxes:
        rig.end(sandbox)
        rig.now += DAY
    rig.full = 0.6  # allowed: 0.3 of a week, which is 2.1 days
    rig.look()
    assert rig.left() == {"C-1", "C-2"}
    rig.full = 0.9
    rig.look()
    assert rig.left() == set()


def test_no_more_is_removed_than_must_be(make_rig):
    """Each removal makes room, and the allowed age grows with it."""
    rig = make_rig()
    rig.open()
    for number in range(10):
        rig.end(rig.run(number))
        rig.now += 1.0
    rig.collector._used = lambda path: len(rig.left()) / 8  # full with eight; allowed is 0 from 7.2 of them on
    rig.look(DAY)
    assert rig.left() == {f"C-{number}" for number in range(4, 10)}  # 6 / 8 used: a day and not more is allowed


def test_what_runs_is_never_touched(make_rig):
    rig = make_rig(delay_s=0.0).open()
    sandbox = rig.run(1)
    rig.look(1000 * DAY)
    assert (sandbox / "stdout").exists()
    rig.end(sandbox)
    rig.look()
    assert rig.left() == set()


def test_nothing_goes_before_recovery_had_its_time(make_rig):
    rig = make_rig(delay_s=0.0)
    sandbox = rig.run(1)
    rig.in_use.clear()
    rig.collector.open()
    rig.is_open = True
    rig.look(59.0)
    assert sandbox.exists()
    rig.in_use.append(str(sandbox))
    rig.look(2.0)
    assert sandbox.exists()


def test_a_sandbox_that_is_used_again_stays(make_rig):
    rig = make_rig(delay_s=100.0).open()
    sandbox = rig.run(1)
    rig.end(sandbox)
    rig.in_use.append(f"/another/way/to/{sandbox.name}")
    rig.look(1000.0)
    assert sandbox.exists()
    rig.in_use.clear()
    rig.collector.ended(str(sandbox))
    rig.look(50.0)
    assert sandbox.exists()
    rig.look(100.0)
    assert not sandbox.exists()


def test_containers_that_never_ran_may_have_no_sandbox(make_rig):
    rig = make_rig().open()
    rig.collector.ended(str(rig.root / "A" / "F" / "tasks" / "t" / "C"))
    assert rig.collector.stats().waiting == 0


# Over restarts


def test_age_is_known_after_a_restart(make_rig):
    first = make_rig().open()
    old, running, missed = first.run(1), first.run(2), first.run(3)
    first.end(old)
    second = make_rig(wall_offset_s=8 * DAY)
    second.in_use.append(str(running))
    second.collector.ended(str(missed))  # while no agent was there: found out in its recovery
    second.open()
    assert second.left() == {"C-2", "C-3"}
    second.look(DAY)
    second.end(running)
    second.look(5.5 * DAY)
    assert second.left() == {"C-2"}
    second.look(DAY)
    assert second.left() == set()


def test_no_task_makes_itself_older_or_younger_after_its_end(make_rig):
    first = make_rig().open()
    sandbox = first.run(1)
    os.utime(sandbox, (0, 0))
    first.end(sandbox)
    os.utime(sandbox, (0, 0))
    second = make_rig(wall_offset_s=DAY).open()
    assert second.left() == {"C-1"}
    second.look(7 * DAY)
    assert second.left() == set()


def test_a_clock_that_runs_backwards_removes_nothing(make_rig):
    first = make_rig().open()
    first.end(first.run(1))
    second = make_rig(wall_offset_s=-100 * DAY).open()
    second.look(6 * DAY)
    assert second.left() == {"C-1"}
    second.look(7 * DAY)
    assert second.left() == set()


def test_what_an_earlier_agent_began_to_remove_is_finished(make_rig):
    rig = make_rig()
    sandbox = rig.run(1)
    rig.in_use.clear()
    sandbox.rename(f"{sandbox}{LEFTOVER}")
    rig.open()
    assert list(rig.root.iterdir()) == []


def test_empty_directories_are_tidied_up(make_rig):
    rig = make_rig()
    empty = rig.root / "A-0" / "F-1" / "tasks" / "t-1"
    empty.mkdir(parents=True)
    (empty / "latest").symlink_to("C-1")
    kept = rig.root / "A-1" / "F-1" / "notes"
    kept.mkdir(parents=True)
    (kept / "by hand").write_text("x")
    rig.open()
    assert not (rig.root / "A-0").exists()
    assert (kept / "by hand").exists()


def test_an_agent_without_any_sandbox(make_rig):
    rig = make_rig().open()
    rig.look()
    assert rig.collector.stats().next_removal is None


# Many


def test_only_the_oldest_are_kept_in_mind(make_rig):
    first = make_rig().open()
    sandboxes = [first.run(number) for number in range(6)]
    last = 0.0
    for sandbox in sandboxes:
        first.end(sandbox)
        while sandbox.stat().st_ctime <= last:  # the kernel's stamps come in steps
            first.collector.ended(str(sandbox))
        last = sandbox.stat().st_ctime
    rig = make_rig(most=4).open()
    assert rig.collector.stats().waiting == 4
    rig.end(rig.run(7))
    assert rig.collector.stats().waiting == 4
    rig.look(7 * DAY)  # those that it knows
    assert rig.left() == {"C-4", "C-5", "C-7"}
    rig.look()  # and so on; their ages are told by this host's clock, which has hardly moved
    assert rig.collector.stats().waiting == 3


def test_what_ends_while_it_searches_is_not_forgotten(make_rig):
    rig = make_rig()
    before, during = rig.run(1), rig.run(2)
    rig.in_use.remove(str(before))
    rig.collector.open()
    rig.is_open = True
    rig.collector.run_due(rig.now)
    rig.end(during)
    assert rig.collector._busy
    rig.settle()
    assert rig.collector.stats().waiting == 2
    rig.look(7 * DAY)
    assert rig.left() == set()


# Trouble


def test_a_sandbox_can_be_made_while_its_place_is_tidied_up(tmp_path, monkeypatch):
    parent, tidied, make_all = tmp_path / "F" / "tasks" / "t", [], os.makedirs

    def make_and_lose(path, **options):
        make_all(path, **options)
        if path == str(parent) and len(tidied) < 3:
            tidied.append(path)
            os.removedirs(path)

    (tmp_path / "other").touch()
    monkeypatch.setattr(os, "makedirs", make_and_lose)
    make_sandbox(str(parent / "C"))
    assert tidied == [str(parent)] * 3
    assert (parent / "latest").resolve() == parent / "C"


def test_what_cannot_be_removed_is_logged_once_and_tried_again(make_rig, capsys, monkeypatch):
    refused = []

    def refuse(path):
        refused.append(path)
        yield
        return "something is mounted in it"

    rig = make_rig(delay_s=100.0).open()
    rig.end(rig.run(1))
    with monkeypatch.context() as patch:
        patch.setattr("mesos_py.adapters.gc.remove_tree", refuse)
        for _ in range(3):
            rig.look(100.0)
    assert len(refused) == 3
    assert "".join(capsys.readouterr()).count("something is mounted in it") == 1
    assert (rig.collector.stats().failed, rig.collector.stats().removed) == (3, 0)
    rig.look(100.0)
    assert rig.left() == set()


def test_on_a_full_disk_what_cannot_be_removed_does_not_keep_it_busy(make_rig, monkeypatch):
    def refuse(path):
        yield
        return "no"

    rig = make_rig(delay_s=0.0).open()
    rig.end(rig.run(1))
    rig.now += 1.0
    monkeypatch.setattr("mesos_py.adapters.gc.remove_tree", refuse)
    rig.look()
    assert rig.collector.stats().failed == 1
    rig.look()
    assert rig.collector.stats().failed == 2


def test_it_says_what_comes_next(make_rig):
    rig = make_rig(delay_s=1000.0, headroom=0.5).open()
    rig.end(rig.run(1))
    rig.look()
    stats = rig.collector.stats()
    assert (stats.removed, stats.failed, stats.waiting) == (0, 0, 1)
    assert stats.allowed_age_s == 500.0
    assert stats.next_removal == 1060.0 + 500.0


def test_closing_leaves_no_thread(make_rig):
    before = threading.active_count()
    rig = make_rig(delay_s=0.0).open()
    rig.end(rig.run(1))
    rig.now += 60.0
    rig.collector.run_due(rig.now)
    rig.collector.close()
    rig.is_open = False
    assert threading.active_count() == before


def test_the_disk_is_a_part_used(tmp_path):
    assert 0.0 <= used_part(str(tmp_path)) <= 1.0
    with pytest.raises(FileNotFoundError):
        used_part(str(tmp_path / "missing"))
