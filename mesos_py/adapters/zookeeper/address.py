"""Reads where ZooKeeper is: ``zk://user:password@host1:2181,host2:2181/mesos``.

``zks`` is TLS, whose options are named as those of a broker URL: ``?cacertfile=/etc/mesos/pki/ca.pem``. While the
password is changed the option ``other=user:password`` names another to whom nodes may belong. Values of options are
percent-encoded.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from mesos_py.errors import ConfigError

__all__ = ["ZookeeperAddress", "is_address", "parse_address"]

_FORM: Final = re.compile(
    r"(?P<scheme>zks?)://(?:(?P<login>.*)@)?(?P<hosts>[^@/]+)(?P<path>/[^@?]*)?(?:\?(?P<options>[^@]*))?", re.DOTALL
)
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
_EXAMPLE: Final = "it must look like zk://host1:2181,host2:2181/mesos"
_FILES: Final = ("cacertfile", "certfile", "keyfile")
_VERIFY: Final = {"verify_peer": True, "verify_none": False}
_OPTIONS: Final = {"zk": ("other",), "zks": (*_FILES, "other", "verify")}


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
    secure: bool = False
    cacertfile: str = ""
    """Certificates of those whom we trust, besides the system's."""
    certfile: str = ""
    """Our own certificate, if ZooKeeper asks for one."""
    keyfile: str = ""
    verify_peer: bool = True
    """Whether it must prove that it is the host we mean."""

    @property
    def logins(self) -> list[str]:
        """``user:password``, as the digest scheme wants it, ours first; none if nothing is protected."""
        return [f"{self.user}:{self.password}", *filter(None, [self.other])] if self.user else []

    @property
    def name(self) -> str:
        """For people, without passwords."""
        return f"{'zks' if self.secure else 'zk'}://{self.hosts}{self.path}"


def is_address(place: str) -> bool:
    """Whether this is meant to be one, and no path of a file."""
    return place.startswith(("zk://", "zks://"))


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
    options = _options(form["scheme"], form["options"])
    other = options.get("other", "")
    if "other" in options and not (user and re.fullmatch(r"[^:]+:.+", other, re.DOTALL)):
        raise ConfigError("zookeeper: after other= there must be user:password, and another before the @")
    return ZookeeperAddress(
        ",".join(hosts),
        path,
        user,
        password,
        other,
        secure=form["scheme"] == "zks",
        verify_peer=_verify(options),
        **{name: options[name] for name in _FILES if name in options},
    )


def _options(scheme: str, text: str | None) -> dict[str, str]:
    """What they are by their names; the values may be secret, and so may be a name that is none."""
    options: dict[str, str] = {}
    for option in [] if text is None else text.split("&"):
        name, equals, value = option.partition("=")
        if not equals or name not in _OPTIONS[scheme]:
            raise ConfigError(f"zookeeper: options of {scheme}:// are {', '.join(_OPTIONS[scheme])}, as NAME=VALUE")
        if name in options:
            raise ConfigError(f"zookeeper: {name} is given twice")
        options[name] = unquote(value)
    return options


def _verify(options: Mapping[str, str]) -> bool:
    wanted = _VERIFY.get(options.get("verify", "verify_peer"))
    if wanted is None:
        raise ConfigError("zookeeper: verify must be verify_peer or verify_none")
    return wanted
