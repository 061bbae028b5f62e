"""What a batch server refuses before it has begun."""

import os

import pytest

from mesos_py.errors import ConfigError
from mesos_py.frameworks.batch.server import Server, ServerOptions


def test_a_user_without_a_name_has_no_jobs(tmp_path, monkeypatch):
    """Such as those that systemd makes up (DynamicUser), where nothing tells their names."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    with pytest.raises(ConfigError, match="user 4000000 has no name here"):
        Server(ServerOptions(broker="memory://", work_dir=tmp_path, socket=tmp_path / "socket", name="head"))
