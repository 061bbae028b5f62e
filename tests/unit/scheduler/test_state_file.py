"""A framework's id in a file: kept, found again, let go; and what is wrong with a file is said at once."""

import json

import pytest
from msgspec import Struct

from mesos_py import Framework, UserError, command_task
from mesos_py.driver.state_file import StateFile
from mesos_py.errors import ConfigError
from mesos_py.messages.scheduler import Accept, Acknowledge, Error, ErrorReason, Subscribe
from tests.unit.scheduler.small_master import World


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


def world(path, **more):
    return World(state_file=path, failover_timeout_s=60.0, **more)


def test_the_next_process_comes_back_with_the_id(path):
    first = world(path)
    first.run()
    assert json.loads(path.read_text()) == {"framework_id": "F1"}
    first.framework.stop(teardown=False)
    first.turn()
    second = world(path)
    assert second.framework.framework_id is None
    second.run()
    assert [call.framework_id for call in first.master.heard(Subscribe)] == [None]
    assert [call.framework_id for call in second.master.heard(Subscribe)] == ["F1"]
    assert list(path.parent.iterdir()) == [path]


def test_it_is_kept_before_the_user_is_told(path):
    one = world(path)
    there = []
    one.framework.on_registered(lambda event: there.append(path.exists()))
    one.run()
    assert there == [True]


def test_who_leaves_for_good_leaves_no_file(path):
    one = world(path)
    one.run()
    one.framework.stop()
    one.turn()
    assert not path.exists()


def test_an_id_that_was_taken_over_stays_for_the_next(path):
    one = world(path)
    one.run()
    one.master.say(Error(reason=ErrorReason.FAILED_OVER, message="another", fatal=True, framework_id="F1"))
    one.turn()
    assert json.loads(path.read_text()) == {"framework_id": "F1"}


def test_a_fresh_id_takes_the_place_of_a_removed_one(path):
    StateFile(path).keep("F0")
    one = world(path)
    replaced = []
    one.framework.on_registered(lambda event: replaced.append(event.replaces))
    one.master.removed = {"F0"}
    one.run()
    for _ in range(20):
        one.loop.turn(0.05)
    assert replaced == ["F0"]
    assert json.loads(path.read_text()) == {"framework_id": "F1"}


def test_fields_of_a_later_version_are_no_trouble(path):
    path.write_text('{"framework_id": "F7", "tasks": []}')
    assert StateFile(path).read() == "F7"


@pytest.mark.parametrize("text", ["", "F1", "{}", '{"framework_id": 7}', '{"framework_id": "../x"}', "\xff"])
def test_a_spoiled_file_is_named(path, text):
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"state\.json is not a framework's state file"):
        Framework("x", state_file=path, failover_timeout_s=1).run("memory://nobody")


def test_a_place_where_nothing_can_be_kept_is_named_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match="no directory"):
        Framework("x", state_file=tmp_path / "none" / "state", failover_timeout_s=1).run("memory://nobody")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        Framework("x", state_file=tmp_path, failover_timeout_s=1).run("memory://nobody")


def test_a_disk_that_fails_ends_the_framework_with_the_path(path):
    one = world(path)
    one.framework.attach(one.loop, one.url)
    path.with_name("state.json.new").mkdir()
    one.turn()
    with pytest.raises(ConfigError, match=r"state\.json cannot be written: Is a directory"):
        one.framework.join(0)


def test_state_needs_a_failover_timeout_and_no_other_id(path):
    with pytest.raises(UserError, match="failover_timeout_s is needed"):
        Framework("x", state_file=path)
    with pytest.raises(UserError, match="the id comes from the state_file"):
        Framework("x", state_file=path, failover_timeout_s=1, framework_id="F1")


# What the author saves


class Job(Struct):
    line: str
    tries: int = 0


def test_what_was_saved_is_there_for_the_next_process(path):
    first = world(path)
    assert first.framework.saved(dict[str, Job]) is None
    first.run()
    first.framework.save({"a": Job("make", 1)})
    first.turn()
    assert json.loads(path.read_text()) == {"framework_id": "F1", "saved": {"a": {"line": "make", "tries": 1}}}
    assert path.stat().st_mode & 0o077 == 0
    first.framework.stop(teardown=False)
    first.turn()
    second = world(path)
    assert second.framework.saved(dict[str, Job]) == {"a": Job("make", 1)}
    second.run()
    assert [call.framework_id for call in second.master.heard(Subscribe)] == ["F1"]
    assert second.framework.saved(dict[str, Job]) == {"a": Job("make", 1)}


def test_it_is_written_before_what_the_callback_asks_for_is_sent(path):
    one = world(path)
    seen = []
    publish = one.master.delivered

    def delivered(deliveries):
        seen.append(json.loads(path.read_text()).get("saved") if path.exists() else None)
        publish(deliveries)

    one.master.delivered = delivered

    @one.framework.on_offers
    def place(offers):
        one.framework.launch(offers, command_task("t", "true", cpus=1, mem=1))
        one.framework.save(["first"])
        one.framework.save(["t"])  # the last counts

    one.run()
    for _ in range(5):
        one.turn()
    assert len(one.master.heard(Accept)) == 1
    assert seen[-1] == ["t"]
    assert ["first"] not in seen


def test_what_cannot_be_saved_is_not_followed_by_what_was_asked_for(path):
    one = world(path)

    @one.framework.on_offers
    def place(offers):
        path.with_name("state.json.new").mkdir()
        one.framework.save(["t"])
        one.framework.launch(offers, command_task("t", "true", cpus=1, mem=1))

    one.framework.attach(one.loop, one.url)
    for _ in range(20):
        one.loop.turn(0.05)
    assert one.master.heard(Accept) == []
    with pytest.raises(ConfigError, match=r"state\.json cannot be written: Is a directory"):
        one.framework.join(0)


def test_an_update_is_told_again_to_whoever_did_not_save_it(path):
    """Its acknowledgement is sent after the saving: here that fails."""
    one = world(path)

    @one.framework.on_offers
    def place(offers):
        one.framework.launch(offers, command_task("t", "true", cpus=1, mem=1))

    @one.framework.on_update
    def heard(status):
        one.framework.save({status.task_id: object()})

    one.framework.attach(one.loop, one.url)
    for _ in range(20):
        one.loop.turn(0.05)
    assert one.master.heard(Acknowledge) == []
    with pytest.raises(ConfigError, match="cannot be put as JSON"):
        one.framework.join(0)


def test_what_another_version_saved_is_refused_by_name(path):
    path.write_text('{"framework_id": "F7", "saved": {"a": 7}}')
    with pytest.raises(ConfigError, match=r"state\.json holds something else than was expected: .*\$"):
        Framework("x", state_file=path, failover_timeout_s=1).saved(dict[str, Job])


def test_nothing_is_saved_without_a_file():
    with pytest.raises(UserError, match="without a state_file"):
        Framework("x").save(1)
    with pytest.raises(UserError, match="without a state_file"):
        Framework("x").saved(int)


def test_an_address_of_zookeeper_that_cannot_be_read():
    with pytest.raises(ConfigError, match="path of a node is missing"):
        Framework("x", state_file="zk://host:2181", failover_timeout_s=1)
