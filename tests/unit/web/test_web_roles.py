"""Quotas and weights in the master's HTTP API."""

import pytest


def test_quotas_are_set_all_or_none(client, busy):
    ads = {"role": "ads", "guarantee": {"cpus": 2, "mem": 64}}
    eng = {"role": "eng", "limit": {"cpus": 4.5, "gpus": 0}}
    answer = client.put("/quota", json=[ads, eng])
    assert (answer.status_code, answer.json()) == (200, {"message": "quotas set of ads, eng"})
    assert client.get("/quota").json() == [ads, eng]
    again = client.put("/quota", json=[{"role": "ads"}, {"role": "ops", "guarantee": {"cpus": 99}}])
    assert again.status_code == 409
    assert client.get("/quota").json() == [ads, eng]
    [shown] = [role for role in client.get("/roles").json()["items"] if role["role"] == "ads"]
    assert (shown["guarantee"], shown["limit"], shown["consumed"]) == (ads["guarantee"], {}, {"cpus": 0, "mem": 0})
    assert client.delete("/quota", params={"role": ["ads", "eng"]}).status_code == 200
    assert client.get("/quota").json() == []


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [
        ([{"role": "ads/web", "limit": {"cpus": 1}}], 400, "only a top-level role has a quota"),
        ([{"role": "ads", "limit": {"cpus": -1}}], 400, "role ads: -1.0 is negative"),
        ([{"role": "ads", "limit": {"ports": 1}}], 400, "role ads: resource 'ports'"),
        ([{"role": "ads", "limit": {"cpus(x)": 1}}], 400, "names a role"),
        ([{"role": "ads", "guarantee": {"cpus": 2}, "limit": {"cpus": 1}}], 400, "cannot be sure of 2 cpus"),
        ([{"role": "ads", "limit": {"cpus": 1}}, {"role": "ads"}], 400, "role ads is given twice"),
        ([{"role": "ads", "limit": {"cpus": "many"}}], 400, "body"),
        ([{"role": "ads"}], 404, "role ads has no quota"),
        ([{"role": "ads", "guarantee": {"gpus": 1}}], 409, "1 gpus would be guaranteed, the agents have 0"),
        ({"role": "ads"}, 400, "body"),
    ],
)
def test_quotas_that_cannot_be_are_refused_with_a_reason(client, busy, body, code, why):
    answer = client.put("/quota", json=body)
    assert answer.status_code == code
    assert why in answer.json()["error"]
    assert client.get("/quota").json() == []


def test_a_quota_is_forced(client, busy):
    body = [{"role": "ads", "guarantee": {"gpus": 1}}]
    assert client.put("/quota", params={"force": True}, json=body).status_code == 200
    assert client.get("/quota").json() == body


def test_weights(client, busy):
    assert client.put("/weights", json={"ads": 2, "eng/web": 0.5}).status_code == 200
    assert client.get("/weights").json() == {"ads": 2, "eng/web": 0.5}
    assert client.delete("/weights", params={"role": "ads"}).status_code == 200
    assert client.get("/weights").json() == {"eng/web": 0.5}
    for body, code in (({"ads": 0}, 400), ({"a d": 1}, 400), ({"ads": "x"}, 400), ([], 400)):
        assert client.put("/weights", json=body).status_code == code
    assert client.delete("/weights", params={"role": "ads"}).status_code == 404
    assert client.delete("/weights").status_code == 400


def test_what_the_registry_could_not_hold_is_refused(client, busy):
    body = [{"role": f"r{n}" + "x" * 200, "limit": {f"resource{m}": 1 for m in range(60)}} for n in range(600)]
    answer = client.put("/quota", json=body)
    assert (answer.status_code, "would take more than" in answer.json()["error"]) == (409, True)
