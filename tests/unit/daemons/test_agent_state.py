"""An agent's daemon: what it reads at the start, what it writes anew, and what it leaves alone when it is stopped."""

import os

import msgspec
import pytest

from mesos_py.adapters.journal import read_journal, rewrite_journal
from mesos_py.agent.checkpoint import AgentDescribed, AgentNamed, ContainerPid, FrameworkSeen, Record, TaskLaunched
from mesos_py.daemons import agent_state
from mesos_py.daemons.agent import AgentDaemon, Parts
from mesos_py.daemons.agent_state import Compaction, encode_record
from mesos_py.daemons.config import AgentConfig
from mesos_py.errors import ConfigError
from mesos_py.messages.codec import decode_hook
from mesos_py.runtime.loop import Loop
from mesos_py.testing.builders import a_framework, a_task, an_agent
from mesos_py.testing.containers import Fate, NullContainerizer, NullHost
from mesos_py.types.ids import AgentID, ContainerID, FrameworkID, Role
from tests.unit.adapters.containers_support import turn_until

RECORDS = [
    AgentDescribed(info=an_agent("n", "cpus:4;mem:1024", "rack:r1", "h")),
    AgentNamed(agent_id=AgentID("A1")),
    FrameworkSeen(framework_id=FrameworkID("F1"), framework=a_framework()),
    TaskLaunched(
        framework_id=FrameworkID("F1"),
        task=a_task("t1", "cpus:2;mem:64"),
        role=Role("*"),
        container_id=ContainerID("C1"),
        sandbox="/nowhere",
    ),
    ContainerPid(container_id=ContainerID("C1"), pid=7),
]


class NoExecutors:
    def environment(self, _container_id):
        return {}

    def forget(self, _container_id):
        pass


@pytest.fixture(name="loop")
def _loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(name="make")
def _make(loop, tmp_path):
    """Makes agents on one work directory and one host; whatever is not stopped is abandoned."""
    host = NullHost()
    made = []

    def make(*, runs=True, **config):
        def parts(_config, _loop, agent):
            from mesos_py.adapters.journal import FileJournal

            containers = NullContainerizer(loop, lambda _spec: Fate(exit=None), host)
            containers.open(agent)
            journal = FileJournal(tmp_path / "journal", loop, agent.checkpointed, agent.journal_failed)

            def close():
                containers.close()
                journal.close()

            return Parts(containers, NoExecutors(), None, journal, close)

        defaults = {"name": "n", "hostname": "h", "resources": "cpus:4;mem:1024;disk:0;ports:[]", "http_port": 0}
        settings = AgentConfig(
            broker="memory://agent-state", work_dir=str(tmp_path), **{**defaults, "attributes": "rack:r1", **config}
        )
        agent = AgentDaemon(settings, loop, parts, jitter=0.0)
        made.append(agent)
        return agent

    make.host = host
    return make


def write(tmp_path, records=RECORDS):
    rewrite_journal(tmp_path / "journal", [encode_record(record) for record in records])


def records(tmp_path):
    texts, spoiled = read_journal(tmp_path / "journal")
    assert not spoiled
    return [msgspec.msgpack.decode(text, type=Record, dec_hook=decode_hook) for text in texts]


def stop(loop, agent):
    stopped = []
    agent.stop(lambda: stopped.append(True))
    turn_until(loop, lambda: stopped)


def spec_of_t1(make):
    agent = make()
    [spec] = agent.core.recovered_specs()
    agent.abandon()
    return spec


def test_the_first_start_writes_down_what_the_agent_is(loop, make, tmp_path):
    agent = make()
    agent.start()
    stop(loop, agent)
    assert [record.info.name for record in records(tmp_path) if isinstance(record, AgentDescribed)] == ["n"]


def test_a_task_runs_on_under_the_next_agent_and_the_one_after(loop, make, tmp_path):
    write(tmp_path)
    spec = spec_of_t1(make)
    make.host.running[spec.container_id] = (spec, 7)
    for _ in range(2):
        agent = make()
        agent.start()
        turn_until(loop, lambda agent=agent: not agent.core.view().recovering)
        [framework] = agent.core.view().frameworks
        assert [task.task_id for task in framework.tasks] == ["t1"]
        stop(loop, agent)
        assert list(make.host.running) == ["C1"]
    assert ContainerPid(container_id=ContainerID("C1"), pid=7) in records(tmp_path)


def test_a_stopped_agent_says_goodbye_to_nobody(loop, make, tmp_path):
    agent = make()
    agent.start()
    stop(loop, agent)
    agent.stop(lambda: pytest.fail("twice"))
    assert agent.failure == ""


def test_cleaning_up_ends_what_runs_and_then_the_agent(loop, make, tmp_path):
    write(tmp_path)
    spec = spec_of_t1(make)
    make.host.running[spec.container_id] = (spec, 7)
    agent = make(recover="cleanup", resources="cpus:1;mem:1;disk:0;ports:[]")
    agent.start()
    loop.run()  # until the agent stops it
    assert (make.host.running, agent.failure) == ({}, "")
    assert "UpdateMade" in [type(record).__name__ for record in records(tmp_path)]


def test_a_disk_that_fails_ends_the_agent_and_not_its_tasks(loop, make, tmp_path, monkeypatch):
    write(tmp_path)
    spec = spec_of_t1(make)
    make.host.running[spec.container_id] = (spec, 7)
    (tmp_path / "journal.new").mkdir()
    agent = make()
    agent.start()
    loop.run()
    assert agent.failure.startswith("checkpoints cannot be written")
    assert list(make.host.running) == ["C1"]


# Records that cannot be read


def spoiled(tmp_path):
    texts = [encode_record(record) for record in RECORDS]
    rewrite_journal(tmp_path / "journal", [*texts[:3], msgspec.msgpack.encode({"type": "FromTheFuture"}), *texts[3:]])


def test_what_cannot_be_read_is_left_out_and_counted(make, tmp_path):
    spoiled(tmp_path)
    agent = make()
    view = agent.core.view()
    assert view.counters == {"recovery_errors": 1}
    assert [task.task_id for task in view.frameworks[0].tasks] == ["t1"]
    agent.abandon()


def test_what_cannot_be_read_is_refused_if_that_is_wanted(make, tmp_path):
    spoiled(tmp_path)
    before = (tmp_path / "journal").read_bytes()
    with pytest.raises(ConfigError, match="1 records that cannot be read; --no-strict leaves them out"):
        make(strict=True)
    write(tmp_path, [*RECORDS[:2], *RECORDS[3:]])
    with pytest.raises(ConfigError, match="TaskLaunched follows from nothing; --no-strict leaves out"):
        make(strict=True)
    assert before != (tmp_path / "journal").read_bytes()
    assert not (tmp_path / "journal.new").exists()


def test_a_journal_of_another_version_is_refused(make, tmp_path):
    (tmp_path / "journal").write_bytes(b"MESOSJ\x00\x09...")
    with pytest.raises(ConfigError, match="written by another version"):
        make()


# Configured otherwise


def test_an_agent_takes_on_a_change_and_knows_it_from_then_on(loop, make, tmp_path):
    write(tmp_path)
    agent = make(resources="cpus:2;mem:64;disk:0;ports:[]", attributes="rack:r2")
    assert str(agent.core.view().used) == "cpus:2;mem:64"
    agent.start()
    stop(loop, agent)
    make(resources="cpus:2;mem:64;disk:0;ports:[]", attributes="rack:r2", reconfiguration_policy="equal").abandon()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"resources": "cpus:1;mem:64;disk:0;ports:[]"}, "running tasks use cpus:2;mem:64"),
        ({"attributes": "rack:r2", "reconfiguration_policy": "equal"}, "the attributes were rack:r1"),
        ({"attributes": "rack:r2", "reconfiguration_policy": "additive"}, "the attributes were rack:r1"),
    ],
)
def test_an_agent_that_cannot_take_a_change_on_says_so_and_changes_nothing(make, tmp_path, config, message):
    write(tmp_path)
    before = (tmp_path / "journal").read_bytes()
    with pytest.raises(ConfigError, match=message):
        make(**config)
    assert (tmp_path / "journal").read_bytes() == before
    make().abandon()  # nothing was taken that is not given back


# Writing anew


def test_a_journal_is_written_anew_when_it_has_grown_much(loop, make, tmp_path, monkeypatch):
    monkeypatch.setattr(agent_state, "_SMALL", 2000)
    agent = make()
    agent.start()
    turn_until(loop, lambda: not agent.core.view().recovering)
    epochs = iter(range(2, 1000))
    from mesos_py.agent.events import MasterSaid
    from tests.unit.agent.rig import a_beacon

    def speak():
        epoch = next(epochs)
        agent._mailbox.put(MasterSaid(epoch, a_beacon(epoch)))
        return epoch > 900

    turn_until(loop, speak)
    stop(loop, agent)
    assert os.path.getsize(tmp_path / "journal") < 10_000
    assert records(tmp_path)[-1].epoch > 800


def test_a_large_state_is_not_written_anew_for_a_little():
    compaction = Compaction()
    compaction.written(50 * 2**20)
    compaction.appended(149 * 2**20)
    assert not compaction.is_due()
    compaction.appended(2 * 2**20)
    assert compaction.is_due()
    compaction.written(10)
    assert not compaction.is_due()
