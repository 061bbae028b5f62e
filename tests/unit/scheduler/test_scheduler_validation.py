"""A user's mistakes are told at once, in a sentence, before anything is sent."""

import pytest

from mesos_py.errors import UserError
from mesos_py.scheduler.validation import checked_operations
from mesos_py.types.host import RLimit, Volume
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo
from tests.unit.scheduler.conftest import a_task, an_offer

TRUE = CommandInfo(value="true")
EXECUTOR = ExecutorInfo(executor_id="e", command=TRUE, resources=Resources.of(cpus=1, mem=64))


def check(*tasks, offers=None, group=False, executor=None):
    operation = LaunchGroup(tasks=list(tasks), executor=executor) if group else Launch(tasks=list(tasks))
    return checked_operations(offers or [an_offer()], [operation])


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([], "needs tasks"),
        ([a_task("")], "may not be empty"),
        ([a_task("a/b")], "slashes"),
        ([a_task("t"), a_task("t")], "twice"),
        ([a_task("t", command=None)], "either a command or an executor"),
        ([a_task("t", command=TRUE, executor=EXECUTOR)], "either a command or an executor"),
        ([a_task("t", command=CommandInfo())], "either value"),
        ([a_task("t", command=CommandInfo(value="a", argv=["b"]))], "either value"),
        ([a_task("t", command=CommandInfo(value="a", rlimits={"x": RLimit()}))], "task 't': there is no rlimit 'x'"),
        (
            [a_task("t", command=CommandInfo(value="a", volumes=[Volume(host_path="d", container_path="d")]))],
            "absolute",
        ),
        ([a_task("t", limits={"cpus": 0.5})], "task 't': the limit for cpus, 0.5, is below the request 1"),
        ([a_task("t", resources=Resources())], "needs resources"),
        ([a_task("t", resources=Resources.of(cpus=5))], "needs cpus:5, the offer has cpus:4;mem:1024 left"),
        ([a_task("t", resources=Resources.of(cpus=3)), a_task("u", resources=Resources.of(cpus=2))], "'u'"),
        ([a_task("t", executor=EXECUTOR, resources=Resources.of(cpus=4))], "the offer has cpus:3;mem:960 left"),
    ],
)
def test_mistakes(tasks, words):
    with pytest.raises(UserError, match=words):
        check(*tasks)


@pytest.mark.parametrize(
    ("task", "executor", "words"),
    [
        (a_task("t", executor=EXECUTOR), None, "no executor of its own"),
        (a_task("t"), EXECUTOR, "its group has an executor"),
        (a_task("t", command=None), None, "either a command"),
    ],
)
def test_mistakes_in_groups(task, executor, words):
    with pytest.raises(UserError, match=words):
        check(task, group=True, executor=executor)


@pytest.mark.parametrize(
    ("offers", "words"),
    [
        ([an_offer("O1"), an_offer("O1")], "twice"),
        ([an_offer("O1", "A1"), an_offer("O2", "A2")], "one agent"),
        ([an_offer("O1", role="a"), an_offer("O2", role="b")], "one role"),
    ],
)
def test_offers_that_do_not_go_together(offers, words):
    with pytest.raises(UserError, match=words):
        check(a_task(), offers=offers)


def test_no_offer():
    with pytest.raises(UserError, match="at least one offer"):
        checked_operations([], [])


def test_an_infinite_limit_is_sent_as_a_word():
    (launch,) = check(a_task("t", limits={"cpus": float("inf"), "mem": 10_000.0}))
    assert launch.tasks[0].limits == {"cpus": "inf", "mem": 10_000.0}


def test_several_offers_are_added_up():
    check(a_task("t", resources=Resources.of(cpus=7)), offers=[an_offer("O1"), an_offer("O2")])


def test_an_executor_is_charged_once_and_not_at_all_where_it_runs():
    tasks = [a_task(name, executor=EXECUTOR, resources=Resources.of(cpus=1.5)) for name in "ab"]
    check(*tasks)
    with pytest.raises(UserError):
        check(*tasks, a_task("c"))
    check(*tasks, a_task("c"), offers=[an_offer(executor_ids=["e"])])


def test_plain_resources_are_taken_from_reserved_ones_where_needed():
    offer = an_offer(resources=Resources.parse("cpus:1;cpus(ads):2;mem:100"))
    plain, exact = a_task("t", resources=Resources.of(cpus=2.5)), a_task("u", resources=Resources.of(cpus=0.5))
    (operation,) = check(plain, exact, offers=[offer])
    assert operation.tasks[0].resources == Resources.parse("cpus:0.5;cpus(ads):2")
    assert operation.tasks[1] is exact


def test_a_group_with_an_executor():
    (operation,) = check(a_task("t", command=None), a_task("u", command=None), group=True, executor=EXECUTOR)
    assert operation.executor == EXECUTOR
