"""What ``import mesos_py`` gives."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mesos_py


def test_every_public_name_loads():
    for name in mesos_py.__all__:
        assert getattr(mesos_py, name) is not None
    assert set(mesos_py.__all__) <= set(dir(mesos_py))


def test_type_checkers_are_told_the_same():
    stub = ast.parse(Path(mesos_py.__file__).with_suffix(".pyi").read_text())
    told = {(node.module, alias.name) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told == {(home, name) for home, names in mesos_py._HOMES.items() for name in names}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = mesos_py.Nonsense


def loaded(statement):
    """What of ours and of what we need a fresh Python has then."""
    names = "m for m in sys.modules if m.startswith(('mesos_py.', 'kombu', 'msgspec'))"
    code = f"import sys; {statement}; print(*({names}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_import_loads_nothing():
    assert loaded("import mesos_py") == []


def test_executors_start_without_the_brokers_client():
    assert "mesos_py.driver.executor" in (names := loaded("from mesos_py import Executor"))
    assert not [name for name in names if name.startswith("kombu")]
