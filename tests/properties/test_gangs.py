"""Gangs start whole or not at all, hold no offer for too long, and two of them never wait for each other for ever."""

from hypothesis import given
from hypothesis import strategies as st

from mesos_py.scheduler.toolkit import Gang, GangPolicy, Gangs
from mesos_py.types.offers import Offer
from mesos_py.types.resources import Resources

POLICY = GangPolicy(hold_s=4.0, rest_s=1.0, cap_s=16.0)


def offer(number, agent, resources):
    return Offer(
        offer_id=f"O{number}",
        framework_id="F",
        agent_id=agent,
        hostname=agent,
        role="*",
        resources=resources,
    )


def gang(key, count, cpus=1, most=None):
    return Gang(key=key, count=count, member=Resources.of(cpus=cpus), per_agent=Resources.of(mem=10), most=most)


@st.composite
def histories(draw):
    gangs = [gang(f"g{n}", draw(st.integers(1, 6)), draw(st.integers(1, 3))) for n in range(draw(st.integers(1, 4)))]
    steps = st.tuples(st.floats(0.1, 5.0), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=4))
    return gangs, draw(st.lists(steps, max_size=12))


@given(histories())
def test_whole_or_not_at_all_and_nothing_is_held_for_too_long(history):
    waiting, steps = history
    gangs, now, number, came = Gangs(POLICY, seed="s"), 0.0, 0, {}
    answered = set()
    for pause, offered in steps:
        now += pause
        fresh = []
        for agent, cpus in offered:
            number += 1
            fresh.append(offer(number, f"A{agent}", Resources.of(cpus=cpus, mem=25)))
            came[f"O{number}"] = now
        gangs.offered(fresh, now)
        assembly = gangs.assemble(waiting, now)
        for launch in assembly.launches:
            total = Resources.sum(o.resources for o in launch.offers)
            assert total.contains(Resources.sum(share.resources for share in launch.shares))
        for started in assembly.started:
            size = next(g.count for g in waiting if g.key == started)
            shares = [share for launch in assembly.launches for share in launch.shares if share.key == started]
            assert sum(share.count for share in shares) == size
        named = {share.key for launch in assembly.launches for share in launch.shares}
        assert named == set(assembly.started)
        gone = [o.offer_id for launch in assembly.launches for o in launch.offers]
        gone += [o.offer_id for o in assembly.unused]
        assert not answered & set(gone)
        assert len(gone) == len(set(gone))
        answered |= set(gone)
        held = {o.offer_id for o in gangs.held}
        assert held == came.keys() - answered
        assert all(now - came[offer_id] < POLICY.hold_s for offer_id in held)
        assert not held or gangs.next_deadline() is not None
        waiting = [g for g in waiting if g.key not in assembly.started]


@given(
    seeds=st.lists(st.text(max_size=8), min_size=2, max_size=2, unique=True),
    agents=st.integers(2, 6),
    turns=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_two_that_each_want_everything_both_start(seeds, agents, turns):
    """Whatever the order in which free agents are offered to the two."""
    rivals = [Gangs(POLICY, seed=seed) for seed in seeds]
    free, running, started = [f"A{n}" for n in range(agents)], [], set()
    number, now = 0, 0.0
    while len(started) < 2:
        assert now < 600.0, "they wait for each other"
        for end, places in [entry for entry in running if entry[0] <= now]:
            running.remove((end, places))
            free += places
        for place in list(free):
            number += 1
            wants = [n for n in range(2) if n not in started]
            rival = rivals[wants[turns[number % len(turns)] % len(wants)]]
            rival.offered([offer(number, place, Resources.of(cpus=1, mem=10))], now)
            free.remove(place)
        for name, rival in enumerate(rivals):
            wanted = [] if name in started else [gang("wide", agents)]
            assembly = rival.assemble(wanted, now)
            free += [o.agent_id for o in assembly.unused]
            if assembly.started:
                started.add(name)
                running.append((now + 3.0, [o.agent_id for launch in assembly.launches for o in launch.offers]))
        now += 0.25


def test_members_go_only_where_they_may():
    gangs = Gangs(POLICY)
    gangs.offered([offer(1, "A1", Resources.of(cpus=4, mem=10)), offer(2, "A2", Resources.of(cpus=4, mem=10))], 0.0)
    assembly = gangs.assemble([gang("g", 3, most={"A2": 2, "A1": 1})], 0.0)
    places = {launch.offers[0].agent_id: launch.shares[0].count for launch in assembly.launches}
    assert places == {"A1": 1, "A2": 2}


def test_what_is_rescinded_is_forgotten():
    gangs = Gangs(POLICY)
    one = offer(1, "A1", Resources.of(cpus=1, mem=10))
    gangs.offered([one], 0.0)
    gangs.assemble([gang("g", 2)], 0.0)
    assert gangs.held == [one]
    gangs.lost([one])
    gangs.offered([offer(2, "A2", Resources.of(cpus=1, mem=10))], 1.0)
    assert gangs.assemble([gang("g", 2)], 1.0).started == []
