"""Repeats each kill until its task has ended, because a kill may be lost on its way.

A task that nobody knows may still turn up, with an agent that was away for longer than masters wait. Its kill is said
again when it does.
"""

from typing import Final

from msgspec import Struct

from mesos_py.scheduler.config import Backoff
from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.tasks import LIVE, TERMINAL, KillPolicy, TaskState

__all__ = ["Kills", "Wish"]

_UNKNOWN_KEPT: Final = 1000


class Wish(Struct, kw_only=True, gc=False):
    """A task that shall end."""

    task_id: TaskID
    agent_id: AgentID | None
    policy: KillPolicy | None
    attempt: int = 0
    due: float = 0.0


class Kills:
    """The tasks that shall end, and when to say so again."""

    def __init__(self, backoff: Backoff) -> None:
        """``backoff`` is the wait between repetitions."""
        self._backoff = backoff
        self._wishes: dict[TaskID, Wish] = {}
        self._of_unknown: dict[TaskID, Wish] = {}
        """Kept back, for nobody knows the task; the oldest first."""
        self._earliest: float | None = None
        """No wish is due before; may be earlier than any, so that ends cost nothing."""

    def wish(self, task_id: TaskID, agent_id: AgentID | None, policy: KillPolicy | None, now: float) -> None:
        """This task shall end; said at the next ``due``. A new wish replaces the old."""
        self._of_unknown.pop(task_id, None)
        self._say(Wish(task_id=task_id, agent_id=agent_id, policy=policy), now)

    def _say(self, wish: Wish, now: float) -> None:
        wish.attempt, wish.due = 0, now
        self._wishes[wish.task_id] = wish
        self._earliest = now if self._earliest is None else min(self._earliest, now)

    def heard(self, task_id: TaskID, state: TaskState, now: float) -> None:
        """How a task is now."""
        if not self._wishes and not self._of_unknown:
            return
        if state in TERMINAL:
            self._wishes.pop(task_id, None)
            self._of_unknown.pop(task_id, None)
        elif state is TaskState.UNKNOWN and task_id in self._wishes:
            self._of_unknown[task_id] = self._wishes.pop(task_id)
            if len(self._of_unknown) > _UNKNOWN_KEPT:
                del self._of_unknown[next(iter(self._of_unknown))]
        elif state in LIVE and task_id in self._of_unknown:
            self._say(self._of_unknown.pop(task_id), now)

    def restate(self, now: float) -> None:
        """Say everything again at once: whoever was told may not be there any more."""
        for wish in self._wishes.values():
            wish.attempt, wish.due = 0, now
        self._earliest = now if self._wishes else None

    def due(self, now: float) -> list[Wish]:
        """What to say now."""
        if self._earliest is None or self._earliest > now:
            return []
        said = [wish for wish in self._wishes.values() if wish.due <= now]
        for wish in said:
            wish.attempt += 1
            wish.due = now + self._backoff.after(wish.attempt)
        self._earliest = min((wish.due for wish in self._wishes.values()), default=None)
        return said

    def next_deadline(self) -> float | None:
        """When something may be due."""
        return self._earliest

    def forget(self) -> None:
        """Wish for nothing."""
        self._wishes.clear()
        self._of_unknown.clear()
        self._earliest = None

    def __contains__(self, task_id: object) -> bool:
        return task_id in self._wishes
