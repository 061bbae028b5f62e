"""Keeps a copy of the registry's nodes while we stand by, so that whoever is elected need not read them first.

Each node is read with a watch. When one changes it is no longer in the copy, and is read again after a pause: a leader
that writes often is not followed write by write. Before anything that ZooKeeper answers comes the news of every change
made before it, so whoever has raised the epoch, after which nobody else writes, finds only what is current here.
"""

from collections.abc import Callable
from typing import Any, Final

from kazoo.exceptions import NodeExistsError, NoNodeError

from mesos_py.adapters.zookeeper.session import Connection, Session, is_lost, refused
from mesos_py.runtime.loop import Loop

__all__ = ["RegistryCopy"]

_PAUSE_S: Final = 1.0


class RegistryCopy:
    """What the registry's nodes hold, by name; some may be missing."""

    def __init__(self, session: Session, loop: Loop) -> None:
        """``stand_by`` begins to keep it."""
        self._session = session
        self._paths = session.paths
        self._loop = loop
        self._nodes: dict[str, bytes] = {}
        self._changed: dict[str, None] = {}
        """To be read again."""
        self._due: float | None = None
        self._kept = False
        self._turn = 0
        """Rises with whatever makes answers and watches from before worthless."""
        session.listen(self)
        loop.add(self)

    def stand_by(self) -> None:
        """Keep a copy from now on."""
        if not self._kept:
            self._kept = True
            self._begin()

    def take(self) -> dict[str, bytes]:
        """What there is of it; it is kept no longer."""
        self._kept = False
        nodes = self._nodes
        self._forget()
        return nodes

    # The session

    def connection(self, _state: Connection) -> None:
        """Part of SessionListener."""
        self._forget()
        self._begin()

    def _forget(self) -> None:
        self._turn += 1
        self._nodes, self._changed, self._due = {}, {}, None

    def _begin(self) -> None:
        if self._kept and self._session.connected:
            self._session.create(self._paths.registry, b"", self._then(self._made))

    def _unless_over(self, step: Callable[[], None]) -> Callable[[], None]:
        turn = self._turn
        return lambda: step() if turn == self._turn else None

    def _then(self, step: Callable[[Any, Exception | None], None]) -> Callable[[Any, Exception | None], None]:
        turn = self._turn

        def answered(value: Any, error: Exception | None) -> None:
            if turn == self._turn and not is_lost(error):
                step(value, error)

        return answered

    # Reading

    def _made(self, _path: str | None, error: Exception | None) -> None:
        """The node above them is there, so that what comes below it is heard of."""
        if error is not None and not isinstance(error, NodeExistsError):
            refused(error)
        self._look()

    def _look(self) -> None:
        changed = self._unless_over(self._look)
        self._session.children(self._paths.registry, changed, self._then(self._seen))

    def _seen(self, names: list[str] | None, error: Exception | None) -> None:
        if error is not None or names is None:
            refused(error)
        for name in names:
            if name not in self._nodes and name not in self._changed:
                self._read(name)

    def _read(self, name: str) -> None:
        overtaken = False

        def changed() -> None:
            nonlocal overtaken
            overtaken = True
            self._nodes.pop(name, None)
            self._changed[name] = None
            if self._due is None:
                self._due = self._loop.clock() + _PAUSE_S

        def read(found: tuple[bytes, Any] | None, error: Exception | None) -> None:
            if overtaken:
                return  # the answer came later than the news that it is of the past
            if found is not None:
                self._nodes[name] = found[0]
            elif not isinstance(error, NoNodeError):
                refused(error)

        self._session.get(self._paths.kept(name), self._then(read), self._unless_over(changed))

    # Resident

    def next_deadline(self) -> float | None:
        """Part of Resident: when to read what has changed."""
        return self._due

    def run_due(self, _now: float) -> None:
        """Part of Resident."""
        self._due = None
        names, self._changed = self._changed, {}
        for name in names:
            self._read(name)
