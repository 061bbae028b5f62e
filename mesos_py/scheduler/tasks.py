"""What we know of our tasks, and which updates are news.

Updates of an agent carry an ``update_id`` that counts up per task: one that is not higher than the last is a
repetition. Answers of the master carry none: one that says what the user knows already is no news, unless the user
asked for it.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from mesos_py.types.ids import AgentID, TaskID
from mesos_py.types.tasks import TERMINAL, Reason, TaskInfo, TaskState, TaskStatus

__all__ = ["TaskBook"]

_NONE_YET = -1


class _Known(Struct, gc=False):
    agent_id: AgentID | None
    state: TaskState | None = None
    """The last that the user was told; None before the first."""
    update_id: int = _NONE_YET
    acknowledged: int = _NONE_YET


class TaskBook:
    """Our tasks: those that live or may live, and the memory of those that ended."""

    def __init__(self, remember_ended: int) -> None:
        """``remember_ended`` is how many ended tasks are remembered."""
        self._remember = remember_ended
        self._live: dict[TaskID, _Known] = {}
        self._ended: dict[TaskID, _Known] = {}
        self._unspoken: deque[tuple[float, list[TaskID]]] = deque()
        self._wanted: dict[TaskID, None] = {}
        """Asked for by the user and not answered."""

    # Launches

    def launched(self, tasks: Iterable[TaskInfo], agent_id: AgentID, answer_due: float) -> None:
        """These were sent to the master; ask for them if nobody has spoken of them by ``answer_due``."""
        live, ended = self._live, self._ended
        task_ids = []
        for task in tasks:
            task_id = task.task_id
            if ended:
                ended.pop(task_id, None)
            live[task_id] = _Known(agent_id)
            task_ids.append(task_id)
        if task_ids:
            self._unspoken.append((answer_due, task_ids))

    def unspoken(self, now: float) -> list[TaskID]:
        """Launched tasks whose answer is overdue; each is named once."""
        overdue: list[TaskID] = []
        while self._unspoken and self._unspoken[0][0] <= now:
            _, task_ids = self._unspoken.popleft()
            for task_id in task_ids:
                known = self._live.get(task_id)
                if known is not None and known.state is None:
                    overdue.append(task_id)
        return overdue

    def next_deadline(self) -> float | None:
        """When an answer is overdue."""
        return self._unspoken[0][0] if self._unspoken else None

    # Updates

    def is_news(self, status: TaskStatus) -> bool:
        """Take a status in; True if the user is to be told."""
        task_id, state, update_id = status.task_id, status.state, status.update_id
        known = self._live.get(task_id)
        if update_id is not None:
            if known is None:
                known = self._ended.get(task_id) or _Known(status.agent_id)
                if update_id <= known.update_id:
                    return False
            elif update_id < known.update_id or (update_id == known.update_id and state == known.state):
                return False
            known.update_id = update_id
        else:
            wanted = task_id in self._wanted
            if known is None:
                known = self._ended.get(task_id)
                if known is not None and not wanted:
                    return False  # nothing follows an end, unless an agent says so
                known = known or _Known(status.agent_id)
            elif not wanted and state == known.state and status.reason == Reason.RECONCILIATION:
                return False
        if self._wanted:
            self._wanted.pop(task_id, None)
        known.state = state
        if status.agent_id is not None:
            known.agent_id = status.agent_id
        self._file(task_id, known, state)
        return True

    def _file(self, task_id: TaskID, known: _Known, state: TaskState) -> None:
        if state in TERMINAL:
            self._live.pop(task_id, None)
            self._ended[task_id] = known
            if len(self._ended) > self._remember:
                self._shorten_memory()
        elif state == TaskState.UNKNOWN:
            self._live.pop(task_id, None)
            self._ended.pop(task_id, None)
        elif task_id not in self._live:
            self._ended.pop(task_id, None)
            self._live[task_id] = known

    def _shorten_memory(self) -> None:
        """Forget the oldest tenth at once: taking a dict's first item one by one is slow."""
        oldest = list(self._ended)[: len(self._ended) - self._remember * 9 // 10]
        for task_id in oldest:
            del self._ended[task_id]

    # Acknowledgements

    def acknowledge(self, task_id: TaskID, update_id: int) -> None:
        """The user acknowledged this."""
        known = self._live.get(task_id) or self._ended.get(task_id)
        if known is not None:
            known.acknowledged = max(known.acknowledged, update_id)

    def is_acknowledged(self, task_id: TaskID, update_id: int) -> bool:
        """Whether the user has acknowledged this."""
        known = self._live.get(task_id) or self._ended.get(task_id)
        return known is not None and update_id <= known.acknowledged

    # Questions

    def want(self, task_ids: Iterable[TaskID]) -> None:
        """The user asks for these: the next word on each is news whatever it says."""
        self._wanted.update(dict.fromkeys(task_ids))

    def wanted(self) -> Iterator[TaskID]:
        """What the user asked for and was not answered."""
        return iter(self._wanted)

    # Reading

    def live(self) -> list[TaskID]:
        """All that live or may live, in the order of their launch."""
        return list(self._live)

    def is_live(self, task_id: TaskID) -> bool:
        """Whether it lives or may live."""
        return task_id in self._live

    def has_ended(self, task_id: TaskID) -> bool:
        """Whether the user was told of its end, as far as we remember."""
        return task_id in self._ended

    def agent_of(self, task_id: TaskID) -> AgentID | None:
        """Where it is."""
        known = self._live.get(task_id) or self._ended.get(task_id)
        return known.agent_id if known is not None else None

    def forget(self) -> list[tuple[TaskID, AgentID | None]]:
        """Forget everything; what lived is given back."""
        lived = [(task_id, known.agent_id) for task_id, known in self._live.items()]
        self._live.clear()
        self._ended.clear()
        self._unspoken.clear()
        self._wanted.clear()
        return lived
