"""How many workers a fleet has, whatever comes: enough at once, none too many for long, nobody stopped by mistake."""

from hypothesis import given
from hypothesis import strategies as st

from mesos_py.frameworks.celery.scaling import Fleet, Phase, Scaler, Worker

STAFF = (Phase.WAITING, Phase.STARTING, Phase.READY)


@st.composite
def fleets(draw):
    least = draw(st.integers(0, 4))
    return Fleet(queues=("q",), slots=draw(st.integers(1, 4)), least=least, most=draw(st.integers(max(1, least), 12)))


def workers(fleet):
    one = st.builds(
        Worker,
        task_id=st.just(""),
        phase=st.sampled_from(Phase),
        busy=st.none() | st.integers(0, fleet.slots),
    )
    return st.lists(one, max_size=fleet.most)


def numbered(staff):
    for number, worker in enumerate(staff):
        worker.task_id = f"w{number}"
    return staff


def in_phase(staff, *phases):
    return [worker for worker in staff if worker.phase in phases]


@given(st.data())
def test_one_plan(data):
    fleet = data.draw(fleets())
    staff = numbered(data.draw(workers(fleet)))
    depth = data.draw(st.none() | st.integers(0, 60))
    scaler = Scaler(fleet, linger_s=0.0)
    scaler.plan(0, staff, 0.0)
    plan = scaler.plan(depth, staff, 1.0)
    there = len(in_phase(staff, *STAFF))
    after = there + plan.launch - len(plan.withdraw) - len(plan.stop)
    assert not (plan.launch and (plan.withdraw or plan.stop))
    assert fleet.least <= max(after, there)
    assert after >= min(there, fleet.least)
    assert after <= max(fleet.most, there)
    by_id = {worker.task_id: worker for worker in staff}
    assert {by_id[task_id].phase for task_id in plan.withdraw} <= {Phase.WAITING}
    stopped = [by_id[task_id] for task_id in plan.stop]
    assert all(worker.phase is Phase.READY for worker in stopped)
    if depth is None:
        assert not plan.stop
        assert not plan.withdraw
        assert plan.launch == max(0, fleet.least - there)
        return
    assert not plan.stop or {w.task_id for w in in_phase(staff, Phase.WAITING)} == set(plan.withdraw)
    busy = sum(fleet.slots if w.busy is None else w.busy for w in in_phase(staff, Phase.READY))
    if depth + busy:
        assert after > 0
    assert after * fleet.slots >= min(depth + busy, fleet.most * fleet.slots)  # room for all there is, if it may be
    stays = [w for w in in_phase(staff, Phase.READY) if w not in stopped]
    load = [fleet.slots if w.busy is None else w.busy for w in stopped]
    assert not load or max(load) <= min((fleet.slots if w.busy is None else w.busy for w in stays), default=99)


class Site:
    """Carries out what is planned; tasks are taken by ready workers and done after a step."""

    def __init__(self, fleet, linger_s):
        self.fleet, self.scaler = fleet, Scaler(fleet, linger_s)
        self.staff, self.depth, self.now, self.count = [], 0, 0.0, 0
        self.started = self.stopped = 0

    def step(self, arrivals, done):
        self.now += 1.0
        self.depth += arrivals
        for worker in self.staff:
            worker.phase = {Phase.WAITING: Phase.STARTING, Phase.STARTING: Phase.READY}.get(worker.phase, worker.phase)
            if worker.phase is Phase.READY:
                worker.busy = 0 if done else worker.busy or 0
                taken = min(self.depth, self.fleet.slots - worker.busy)
                self.depth -= taken
                worker.busy += taken
        plan = self.scaler.plan(self.depth, self.staff, self.now)
        gone = {*plan.withdraw, *plan.stop}
        self.staff = [worker for worker in self.staff if worker.task_id not in gone]
        for _ in range(plan.launch):
            self.count += 1
            self.staff.append(Worker(task_id=f"w{self.count}"))
        self.started += plan.launch
        self.stopped += len(plan.stop)


@given(fleets(), st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=30))
def test_over_time(fleet, steps):
    site = Site(fleet, linger_s=5.0)
    for arrivals, done in steps:
        site.step(arrivals, done)
        assert fleet.least <= len(site.staff) <= fleet.most
    for _ in range(site.depth + 10):
        site.step(0, True)
    assert site.depth == 0
    for _ in range(10):
        site.step(0, True)
    assert len(site.staff) == fleet.least  # idle
    before = site.started
    for _ in range(10):
        site.step(0, True)
    assert site.started == before  # and at rest
    site.step(1, True)
    assert len(site.staff) >= 1


@given(fleets(), st.integers(1, 30))
def test_a_steady_load_moves_nobody(fleet, load):
    site = Site(fleet, linger_s=5.0)
    for _ in range(40):
        site.step(load, True)
    started, stopped = site.started, site.stopped
    for _ in range(40):
        site.step(load, True)
    assert (site.started, site.stopped) == (started, stopped)


def test_a_pause_shorter_than_the_linger_stops_nobody():
    site = Site(Fleet(queues=("q",), most=5), linger_s=10.0)
    for _ in range(3):
        site.step(10, False)
    for _ in range(30):
        if not site.depth:
            break
        site.step(0, True)
    assert len(site.staff) == 5
    for _ in range(5):
        site.step(0, True)
    site.step(3, True)
    assert (len(site.staff), site.stopped) == (5, 0)


def test_what_is_not_known_counts_as_work():
    scaler = Scaler(Fleet(queues=("q",), slots=2, most=5), linger_s=0.0)
    staff = [Worker(task_id="a", phase=Phase.READY), Worker(task_id="b", phase=Phase.READY, busy=0)]
    scaler.plan(0, staff, 0.0)
    assert scaler.plan(0, staff, 1.0).stop == ["b"]


def test_nobody_is_stopped_until_the_queues_were_watched_for_a_while():
    """So it is after a restart, and after an outage of the broker."""
    scaler = Scaler(Fleet(queues=("q",), most=5), linger_s=10.0)
    staff = [Worker(task_id="a", phase=Phase.READY, busy=0)]
    assert scaler.plan(0, staff, 0.0).stop == []
    assert scaler.plan(0, staff, 9.0).stop == []
    assert scaler.plan(0, staff, 11.0).stop == ["a"]
    assert scaler.plan(None, staff, 12.0).stop == []
    assert scaler.plan(0, staff, 13.0).stop == []
    assert scaler.plan(0, staff, 24.0).stop == ["a"]
