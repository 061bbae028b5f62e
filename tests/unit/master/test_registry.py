"""The facts that outlive a leader."""

import msgspec
import pytest

from mesos_py.master import registry as registry_module
from mesos_py.master.records import AgentRecord, decode_records, encode_document, read_document
from mesos_py.master.registry import (
    AdmitAgent,
    BringUp,
    Deactivate,
    Document,
    MarkDrained,
    MarkGone,
    MarkReachable,
    MarkUnreachable,
    RaiseEpoch,
    Reactivate,
    Registry,
    RemoveAgent,
    SetQuotas,
    SetSchedule,
    SetWeights,
    StartDraining,
    TakeDown,
    decode_operation,
    encode_operation,
    operations,
)
from mesos_py.types.maintenance import AgentMode, Drain, Unavailability, Window
from mesos_py.types.quota import Quota

EVERY = [
    AdmitAgent("A1", "host", "me"),
    MarkUnreachable("A1", 5.0),
    MarkReachable("A1", "other"),
    MarkGone("A1", 6.0),
    RemoveAgent("A1"),
    RaiseEpoch(7),
    SetWeights({"ads": 2.0, "eng": None}),
    SetQuotas({"ads": Quota(guarantee={"cpus": 1000}), "eng": Quota()}),
]
OF_OPERATORS = [
    StartDraining("A1", Drain(5.0, 3.0, 60.0, mark_gone=True)),
    MarkDrained("A1", 9.0),
    Deactivate("A1"),
    Reactivate("A1"),
]
OF_MACHINES = [
    SetSchedule([Window(hosts=["h", "i"], start=5.0), Window(hosts=["j"], start=7.0, duration_s=60.0)]),
    TakeDown(["h"], 6.0),
    BringUp(["h"]),
]
FORTNIGHT = 14 * 24 * 3600.0


def after(*steps):
    registry = Registry()
    for step in steps:
        step.apply(registry)
    return registry


@pytest.mark.parametrize("operation", EVERY + OF_OPERATORS + OF_MACHINES)
def test_what_is_written_can_be_read(operation):
    assert decode_operation(encode_operation(operation)) == operation


def test_nonsense_cannot():
    with pytest.raises(msgspec.MsgspecError):
        decode_operation(b"\x93\x01\x02")


def test_records_of_before_agents_had_principals_can_be_read():
    record = msgspec.msgpack.encode({"type": "AdmitAgent", "agent_id": "A1", "hostname": "h"})
    assert decode_operation(record) == AdmitAgent("A1", "h", "")


def test_an_agent_is_in_one_place():
    admit, lose, find, gone, remove, *_ = EVERY
    assert after(admit).admitted == {"A1": "host"}
    lost = after(admit, lose)
    assert (lost.admitted, lost.unreachable, lost.principals) == ({}, {"A1": 5.0}, {"A1": "me"})
    found = after(admit, lose, find)
    assert (found.admitted, found.unreachable, found.principals) == ({"A1": "other"}, {}, {"A1": "me"})
    assert (admit.hostname, lost.hostname_of("A1"), found.hostname_of("A1")) == ("host", "host", "other")
    assert after(admit, lose, lose).hostname_of("A1") == "host"
    assert found.unreachable_hosts == {}
    left = after(admit, remove)
    assert (left.admitted, left.unreachable, left.principals) == ({}, {}, {})
    for before in ((admit,), (admit, lose)):
        at_last = after(*before, gone)
        assert (at_last.admitted, at_last.unreachable, at_last.gone) == ({}, {}, {"A1": 6.0})
        assert at_last.hostname_of("A1") == ""


def test_who_has_left_is_not_given_up():
    admit, lose, _, gone, remove, *_ = EVERY
    plan, down, _ = OF_MACHINES
    assert after(lose).unreachable == after(admit, remove, lose).unreachable == {}
    at_last = after(admit, gone, lose)
    assert (at_last.unreachable, at_last.gone) == ({}, {"A1": 6.0})
    taken = after(AdmitAgent("A1", "h", "me"), plan, down, lose)
    assert (taken.admitted, taken.unreachable, taken.unreachable_hosts, taken.principals) == ({}, {}, {}, {})


def test_an_epoch_only_rises():
    assert after(RaiseEpoch(7), RaiseEpoch(3)).epoch == 7


def test_the_shortest_way_leads_to_the_same():
    registry = after(
        RaiseEpoch(3),
        AdmitAgent("A1", "h1", "p1"),
        AdmitAgent("A2", "h2", "p2"),
        AdmitAgent("A3", "h3"),
        AdmitAgent("A9", "h9", "p2"),
        MarkUnreachable("A2", 9.0),
        MarkUnreachable("A9", 4.0),
        MarkGone("A3", 10.0),
        SetWeights({"ads": 2.0}),
        SetQuotas({"ads": Quota(limit={"cpus": 0})}),
    )
    copy = after(*operations(registry))
    copy.principals = {agent_id: principal for agent_id, principal in copy.principals.items() if principal}
    del copy.owned[""]
    assert vars(copy) == vars(registry)


def test_the_unreachable_are_forgotten_after_a_fortnight():
    admitted = (AdmitAgent("A1", "h", "p"), AdmitAgent("A2", "i", "p"))
    registry = after(*admitted, MarkUnreachable("A1", 0.0), MarkUnreachable("A2", FORTNIGHT + 1))
    assert registry.unreachable == {"A2": FORTNIGHT + 1}
    assert registry.principals == {"A2": "p"}
    assert registry.unreachable_hosts == {"A2": "i"}
    assert after(MarkGone("A1", 0.0), MarkGone("A2", FORTNIGHT + 1)).gone == {"A2": FORTNIGHT + 1}


def test_and_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(registry_module, "REMEMBERED", 2)
    registry = Registry()
    for number in range(5):
        AdmitAgent(f"A{number}", "h").apply(registry)
        MarkUnreachable(f"A{number}", float(number)).apply(registry)
    assert list(registry.unreachable) == ["A3", "A4"]


def test_an_agent_has_one_mode():
    admit, lose, find, gone, remove, *_ = EVERY
    leaving, drained, off, on = OF_OPERATORS
    drain = StartDraining("A1", Drain(5.0))

    def mode(*steps):
        return after(admit, *steps).mode_of("A1")

    assert mode() is mode(on) is mode(drained) is AgentMode.ACTIVE
    assert mode(off) is mode(off, lose) is mode(off, lose, find) is AgentMode.DEACTIVATED
    assert mode(drain) is mode(off, drain) is mode(drain, off) is mode(drain, lose, find) is AgentMode.DRAINING
    assert mode(drain, drained) is mode(drain, drained, lose) is AgentMode.DRAINED
    assert mode(drain, drained, drain) is AgentMode.DRAINING
    assert mode(drain, on) is AgentMode.DRAINING, "it is emptied first"
    assert mode(drain, drained, on) is mode(off, on) is AgentMode.ACTIVE
    assert leaving.drain.mark_gone
    assert mode(leaving, drained) is AgentMode.DRAINING, "it is to be gone, and a leader that comes sees to that"
    assert mode(drain, gone) is mode(drain, remove) is mode(off, remove) is AgentMode.ACTIVE
    assert after(drain, off).mode_of("A1") is AgentMode.ACTIVE, "nobody knows it"


def test_the_unreachable_that_are_forgotten_have_no_mode():
    drain, _, off, _ = OF_OPERATORS
    old = after(
        AdmitAgent("A1", "h"),
        drain,
        MarkUnreachable("A1", 5.0),
        AdmitAgent("A2", "h"),
        MarkUnreachable("A2", 6.0),
        AdmitAgent("A3", "h"),
    )
    MarkUnreachable("A3", 7.0 + FORTNIGHT).apply(old)
    assert (old.drains, list(old.unreachable)) == ({}, ["A3"])
    assert off.apply(old) == ("A1",)
    assert old.deactivated == {}


def test_agents_of_before_there_were_drains_can_be_read():
    data = msgspec.msgpack.encode([["A1", "h", "me", None, None]])
    assert decode_records(data) == [AgentRecord("A1", "h", "me", None, None, None, False, "")]


def test_what_is_set_of_roles_is_set_until_it_is_taken_away():
    some, other = Quota(guarantee={"cpus": 1000}), Quota(limit={"cpus": 0})
    set_ = after(SetWeights({"ads": 2.0, "eng": 3.0}), SetQuotas({"ads": some, "eng": other}))
    assert (set_.weights, set_.quotas) == ({"ads": 2.0, "eng": 3.0}, {"ads": some, "eng": other})
    assert SetWeights({"ads": None}).apply(set_) == SetQuotas({"ads": Quota()}).apply(set_) == (Document.ROLES,)
    assert (set_.weights, set_.quotas) == ({"eng": 3.0}, {"eng": other})


def test_a_document_is_read_by_those_who_know_less_and_more_of_it():
    registry = after(SetWeights({"ads": 2.0}), SetQuotas({"ads": Quota(guarantee={"cpus": 1000})}))
    copy = Registry()
    read_document(copy, Document.ROLES, encode_document(registry, Document.ROLES))
    assert vars(copy) == vars(registry)
    later = {"weights": {"ads": 2.0}, "colours": {"ads": "red"}, "quotas": {"ads": {"limit": {"cpus": 0}, "burst": {}}}}
    read_document(copy, Document.ROLES, msgspec.msgpack.encode(later))
    assert (copy.weights, copy.quotas) == ({"ads": 2.0}, {"ads": Quota(limit={"cpus": 0})})
    read_document(copy, Document.ROLES, msgspec.msgpack.encode({}))
    assert vars(copy) == vars(Registry())
    with pytest.raises(msgspec.MsgspecError):
        read_document(copy, Document.ROLES, b"what is this")


def test_machines_are_scheduled_down_and_up():
    plan, down, up = OF_MACHINES
    planned = after(plan)
    assert planned.unavailability["i"] == Unavailability(start=5.0)
    assert planned.unavailability["j"] == Unavailability(start=7.0, duration_s=60.0)
    taken = after(AdmitAgent("A1", "h", "me"), AdmitAgent("A2", "i", "me"), Deactivate("A1"), plan, down)
    assert (taken.down, taken.admitted, taken.deactivated) == ({"h": 6.0}, {"A2": "i"}, {})
    SetSchedule([]).apply(taken)
    assert taken.schedule == plan.windows, "what is down stays on the schedule"
    up.apply(taken)
    assert (taken.down, list(taken.unavailability)) == ({}, ["i", "j"])
    assert after(plan, down, up, TakeDown(["i", "j"], 7.0), BringUp(["i", "j"])).schedule == []
    assert after(plan, TakeDown(["nowhere"], 7.0), BringUp(["i"])).schedule == plan.windows
    assert after(plan, TakeDown(["i", "nowhere"], 7.0)).down == {}, "all or none"


def test_what_a_machine_taken_down_changes_is_said():
    plan, down, up = OF_MACHINES
    registry = after(AdmitAgent("A1", "h"), AdmitAgent("A2", "i"), plan)
    assert down.apply(registry) == (Document.MAINTENANCE, "A1")
    assert up.apply(registry) == plan.apply(registry) == (Document.MAINTENANCE,)


def test_the_maintenance_document_is_read_by_those_who_know_less_of_it():
    registry = after(*OF_MACHINES[:2])
    copy = Registry()
    read_document(copy, Document.MAINTENANCE, encode_document(registry, Document.MAINTENANCE))
    assert vars(copy) == vars(registry)
    later = {"schedule": [{"hosts": ["h"], "start": 1.0, "why": "disks"}], "down": {}, "drills": []}
    read_document(copy, Document.MAINTENANCE, msgspec.msgpack.encode(later))
    assert copy.schedule == [Window(hosts=["h"], start=1.0)]
