"""Reads what people have written into files: configurations, rules, secrets."""

import os
import tomllib
from pathlib import Path
from typing import Any

from mesos_py.errors import ConfigError

__all__ = ["read_text", "read_toml"]


def read_text(path: str | os.PathLike[str], what: str = "") -> str:
    """The text in a file, of which people know as ``what``. Raises ConfigError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {what or path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {what or path}: it is not text") from None


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a TOML file holds. Raises ConfigError."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
