"""Logs, set up once: readable on a terminal, JSON under systemd; every line carries the ids it is about."""

import logging
import sys
from typing import Any, TextIO

import structlog

from mesos_py.errors import ConfigError

__all__ = ["LEVELS", "Log", "get_log", "set_up"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Log = structlog.typing.FilteringBoundLogger


def set_up(level: str, style: str = "auto", stream: TextIO | None = None) -> None:
    """Send logs of ``level`` and above to ``stream`` (stderr). Raises ConfigError."""
    stream = stream or sys.stderr
    if level not in LEVELS:
        raise ConfigError(f"log_level {level!r} is none of {', '.join(LEVELS)}")
    if style not in ("auto", "console", "json"):
        raise ConfigError(f"log_format {style!r} is none of auto, console, json")
    on_terminal = stream.isatty()
    render: Any
    if style == "console" or (style == "auto" and on_terminal):
        render = structlog.dev.ConsoleRenderer(colors=on_terminal)
    else:
        render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )


def get_log(**ids: object) -> Log:
    """A log whose every line carries these ids."""
    log: Log = structlog.get_logger()
    return log.bind(**ids)
