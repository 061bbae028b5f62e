"""The plan of a job: by example, and against any sequence of what may happen."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_py.frameworks.mapreduce import plan
from mesos_py.frameworks.mapreduce.plan import JobPlan, Kind, PlanPolicy, Work

MAP0, REDUCE0 = Work(Kind.MAP, 0), Work(Kind.REDUCE, 0)


def well(attempt):
    return plan.AttemptEnded(attempt=attempt, well=True)


def started(job, *attempts, site="A", now=0.0):
    for attempt in attempts:
        job.handle(plan.AttemptStarted(attempt, site), now)


def test_maps_then_reduces_then_the_commit():
    job = JobPlan(1, 1)
    assert job.begin() == [plan.Start("map-0.1", MAP0)]
    started(job, "map-0.1")
    assert job.handle(well("map-0.1"), 1.0) == [plan.Start("reduce-0.1", REDUCE0)]
    started(job, "reduce-0.1")
    assert job.handle(well("reduce-0.1"), 2.0) == [plan.Commit("reduce-0.1", REDUCE0)]
    assert job.handle(plan.Committed("reduce-0.1"), 3.0) == [plan.Finish()]
    assert job.over


def test_without_reduces_maps_are_committed():
    job = JobPlan(1, 0)
    job.begin()
    assert job.handle(well("map-0.1"), 1.0) == [plan.Commit("map-0.1", MAP0)]


def test_nothing_to_do_is_done():
    assert JobPlan(0, 0).begin() == [plan.Finish()]
    assert JobPlan(0, 1).begin() == [plan.Start("reduce-0.1", REDUCE0)]


def test_failures_of_its_own_use_up_its_attempts_and_others_do_not():
    job = JobPlan(1, 1, PlanPolicy(attempts=2))
    job.begin()
    assert job.handle(plan.AttemptEnded(attempt="map-0.1", counts=False), 1.0) == [plan.Start("map-0.2", MAP0)]
    assert job.handle(plan.AttemptEnded(attempt="map-0.2", why="x"), 1.0) == [plan.Start("map-0.3", MAP0)]
    assert job.handle(plan.AttemptEnded(attempt="map-0.3", why="boom"), 1.0) == [
        plan.GiveUp("map 0 failed 2 times: boom")
    ]
    assert job.handle(well("map-0.3"), 2.0) == []


def test_what_cannot_go_well_is_not_tried_again():
    job = JobPlan(1, 1)
    job.begin()
    assert job.handle(plan.AttemptEnded(attempt="map-0.1", final=True, why="no"), 1.0) == [
        plan.GiveUp("map 0 failed: no")
    ]


def test_a_lost_site_takes_the_output_of_its_maps_along():
    job = JobPlan(2, 1)
    job.begin()
    started(job, "map-0.1", site="A")
    started(job, "map-1.1", site="B")
    job.handle(well("map-0.1"), 1.0)
    job.handle(well("map-1.1"), 1.0)
    assert job.handle(plan.SiteLost("A"), 2.0) == [plan.Unwant("reduce-0.1"), plan.Start("map-0.2", MAP0)]
    assert job.handle(well("map-0.2"), 3.0) == [plan.Start("reduce-0.2", REDUCE0)]


def test_a_reduce_that_cannot_fetch_has_the_map_done_again_and_is_not_to_blame():
    job = JobPlan(1, 1, PlanPolicy(attempts=1))
    job.begin()
    started(job, "map-0.1")
    job.handle(well("map-0.1"), 1.0)
    started(job, "reduce-0.1", site="B")
    ended = plan.AttemptEnded(attempt="reduce-0.1", lost=(0,), lost_at=("map-0.1",))
    assert job.handle(ended, 2.0) == [plan.Start("map-0.2", MAP0)]


def test_a_reduce_that_was_not_given_all_maps_waits_until_they_are_done_again():
    job = JobPlan(2, 1, PlanPolicy(attempts=1))
    job.begin()
    started(job, "map-0.1", site="A")
    started(job, "map-1.1", site="B")
    job.handle(well("map-0.1"), 1.0)
    job.handle(well("map-1.1"), 1.0)
    started(job, "reduce-0.1", site="B")
    assert job.handle(plan.SiteLost("A"), 2.0) == [plan.Start("map-0.2", MAP0)]
    assert job.map_outputs() == [(1, "map-1.1")]
    assert job.handle(plan.AttemptEnded(attempt="reduce-0.1", lost=(0,)), 3.0) == []
    assert job.handle(well("map-0.2"), 4.0) == [plan.Start("reduce-0.2", REDUCE0)]


def test_committed_output_outlives_its_site():
    job = JobPlan(1, 2)
    job.begin()
    started(job, "map-0.1")
    job.handle(well("map-0.1"), 1.0)
    started(job, "reduce-0.1", "reduce-1.1", site="B")
    job.handle(well("reduce-0.1"), 2.0)
    job.handle(plan.Committed("reduce-0.1"), 2.0)
    assert job.handle(plan.SiteLost("B"), 3.0) == []
    assert job.handle(well("reduce-1.1"), 3.0) == [plan.Commit("reduce-1.1", Work(Kind.REDUCE, 1))]


def test_output_that_cannot_be_had_is_made_again():
    job = JobPlan(1, 0)
    job.begin()
    job.handle(well("map-0.1"), 1.0)
    assert job.handle(plan.NotCommitted("map-0.1", "gone"), 2.0) == [plan.Start("map-0.2", MAP0)]


def test_stragglers_get_a_copy_elsewhere_and_the_slower_of_the_two_is_ended():
    job = JobPlan(3, 1, PlanPolicy(slow_s=5.0))
    job.begin()
    started(job, "map-0.1", "map-1.1", "map-2.1", site="A")
    job.handle(well("map-1.1"), 2.0)
    assert job.handle(plan.CopyWanted(), 100.0) == []  # too little is known
    job.handle(well("map-2.1"), 2.0)
    assert job.handle(plan.CopyWanted(), 4.9) == []
    assert job.handle(plan.CopyWanted(), 5.1) == [plan.Start("map-0.2", MAP0, ("A",))]
    assert job.handle(plan.CopyWanted(), 9.0) == []
    started(job, "map-0.2", site="B", now=9.0)
    assert job.handle(well("map-0.2"), 10.0)[0] == plan.Kill("map-0.1")


def test_no_copies_if_they_are_not_wanted():
    job = JobPlan(2, 1, PlanPolicy(speculative=False))
    job.begin()
    started(job, "map-0.1", "map-1.1")
    job.handle(well("map-1.1"), 2.0)
    assert job.handle(plan.CopyWanted(), 1000.0) == []


class AnyJob(RuleBasedStateMachine):
    """Whatever fails or is lost: no work is forgotten, nothing is committed twice, and the job can end."""

    @initialize(maps=st.integers(0, 3), reduces=st.integers(0, 3))
    def begin(self, maps, reduces):
        self.plan = JobPlan(maps, reduces, PlanPolicy(attempts=50, slow_s=1.0, known=0.3))
        self.waiting, self.running, self.committing = {}, {}, {}
        self.now, self.finished, self.committed, self.sites = 0.0, False, {}, {}
        self.obey(self.plan.begin())

    def obey(self, orders):
        for order in orders:
            match order:
                case plan.Start():
                    assert order.attempt not in self.waiting | self.running
                    self.waiting[order.attempt] = order
                case plan.Unwant():
                    del self.waiting[order.attempt]
                case plan.Kill():
                    del self.running[order.attempt]
                case plan.Commit():
                    assert order.work not in self.committed
                    self.committing[order.attempt] = order.work
                case plan.Finish():
                    self.finished = True
                case _:
                    raise AssertionError(order)

    def tell(self, event):
        self.now += 1.0
        self.obey(self.plan.handle(event, self.now))

    def any_of(self, what, pick):
        return sorted(what)[pick % len(what)]

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 9), site=st.sampled_from("AB"))
    def launched(self, pick, site):
        name = self.any_of(self.waiting, pick)
        order = self.waiting.pop(name)
        if site in order.avoid:
            site = "AB".replace(site, "")
        self.running[name] = order
        self.sites[name] = site
        self.tell(plan.AttemptStarted(name, site))

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 9), how=st.sampled_from(["well", "well", "failed", "gone", "lost"]))
    def ended(self, pick, how):
        name = self.any_of(self.running, pick)
        order = self.running.pop(name)
        lost = self.plan.map_outputs()[:1] if how == "lost" and order.work.kind is Kind.REDUCE else []
        self.tell(
            plan.AttemptEnded(
                attempt=name,
                well=how == "well",
                counts=how == "failed",
                lost=tuple(index for index, _ in lost),
                lost_at=tuple(attempt for _, attempt in lost),
            )
        )

    @precondition(lambda self: self.committing)
    @rule(pick=st.integers(0, 9), well=st.booleans())
    def committed_or_not(self, pick, well):
        name = self.any_of(self.committing, pick)
        work = self.committing.pop(name)
        if well:
            self.committed[work] = name
        self.tell(plan.Committed(name) if well else plan.NotCommitted(name, "gone"))

    @rule(site=st.sampled_from("AB"))
    def lost(self, site):
        self.tell(plan.SiteLost(site))
        for name in [name for name in self.running if self.sites[name] == site]:
            del self.running[name]
            self.tell(plan.AttemptEnded(attempt=name, counts=False))

    @rule(later=st.floats(0, 20))
    def time_passes(self, later):
        self.now += later
        self.tell(plan.CopyWanted())

    @invariant()
    def is_sound(self):
        if hasattr(self, "plan"):
            self.plan.check()
            outputs = self.plan.count(Kind.REDUCE) or self.plan.count(Kind.MAP)
            assert self.finished == (len(self.committed) == outputs)
            assert self.finished or self.waiting or self.running or self.committing

    def teardown(self):
        """From wherever it is, a cluster that works brings it to its end."""
        if not hasattr(self, "plan"):
            return
        for _ in range(100):
            if self.waiting:
                self.launched(0, "A")
            elif self.running:
                self.ended(0, "well")
            elif self.committing:
                self.committed_or_not(0, well=True)
        assert self.finished


TestAnyJob = AnyJob.TestCase
TestAnyJob.settings = settings(max_examples=80, stateful_step_count=40)


def test_it_notices_when_it_is_unsound():
    job = JobPlan(1, 1)
    with pytest.raises(Exception, match="nobody does"):
        job.check()
