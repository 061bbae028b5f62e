"""How a daemon's connection to the broker fares: told to the log, to the daemon's condition, and to whom it serves."""

from collections.abc import Sequence
from typing import Protocol

from mesos_py.daemons.service import logged
from mesos_py.runtime.condition import Outage
from mesos_py.runtime.logs import Log
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.ports import Address, Delivery

__all__ = ["BrokerListener", "Served"]


class Served(Protocol):
    """Whoever sends and hears over the connection."""

    def reach(self, *, reached: bool) -> None:
        """Whether what is sent goes anywhere. If not, what others have sent may still come."""

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """As in Listener."""

    def undeliverable(self, address: Address) -> None:
        """As in Listener."""


class BrokerListener:
    """The Listener of a daemon's transport."""

    def __init__(self, loop: Loop, log: Log, served: Served) -> None:
        """The broker has not been reached yet."""
        self._standing = logged(loop, log)
        self._outage = Outage("broker")
        self._served = served

    @property
    def trouble(self) -> str:
        """What is wrong, for people; empty while the broker is reached."""
        return self._outage.text

    def connected(self) -> None:
        """Part of Listener."""
        self._regain("broker connected")

    def disconnected(self, reason: str) -> None:
        """Part of Listener."""
        self._lose("lost", reason)

    def blocked(self, reason: str) -> None:
        """Part of Listener."""
        self._lose("blocked", reason)

    def unblocked(self) -> None:
        """Part of Listener."""
        self._regain("broker unblocked")

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Listener."""
        self._served.delivered(deliveries)

    def undeliverable(self, address: Address) -> None:
        """Part of Listener."""
        self._served.undeliverable(address)

    def _regain(self, what: str) -> None:
        self._standing.good(what)
        self._outage.end()
        self._served.reach(reached=True)

    def _lose(self, how: str, why: str) -> None:
        self._standing.bad(f"broker {how}", why)
        self._outage.begin(how, why)
        self._served.reach(reached=False)
