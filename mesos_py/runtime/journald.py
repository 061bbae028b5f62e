"""Hands lines of the log to systemd's journal, with their fields, by its native protocol.

The protocol: systemd.io/JOURNAL_NATIVE_PROTOCOL.
So `journalctl MESOS_TASK_ID=web-3` finds all that was ever said of a task. Our fields are prefixed: the journal gives
some of its own names a meaning.
"""

import os
import re
import socket
from collections.abc import Mapping
from typing import Any, Final, TextIO

__all__ = ["JournalLogger", "entry_of", "is_journal"]

_SOCKET: Final = "/run/systemd/journal/socket"
_IDENTIFIER: Final = "mesos"
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_LONGEST: Final = 48 * 1024
"""Bytes of one field; a datagram holds about four times as much."""
_NO_NAME: Final = re.compile(r"[^A-Z0-9_]")
_NOT_OURS: Final = frozenset({"event", "level", "timestamp", "exception"})
_PLAIN: Final = re.compile(r'[^\s"=]+')


def is_journal(stream: TextIO, journal_stream: str) -> bool:
    """True if a stream leads to the journal; systemd says in JOURNAL_STREAM which does."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def entry_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The journal's fields for one line of the log: all in the text for people, and each on its own for searching."""
    level = str(event.get("level", "info"))
    exception = event.get("exception")
    own = {name: str(value) for name, value in event.items() if name not in _NOT_OURS}
    words = [str(event.get("event", "")), *(f"{name}={_quoted(value)}" for name, value in own.items())]
    text = " ".join(words) + (f"\n{exception}" if exception else "")
    fields = {"MESSAGE": text, "PRIORITY": str(_PRIORITIES.get(level, 6)), "SYSLOG_IDENTIFIER": _IDENTIFIER}
    return fields | {f"MESOS_{_NO_NAME.sub('_', name.upper())}": value for name, value in own.items()}


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f'"{value}"'


class JournalLogger:
    """What structlog writes to: every method takes the fields of one entry."""

    def __init__(self, fallback: TextIO, path: str = "") -> None:
        """``fallback`` gets what the journal does not take, with the prefix from which systemd reads the priority."""
        self._fallback = fallback
        self._path = path or _SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def msg(self, fields: Mapping[str, str]) -> None:
        """Send one entry."""
        try:
            self._socket.sendto(b"".join(_field(name, value) for name, value in fields.items()), self._path)
        except OSError:
            print(f"<{fields['PRIORITY']}>{fields['MESSAGE']}", file=self._fallback, flush=True)

    debug = info = warning = error = critical = exception = msg


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:_LONGEST]
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
