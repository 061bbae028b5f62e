"""Where settings come from, and what is said of bad ones."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.daemons.config import AgentConfig, LocalConfig, MasterConfig, load, print_config, without_passwords
from mesos_py.errors import ConfigError


def a_file(tmp_path, text):
    file = tmp_path / "m.toml"
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold():
    assert load(MasterConfig, environ={}) == MasterConfig()


def test_flags_win_over_environment_and_that_over_the_file(tmp_path):
    file = a_file(tmp_path, "http_port = 1\nheartbeat_s = 1.5\nmissed_heartbeats = 9\n")
    environ = {"MESOS_HTTP_PORT": "2", "MESOS_HEARTBEAT_S": "2.5", "HTTP_PORT": "7"}
    config = load(MasterConfig, file=file, environ=environ, flags={"http_port": 3, "heartbeat_s": None})
    assert (config.http_port, config.heartbeat_s, config.missed_heartbeats) == (3, 2.5, 9)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("htp_port = 1", "unknown key 'htp_port'; did you mean 'http_port'?"),
        ("zebra = 1", "unknown key 'zebra'"),
        ("http_port = 'x'", "http_port: expected `int`, got `str`, not 'x'"),
        ("http_port = 70000", "http_port: expected `int` <= 65535, not 70000"),
        ("heartbeat_s = -1", "heartbeat_s: expected `float` > 0.0, not -1"),
        ("heartbeat_s = inf", "heartbeat_s: inf is not a finite number"),
        ("weights = {a = 'x'}", "weights: expected `float`, got `str`"),
        ("weights = {a = 0}", "weights: expected `float` > 0.0"),
        ("paranoid = 3", "paranoid: expected `bool`"),
        ("broker = 5", "broker: expected `str`, got `int`"),
        ("http_port = ", "is not TOML"),
        ("[httpport]\nport = 1", "unknown key 'httpport'; did you mean 'http_port'?"),
    ],
)
def test_a_bad_file_is_told_in_one_line_with_its_name(tmp_path, text, line):
    file = a_file(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        load(MasterConfig, file=file, environ={})
    assert line in str(told.value)
    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_word_that_is_none_of_the_choices_is_told_with_them():
    with pytest.raises(ConfigError) as told:
        load(AgentConfig, environ={}, flags={"recover": "clean"})
    assert str(told.value) == "--recover: 'clean' is none of reconnect, cleanup"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file"):
        load(MasterConfig, file=tmp_path / "none.toml", environ={})
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot read .*/b.toml: it is not text"):
        load(MasterConfig, file=tmp_path / "b.toml", environ={})


@pytest.mark.parametrize(
    ("variable", "text", "line"),
    [
        ("MESOS_HTTP_PORT", "many", "MESOS_HTTP_PORT: expected `int`, got `str`, not 'many'"),
        ("MESOS_HTTP_PORT", "", "MESOS_HTTP_PORT: "),
        ("MESOS_HTTP_PORT", "-1", "MESOS_HTTP_PORT: expected `int` >= 0"),
        ("MESOS_HEARTBEAT_S", "nan", "MESOS_HEARTBEAT_S: "),
        ("MESOS_PARANOID", "maybe", "MESOS_PARANOID: 'maybe' is neither true nor false"),
        ("MESOS_WEIGHTS", "web", "MESOS_WEIGHTS: 'web' is not of the form name=value,name=value"),
        ("MESOS_WEIGHTS", "web=x", "MESOS_WEIGHTS: expected `float`"),
    ],
)
def test_a_bad_variable_is_named(variable, text, line):
    with pytest.raises(ConfigError) as told:
        load(MasterConfig, environ={variable: text})
    assert str(told.value).startswith(line)


def test_a_bad_flag_is_named():
    with pytest.raises(ConfigError, match=r"--http-port: expected `int`"):
        load(MasterConfig, environ={}, flags={"http_port": "x"})
    with pytest.raises(ConfigError, match=r"--htp-port; did you mean 'http_port'\?"):
        load(MasterConfig, environ={}, flags={"htp_port": "1"})


@pytest.mark.parametrize("yes", ["1", "true", "True", "YES", "on", " yes "])
def test_switches_can_be_on(yes):
    assert load(MasterConfig, environ={"MESOS_PARANOID": yes}).paranoid is True


@pytest.mark.parametrize("no", ["0", "false", "No", "off"])
def test_switches_can_be_off(no, tmp_path):
    file = a_file(tmp_path, "paranoid = true")
    assert load(MasterConfig, file=file, environ={"MESOS_PARANOID": no}).paranoid is False


@pytest.mark.parametrize("text", ["web=2,batch=0.5", " web = 2 , batch = 0.5 ,"])
def test_mappings_are_written_with_commas(text):
    expected = {"web": 2.0, "batch": 0.5}
    assert load(MasterConfig, environ={"MESOS_WEIGHTS": text}).weights == expected
    assert load(MasterConfig, environ={}, flags={"weights": text}).weights == expected
    assert load(MasterConfig, environ={"MESOS_WEIGHTS": ""}).weights == {}


@pytest.mark.parametrize("kind", [MasterConfig, AgentConfig, LocalConfig])
def test_what_is_printed_can_be_read_back(kind, tmp_path):
    config = kind(paranoid=True, resources="cpus:4") if kind is not MasterConfig else kind(weights={"a/b c": 0.5})
    printed = print_config(config)
    assert set(tomllib.loads(printed)) == set(kind.__struct_fields__)
    assert load(kind, file=a_file(tmp_path, printed), environ={}) == config


@given(
    name=st.text(st.characters(exclude_categories=["Cs"])),
    weights=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.floats(0.001, 1e9)),
    port=st.integers(0, 65535),
    level=st.sampled_from(["debug", "it's", 'a "b"\n\t\\']),
)
def test_whatever_is_printed_can_be_read_back(tmp_path_factory, name, weights, port, level):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    agent = AgentConfig(name=name, http_port=port, log_level=level)
    file.write_text(print_config(agent), encoding="utf-8", newline="")
    assert load(AgentConfig, file=file, environ={}) == agent
    master = MasterConfig(weights=weights)
    file.write_text(print_config(master), encoding="utf-8", newline="")
    assert load(MasterConfig, file=file, environ={}) == master


# Passwords


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:s3cret@host:5672/v", "amqp://user:***@host:5672/v"),
        ("amqps://user:s3cret@a;user:s3cret@b;c", "amqps://user:***@a;user:***@b;c"),
        ("amqp://u:s3cret@a:1/;amqp://u:s3cret@b:2/", "amqp://u:***@a:1/;amqp://u:***@b:2/"),
        ("amqp://user:s3/cret@x@host", "amqp://user:***@host"),
        ("amqp://:s3cret@host", "amqp://:***@host"),
        ("amqp://user://s3cret@host", "amqp://user:***@host"),
        ("user:s3cret@host", "user:***@host"),
        ("amqp://user@host", "amqp://user@host"),
        ("amqp://host:5672/", "amqp://host:5672/"),
        ("memory://x", "memory://x"),
        ("", ""),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert without_passwords(url) == shown


def test_a_printed_configuration_holds_no_password():
    printed = print_config(MasterConfig(broker="amqp://mesos:s3cret@rabbit"))
    assert "s3cret" not in printed
    assert 'broker = "amqp://mesos:***@rabbit"' in printed


def test_what_everybody_knows_is_shown():
    assert 'broker = "amqp://guest:guest@127.0.0.1:5672/"' in print_config(MasterConfig())


def test_a_password_that_was_not_shown_must_be_given(tmp_path):
    file = a_file(tmp_path, print_config(MasterConfig(broker="amqp://mesos:s3cret@rabbit", http_port=7)))
    with pytest.raises(ConfigError, match=r"broker: \*\*\* stands for a password"):
        load(MasterConfig, file=file, environ={})
    config = load(MasterConfig, file=file, environ={"MESOS_BROKER": "amqp://mesos:other@rabbit"})
    assert (config.broker, config.http_port) == ("amqp://mesos:other@rabbit", 7)


# Credentials


def test_a_credential_is_a_file_of_the_keys_name(tmp_path):
    (tmp_path / "broker").write_text("amqps://master:s3cret@rabbit/\n")
    (tmp_path / "other").write_text("x")
    file = tmp_path / "master.toml"
    file.write_text('broker = "amqp://nobody@nowhere/"\nzookeeper = "zk://zk1/mesos"\n')
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    config = load(MasterConfig, file=file, environ=environ)
    assert config.broker == "amqps://master:s3cret@rabbit/"
    assert config.zookeeper == "zk://zk1/mesos"
    assert "s3cret" not in print_config(config)
    nearer = load(MasterConfig, file=file, environ={**environ, "MESOS_BROKER": "memory://"})
    assert nearer.broker == "memory://"


def test_a_credential_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broker").mkdir()
    with pytest.raises(ConfigError, match=r"cannot read the credential broker in .*: Is a directory"):
        load(MasterConfig, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
