"""Logs, set up once: readable on a terminal, fields in systemd's journal, else JSON; every line carries its ids."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

import msgspec
import structlog

from mesos_py.errors import ConfigError
from mesos_py.runtime.journald import JournalLogger, entry_of, is_journal

__all__ = ["FORMATS", "LEVELS", "Log", "get_log", "is_logged", "set_level", "set_up"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMATS: Final = ("auto", "console", "json", "journal")

_NUMBERS: Final = LEVELS | {"critical": logging.CRITICAL}

Log = structlog.typing.FilteringBoundLogger


class _Threshold:
    """The least level that is logged. It may change while loggers are in use, which keep what they were made with."""

    level = logging.INFO

    def let_pass(self, _logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Part of structlog's chain."""
        if _NUMBERS[method] < self.level:
            raise structlog.DropEvent
        return event


_threshold: Final = _Threshold()


def set_up(
    level: str, style: str = "auto", stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
) -> None:
    """Send logs of ``level`` and above to ``stream`` (stderr), or to the journal if it leads there.

    Raises ConfigError.
    """
    stream = stream or sys.stderr
    set_level(level)
    if style not in FORMATS:
        raise ConfigError(f"log_format {style!r} is none of {', '.join(FORMATS)}")
    on_terminal = stream.isatty()
    if style == "auto":
        in_journal = is_journal(stream, environ.get("JOURNAL_STREAM", ""))
        style = "console" if on_terminal else "journal" if in_journal else "json"
    render: Any
    factory: Callable[..., Any] = structlog.WriteLoggerFactory(file=stream)
    if style == "console":
        render = structlog.dev.ConsoleRenderer(colors=on_terminal)
    elif style == "json":
        render = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        journal = JournalLogger(stream)
        factory = lambda *_args: journal  # noqa: E731
        render = _for_journal
    structlog.configure(
        processors=[
            _threshold.let_pass,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )


def set_level(level: str) -> None:
    """Log what is of this level and above from now on. Raises ConfigError."""
    if level not in LEVELS:
        raise ConfigError(f"log_level {level!r} is none of {', '.join(LEVELS)}")
    _threshold.level = LEVELS[level]


def is_logged(level: str) -> bool:
    """True if lines of this level are written at present."""
    return LEVELS[level] >= _threshold.level


def _to_json(event: structlog.typing.EventDict, **_options: Any) -> str:
    """A master writes a line for each update: this takes a quarter of the standard library's time."""
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _for_journal(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (entry_of(event),), {}


def get_log(**ids: object) -> Log:
    """A log whose every line carries these ids."""
    log: Log = structlog.get_logger()
    return log.bind(**ids)
