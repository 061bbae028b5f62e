import pytest
from msgspec.structs import replace

from mesos_py.agent.reconfiguration import ADDITIVE, EQUAL, RECONFIGURE, why_not_reconfigured
from mesos_py.testing.builders import an_agent
from mesos_py.types.resources import Resources

BEFORE = replace(an_agent("a", "cpus:4;mem:1024", "rack:r1", "host"), url="http://host:5051")
MORE = Resources.parse("cpus:8;mem:1024;ports:[1-9]")
LESS = Resources.parse("cpus:2;mem:1024")
USED = Resources.parse("cpus:2.5;mem:100")
CHANGES = {
    "nothing": {},
    "more resources": {"resources": MORE},
    "less resources": {"resources": LESS},
    "other reservations": {"resources": Resources.parse("cpus(web):4;mem:1024")},
    "more attributes": {"attributes": {"rack": "r1", "zone": "z"}},
    "other attributes": {"attributes": {"rack": "r2"}},
    "fewer attributes": {"attributes": {}},
    "another host name": {"hostname": "other"},
    "another port": {"url": "http://host:5052"},
    "another name": {"name": "b"},
    "another version": {"version": "2"},
}
ADDS = {"more resources", "more attributes"}


def why_not(policy, change, used=USED):
    return why_not_reconfigured(policy, BEFORE, replace(BEFORE, **CHANGES[change]), used)


@pytest.mark.parametrize("change", CHANGES)
def test_what_each_policy_lets_change(change):
    harmless = change in ("nothing", "another version")
    assert (why_not(EQUAL, change) is None) == harmless
    assert (why_not(ADDITIVE, change) is None) == (harmless or change in ADDS)
    assert (why_not(RECONFIGURE, change) is None) == (change != "less resources")


def test_where_nothing_runs_everything_may_change():
    assert all(why_not(RECONFIGURE, change, Resources()) is None for change in CHANGES)
    assert why_not(EQUAL, "less resources", Resources()) is not None


def test_less_is_enough_if_what_runs_fits():
    assert why_not(RECONFIGURE, "less resources", Resources.of(cpus=2)) is None


def test_a_refusal_says_what_changed_and_what_to_do():
    assert why_not(EQUAL, "other attributes") == (
        "the attributes were rack:r1, now they are rack:r2. Configure it as before, start once with "
        "--reconfiguration-policy reconfigure to take the change on under the running tasks, or with --recover cleanup "
        "to end them"
    )
    assert "running tasks use cpus:2.5;mem:100, and the agent is configured with cpus:2;mem:1024" in why_not(
        RECONFIGURE, "less resources"
    )
    assert "the hostname was host, now it is other" in why_not(ADDITIVE, "another host name")
