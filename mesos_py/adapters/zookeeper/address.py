"""Reads where ZooKeeper is: ``zk://user:password@host1:2181,host2:2181/mesos``.

While the password is changed ``?other=user:password``, percent-encoded, names another to whom nodes may belong.
"""

import re
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from mesos_py.errors import ConfigError

__all__ = ["ZookeeperAddress", "parse_address"]

_FORM: Final = re.compile(
    r"zk://(?:(?P<login>.*)@)?(?P<hosts>[^@/]+)(?P<path>/[^@?]*)?(?:\?other=(?P<other>[^@?]*))?", re.DOTALL
)
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
_EXAMPLE: Final = "it must look like zk://host1:2181,host2:2181/mesos"


class ZookeeperAddress(Struct, frozen=True, gc=False):
    """An ensemble, a place in it, and who we are there."""

    hosts: str
    """``host:port,host:port``."""
    path: str
    """Of the node below which everything is kept; not the root."""
    user: str = ""
    password: str = ""
    other: str = ""
    """``user:password`` of another to whom nodes may belong; what we make then belongs to both."""

    @property
    def logins(self) -> list[str]:
        """``user:password``, as the digest scheme wants it, ours first; none if nothing is protected."""
        return [f"{self.user}:{self.password}", *filter(None, [self.other])] if self.user else []


def parse_address(url: str) -> ZookeeperAddress:
    """Read a URL. Raises ConfigError, which does not show the password."""
    form = _FORM.fullmatch(url)
    if form is None:
        raise ConfigError(f"the address of ZooKeeper cannot be read: {_EXAMPLE}")
    hosts = form["hosts"].split(",")
    for host in hosts:
        match = _HOST.fullmatch(host)
        if match is None or (match["port"] is not None and not 0 < int(match["port"]) < 65536):
            raise ConfigError(f"zookeeper: {host!r} is no host and port: {_EXAMPLE}")
    path = (form["path"] or "").rstrip("/")
    if not path:
        raise ConfigError(f"zookeeper: the path of a node is missing: {_EXAMPLE}")
    if any(part in ("", ".", "..", "zookeeper") for part in path[1:].split("/")):
        raise ConfigError(f"zookeeper: {path!r} is no path of a node: {_EXAMPLE}")
    user, colon, password = (form["login"] or "").partition(":")
    if form["login"] is not None and not (user and colon and password):
        raise ConfigError("zookeeper: before the @ there must be user:password")
    other = unquote(form["other"] or "")
    if form["other"] is not None and not (user and re.fullmatch(r"[^:]+:.+", other, re.DOTALL)):
        raise ConfigError("zookeeper: after other= there must be user:password, and another before the @")
    return ZookeeperAddress(",".join(hosts), path, user, password, other)
