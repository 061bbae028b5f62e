"""Contends for the leadership with an ephemeral node of its own: the contender with the lowest number leads.

Each change below ``masters`` and each new connection makes us **look**: who stands there, and where are we? All else
follows from the answer, so that what was missed in between is no matter. Before a contender with the lowest number
leads it raises the epoch, in one transaction that fails if its own node is gone. A node without a living process is
deleted by ZooKeeper when the session times out, or by a standby who sees its lifeline end. Whoever loses its node while
its session lives has a lifeline that deceives the others, and contends without one from then on.
"""

from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import Any, Final

import msgspec
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError

from mesos_py.adapters.zookeeper.lifeline import Watch
from mesos_py.adapters.zookeeper.paths import guid_of, number_of
from mesos_py.adapters.zookeeper.session import Connection, Session, is_lost, refused
from mesos_py.errors import MesosError
from mesos_py.runtime.election import Candidate, ElectionListener
from mesos_py.runtime.loop import Loop

__all__ = ["ZookeeperElection"]

_DIGITS: Final = 1_000_000_000_000
"""More than any epoch that a clock gives in seconds."""


class ZookeeperElection:
    """An Election within a session, which it starts and stops."""

    def __init__(self, session: Session, loop: Loop, us: Candidate) -> None:
        """``us`` is shown to the others."""
        self._session = session
        self._paths = session.paths
        self._loop = loop
        self._us = us
        self._listener: ElectionListener | None = None
        self._guid = token_hex(8)
        self._joined_as = ""
        """The guid of the node that we know to have made."""
        self._given_up: set[str] = set()
        """Names that our nodes had before we resigned."""
        self._connected = False
        self._leads = False
        self._suspended = False
        self._busy = False
        """Looking, or acting on what was seen; one at a time."""
        self._again = False
        """Something has changed since we began to look."""
        self._turn = 0
        """Rises with each connection: answers from before it are not listened to."""
        self._leader: Candidate | None = None
        self._contenders: dict[str, Candidate | None] = {}
        """Who stands in line, by the names of their nodes; None before what is there is read."""
        self._watched = ""
        self._watch: Watch | None = None

    def start(self, listener: ElectionListener) -> None:
        """Part of Election."""
        self._listener = listener
        self._session.listen(self)
        self._session.start()

    def contenders(self) -> list[Candidate]:
        """Part of Election."""
        return [candidate for candidate in self._contenders.values() if candidate is not None]

    def resign(self) -> None:
        """Part of Election."""
        self._given_up.add(self._guid)
        self._guid = token_hex(8)
        self._depose("we resigned")
        self._look()

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Part of Election. The end of the session deletes our node."""
        self._listener = None
        self._leads = False
        self._unwatch()
        self._session.stop(on_stopped)

    # The session

    def connection(self, state: Connection) -> None:
        """Part of SessionListener."""
        self._turn += 1
        self._busy = False
        self._connected = state is Connection.CONNECTED
        if state is Connection.LOST:
            self._guid = token_hex(8)
            self._given_up.clear()
            self._depose("the session with ZooKeeper is over")
        elif state is Connection.SUSPENDED:
            if self._leads and not self._suspended and self._listener is not None:
                self._suspended = True
                self._listener.suspended()
        else:
            self._look()

    # Looking

    def _look(self) -> None:
        if self._busy or not self._connected:
            self._again = True
            return
        self._busy, self._again = True, False
        self._session.children(self._paths.masters, self._look, self._then(self._seen))

    def _then(self, step: Callable[[Any, Exception | None], None]) -> Callable[[Any, Exception | None], None]:
        """Listen to an answer unless the connection has changed; what was lost with it is done anew after the next."""
        turn = self._turn

        def answered(value: Any, error: Exception | None) -> None:
            if turn == self._turn and self._listener is not None and not is_lost(error):
                step(value, error)

        return answered

    def _done(self) -> None:
        """What was seen is acted upon."""
        self._busy = False
        if self._again:
            self._look()

    def _seen(self, names: list[str] | None, error: Exception | None) -> None:
        if isinstance(error, NoNodeError):
            names, error = [], None
        if error is not None or names is None:
            refused(error)
        for name in names:
            if guid_of(name) in self._given_up:
                self._session.delete(self._paths.master(name), lambda _done, _error: None)
        line = sorted(
            (name for name in names if number_of(name) >= 0 and guid_of(name) not in self._given_up), key=number_of
        )
        self._get_to_know(line)
        ours = next((name for name in line if guid_of(name) == self._guid), None)
        if ours is None:
            self._depose("our node in ZooKeeper is gone")
            if self._joined_as == self._guid:
                # We live, and our session does: somebody took us for dead, and would again.
                self._us = Candidate(self._us.url)
            self._join()
        elif ours != line[0]:
            self._depose("another is before us")
            self._follow(line[0])
        elif self._leads:
            self._still_lead()
        else:
            self._session.get(self._paths.epoch, self._then(lambda found, why: self._raise_epoch(ours, found, why)))

    def _get_to_know(self, line: list[str]) -> None:
        """What stands in a node never changes: read those that are new."""
        self._contenders = {name: self._contenders.get(name) for name in line}
        for name in [name for name, candidate in self._contenders.items() if candidate is None]:
            self._session.get(self._paths.master(name), self._then(partial(self._known, name)))

    def _known(self, name: str, found: tuple[bytes, Any] | None, error: Exception | None) -> None:
        if found is not None and name in self._contenders:
            self._contenders[name] = _candidate(found[0])
        elif error is not None and not isinstance(error, NoNodeError):
            refused(error)

    def _join(self) -> None:
        data = msgspec.json.encode(self._us)
        path = self._paths.contender(self._guid)
        self._session.create(path, data, self._then(self._joined), ephemeral=True, sequence=True)

    def _joined(self, path: str | None, error: Exception | None) -> None:
        if error is not None or path is None:
            refused(error)
        self._joined_as = guid_of(path.rpartition("/")[2])
        self._again = True
        self._done()

    # Leading

    def _raise_epoch(self, ours: str, found: tuple[bytes, Any] | None, error: Exception | None) -> None:
        if isinstance(error, NoNodeError):
            self._session.create(self._paths.epoch, b"0", self._then(self._made_epoch))
            return
        if error is not None or found is None:
            refused(error)
        data, stat = found
        epoch = max(_number(data, self._paths.epoch) + 1, int(self._loop.clock()))
        transaction = self._session.transaction()
        transaction.check(self._paths.master(ours), 0)
        transaction.set_data(self._paths.epoch, str(epoch).encode(), stat.version)
        self._session.commit(transaction, self._then(lambda _results, why: self._raised(ours, epoch, why)))

    def _made_epoch(self, _path: str | None, error: Exception | None) -> None:
        if error is not None and not isinstance(error, NodeExistsError):
            refused(error)
        self._again = True
        self._done()

    def _raised(self, ours: str, epoch: int, error: Exception | None) -> None:
        if isinstance(error, NoNodeError | BadVersionError):
            self._again = True  # our node is gone, or another was faster
        elif error is not None:
            refused(error)
        elif guid_of(ours) != self._guid:
            self._again = True  # we have resigned meanwhile
        else:
            self._unwatch()
            self._leads = True
            self._leader = None
            assert self._listener is not None
            self._listener.elected(epoch)
        self._done()

    def _still_lead(self) -> None:
        if self._suspended:
            self._suspended = False
            assert self._listener is not None
            self._listener.resumed()
        self._done()

    def _depose(self, why: str) -> None:
        if self._leads:
            self._leads = self._suspended = False
            if self._listener is not None:
                self._listener.deposed(why)

    # Following

    def _follow(self, name: str) -> None:
        if name == self._watched:
            self._done()
            return
        self._session.get(self._paths.master(name), self._then(lambda found, why: self._read(name, found, why)))

    def _read(self, name: str, found: tuple[bytes, Any] | None, error: Exception | None) -> None:
        self._unwatch()
        if isinstance(error, NoNodeError):
            self._again = True
        elif error is not None or found is None:
            refused(error)
        else:
            leader = _candidate(found[0])
            self._watched = name
            self._show(leader if leader.url else None)
            if leader.lifeline:
                self._watch = Watch(self._loop, leader.lifeline, lambda: self._found_dead(name))
                self._watch.start()
        self._done()

    def _show(self, leader: Candidate | None) -> None:
        if leader != self._leader and self._listener is not None:
            self._leader = leader
            self._listener.led_by(leader)

    def _unwatch(self) -> None:
        self._watched = ""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _found_dead(self, name: str) -> None:
        """Its process has ended: the node need not wait for the session. What comes of it is seen by looking."""
        if name == self._watched and self._connected:
            self._session.delete(self._paths.master(name), lambda _done, _error: None)


def _candidate(data: bytes) -> Candidate:
    """Of a version that we cannot read, without a URL: it contends nevertheless."""
    try:
        return msgspec.json.decode(data, type=Candidate)
    except msgspec.MsgspecError:
        return Candidate("")


def _number(data: bytes, path: str) -> int:
    """The epoch as it stands there. Raises MesosError for what is none: to go on would not be safe."""
    text = data.decode(errors="replace")
    if not text.isdecimal() or int(text) >= _DIGITS:
        raise MesosError(f"{path} in ZooKeeper holds no epoch: {text[:40]!r}")
    return int(text)
