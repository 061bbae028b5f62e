"""What words of the command line mean: sizes, numbers of cpus, variables and the like."""

import re
from collections.abc import Callable
from typing import Any, Final

import click

from mesos_py.errors import UserError
from mesos_py.types.ids import Role, why_not_an_id
from mesos_py.types.resources import Resources
from mesos_py.types.roles import why_not_a_role
from mesos_py.types.tasks import URI

__all__ = ["CPUS", "LOCATION", "NAME", "ROLE", "SIZE", "VARIABLE", "Parsed", "parse_cpus", "parse_size"]

_UNITS: Final = {"": 1, "m": 1, "g": 1024, "t": 1024 * 1024}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([mgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class Parsed(click.ParamType[Any]):
    """A text read by a function that raises ValueError (or UserError) with the reason."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_size(text: str) -> float:
    """Megabytes of ``512``, ``512MB`` or ``2GB``. Raises UserError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise UserError(f"{text!r} is not a size such as 512, 512MB or 2GB")
    return float(found[1]) * _UNITS[found[2].lower()]


def parse_cpus(text: str) -> float:
    """``2`` or ``0.5``. Raises UserError."""
    try:
        number = Resources.of(cpus=float(text)).cpus
    except ValueError:
        number = 0.0
    if number <= 0:
        raise UserError(f"{text!r} is not a number of cpus such as 2 or 0.5")
    return number


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _IDENTIFIER.fullmatch(name):
        raise UserError(f"{text!r} is not NAME=VALUE")
    return name, value


def _location(text: str) -> URI:
    if not text.startswith(("http://", "https://", "file://", "/")):
        raise UserError(f"{text!r} is neither http://, https://, file:// nor an absolute path on the agent")
    return URI(value=text)


def _role(text: str) -> Role:
    if why := why_not_a_role(text):
        raise UserError(why)
    return Role(text)


def _name(text: str) -> str:
    if why := why_not_an_id(text):
        raise UserError(why)
    return text


CPUS: Final = Parsed("number", parse_cpus)
SIZE: Final = Parsed("size", parse_size)
VARIABLE: Final = Parsed("variable", _variable)
LOCATION: Final = Parsed("URI", _location)
"""What agents can fetch."""
ROLE: Final = Parsed("role", _role)
NAME: Final = Parsed("name", _name)
"""What can be part of a task's id."""
