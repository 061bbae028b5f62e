"""How our commands show their help: examples line by line, as they were written."""

import inspect
import re
from collections.abc import Callable
from typing import Any, Final

import click

__all__ = ["Command", "Group", "command", "keep_lists"]

_LIST: Final = re.compile(r"^(?=\S.*\n[ ]+\S)", re.MULTILINE)


def keep_lists(text: str) -> str:
    """Mark each line that indented lines follow, so that click does not wrap them into one paragraph."""
    return _LIST.sub("\b\n", inspect.cleandoc(text))


class Command(click.Command):
    """A command whose help keeps its examples."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["help"] = keep_lists(settings.get("help") or "")
        super().__init__(name, **settings)


class Group(click.Group):
    """A command with commands of its own, whose help keeps its examples."""

    command_class = Command

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["help"] = keep_lists(settings.get("help") or "")
        super().__init__(name, **settings)


def command(cls: type[Command] = Command, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """As click.command."""
    return click.command(cls=cls, **settings)
