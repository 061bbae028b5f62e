"""Speaks with a QEMU that runs, by its socket for machines (QMP)."""

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any, Final, Self

__all__ = ["Monitor", "MonitorError"]

_ANSWER_S: Final = 120.0
"""QEMU answers at once, but not while it starts on a busy host."""

_pause = threading.Event().wait


class MonitorError(Exception):
    """QEMU refused, or is not there; the text says what was asked."""


class Monitor:
    """One connection. QEMU serves one at a time, so keep it no longer than needed."""

    def __init__(self, path: Path) -> None:
        """Raises MonitorError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_S)
        directory = os.open(path.parent, os.O_PATH)
        try:
            # by this name it is short enough for an address, wherever the tree is
            self._socket.connect(f"/proc/self/fd/{directory}/{path.name}")
            self._lines = self._socket.makefile("rwb")
            self._lines.readline()
            self("qmp_capabilities")
        except OSError as error:
            self._socket.close()
            raise MonitorError(f"{path}: {error.strerror or error}") from error
        finally:
            os.close(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._lines.close()
        self._socket.close()

    def __call__(self, command: str, **arguments: Any) -> Any:
        """What QEMU returns for it; events that come before are passed over. Raises MonitorError."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._lines.flush()
        while line := self._lines.readline():
            said = json.loads(line)
            if "return" in said:
                return said["return"]
            if "error" in said:
                raise MonitorError(f"{command}: {said['error']['desc']}")
        raise MonitorError(f"{command}: QEMU has ended")

    def save(self, shell: str) -> None:
        """Pipe the machine's state, which must have been stopped, into a shell command. Raises MonitorError."""
        self("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self("migrate", uri=f"exec:{shell}")
        while (status := self("query-migrate").get("status")) != "completed":
            if status == "failed":
                raise MonitorError(f"migrate: {self('query-migrate').get('error-desc', 'failed')}")
            _pause(0.1)

    def wait_loaded(self) -> None:
        """Until all of the state that it began with has come in."""
        while self("query-status")["status"] == "inmigrate":
            _pause(0.1)
