"""Reads secrets that systemd hands over as files which only the service can read (LoadCredential=)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mesos_py.errors import ConfigError

__all__ = ["read_credential"]

_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"


def read_credential(name: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The credential of this name, or None if there is none. Raises ConfigError."""
    directory = environ.get(_DIRECTORY)
    if not directory:
        return None
    try:
        return (Path(directory) / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"cannot read the credential {name} in {directory}: {why}") from None
