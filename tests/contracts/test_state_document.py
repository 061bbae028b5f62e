"""What a framework keeps, in a file and in ZooKeeper: the same, whatever the place."""

import pytest

from mesos_py import ConfigError
from mesos_py.adapters.zookeeper import document
from mesos_py.driver.state_file import StateFile
from tests.support.rabbitmq import free_ports

pytestmark = pytest.mark.integration


@pytest.fixture(params=["file", "zookeeper"])
def place(request, tmp_path):
    if request.param == "file":
        return tmp_path / "state.json"
    zookeeper = request.getfixturevalue("zookeeper")
    return zookeeper.url(f"/frameworks/{tmp_path.name}", "me:secret")


def test_kept_found_and_let_go(place):
    first = StateFile(place)
    assert first.read() is None
    first.save({"a": [1]})
    first.flush()
    first.keep("F1")
    first.save({"a": [1, 2]})
    first.flush()
    first.close()
    second = StateFile(place)
    assert second.read() == "F1"
    assert second.saved(dict[str, list[int]]) == {"a": [1, 2]}
    second.forget()
    second.close()
    third = StateFile(place)
    assert third.read() is None
    assert third.saved(dict) is None
    third.forget()
    third.close()


def test_of_zookeeper_it_is_said_what_is_wrong(zookeeper, tmp_path, monkeypatch):
    mine = StateFile(zookeeper.url(f"/mine-{tmp_path.name}", "me:secret"))
    mine.keep("F1")
    mine.save("x" * 1_000_001)
    with pytest.raises(ConfigError, match="more than ZooKeeper takes"):
        mine.flush()
    mine.close()
    other = StateFile(zookeeper.url(f"/mine-{tmp_path.name}", "you:guess"))
    with pytest.raises(ConfigError, match=r"/mine-.* cannot be read: .* belongs to another user") as said:
        other.read()
    assert "guess" not in str(said.value)
    other.close()
    monkeypatch.setattr(document, "_PATIENCE_S", 0.5)
    with pytest.raises(ConfigError, match="ZooKeeper does not answer"):
        StateFile(f"zk://127.0.0.1:{free_ports(1)[0]}/x").read()


def test_documents_of_several_users_stand_side_by_side(zookeeper, tmp_path):
    places = [
        zookeeper.url(f"/side-{tmp_path.name}/by/side/{login.partition(':')[0] or 'nobody'}", login)
        for login in ("me:secret", "you:guess", "")
    ]
    states = [StateFile(place) for place in places]
    for number, state in enumerate(states):
        state.keep(f"F{number}")
    assert [state.read() for state in states] == ["F0", "F1", "F2"]
    stolen = StateFile(places[0].replace("me:secret", "you:guess"))
    with pytest.raises(ConfigError, match="belongs to another user"):
        stolen.read()
    for state in states:
        state.forget()
    again = [StateFile(place) for place in places]
    assert [state.read() for state in again] == [None, None, None]
    for state in (*states, stolen, *again):
        state.close()


def test_it_is_written_when_zookeeper_is_back(zookeeper, tmp_path):
    state = StateFile(zookeeper.url(f"/back-{tmp_path.name}"))
    state.keep("F1")
    zookeeper.kill()
    zookeeper.start()
    state.keep("F2")
    state.close()
    again = StateFile(zookeeper.url(f"/back-{tmp_path.name}"))
    assert again.read() == "F2"
    again.close()
