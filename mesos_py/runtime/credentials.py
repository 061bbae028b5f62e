"""Reads secrets that systemd hands over as files which only the service can read (LoadCredential=)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mesos_py.runtime.files import read_text

__all__ = ["read_credential"]

_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"


def read_credential(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The credential of this name, or None if there is none. Raises ConfigError."""
    directory = environ.get(_DIRECTORY)
    if not directory or not os.path.exists(file := Path(directory) / name):
        return None
    return read_text(file, f"the credential {name} in {directory}").strip()
