"""The toolkit: queues, constraints, packing, reasons and retries."""

import pytest

from mesos_py.errors import UserError
from mesos_py.scheduler.toolkit import (
    Place,
    Retries,
    RetryPolicy,
    Sightings,
    TaskQueue,
    TaskSpec,
    best_fit,
    command_task,
    first_fit,
    parse_constraint,
    spread,
    why_not_here,
)
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, Reason, TaskInfo, TaskState
from tests.unit.scheduler.conftest import an_offer


def spec(task_id="t", cpus=1.0, **more):
    return TaskSpec(task=command_task(task_id, "true", cpus=cpus, mem=10), **more)


def specs(count, cpus=1.0, **more):
    return [spec(f"t{number}", cpus, **more) for number in range(count)]


def place(hostname="h", **attributes):
    return Place(hostname=hostname, attributes=attributes)


# Tasks and queues


def test_a_command_task():
    assert command_task("t", "echo $A", cpus=1, environment={"A": "b"}).command == CommandInfo(
        value="echo $A", environment={"A": "b"}
    )
    assert command_task("t", ["echo", "a"], mem=1).command.argv == ["echo", "a"]
    with pytest.raises(UserError, match="needs resources"):
        command_task("t", "true")


def test_a_queue_is_by_priority_and_then_by_arrival():
    queue = TaskQueue([spec("a"), spec("b", priority=5), spec("c"), spec("d", priority=5), spec("e", priority=-1)])
    assert [waiting.task_id for waiting in queue] == ["b", "d", "a", "c", "e"]
    assert "a" in queue
    assert queue.get("a").task_id == "a"
    assert queue.remove("a").task_id == "a"
    assert queue.remove("a") is None
    assert queue.get("a") is None
    assert [waiting.task_id for waiting in queue.remove_all(["b", "d", "nobody"])] == ["b", "d"]
    assert len(queue) == 2
    with pytest.raises(UserError, match="waiting already"):
        queue.add(spec("c"))


# Constraints

RACKS = [place("h1", rack="r1"), place("h2", rack="r2"), place("h3", rack="r1")]


@pytest.mark.parametrize(
    ("text", "here", "placed", "allowed"),
    [
        ("@hostname:UNIQUE", place("h4"), RACKS, True),
        ("@hostname:UNIQUE", place("h1"), RACKS, False),
        ("hostname:UNIQUE", place("h1"), RACKS, False),
        ("rack:UNIQUE", place(rack="r3"), RACKS, True),
        ("rack:LIKE:r[12]", place(rack="r2"), [], True),
        ("rack:LIKE:r[12]", place(rack="r23"), [], False),
        ("rack:LIKE:r[12]", place(), [], False),
        ("rack:UNLIKE:r[12]", place(rack="r3"), [], True),
        ("rack:UNLIKE:r[12]", place(rack="r1"), [], False),
        ("rack:UNLIKE:r[12]", place(), [], True),
        ("zone:CLUSTER:a", place(zone="a"), [], True),
        ("zone:CLUSTER:a", place(zone="b"), [], False),
        ("rack:CLUSTER", place(rack="r9"), [], True),
        ("rack:CLUSTER", place(rack="r9"), [place(rack="r8")], False),
        ("rack:CLUSTER", place(rack="r8"), [place(rack="r8")], True),
        ("rack:GROUP_BY:3", place(rack="r1"), RACKS, False),
        ("rack:GROUP_BY:3", place(rack="r2"), RACKS, False),
        ("rack:GROUP_BY:3", place(rack="r3"), RACKS, True),
        ("rack:GROUP_BY:2", place(rack="r2"), RACKS, True),
        ("rack:GROUP_BY", place(rack="r1"), RACKS, False),
        ("rack:MAX_PER:2", place(rack="r1"), RACKS, False),
        ("rack:MAX_PER:2", place(rack="r2"), RACKS, True),
        ("level:IS:10", place(level=10), [], True),
        ("level:IS:10", place(level=10.5), [], False),
        ("Rack:is:a:b", place(Rack="a:b"), [], True),
    ],
)
def test_constraints(text, here, placed, allowed):
    assert parse_constraint(text).allows(here, placed) is allowed


@pytest.mark.parametrize(
    "text",
    [
        *("", "rack", "rack:", ":UNIQUE", "rack:NEAR:x", "rack:LIKE", "rack:LIKE:r["),
        *("@hostname:MAX_PER", "a:MAX_PER:0", "a:GROUP_BY:x", "a:UNIQUE:b", "a:IS"),
    ],
)
def test_wrong_constraints(text):
    with pytest.raises(UserError, match="constraint"):
        parse_constraint(text)


def test_a_constraint_as_text():
    assert str(parse_constraint("hostname:unique")) == "@hostname:UNIQUE"
    assert parse_constraint("a:MAX_PER:2").looks_around
    assert not parse_constraint("a:IS:2").looks_around


# Packing


def hosts(packing):
    return [placement.place.hostname for placement in packing.placements()]


def test_first_fit_fills_one_agent_after_the_other():
    offers = [an_offer("O1", "A1", 2), an_offer("O2", "A2", 2), an_offer("O3", "A3", 2)]
    packing = first_fit(specs(3), offers)
    assert packing.placed_ids() == ["t0", "t1", "t2"]
    assert hosts(packing) == ["A1.example", "A1.example", "A2.example"]
    assert packing.unused == [offers[2]]
    assert first_fit(specs(7), offers).waiting[0].task_id == "t6"


def test_best_fit_keeps_large_offers_whole():
    offers = [an_offer("O1", "A1", 8), an_offer("O2", "A2", 2)]
    assert hosts(best_fit([spec(cpus=2)], offers)) == ["A2.example"]
    assert hosts(first_fit([spec(cpus=2)], offers)) == ["A1.example"]


def test_offers_of_one_agent_and_role_are_used_together():
    packing = first_fit([spec(cpus=3)], [an_offer("O1", "A1", 2), an_offer("O2", "A1", 2)])
    assert [offer.offer_id for offer in packing.launches[0].offers] == ["O1", "O2"]
    apart = [an_offer("O1", "A1", 2, role="a"), an_offer("O2", "A1", 2, role="b")]
    assert first_fit([spec(cpus=3)], apart).waiting
    assert first_fit([spec(cpus=1, role="b")], apart).launches[0].offers == [apart[1]]


def test_reserved_resources_are_used_first():
    offer = an_offer(resources=Resources.parse("cpus:2;cpus(ads):1;mem:100"))
    (launch,) = first_fit([spec(cpus=1.5)], [offer]).launches
    assert launch.tasks[0].resources == Resources.parse("cpus:0.5;cpus(ads):1;mem:10")


def test_ports_are_chosen_and_told_to_the_command():
    offer = an_offer(resources=Resources.parse("cpus:4;mem:100;ports:[31000-31001,31005-31009]"))
    packing = first_fit([spec("a", ports=3), spec("b", ports=1)], [offer])
    a, b = packing.placements()
    assert a.ports == [31000, 31001, 31005]
    assert b.ports == [31006]
    assert a.task.resources.ports == ((31000, 31001), (31005, 31005))
    assert a.task.command.environment == {
        "PORT": "31000",
        "PORT0": "31000",
        "PORT1": "31001",
        "PORT2": "31005",
        "PORTS": "31000,31001,31005",
    }
    assert first_fit([spec(ports=8)], [offer]).waiting


def test_constraints_look_at_those_placed_before_and_in_this_pass():
    unique = [parse_constraint("@hostname:UNIQUE")]
    offers = [an_offer(f"O{n}", f"A{n}") for n in range(3)]
    packing = first_fit(specs(4, constraints=unique, group="web"), offers, {"web": [place("A0.example")]})
    assert hosts(packing) == ["A1.example", "A2.example"]
    assert len(packing.waiting) == 2


@pytest.mark.parametrize("pack", [first_fit, best_fit])
def test_an_executor_is_charged_once(pack):
    executor = ExecutorInfo(executor_id="e", command=CommandInfo(value="x"), resources=Resources.of(cpus=1))
    tasks = [TaskInfo(task_id=f"t{n}", resources=Resources.of(cpus=1), executor=executor) for n in range(5)]
    waiting = [TaskSpec(task=task) for task in tasks]
    assert len(pack(waiting, [an_offer()]).placed_ids()) == 3
    assert len(pack(waiting, [an_offer(executor_ids=["e"])]).placed_ids()) == 4


# Reasons


def test_why_a_task_does_not_go_on_an_offer():
    rack = [parse_constraint("rack:IS:r1")]
    offer = an_offer(attributes={"rack": "r2"})
    assert why_not_here(spec(), offer) is None
    assert why_not_here(spec(cpus=8), offer) == "cpus: 8 wanted, 4 offered"
    assert why_not_here(spec(constraints=rack), offer) == "constraint rack:IS:r1"
    assert why_not_here(spec(ports=2), offer) == "ports: 2 wanted, 0 offered"
    assert why_not_here(spec(role="ads"), offer) == "role: ads wanted, offered to *"
    disks = TaskSpec(task=TaskInfo(task_id="t", resources=Resources.parse("disks:{a}")))
    assert "disks:{a} wanted" in why_not_here(disks, offer)


def test_what_is_impossible_is_said_at_once():
    seen = Sightings()
    assert seen.why_impossible(spec(cpus=64)) is None
    seen.saw([an_offer(cpus=4), an_offer(cpus=8)])
    assert seen.why_impossible(spec(cpus=64)) == "no agent has 64 cpus: the largest offer so far had 8"
    assert seen.why_impossible(spec(cpus=8)) is None
    assert seen.why_impossible(spec(ports=1)) == "no agent has 1 ports: the largest offer so far had 0"
    gpu = TaskSpec(task=command_task("t", "true", gpus=1))
    assert seen.why_impossible(gpu) == "no agent has 1 gpus: the largest offer so far had none"


def test_refusals_are_counted():
    seen = Sightings()
    for _ in range(3):
        seen.refused(spec(cpus=64, group="web"), [an_offer()])
    seen.refused(spec(constraints=[parse_constraint("rack:IS:a")], group="web"), [an_offer()])
    assert seen.reasons("web") == {"cpus": 3, "constraint rack:IS:a": 1}
    seen.forget("web")
    assert seen.reasons("web") == {}


# Retries


def test_failures_are_retried_with_growing_waits_until_given_up():
    retries = Retries(RetryPolicy(attempts=3, first_s=1))
    assert retries.ended("job", TaskState.FAILED, 100) == 101
    assert list(retries.due(100.5)) == []
    assert list(retries.due(101)) == ["job"]
    assert list(retries.due(101)) == []
    assert retries.failures("job") == 1
    assert retries.ended("job", TaskState.FAILED, 200) == 202
    assert retries.ended("job", TaskState.FAILED, 300) is None
    assert retries.failures("job") == 0


def test_what_was_killed_to_empty_its_agent_is_tried_again():
    retries = Retries(RetryPolicy(attempts=1, first_s=1))
    assert retries.ended("job", TaskState.KILLED, 100, Reason.AGENT_DRAINING) == 101
    assert list(retries.due(101)) == ["job"]
    assert retries.failures("job") == 0
    assert retries.ended("job", TaskState.KILLED, 200) is None


def test_what_the_cluster_did_does_not_count():
    retries = Retries(RetryPolicy(attempts=1, first_s=1, cap_s=10))
    waits = [retries.ended("job", TaskState.DROPPED, 0) for _ in range(6)]
    assert waits == [1, 2, 4, 8, 10, 10]
    assert list(retries.due(100)) == ["job"]


def test_what_went_well_or_is_wrong_is_not_tried_again():
    retries = Retries(RetryPolicy())
    for state in (TaskState.FINISHED, TaskState.KILLED, TaskState.ERROR):
        assert retries.ended("job", state, 0) is None
    retries.ended("job", TaskState.FAILED, 0)
    retries.forget("job")
    assert list(retries.due(1000)) == []
    with pytest.raises(UserError, match="not an end"):
        retries.ended("job", TaskState.RUNNING, 0)
    with pytest.raises(UserError):
        RetryPolicy(attempts=0)


def test_spread_goes_where_the_fewest_of_the_group_are():
    offers = [an_offer(f"O{host}", host, hostname=host, resources=Resources.of(cpus=4, mem=100)) for host in "abc"]
    packing = spread(specs(4, group="g"), offers, {"g": [place("a"), place("a"), place("b")]})
    placed = {placement.task.task_id: placement.place.hostname for placement in packing.placements()}
    assert placed == {"t0": "c", "t1": "b", "t2": "c", "t3": "a"}
