"""Options of the daemons' commands are the fields of their configurations."""

import sys
import tomllib
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from mesos_py.cli.agent import agent
from mesos_py.cli.daemons import field_docs, local, master
from mesos_py.daemons.config import AgentConfig, LocalConfig, MasterConfig
from mesos_py.errors import ConfigError

PAIRS = [(master, MasterConfig), (agent, AgentConfig), (local, LocalConfig)]


@pytest.fixture
def ran(monkeypatch):
    """Configurations that daemons were run with."""
    configs = []

    def daemon(name):
        module = ModuleType(name)
        module.main = lambda config, _reread: configs.append(config) or 3
        return module

    for name in ("master", "agent", "local"):
        monkeypatch.setitem(sys.modules, f"mesos_py.daemons.{name}", daemon(name))
    return configs


@pytest.mark.parametrize(("command", "kind"), PAIRS)
def test_each_field_is_an_option_with_help(command, kind):
    docs = field_docs(kind)
    options = {param.name: param for param in command.params}
    extra = {"show_isolation"} if kind is AgentConfig else set()
    assert set(options) == {*kind.__struct_fields__, "config_file", "show_config"} | extra
    for name in kind.__struct_fields__:
        assert docs[name], f"{name} has no docstring"
        assert options[name].opts[0] == f"--{name.replace('_', '-')}"
        assert options[name].help.startswith(docs[name])


@pytest.mark.parametrize(("command", "kind"), PAIRS)
def test_without_options_the_defaults_hold(mesos, ran, command, kind):
    assert mesos(command.name).code == 3
    assert ran == [kind()]


def test_what_a_daemon_is_configured_with_can_be_read_again(mesos, monkeypatch, tmp_path):
    file = tmp_path / "master.toml"
    file.write_text('log_level = "info"\n')
    levels = []

    def main(config, reread):
        file.write_text('log_level = "debug"\n')
        levels.extend([config.log_level, reread().log_level, reread().http_port])
        return 0

    module = ModuleType("master")
    module.main = main
    monkeypatch.setitem(sys.modules, "mesos_py.daemons.master", module)
    assert mesos("master", "--config", str(file), "--http-port", "7").code == 0
    assert levels == ["info", "debug", 7]


def test_flags_win_over_environment_and_file(mesos, ran, tmp_path, monkeypatch):
    file = tmp_path / "m.toml"
    file.write_text("http_port = 1\nheartbeat_s = 1.5\nmissed_heartbeats = 9\n")
    monkeypatch.setenv("MESOS_HTTP_PORT", "2")
    monkeypatch.setenv("MESOS_HEARTBEAT_S", "2.5")
    mesos("master", "--config", str(file), "--http-port", "3", "--weights", "web=2,batch=0.5", "--paranoid")
    [config] = ran
    assert (config.http_port, config.heartbeat_s, config.missed_heartbeats) == (3, 2.5, 9)
    assert config.weights == {"web": 2, "batch": 0.5}
    assert config.paranoid


def test_print_config_is_a_file_that_can_be_read_back(mesos, ran, tmp_path):
    said = mesos("agent", "--print-config", "--resources", "cpus:4", "--no-paranoid")
    assert (said.code, ran) == (0, [])
    assert tomllib.loads(said.out)["resources"] == "cpus:4"
    (tmp_path / "a.toml").write_text(said.out)
    mesos("agent", "--config", str(tmp_path / "a.toml"))
    assert ran == [AgentConfig(resources="cpus:4")]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("htp_port = 1", "unknown key 'htp_port'; did you mean 'http_port'?"),
        ("http_port = ", "is not TOML"),
        ("http_port = 'x'", "http_port: "),
        (None, "cannot read"),
    ],
)
def test_a_bad_file_is_one_line_and_no_reason_to_start_again(mesos, ran, tmp_path, content, line):
    file = tmp_path / "m.toml"
    if content is not None:
        file.write_text(content)
    said = mesos("master", "--config", str(file))
    assert (said.code, said.out, ran) == (78, "", [])
    assert line in said.err
    assert said.err.count("\n") == 1


def test_a_daemon_that_cannot_be_configured_says_so_in_one_line(mesos, monkeypatch):
    module = ModuleType("master")

    def cannot(_config, _reread):
        raise ConfigError("the HTTP API cannot listen on 127.0.0.1:80: permission denied")

    module.main = cannot
    monkeypatch.setitem(sys.modules, "mesos_py.daemons.master", module)
    said = mesos("master")
    assert (said.code, said.err) == (78, "mesos: the HTTP API cannot listen on 127.0.0.1:80: permission denied\n")


def test_isolation_is_listed_with_its_state():
    done = CliRunner().invoke(agent, ["--print-isolation", "--isolation", "rlimits,disk", "--enforce-disk"])
    assert done.exit_code == 0
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert lines["ISOLATOR"] == ["STATE", "DETAIL"]
    assert lines["rlimits"][0] == lines["disk"][0] == "on"
    assert lines["namespaces"] == ["off", "not", "configured"]


def test_an_isolator_that_there_is_not():
    done = CliRunner().invoke(agent, ["--print-isolation", "--isolation", "colour"])
    assert "isolation: there is no isolator 'colour'; there are user, " in str(done.exception)


def test_an_agent_is_run_or_operated(mesos, ran):
    assert mesos("agent", "--name", "node7").code == 3
    assert ran[0].name == "node7"
    said = mesos("agent", "--name", "node7", "drain", "node8")
    assert (said.code, said.err) == (
        2,
        "mesos: options of the daemon do not go with the command 'drain' (see mesos agent --help)\n",
    )
    assert len(ran) == 1


@pytest.mark.parametrize("name", sorted(agent.commands))
def test_each_command_about_an_agent_has_help(mesos, name):
    said = mesos("agent", name, "--help")
    assert said.code == 0
    assert "Examples:" in said.out
    assert all(param.help for param in agent.commands[name].params if isinstance(param, click.Option))
    assert mesos("agent", name).err.startswith("mesos: missing argument 'NODE'")
