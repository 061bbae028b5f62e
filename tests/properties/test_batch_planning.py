"""Plans never promise more than there is, and no job delays one that comes before it."""

from hypothesis import given
from hypothesis import strategies as st

from mesos_py.frameworks.batch.planning import Use, Wish, plan
from mesos_py.types.resources import Resources

wishes_ = st.lists(
    st.builds(
        lambda count, cpus, walltime: (count, cpus, walltime),
        st.integers(1, 5),
        st.integers(1, 4),
        st.integers(1, 20),
    ),
    max_size=7,
)
clusters = st.lists(st.integers(1, 4), min_size=1, max_size=4)
busy = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 15)), max_size=4)


def book(sizes, busy):
    agents = {f"A{n}": Resources.of(cpus=cpus, mem=1000) for n, cpus in enumerate(sizes)}
    left = dict(agents)
    uses = []
    for number, cpus, until in busy:
        agent = f"A{number % len(sizes)}"
        taken = Resources.of(cpus=cpus, mem=10)
        if (rest := left[agent].less(taken)) is not None:
            left[agent] = rest
            uses.append(Use(places={agent: taken}, until=float(until)))
    return agents, uses


def as_wishes(wanted):
    return [
        Wish(
            key=str(n),
            count=count,
            chunk=Resources.of(cpus=cpus, mem=10),
            per_agent=Resources.of(mem=1),
            walltime_s=float(walltime),
        )
        for n, (count, cpus, walltime) in enumerate(wanted)
    ]


@given(clusters, busy, wishes_)
def test_what_starts_now_fits_together_and_is_whole(sizes, busy, wanted):
    agents, uses = book(sizes, busy)
    wishes = as_wishes(wanted)
    made = plan(agents, uses, wishes, 0.0)
    taken = {agent: Resources.sum(use.places.get(agent, Resources()) for use in uses) for agent in agents}
    for key, places in made.starts.items():
        wish = wishes[int(key)]
        assert sum(places.values()) == wish.count
        for agent, count in places.items():
            taken[agent] += Resources.sum([wish.chunk] * count) + wish.per_agent
    assert all(agents[agent].contains(taken[agent]) for agent in agents)
    assert {*made.starts, *made.later, *made.never} == {wish.key for wish in wishes}


@given(clusters, busy, wishes_)
def test_who_comes_later_delays_nobody_before_him(sizes, busy, wanted):
    agents, uses = book(sizes, busy)
    wishes = as_wishes(wanted)
    for count in range(len(wishes)):
        fewer, more = plan(agents, uses, wishes[:count], 0.0), plan(agents, uses, wishes[: count + 1], 0.0)
        assert fewer.starts.items() <= more.starts.items()
        assert fewer.later.items() <= more.later.items()


@given(clusters, busy, wishes_)
def test_each_job_that_fits_at_all_gets_a_time(sizes, busy, wanted):
    agents, uses = book(sizes, busy)
    made = plan(agents, uses, as_wishes(wanted), 0.0)
    alone = plan(agents, [], as_wishes(wanted)[-1:], 0.0)
    assert not alone.never or alone.never[0] in made.never
    for key in made.never:
        assert not plan(agents, [], [as_wishes(wanted)[int(key)]], 0.0).starts


def test_a_small_job_passes_a_wide_one_only_where_it_is_over_in_time():
    agents = {"A": Resources.of(cpus=2, mem=100), "B": Resources.of(cpus=2, mem=100)}
    uses = [Use(places={"A": Resources.of(cpus=2, mem=10)}, until=10.0)]
    made = plan(agents, uses, as_wishes([(2, 2, 5), (1, 1, 10), (1, 1, 11)]), 0.0)
    assert made.later == {"0": 10.0, "2": 15.0}
    assert made.starts == {"1": {"B": 1}}
