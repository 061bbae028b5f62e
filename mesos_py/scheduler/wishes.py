"""What a user wants of any master, present or coming: which roles to be offered for, and how much.

A master forgets these with the subscription, so they are said again after each.
"""

from collections.abc import Iterable, Iterator

from mesos_py.messages.scheduler import Reconcile, Request, Revive, Suppress
from mesos_py.scheduler.events import OURS
from mesos_py.types.ids import Role

__all__ = ["Wishes"]


class Wishes:
    """The suppressed roles and the demands."""

    def __init__(self, roles: Iterable[Role], suppressed: Iterable[Role]) -> None:
        """``roles`` are the framework's."""
        self._roles = list(roles)
        self._suppressed: dict[Role, None] = dict.fromkeys(suppressed)
        self._demands: dict[Role, Request] = {}
        self._unsaid: dict[Role, bool] = {}
        """Roles suppressed (True) or revived while nobody listened."""
        self.reconcile_all = False
        """The user asked for the state of everything while nobody listened."""

    def take(self, call: Suppress | Revive | Request, *, said: bool) -> None:
        """Remember a call; a later one replaces an earlier. ``said`` if a master hears it now."""
        if isinstance(call, Request):
            if call.demands:
                self._demands[call.role] = call
            else:
                self._demands.pop(call.role, None)
            return
        for role in call.roles or self._roles:
            if isinstance(call, Suppress):
                self._suppressed[role] = None
            else:
                self._suppressed.pop(role, None)
            if not said:
                self._unsaid[role] = isinstance(call, Suppress)

    def suppressed(self) -> list[Role]:
        """The roles that want no offers."""
        return list(self._suppressed)

    def restated(self) -> Iterator[Request | Suppress | Revive | Reconcile]:
        """What to say to a master that has just subscribed us."""
        unsaid, self._unsaid = self._unsaid, {}
        if suppressed := [role for role, suppress in unsaid.items() if suppress]:
            yield Suppress(framework_id=OURS, roles=suppressed)
        if revived := [role for role, suppress in unsaid.items() if not suppress]:
            yield Revive(framework_id=OURS, roles=revived)
        yield from self._demands.values()
        if self.reconcile_all:
            self.reconcile_all = False
            yield Reconcile(framework_id=OURS)
