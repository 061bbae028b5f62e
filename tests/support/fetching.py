"""One fetch into a sandbox, or why it could not be."""

import pytest

from mesos_py.adapters.fetcher import SandboxFetcher
from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.types.tasks import URI


def fetch(sandbox, value, *, fetcher=None, user="", cancelled=lambda: False, **uri):
    (fetcher or SandboxFetcher()).fetch([URI(value=str(value), **uri)], str(sandbox), user, cancelled)


def why_not(sandbox, value, **more):
    with pytest.raises(LaunchError) as caught:
        fetch(sandbox, value, **more)
    assert not [path for path in sandbox.rglob("*") if path.name.endswith(".part")]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def source(tmp_path, name, content=b"content"):
    path = tmp_path / name
    path.write_bytes(content)
    return path
