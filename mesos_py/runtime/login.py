"""How whoever asks a daemon over HTTP proves who he is, and whom he trusts: by the environment.

| variable | holds |
|---|---|
| MESOS_CA | file with the CAs that are trusted, instead of the system's |
| MESOS_TOKEN, MESOS_TOKEN_FILE | a token, or a file with it; systemd's credential ``token`` stands for the latter |
| MESOS_USER, MESOS_PASSWORD | a name and its password |
| MESOS_CERT, MESOS_KEY | files with a certificate of ours and its key |
"""

import base64
import os
import ssl
from collections.abc import Mapping
from typing import Any

from mesos_py.errors import ConfigError
from mesos_py.runtime.credentials import read_credential
from mesos_py.runtime.files import read_text

__all__ = ["http_options"]


def http_options(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """For a client of httpx. Raises ConfigError."""
    options: dict[str, Any] = {"trust_env": False}  # no proxies: daemons are reached directly, loopback above all
    if authorization := _authorization(environ):
        options["headers"] = {"Authorization": authorization}
    ca, certificate = environ.get("MESOS_CA"), environ.get("MESOS_CERT")
    if ca or certificate:
        try:
            context = ssl.create_default_context(cafile=ca or None)
            if certificate:
                context.load_cert_chain(certificate, environ.get("MESOS_KEY") or None)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(f"MESOS_CA, MESOS_CERT or MESOS_KEY cannot be used: {error.strerror or error}") from None
        options["verify"] = context
    return options


def _authorization(environ: Mapping[str, str]) -> str:
    token, file = environ.get("MESOS_TOKEN"), environ.get("MESOS_TOKEN_FILE")
    if not token and file:
        token = read_text(file, f"the token in {file}").strip()
    token = token or read_credential("token", environ)
    if token:
        return f"Bearer {token}"
    if user := environ.get("MESOS_USER"):
        return "Basic " + base64.b64encode(f"{user}:{environ.get('MESOS_PASSWORD', '')}".encode()).decode()
    return ""
