"""The command as a whole: help, mistakes, completion, speed."""

import os
import subprocess
import sys

import click
import pytest

from mesos_py.cli import client, main
from mesos_py.cli.main import cli

ALL = sorted(main._COMMANDS)


def test_every_command_is_in_a_section():
    assert sorted(name for names in main._SECTIONS.values() for name in names) == ALL


@pytest.mark.parametrize("name", ALL)
def test_each_commands_help(mesos, name):
    said = mesos(name, "--help")
    assert said.code == 0
    assert "Examples:" in said.out or name == "version"
    command = cli.get_command(click.Context(cli), name)
    assert command.name == name
    assert main._COMMANDS[name][2].rstrip(".") in command.help
    assert all(param.help for param in command.params if isinstance(param, click.Option))


def test_help_without_words(mesos):
    assert "Run something:" in mesos().out
    assert mesos("-h").code == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["agnets"], "mesos: no such command 'agnets'"),
        (["--wrong"], "mesos: no such option"),
        (["agents", "--wrong"], "mesos: no such option"),
        (["agents", "--limit", "0"], "mesos: invalid value for '--limit'"),
        (["agents", "more"], "mesos: got unexpected extra argument"),
        (["tasks", "--state", "DANCING"], "mesos: invalid value for '--state': 'DANCING' is none of STAGING, "),
        (["kill"], "mesos: missing argument 'TASK'"),
        (["logs"], "mesos: missing argument 'TASK'"),
        (["completion", "tcsh"], "mesos: invalid value for '{bash|zsh|fish}'"),
        (["master", "--http-port", "70000"], "mesos: invalid value for '--http-port'"),
        (["master", "--offer-timeout-s", "0"], "mesos: invalid value for '--offer-timeout-s'"),
        (["local", "--agents", "many"], "mesos: invalid value for '--agents': 'many' is no number (see "),
        (["agent", "drain", "x", "--deadline", "soon"], "mesos: invalid value for '--deadline': 'soon' is no number"),
        (["agent", "drain", "x", "--deadline", "-3"], "mesos: invalid value for '--deadline'"),
        (["simulate", "--seed", "1", "--story", "-4"], "mesos: invalid value for '--story'"),
        (["acl", "check", "rules.toml", "--principal", "web"], "mesos: say with --action what it is to be asked about"),
        (["run"], "mesos: missing argument 'COMMAND...'"),
        (["quota", "set", "web"], "mesos: give a --guarantee, a --limit or both"),
        (["quota", "set", "web", "--limit", "cpus"], "mesos: invalid value for '--limit': 'cpus' is not of the form"),
        (["weights", "set", "web"], "mesos: invalid value for 'ROLE=NUMBER...': 'web' is not of the form ROLE=NUMBER"),
        (["weights", "set", "web=nan"], "mesos: invalid value for 'ROLE=NUMBER...'"),
        (["run", "--cpus", "-1", "true"], "mesos: invalid value for '--cpus'"),
    ],
)
def test_mistakes_are_one_line_on_stderr(mesos, words, line):
    said = mesos(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1
    assert "--help)" in said.err


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://127.0.0.1:1", "cannot reach the master at http://127.0.0.1:1: connection refused"),
        ("127.0.0.1:1", "cannot reach the master at http://127.0.0.1:1: connection refused"),
        ("http://no-such-host.invalid:5050", "cannot reach the master at http://no-such-host.invalid:5050: "),
        ("ftp://x", "'ftp://x' is not a URL such as"),
        ("http://", "'http://' is not a URL such as"),
        ("http://x:abc", "'http://x:abc' is not a URL such as"),
        ("", "'' is not a URL such as"),
    ],
)
@pytest.mark.parametrize("words", [["agents"], ["kill", "x"], ["logs", "x"], ["teardown", "F", "--yes"]])
def test_a_master_that_cannot_be_asked(mesos, words, url, line):
    said = mesos(*words, "--master", url)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"mesos: {line}")
    assert said.err.count("\n") == 1


def test_the_environment_names_the_master(mesos, monkeypatch):
    monkeypatch.setenv("MESOS_MASTER", "http://127.0.0.1:2")
    assert "http://127.0.0.1:2" in mesos("agents").err


def test_urls():
    assert client.normal_url("node1") == "http://node1:5050"
    assert client.normal_url("node1:99") == "http://node1:99"
    assert client.normal_url("node1:") == "http://node1:5050"
    assert client.normal_url("https://node1/") == "https://node1"
    assert client.normal_url("[::1]:5050") == "http://[::1]:5050"


def test_our_own_mistakes_are_one_line_unless_debugged(mesos, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("odd\nthing")

    monkeypatch.setattr(client, "normal_url", broken)
    said = mesos("agents")
    assert said.code == 1
    assert said.err == "mesos: internal error: RuntimeError: odd thing (MESOS_DEBUG=1 shows where)\n"
    monkeypatch.setenv("MESOS_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main.main(["agents"])


def test_an_interrupt_is_quiet(mesos, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "normal_url", interrupted)
    said = mesos("agents")
    assert (said.code, said.out, said.err.strip()) == (130, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(mesos, shell):
    said = mesos("completion", shell)
    assert said.code == 0
    assert "_MESOS_COMPLETE" in said.out


def test_completion_of_commands_and_options(mesos, monkeypatch):
    monkeypatch.setenv("_MESOS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "mesos ta")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert mesos().out.split() == ["plain,tasks"]
    monkeypatch.setenv("COMP_WORDS", "mesos tasks --st")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert mesos().out.split() == ["plain,--state"]


def test_completion_is_quiet_when_the_master_is_not_there(mesos, monkeypatch):
    monkeypatch.setenv("_MESOS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "mesos kill --master 127.0.0.1:1 ")
    monkeypatch.setenv("COMP_CWORD", "4")
    said = mesos()
    assert (said.out.strip(), said.err) == ("", "")


def test_version(mesos):
    assert mesos("version").out.startswith("mesos_py ")
    assert mesos("--version").code == 0


def test_help_imports_nothing_slow():
    code = "import sys, mesos_py.cli.main as m; m._run(['--help']); print(*sys.modules)"
    loaded = subprocess.run(  # noqa: PLW1510
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, timeout=30
    ).stdout.split()
    assert "click" in loaded
    assert not {"httpx", "rich", "kombu", "litestar", "uvicorn", "msgspec", "asyncio"} & set(loaded)
