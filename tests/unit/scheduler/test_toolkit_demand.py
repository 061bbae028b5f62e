"""Statements of demand: what the master knows is what waits, and only changes are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py import Demand, DemandStatement, Ledger, Resources, TaskQueue, TaskSpec, TaskState, UserError, command_task
from mesos_py.testing.builders import a_status


class Master:
    """Knows what it was told last."""

    def __init__(self):
        self.calls = []
        self.demands = []
        self.suppressed = False

    def request(self, *demands, role=None):
        self.calls.append(("request", role, *((demand.slice.cpus, demand.count) for demand in demands)))
        self.demands = list(demands)

    def suppress(self, *roles):
        self.calls.append(("suppress", *roles))
        self.suppressed = True

    def revive(self, *roles):
        self.calls.append(("revive", *roles))
        self.suppressed = False

    def news(self):
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def master():
    return Master()


def specs(*cpus, **more):
    return [TaskSpec(task=command_task(f"t{n}", "true", cpus=c), **more) for n, c in enumerate(cpus)]


def test_only_changes_are_told(master):
    demand = DemandStatement(master)
    demand.update([])
    assert master.news() == [("suppress",)]
    demand.update([])
    assert master.news() == []
    queue = TaskQueue(specs(1, 1, 2))
    demand.update(queue)
    assert master.news() == [("request", None, (1, 2), (2, 1)), ("revive",)]
    demand.update(queue)
    assert master.news() == []
    queue.remove("t0")
    demand.update(queue)
    assert master.news() == [("request", None, (1, 1), (2, 1))]  # less is no reason to forget refusals
    demand.update([*queue, *specs(1)])
    assert master.news() == [("request", None, (1, 2), (2, 1)), ("revive",)]
    demand.update([])
    assert master.news() == [("suppress",)]
    demand.update([*queue, *specs(1)])
    assert master.news() == [("request", None, (1, 2), (2, 1)), ("revive",)]


def test_a_role_is_told_of_its_own_tasks_and_of_those_of_any(master):
    waiting = [*specs(1, role="a"), *specs(2, role="b"), *specs(4)]
    DemandStatement(master, role="a").update(waiting)
    assert master.news() == [("request", "a", (1, 1), (4, 1)), ("revive", "a")]
    DemandStatement(master, role="c").update(specs(1, role="a"))
    assert master.news() == [("suppress", "c")]


def test_ports_are_chosen_from_whole_offers(master):
    demand = DemandStatement(master)
    demand.update(specs(1, 1, ports=1))
    assert master.news() == [("request", None), ("revive",)]
    demand.update(specs(1))
    assert master.news() == [("request", None, (1, 1))]
    demand.update(specs(1, 1, ports=2))
    assert master.news() == [("request", None), ("revive",)]


def test_who_counts_slices_may_say_so(master):
    DemandStatement(master).update([Demand(slice=Resources.of(cpus=3), count=7), *specs(3, 1)])
    assert master.news() == [("request", None, (3, 8), (1, 1)), ("revive",)]
    DemandStatement(master).update([Demand(slice=Resources.of(cpus=3), count=0)])
    assert master.news() == [("suppress",)]


def test_a_master_takes_no_more_than_so_many_shapes(master):
    DemandStatement(master).update([*specs(*range(1, 301)), *specs(1)])
    ((_, _, *stated), _) = master.news()
    assert stated == [(1, 2), *((n, 1) for n in range(2, 257))]


@given(st.lists(st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=6), max_size=12))
def test_what_was_told_last_is_what_waits(steps):
    master, ports = Master(), 0
    demand = DemandStatement(master)
    for step in steps:
        before = list(master.demands)
        waiting = [TaskSpec(task=command_task(f"t{n}", "true", cpus=c or 1), ports=not c) for n, c in enumerate(step)]
        demand.update(waiting)
        assert master.suppressed == (not step)
        if step:
            ports = 0 in step
            counts = {demand.slice.cpus: demand.count for demand in master.demands}
            assert counts == ({} if ports else {cpus: step.count(cpus) for cpus in step})
        else:
            assert master.demands == before


# The ledger


def test_a_ledger_follows_tasks_from_their_launch_to_their_end():
    ledger = Ledger()
    ledger.add("a", {"tries": 1})
    with pytest.raises(UserError, match="in use"):
        ledger.add("a", {})
    assert ledger.heard(a_status(task_id="a", state=TaskState.UNREACHABLE)) == {"tries": 1}
    assert ("a" in ledger, len(ledger), list(ledger), ledger.get("a")) == (True, 1, ["a"], {"tries": 1})
    assert ledger.heard(a_status(task_id="nobody", state=TaskState.RUNNING)) is None
    assert ledger.heard(a_status(task_id="a", state=TaskState.FAILED)) == {"tries": 1}
    assert ledger.heard(a_status(task_id="a", state=TaskState.FAILED)) is None
    assert ledger.entries == {}


def test_a_ledger_knows_of_whom_it_has_not_heard():
    ledger = Ledger({"a": 1, "b": 2, "c": 3})
    ledger.add("new", 4)
    assert ledger.unheard == ["a", "b", "c"]
    assert ledger.heard(a_status(task_id="a", state=TaskState.RUNNING)) == 1
    assert ledger.heard(a_status(task_id="b", state=TaskState.UNKNOWN)) == 2
    assert ledger.unheard == ["c"]
    assert ledger.entries == {"a": 1, "c": 3, "new": 4}
