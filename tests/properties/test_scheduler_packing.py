"""Packing never exceeds an offer, and never loses or doubles a task or an offer."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mesos_py.scheduler.toolkit import (
    Delay,
    DelayPolicy,
    TaskSpec,
    best_fit,
    delay_fit,
    first_fit,
    parse_constraint,
    spread,
)
from mesos_py.scheduler.validation import checked_operations
from mesos_py.types.offers import Launch, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, TaskInfo

EXECUTOR = ExecutorInfo(executor_id="e", command=CommandInfo(value="x"), resources=Resources.of(cpus=0.5))
CONSTRAINTS = ["@hostname:UNIQUE", "rack:GROUP_BY:2", "rack:IS:r1", "@hostname:MAX_PER:2", "rack:CLUSTER"]


@st.composite
def offers(draw):
    made = []
    for number in range(draw(st.integers(0, 6))):
        agent = draw(st.integers(0, 3))
        first = 31000 + 100 * number
        text = f"cpus:{draw(st.integers(0, 8))};cpus(ads):{draw(st.integers(0, 2))};mem:{draw(st.integers(0, 64))}"
        text += f";ports:[{first}-{first + draw(st.integers(0, 4))}]"
        made.append(
            Offer(
                offer_id=f"O{number}",
                framework_id="F",
                agent_id=f"A{agent}",
                hostname=f"h{agent}",
                role="ads",
                resources=Resources.parse(text),
                attributes={"rack": f"r{agent % 2}"},
                executor_ids=draw(st.sampled_from([[], ["e"]])),
            )
        )
    return made


@st.composite
def waiting(draw):
    made = []
    for number in range(draw(st.integers(0, 12))):
        own = draw(st.booleans())
        task = TaskInfo(
            task_id=f"t{number}",
            resources=Resources.of(cpus=draw(st.sampled_from([0.5, 1, 2.5])), mem=draw(st.integers(0, 20))),
            command=None if own else CommandInfo(value="true"),
            executor=EXECUTOR if own else None,
        )
        constraints = [parse_constraint(text) for text in draw(st.lists(st.sampled_from(CONSTRAINTS), max_size=1))]
        made.append(TaskSpec(task=task, ports=draw(st.integers(0, 2)), constraints=constraints, group="g"))
    return made


def delayed(specs, offers):
    """As delay_fit places tasks that have waited long enough for any place."""
    return delay_fit([replace(spec, hosts=["far away"]) for spec in specs], offers, Delay(DelayPolicy(), 0.0), 100.0)


@settings(max_examples=200)
@given(offers(), waiting(), st.sampled_from([first_fit, best_fit, spread, delayed]))
def test_nothing_is_exceeded_lost_or_doubled(offers, waiting, pack):
    packing = pack(waiting, offers)
    ids = [*packing.placed_ids(), *(spec.task_id for spec in packing.waiting)]
    assert sorted(ids) == sorted(spec.task_id for spec in waiting)
    used = [offer.offer_id for launch in packing.launches for offer in launch.offers]
    assert sorted([*used, *(offer.offer_id for offer in packing.unused)]) == [offer.offer_id for offer in offers]
    ports = [
        (launch.offers[0].agent_id, port) for launch in packing.launches for p in launch.placements for port in p.ports
    ]
    assert len(set(ports)) == len(ports)
    for launch in packing.launches:
        # The library's own judge of launches finds nothing wrong, and nothing to change.
        assert checked_operations(launch.offers, [Launch(tasks=launch.tasks)]) == [Launch(tasks=launch.tasks)]
        for placement in launch.placements:
            assert placement.task.resources.flatten().contains(placement.spec.task.resources)
            assert len(placement.ports) == placement.spec.ports


@settings(max_examples=50)
@given(offers(), waiting())
def test_first_fit_leaves_nothing_that_still_fits(offers, waiting):
    plain = [spec for spec in waiting if not spec.constraints]
    packing = first_fit(plain, offers)
    again = first_fit(packing.waiting, packing.unused)
    assert not again.launches
