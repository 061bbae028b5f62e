"""Keeps what the master knows of our appetite current: how much of what is wanted, or nothing at all for now.

Only changes are told. Where nothing waits the role is suppressed, and revived when something does: who wants nothing
is offered nothing, and the others are offered more, and sooner.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from mesos_py.scheduler.toolkit.specs import TaskSpec
from mesos_py.types.ids import Role
from mesos_py.types.infos import Demand
from mesos_py.types.resources import Resources

__all__ = ["DemandStatement", "Stated"]

_MOST: Final = 256
"""Demands that a master takes for a role."""

_Slices = dict[Resources, int]


class Stated(Protocol):
    """Whoever tells the master: a ``Framework``."""

    def request(self, *demands: Demand, role: str | None = None) -> None:
        """Say how much is wanted."""

    def suppress(self, *roles: str) -> None:
        """Want nothing."""

    def revive(self, *roles: str) -> None:
        """Want again, and forget what was declined."""


class DemandStatement:
    """What was last said of how much is wanted in one role.

    >>> demand = DemandStatement(framework)
    >>> queue.add(spec)
    >>> demand.update(queue)
    """

    def __init__(self, framework: Stated, role: str | None = None) -> None:
        """``role`` may be left out by whoever has only one."""
        self._framework = framework
        self._role = Role(role) if role is not None else None
        self._stated: _Slices | None = None
        """None before the first statement, and where whole offers are wanted."""
        self._idle: bool | None = None

    def update(self, waiting: Iterable[TaskSpec | Demand]) -> None:
        """This is what waits now, the most urgent first; call it after every change, or once after several.

        Tasks that choose ports are served from whole offers only: while one waits, no offer is cut.
        """
        wanted, whole = self._count(waiting)
        if not wanted and not whole:
            self._rest()
            return
        stated = None if whole else wanted
        again = self._idle is not False
        if again or stated != self._stated:
            before, self._stated = self._stated, stated
            demands = [Demand(slice=slice_, count=count) for slice_, count in (stated or {}).items()]
            self._framework.request(*demands, role=self._role)
            again = again or _is_more(stated, before)
        self._idle = False
        if again:
            self._framework.revive(*self._roles())

    def _rest(self) -> None:
        if not self._idle:
            self._idle = True
            self._framework.suppress(*self._roles())

    def _roles(self) -> list[Role]:
        return [] if self._role is None else [self._role]

    def _count(self, waiting: Iterable[TaskSpec | Demand]) -> tuple[_Slices, bool]:
        """How many of each slice, and whether something else than slices is wanted."""
        wanted: _Slices = {}
        for spec in waiting:
            if isinstance(spec, Demand):
                slice_, count = spec.slice, spec.count
            elif spec.role is not None and self._role is not None and spec.role != self._role:
                continue
            elif spec.ports:
                return {}, True
            else:
                slice_, count = _slice(spec), 1
            if count and (slice_ in wanted or len(wanted) < _MOST):
                wanted[slice_] = wanted.get(slice_, 0) + count
        return wanted, False


def _slice(spec: TaskSpec) -> Resources:
    executor = spec.task.executor
    return spec.task.resources if executor is None else spec.task.resources + executor.resources


def _is_more(now: _Slices | None, before: _Slices | None) -> bool:
    """Whether something is wanted that what was declined before may serve."""
    if now is None or before is None:
        return now is None
    return any(count > before.get(slice_, 0) for slice_, count in now.items())
