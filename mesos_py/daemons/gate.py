"""Who gets through to a daemon's HTTP API, by the files of rules and credentials that its configuration names."""

from typing import Final

from mesos_py.daemons.acl_file import read_acl_file
from mesos_py.daemons.config import DaemonConfig
from mesos_py.errors import ConfigError
from mesos_py.runtime.files import read_text
from mesos_py.types.acls import ALLOW_ALL, Acls, Action, why_not
from mesos_py.types.ids import Principal
from mesos_py.web.access import Asked
from mesos_py.web.authentication import Authenticate, Authenticator, Credentials, nobody, parse_credentials
from mesos_py.web.server import Tls

__all__ = ["Gate"]

_OPEN: Final = frozenset({"/health", "/health/live", "/health/ready", "/version"})
"""Whatever the rules are: whoever watches over a daemon needs no credentials."""
_SANDBOXES: Final = "/files/"


class Gate:
    """Goes by the files of the moment; ``reload`` reads them anew."""

    def __init__(self, config: DaemonConfig) -> None:
        """Raises ConfigError."""
        self.acls: Acls = ALLOW_ALL
        self._credentials = Credentials()
        self.reload(config)
        asks = bool(config.http_credentials or config.http_client_ca)
        self.authenticate: Authenticate = Authenticator(lambda: self._credentials) if asks else nobody
        self.tls = _tls(config)

    def reload(self, config: DaemonConfig) -> None:
        """Read the rules and the credentials. Raises ConfigError, and then what held before holds on."""
        acls = read_acl_file(config.acl_file) if config.acl_file else ALLOW_ALL
        credentials = Credentials()
        if config.http_credentials:
            text = read_text(config.http_credentials)
            try:
                credentials = parse_credentials(text)
            except ConfigError as error:
                raise ConfigError(f"{config.http_credentials}: {error}") from None
        self.acls, self._credentials = acls, credentials

    def access(self, asked: Asked) -> str | None:
        """Part of the web: why a request is refused, as far as that can be told before it is looked into."""
        if asked.path in _OPEN:
            return None
        proves = self.authenticate is not nobody
        if asked.principal is None and proves and (asked.changes or asked.path.startswith(_SANDBOXES)):
            return "this takes credentials"
        if asked.changes and not proves and not asked.is_local:
            return "nobody can prove who he is here (there are no http_credentials): changes only from this host"
        return why_not(self.acls, Action.VIEW, asked.principal, asked.path)

    def why_not_read(self, principal: Principal | None, owner: str) -> str | None:
        """Why somebody may not read a sandbox of this framework's principal; its own needs no rule."""
        if principal is not None and principal == owner:
            return None
        return why_not(self.acls, Action.READ_SANDBOXES, principal, owner)


def _tls(config: DaemonConfig) -> Tls | None:
    if not config.http_cert:
        if config.http_key or config.http_client_ca:
            raise ConfigError("http_key and http_client_ca need http_cert")
        return None
    return Tls(cert=config.http_cert, key=config.http_key, client_ca=config.http_client_ca)
