"""What a master without ZooKeeper still knows after a restart."""

import pytest

from mesos_py.daemons.registry import RegistryFile, RegistryMemory
from mesos_py.errors import ConfigError
from mesos_py.master.registry import AdmitAgent, MarkGone, MarkUnreachable
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import AgentID, Principal

ADMIT = AdmitAgent(AgentID("A1"), "host1", Principal("agent"))


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


def lead(loop, path, *operations, least_epoch=100):
    """One leadership: load, write these, end."""
    store = RegistryFile(path, loop)
    registry, epoch = store.load(least_epoch)
    written = []
    for serial, operation in enumerate(operations, 1):
        store.write(serial, operation, written.append)
    store.close()
    loop.turn(0)
    assert not operations or written[-1] == len(operations)
    return registry, epoch


def test_what_was_confirmed_survives(loop, tmp_path):
    path = tmp_path / "registry"
    lead(loop, path, ADMIT, AdmitAgent(AgentID("A2"), "host2"), MarkUnreachable(AgentID("A2"), 50.0))
    lead(loop, path, MarkGone(AgentID("A3"), 60.0))
    registry, _epoch = lead(loop, path)
    assert registry.admitted == {"A1": "host1"}
    assert registry.unreachable == {"A2": 50.0}
    assert registry.gone == {"A3": 60.0}
    assert registry.principals["A1"] == "agent"


def test_each_leadership_has_a_higher_epoch_even_if_the_clock_is_set_back(loop, tmp_path):
    path = tmp_path / "registry"
    epochs = [lead(loop, path, least_epoch=clock)[1] for clock in (100, 100, 50, 1000, 0)]
    assert epochs == [100, 101, 102, 1000, 1001]


def test_if_the_file_is_lost_the_clock_sees_to_a_higher_epoch(loop, tmp_path):
    path = tmp_path / "registry"
    _registry, before = lead(loop, path, least_epoch=100)
    path.unlink()
    registry, after = lead(loop, path, least_epoch=200)
    assert after > before
    assert registry.admitted == {}


def test_a_torn_end_is_left_out(loop, tmp_path):
    path = tmp_path / "registry"
    lead(loop, path, ADMIT, AdmitAgent(AgentID("A2"), "host2"))
    whole = path.read_bytes()
    for length in range(len(whole) - 1, len(whole) - 20, -1):
        path.write_bytes(whole[:length])
        registry, epoch = lead(loop, path)
        assert registry.admitted == {"A1": "host1"}
        assert epoch == 101


def test_a_record_of_another_time_is_skipped(loop, tmp_path, capsys):
    from mesos_py.adapters.journal import rewrite_journal
    from mesos_py.master.registry import encode_operation

    path = tmp_path / "registry"
    rewrite_journal(path, [b"\x81nonsense", encode_operation(ADMIT)])
    registry, _epoch = lead(loop, path)
    assert registry.admitted == {"A1": "host1"}


def test_it_is_read_by_its_master_only(loop, tmp_path):
    path = tmp_path / "registry"
    lead(loop, path, ADMIT)
    assert path.stat().st_mode & 0o777 == 0o600
    lead(loop, path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"not a journal at all", b"MESOSJ\x00\x63later"])
def test_what_is_no_registry_is_not_overwritten(loop, tmp_path, content):
    path = tmp_path / "registry"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        lead(loop, path)
    assert path.read_bytes() == content


def test_a_registry_that_cannot_be_read_is_told(loop, tmp_path):
    (tmp_path / "registry").mkdir()
    with pytest.raises(ConfigError, match=r"cannot use the registry .*: Is a directory"):
        lead(loop, tmp_path / "registry")


def test_two_masters_do_not_share_a_registry(loop, tmp_path):
    """The second would rewrite the file under the first, whose operations then went nowhere."""
    path = tmp_path / "registry"
    first = RegistryFile(path, loop)
    first.load(100)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"cannot use the directory {tmp_path}: another process uses it"):
        RegistryFile(path, loop).load(100)
    assert path.read_bytes() == before
    first.close()
    assert lead(loop, path)[1] == 101


def test_what_cannot_be_used_is_let_go(loop, tmp_path):
    path = tmp_path / "registry"
    path.write_bytes(b"not a journal at all")
    with pytest.raises(ConfigError):
        lead(loop, path)
    path.unlink()
    lead(loop, path)


def test_in_memory_only_the_epoch_is_kept():
    store = RegistryMemory()
    assert [store.load(least)[1] for least in (10, 10, 5)] == [10, 11, 12]
    written = []
    store.write(7, ADMIT, written.append)
    assert written == [7]
    store.close()
