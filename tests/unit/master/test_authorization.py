"""What the cluster's rules do not allow is refused with a reason, and changes nothing."""

import pytest
from msgspec.structs import replace

from mesos_py.master import events
from mesos_py.master.authorization import OPERATOR_CALLS
from mesos_py.master.effects import Answer, Outcome
from mesos_py.messages import scheduler as calls
from mesos_py.types.acls import read_acls
from mesos_py.types.ids import Principal, TaskID
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, ExecutorInfo, HealthCheck, Reason, TaskInfo, TaskState
from tests.architecture.minimal import members
from tests.unit.web.cluster import Cluster

SHOP = Principal("shop")


def rules(*rules):
    return events.AclsChanged(read_acls({"rules": list(rules)}))


def a_cluster(*of):
    cluster = Cluster()
    cluster.handle(rules(*of))
    return cluster


def said(cluster, kind):
    return [s.event for s in cluster.sent if hasattr(s, "event") and isinstance(s.event, kind)]


def test_every_verb_of_operators_falls_under_a_rule():
    assert set(members(events.OperatorCall)) == OPERATOR_CALLS


def test_a_role_is_for_those_who_may_have_it():
    cluster = a_cluster(
        {"allow": ["subscribe"], "principals": ["ci"], "on": ["db"]}, {"deny": ["subscribe"], "on": ["db"]}
    )
    for name in ("shop", "ci"):
        call = calls.Subscribe(framework=FrameworkInfo(name=name, roles=["web", "db"]))
        cluster.handle(events.FrameworkSaid(Principal(name), f"f-{name}", json=False, call=call))
    [error] = said(cluster, calls.Error)
    assert (error.reason, error.fatal, error.call) == (calls.ErrorReason.UNAUTHORIZED, True, "SUBSCRIBE")
    assert error.message == "principal 'shop' may not subscribe (role: 'db')"
    assert [f.info.name for f in cluster.master.state.frameworks.values()] == ["ci"]
    assert cluster.master.state.counters["calls_refused/UNAUTHORIZED"] == 1


def a_task(task_id, user="", executor_user=None):
    executor = None
    if executor_user is not None:
        executor = ExecutorInfo(executor_id="e", command=CommandInfo(value="x", user=executor_user))
    command = None if executor else CommandInfo(value="true", user=user)
    return TaskInfo(task_id=TaskID(task_id), resources=Resources.of(cpus=1, mem=16), command=command, executor=executor)


def launched(cluster, operation, user="web"):
    cluster.add_agent()
    call = calls.Subscribe(framework=FrameworkInfo(name="shop", user=user))
    cluster.handle(events.FrameworkSaid(SHOP, "f-shop", json=False, call=call))
    cluster.handle(events.Ticked())
    [offer_id] = cluster.master.state.offers
    [framework_id] = cluster.master.state.frameworks
    accept = calls.Accept(framework_id=framework_id, offer_ids=[offer_id], operations=[operation])
    cluster.handle(events.FrameworkSaid(SHOP, "f-shop", json=False, call=accept))
    refused = {update.status.task_id: update.status for update in said(cluster, calls.Update)}
    return refused, set(cluster.master.state.frameworks[framework_id].tasks)


ONLY_WEB = ({"allow": ["run_as"], "on": ["web"]}, {"deny": ["run_as"]})


def test_tasks_run_as_whom_the_rules_allow():
    tasks = [a_task("good"), a_task("root", user="root"), a_task("executor", executor_user="root")]
    refused, running = launched(a_cluster(*ONLY_WEB), Launch(tasks=tasks))
    assert running == {"good"}
    assert refused.keys() == {"root", "executor"}
    assert {status.state for status in refused.values()} == {TaskState.ERROR}
    assert {status.reason for status in refused.values()} == {Reason.TASK_UNAUTHORIZED}
    assert refused["root"].message == "principal 'shop' may not run_as (user: 'root')"


def test_so_does_what_looks_whether_they_are_healthy():
    def checked(name, user):
        check = HealthCheck(command=CommandInfo(value="true", user=user))
        return replace(a_task(name, user="web"), health_check=check)

    refused, running = launched(a_cluster(*ONLY_WEB), Launch(tasks=[checked("own", ""), checked("root", "root")]))
    assert running == {"own"}
    assert refused["root"].reason is Reason.TASK_UNAUTHORIZED


def test_a_group_runs_as_a_whole_or_not():
    refused, running = launched(a_cluster(*ONLY_WEB), LaunchGroup(tasks=[a_task("a"), a_task("b", user="root")]))
    assert running == set()
    assert {status.reason for status in refused.values()} == {Reason.TASK_GROUP_UNAUTHORIZED}


def test_the_executor_of_a_group_counts_too():
    group = LaunchGroup(
        tasks=[TaskInfo(task_id=TaskID("a"), resources=Resources.of(cpus=1, mem=16))],
        executor=ExecutorInfo(executor_id="e", command=CommandInfo(value="x", user="root")),
    )
    assert launched(a_cluster(*ONLY_WEB), group)[1] == set()


def test_whom_the_agent_runs_as_is_a_user_without_a_name():
    refused, _ = launched(a_cluster(*ONLY_WEB), Launch(tasks=[a_task("a")]), user="")
    assert refused["a"].message == "principal 'shop' may not run_as (user: none)"


def answer(cluster, call, principal):
    cluster.handle(events.OperatorSaid(1, call, principal))
    return next(effect for effect in reversed(cluster.sent) if isinstance(effect, Answer))


@pytest.mark.parametrize(
    ("principal", "outcome"), [("alice", Outcome.DONE), ("bob", Outcome.FORBIDDEN), (None, Outcome.FORBIDDEN)]
)
def test_operators_do_what_they_may(principal, outcome):
    cluster = a_cluster()
    agent_id = cluster.add_agent()
    shop = cluster.add_framework("shop")
    cluster.launch(shop, "t1")
    cluster.handle(rules({"allow": ["*"], "principals": ["alice"], "on": ["shop", "node*"]}, {"deny": ["*"]}))
    who = principal and Principal(principal)
    assert answer(cluster, events.OperatorKill(TaskID("t1")), who).outcome is outcome
    assert answer(cluster, events.OperatorTeardown(shop), who).outcome is outcome
    assert answer(cluster, events.OperatorMarkGone(agent_id), who).outcome is outcome
    forbidden = cluster.master.state.counters["operator_calls_forbidden"]
    assert forbidden == (0 if outcome is Outcome.DONE else 3)


def test_what_there_is_not_is_asked_about_without_a_name():
    cluster = a_cluster({"allow": ["*"], "on": ["shop"]}, {"deny": ["*"]})
    assert answer(cluster, events.OperatorKill(TaskID("none")), None).outcome is Outcome.FORBIDDEN
    cluster.handle(rules())
    assert answer(cluster, events.OperatorKill(TaskID("none")), None).outcome is Outcome.UNKNOWN


def test_rules_that_change_hold_for_what_comes_then():
    cluster = a_cluster()
    shop = cluster.add_framework("shop")
    cluster.handle(rules({"deny": ["*"]}))
    assert cluster.master.state.frameworks[shop].connected
    assert answer(cluster, events.OperatorTeardown(shop), None).outcome is Outcome.FORBIDDEN


@pytest.mark.parametrize(("mark_gone", "outcome"), [(False, Outcome.DONE), (True, Outcome.FORBIDDEN)])
def test_who_may_drain_need_not_be_one_who_may_declare_gone(mark_gone, outcome):
    cluster = a_cluster({"allow": ["drain"]}, {"deny": ["*"]})
    agent_id = cluster.add_agent()
    assert answer(cluster, events.OperatorDrain(agent_id, mark_gone=mark_gone), None).outcome is outcome


def test_each_role_of_a_wish_must_be_allowed():
    cluster = a_cluster({"allow": ["set_weights"], "on": ["web"]}, {"deny": ["*"]})
    assert answer(cluster, events.OperatorSetWeights({"web": 2.0}), None).outcome is Outcome.DONE
    assert answer(cluster, events.OperatorSetWeights({"web": 3.0, "db": 2.0}), None).outcome is Outcome.FORBIDDEN
    assert answer(cluster, events.OperatorSetQuotas({"web": Quota()}), None).outcome is Outcome.FORBIDDEN
