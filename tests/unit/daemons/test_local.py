"""An embedded cluster cleans up after itself, and lets tasks of other users reach what is theirs."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from mesos_py import Framework
from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import LocalCluster, embedded
from mesos_py.errors import ConfigError
from mesos_py.runtime.loop import Loop
from mesos_py.scheduler.toolkit import command_task
from mesos_py.types.tasks import TaskState
from tests.support.descriptors import none_left_open

SMALL = {"agents": 1, "http_port": 0, "resources": "cpus:2;mem:256", "log_level": "error"}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary directories are made; others may pass."""
    place = Path(tempfile.mkdtemp(prefix="t-"))
    place.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    place.rmdir()


def test_nothing_is_left_when_it_ends(temporary):
    with embedded(LocalConfig(**SMALL)) as cluster:
        assert cluster.work_dir.parent == temporary
        assert cluster.work_dir.is_dir()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"resources": "cpus:many"}, {"allocator": "none"}, {"broker": "http://x"}],
    ids=str,
)
def test_nothing_is_left_when_it_cannot_begin(temporary, wrong):
    with pytest.raises(ConfigError), embedded(LocalConfig(**{**SMALL, **wrong})):
        pass
    assert list(temporary.iterdir()) == []


def test_a_port_in_use_is_a_bad_configuration(temporary):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f":{port}"), embedded(LocalConfig(**SMALL | {"http_port": port})):
            pass
    assert list(temporary.iterdir()) == []


def test_a_port_is_given_back_when_it_cannot_begin(temporary):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    loop = Loop()
    with pytest.raises(ConfigError):
        LocalCluster(LocalConfig(**SMALL | {"http_port": port, "resources": "cpus:many"}), loop)
    loop.close()
    socket.create_server(("127.0.0.1", port)).close()


def test_two_clusters_do_not_share_a_directory(temporary, tmp_path):
    config = LocalConfig(**SMALL, work_dir=str(tmp_path / "w"))
    with embedded(config), pytest.raises(ConfigError, match=r"agent1: another process uses it"), embedded(config):
        pass
    with embedded(config):
        pass


@pytest.mark.parametrize("wrong", [{"resources": "cpus:many"}, {"allocator": "none"}, {"broker": "http://x"}], ids=str)
def test_no_descriptor_is_left_open_when_it_cannot_begin(temporary, wrong):
    with none_left_open(), pytest.raises(ConfigError), embedded(LocalConfig(**{**SMALL, **wrong})):
        pass


def test_a_directory_that_was_given_stays(temporary, tmp_path):
    with embedded(LocalConfig(**SMALL, work_dir=str(tmp_path / "w"))):
        pass
    assert (tmp_path / "w" / "agent1").is_dir()


def mode(path):
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_others_may_pass_but_not_look_around(temporary):
    with embedded(LocalConfig(**SMALL)) as cluster, Framework("f").start(cluster.broker) as framework:
        assert framework.run_task(command_task("t", "true", cpus=1), timeout=30).state is TaskState.FINISHED
        agent = cluster.work_dir / "agent1"
        assert [mode(path) for path in (cluster.work_dir, agent, agent / "run")] == ["0o711"] * 3
        assert mode(cluster.work_dir / "master") == "0o700"
        assert mode(agent / "run" / "executors.sock") == "0o666"
        assert {mode(agent / name) for name in ("journal", "run/executors.key")} == {"0o600"}
        assert mode(agent / "run" / "containers") == "0o700"


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run tasks as other users")
def test_a_task_of_another_user_reaches_its_sandbox_and_nothing_else(temporary):
    command = """
        agent=$MESOS_SANDBOX/../../../../../..
        test "$(id -un)" = nobody || exit 10
        cd / && cd "$MESOS_SANDBOX" && echo here > file || exit 11
        test -w "$agent/run/executors.sock" || exit 12
        ! ls "$agent" || exit 13
        ! cat "$agent/journal" || exit 14
        ! ls "$agent/run" || exit 15
    """
    with embedded(LocalConfig(**SMALL)) as cluster, Framework("f", user="nobody").start(cluster.broker) as framework:
        status = framework.run_task(command_task("t", command, cpus=1), timeout=30)
        assert (status.state, status.exit_code) == (TaskState.FINISHED, 0), status.message
        [output] = cluster.work_dir.rglob("stderr")
        assert output.read_text().count("Permission denied") == 3
