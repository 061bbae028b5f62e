"""Secrets that systemd hands over are read from its files."""

from mesos_py.runtime.credentials import read_credential


def test_a_credential_is_a_file(tmp_path):
    (tmp_path / "broker").write_text("amqps://f:s3cret@rabbit/\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_credential("broker", environ) == "amqps://f:s3cret@rabbit/"
    assert read_credential("other", environ) is None
    assert read_credential("broker", {}) is None
