"""The code in the guides is real: all of it compiles and names what there is; what is marked ``run`` runs."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import mesos_py
from mesos_py import Executor, Framework
from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import embedded
from tests.architecture.source import ROOT

_BLOCK = re.compile(r"^```python *([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_OWNERS = {"framework": Framework, "executor": Executor}


def blocks(*names):
    for name in names:
        text = (ROOT / name).read_text(encoding="utf-8")
        for found in _BLOCK.finditer(text):
            line = text[: found.start()].count("\n") + 2
            yield pytest.param(found[1].strip(), found[2], id=f"{Path(name).name}:{line}")


ALL = list(blocks("README.md", "docs/frameworks.md", "docs/executors.md"))
GUIDES = ["docs/frameworks.md", "docs/executors.md"]


@pytest.mark.parametrize(("_mark", "code"), ALL)
def test_it_compiles(_mark, code):
    compile(code, "guide", "exec")


@pytest.mark.parametrize(("_mark", "code"), ALL)
def test_what_it_imports_is_there(_mark, code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module == "mesos_py":
            assert {alias.name for alias in node.names} <= set(mesos_py.__all__)


@pytest.mark.parametrize(("_mark", "code"), ALL)
def test_what_it_calls_is_there_and_takes_these_arguments(_mark, code):
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Attribute(value=ast.Name(id=("framework" | "executor") as owner), attr=name):
                assert hasattr(_OWNERS[owner], name), name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=("framework" | "executor") as owner), attr=name)):
                _check_arguments(getattr(_OWNERS[owner], name), node, 1)
            case ast.Call(func=ast.Name(id=name)) if name in mesos_py.__all__:
                _check_arguments(getattr(mesos_py, name), node, 0)


def _check_arguments(function, call, more):
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    given = {keyword.arg: None for keyword in call.keywords if keyword.arg is not None}
    inspect.signature(function).bind(*[None] * (len(call.args) + more), **given)


@pytest.mark.parametrize("guide", GUIDES)
def test_names_of_methods_in_the_text_are_real(guide):
    text = (ROOT / guide).read_text()
    for owner, name in re.findall(r"`(framework|executor)\.(\w+)", text):
        assert hasattr(_OWNERS[owner], name), name
    for name in re.findall(r"`(on_\w+)", text):
        assert hasattr(Framework, name) or hasattr(Executor, name), name


@pytest.mark.integration
@pytest.mark.parametrize("guide", GUIDES)
def test_what_is_marked_runs(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = 0
    config = LocalConfig(agents=1, http_port=0, resources="cpus:4;mem:512", log_level="error")
    with embedded(config) as cluster:
        monkeypatch.setenv("MESOS_BROKER", cluster.broker)
        for block in blocks(guide):
            mark, code = block.values
            if mark == "run":
                exec(compile(code, block.id, "exec"), {"__name__": "guide"})
                ran += 1
            elif mark.startswith("file="):
                (tmp_path / mark.removeprefix("file=")).write_text(code)
    assert ran >= 2
