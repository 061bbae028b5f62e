"""Tells systemd how a service fares, if it was systemd that started it (sd_notify(3))."""

import contextlib
import os
import socket
from collections.abc import MutableMapping
from typing import Final

__all__ = ["ServiceManager"]

_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """Whoever started us and wants to hear of us. Without one, nothing is said."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take systemd's variables out of the environment: they are not meant for what we start."""
        address, watchdog_us, watchdog_pid = (environ.pop(name, "") for name in _VARIABLES)
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog_s: float | None = None
        """We are ended unless we show within this time that we live; None if nobody watches."""
        if self._socket is not None and watchdog_us.isdecimal() and watchdog_pid in ("", str(os.getpid())):
            self.watchdog_s = int(watchdog_us) / 1e6 or None

    @property
    def listens(self) -> bool:
        """True if there is anybody to tell."""
        return self._socket is not None

    def tell(self, **news: str) -> bool:
        """Say something, such as ``READY="1"`` or ``STATUS="..."``; False if it did not get through."""
        if self._socket is None:
            return False
        lines = (f"{name}={' '.join(value.split())}" for name, value in news.items())
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
