"""Reads the file of rules of who may do what, for daemons and for whoever tries it before."""

from mesos_py.errors import ConfigError
from mesos_py.runtime.files import read_toml
from mesos_py.types.acls import Acls, read_acls

__all__ = ["read_acl_file"]


def read_acl_file(path: str) -> Acls:
    """The rules in a TOML file. Raises ConfigError."""
    values = read_toml(path)
    try:
        return read_acls(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
