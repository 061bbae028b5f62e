"""Who gets through to a daemon's HTTP API, by the files that its configuration names."""

import pytest

from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.gate import Gate
from mesos_py.errors import ConfigError
from mesos_py.types.ids import Principal
from mesos_py.web.access import Asked
from mesos_py.web.authentication import hash_token

CHANGE = "nobody can prove who he is here (there are no http_credentials): changes only from this host"


def asked(path, method="GET", principal=None, is_local=False):
    return Asked(method=method, path=path, principal=principal and Principal(principal), is_local=is_local)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "credentials").write_text(f"alice:{hash_token('x')}\n")
    (tmp_path / "acls.toml").write_text('[[rules]]\nallow = ["view"]\nprincipals = ["*"]\n[[rules]]\ndeny = ["view"]\n')
    return tmp_path


def test_without_credentials_all_may_look_and_this_host_may_change():
    gate = Gate(MasterConfig())
    assert gate.access(asked("/state")) is None
    assert gate.access(asked("/tasks/x/kill", "POST", is_local=True)) is None
    assert gate.access(asked("/tasks/x/kill", "POST")) == CHANGE


def test_with_credentials_all_may_look_and_those_who_have_some_may_change(files):
    gate = Gate(MasterConfig(http_credentials=str(files / "credentials")))
    assert gate.access(asked("/state")) is None
    assert gate.access(asked("/tasks/x/kill", "POST", is_local=True)) == "this takes credentials"
    assert gate.access(asked("/files/read")) == "this takes credentials"
    assert gate.access(asked("/tasks/x/kill", "POST", "alice")) is None
    assert gate.access(asked("/files/read", principal="alice")) is None


def test_rules_say_who_may_look(files):
    gate = Gate(MasterConfig(http_credentials=str(files / "credentials"), acl_file=str(files / "acls.toml")))
    assert gate.access(asked("/state", principal="alice")) is None
    assert gate.access(asked("/state")) == "nobody in particular may not view (path of the HTTP API: '/state')"
    assert gate.access(asked("/metrics")) is not None
    for path in ("/health", "/health/live", "/health/ready", "/version"):
        assert gate.access(asked(path)) is None


def test_sandboxes_of_its_own_tasks_everybody_may_read(files):
    (files / "acls.toml").write_text('[[rules]]\ndeny = ["read_sandboxes"]\n')
    gate = Gate(MasterConfig(http_credentials=str(files / "credentials"), acl_file=str(files / "acls.toml")))
    assert gate.why_not_read(Principal("shop"), "shop") is None
    assert gate.why_not_read(Principal("shop"), "alice") is not None
    assert gate.why_not_read(Principal("shop"), "") is not None
    assert gate.why_not_read(None, "") is not None


def test_what_is_read_anew_holds_unless_it_is_bad(files):
    config = MasterConfig(acl_file=str(files / "acls.toml"))
    gate = Gate(config)
    (files / "acls.toml").write_text("default = 7\n")
    with pytest.raises(ConfigError, match=r"acls\.toml: default: "):
        gate.reload(config)
    assert gate.access(asked("/state")) is not None
    (files / "acls.toml").write_text("")
    gate.reload(config)
    assert gate.access(asked("/state")) is None


@pytest.mark.parametrize("key", ["acl_file", "http_credentials"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, key):
    with pytest.raises(ConfigError, match=r"cannot read /.*/none: No such file"):
        Gate(MasterConfig(**{key: str(tmp_path / "none")}))


def test_a_file_that_is_none_is_told(tmp_path):
    (tmp_path / "file").write_text("= =")
    with pytest.raises(ConfigError, match="file is not TOML"):
        Gate(MasterConfig(acl_file=str(tmp_path / "file")))
    with pytest.raises(ConfigError, match="file: line 1: it must be"):
        Gate(MasterConfig(http_credentials=str(tmp_path / "file")))


def test_keys_for_tls_come_together():
    with pytest.raises(ConfigError, match="http_key and http_client_ca need http_cert"):
        Gate(MasterConfig(http_key="x"))
