"""What holds for every file of the project, besides what the linters check."""

import ast
import re

import pytest

from tests.architecture.source import calls_of, name_of, python_files, tree_of

PACKAGE = python_files("mesos_py")
ALL = python_files("mesos_py", "benchmarks", "examples", "tests")

FILE_LINES = 500
FUNCTION_LINES = 40

_MOCK = re.compile(r"^\s*(from unittest(\.mock)? import|import unittest\.mock|import mock\b)", re.MULTILINE)

MAY_SLEEP = ("mesos_py/cli/", "mesos_py/frameworks/", "mesos_py/adapters/reattaching.py")
"""Commands that poll a master over HTTP, in a thread of their own, and what is done before there is a loop."""


def test_there_is_something_to_check():
    assert len(PACKAGE) > 100


def test_no_file_is_too_long():
    long = {name_of(file): lines for file in PACKAGE if (lines := len(file.read_text().splitlines())) > FILE_LINES}
    assert not long


def _functions(tree):
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _body(function):
    """Its statements without the docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _is_one_match(function):
    """A dispatch over everything that can happen is read case by case."""
    return sum(isinstance(statement, ast.Match) for statement in _body(function)) == 1 and len(_body(function)) <= 3


def test_no_function_is_too_long():
    long = {
        f"{name_of(file)}:{function.name}": lines
        for file in PACKAGE
        for function in _functions(tree_of(file))
        if (body := _body(function))
        and (lines := body[-1].end_lineno - body[0].lineno + 1) > FUNCTION_LINES
        and not _is_one_match(function)
    }
    assert not long


def test_every_module_says_what_it_is():
    assert [name_of(file) for file in PACKAGE if not ast.get_docstring(tree_of(file))] == []


def _is_script(tree):
    return any(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in tree.body)


def _names_all(tree):
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def test_every_module_says_what_is_public():
    silent = [
        name_of(file)
        for file in PACKAGE
        if len(tree_of(file).body) > 1  # else it is the docstring of a package
        and file.name != "__main__.py"
        and not _is_script(tree_of(file))
        and not _names_all(tree_of(file))
    ]
    assert silent == []


def test_nothing_in_a_loop_sleeps():
    asleep = [f"{name_of(file)}:{line}" for file in PACKAGE for line in calls_of(file, "time", "sleep")]
    assert [where for where in asleep if not where.startswith(MAY_SLEEP)] == []


def test_tests_do_not_sleep():
    files = [file for file in python_files("tests") if "integration" not in file.parts]
    assert [f"{name_of(file)}:{line}" for file in files for line in calls_of(file, "time", "sleep")] == []


def test_nobody_pretends_with_mocks():
    """Fakes are written against a port and hold its contract; a mock agrees with anything."""
    users = [name_of(file) for file in ALL if _MOCK.search(file.read_text())]
    assert users == []


@pytest.mark.parametrize("body", ["pass", "from time import sleep", "import time\ntime.sleep(1)"])
def test_the_search_for_sleep_finds_it(tmp_path, body):
    file = tmp_path / "x.py"
    file.write_text(body)
    assert bool(list(calls_of(file, "time", "sleep"))) == ("sleep" in body)
