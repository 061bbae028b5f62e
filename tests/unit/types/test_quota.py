"""Amounts as people write them."""

import pytest

from mesos_py.errors import UserError
from mesos_py.types.quota import Quota, amounts_from, amounts_to_wire, parse_amounts, why_not_a_quota


def test_a_name_may_stand_for_nothing():
    amounts = amounts_from(parse_amounts(" cpus:1.5 ; gpus:0;;mem : 1024"))
    assert amounts == {"cpus": 1500, "gpus": 0, "mem": 1_024_000}
    assert amounts_to_wire(amounts) == {"cpus": 1.5, "gpus": 0, "mem": 1024}


@pytest.mark.parametrize(
    "text", ["cpus", "cpus:", "cpus:many", ":4", "cpus:nan", "cpus:inf", "cpus:1;cpus:2", "ports:[1-2]"]
)
def test_what_is_no_amount_is_told(text):
    with pytest.raises(UserError):
        amounts_from(parse_amounts(text))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"cpus": -1}, "negative"),
        ({"cpus(ads)": 1}, "names a role"),
        ({"ports": 1}, "not of the kind"),
        ({"a b": 1}, "not a resource name"),
        ({"cpus": 1, " cpus": 2}, "given twice"),
        ({"cpus": float("nan")}, "nan"),
    ],
)
def test_what_cannot_be_counted_is_told(numbers, why):
    with pytest.raises(UserError, match=why):
        amounts_from(numbers)


@pytest.mark.parametrize(
    ("role", "quota", "why"),
    [
        ("ads", Quota({"cpus": 2}, {"cpus": 2, "mem": 0}), None),
        ("*", Quota({"cpus": 2}), None),
        ("ads", Quota({"cpus": 3}, {"cpus": 2}), "cannot be sure of 0.003 cpus and limited to 0.002"),
        ("ads/web", Quota({"cpus": 3}), "only a top-level role has a quota"),
        ("-ads", Quota({"cpus": 3}), "begins with '-'"),
        ("ads", Quota(limit={f"r{n}": 1 for n in range(65)}), "at most 64 resources"),
    ],
)
def test_quotas_that_no_cluster_can_have(role, quota, why):
    found = why_not_a_quota(role, quota)
    assert found is None if why is None else why in found
