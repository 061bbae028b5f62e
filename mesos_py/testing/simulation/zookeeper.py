"""An ensemble that elects masters and keeps their registry: sessions that are suspended, lost, and expire.

As the real one: whoever is first in line leads once the epoch is raised; a leader that is cut off is told that it is
suspended, and only when it is back what became of its session; the registry is written by the holder of the newest
epoch only.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mesos_py.master.registry import Registry, RegistryOperation, operations
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.testing.simulation.timeline import Dice

if TYPE_CHECKING:
    from mesos_py.testing.simulation.cluster import Cluster

__all__ = ["Ensemble", "Member", "Session", "Store", "copy_of"]

_LATENCY_S = 0.005
_LIFELINE_S = 0.1
"""A standby notices so soon that the leader's process has ended."""
_NOTICED_S = 3.0
"""About so long it takes to notice that a connection has stalled."""


class Member(Protocol):
    """A master process, as its session sees it."""

    name: str
    alive: bool
    frozen: bool

    def now(self) -> float:
        """What its clock shows."""

    def post(self, do: Callable[..., None], *args: object) -> None:
        """Let something happen within it."""

    def elected(self, epoch: int) -> None:
        """It leads."""

    def suspended(self) -> None:
        """It may not lead any more."""

    def resumed(self) -> None:
        """It has led all the time."""

    def deposed(self) -> None:
        """It leads no more."""


class Session:
    """One member's, until it expires; then it has another."""

    def __init__(self, member: Member) -> None:
        """Not in line yet."""
        self.member = member
        self.cut = 0
        """How many faults lie between it and the ensemble."""
        self.over = False
        self.leads = False
        """It was told so, and not told otherwise."""
        self.suspended = False
        self.stalls = 0

    @property
    def reached(self) -> bool:
        """It hears the ensemble, and is heard."""
        return not self.cut and not self.member.frozen and self.member.alive


class Ensemble:
    """ZooKeeper, as masters need it."""

    def __init__(self, cluster: "Cluster", session_timeout_s: float) -> None:
        """Nobody is there yet."""
        self._cluster = cluster
        self._timeline = cluster.timeline
        self._timeout_s = session_timeout_s
        self._dice = Dice(cluster.seed, "zookeeper")
        self.epoch = 0
        self.registry = Registry()
        self.line: list[Session] = []
        self.down = False
        self.sessions: dict[str, Session] = {}
        """Of every living member, by its name."""

    # Members

    def join(self, member: Member) -> None:
        """A new process contends."""
        session = self.sessions[member.name] = Session(member)
        if self.down:
            session.cut += 1
        self._timeline.after(self._dice.wait(_LATENCY_S), self._stand_in_line, session)

    def _stand_in_line(self, session: Session) -> None:
        if session.over or session in self.line or not session.member.alive:
            return
        if session.reached:
            self.line.append(session)
            self._settle()
        else:
            self._timeline.after(1.0, self._stand_in_line, session)

    def _settle(self) -> None:
        """Let whoever is first lead."""
        if not self.line:
            return
        first = self.line[0]
        if first.reached and not first.leads:
            first.leads = True
            self.epoch = max(self.epoch + 1, int(first.member.now()))
            self._timeline.after(self._dice.wait(_LATENCY_S), self._elect, first, self.epoch)

    def _elect(self, session: Session, epoch: int) -> None:
        if not session.leads or session.over:
            return
        if session.cut:
            self._timeline.after(1.0, self._elect, session, epoch)  # it has not heard the answer yet
        else:
            session.member.post(self._tell_elected, session, epoch)

    def _tell_elected(self, session: Session, epoch: int) -> None:
        if session.leads:
            session.member.elected(epoch)
            if session.suspended:
                session.member.suspended()

    def resign(self, member: Member) -> None:
        """Somebody newer was heard of: contend anew, behind the others."""
        session = self.sessions[member.name]
        self._leave(session)
        session.leads = session.suspended = False
        member.deposed()
        self._timeline.after(self._dice.wait(_LATENCY_S), self._stand_in_line, session)
        self._settle()

    def died(self, member: Member, *, noticed: bool) -> None:
        """Its process has ended. Unless somebody notices, the session must time out."""
        session = self.sessions.pop(member.name)
        self._timeline.after(_LIFELINE_S if noticed else self._timeout_s, self._forget, session)

    def _forget(self, session: Session) -> None:
        session.over = True
        self._leave(session)
        self._settle()

    def _leave(self, session: Session) -> None:
        if session in self.line:
            self.line.remove(session)

    # Faults

    def cut_off(self, member: Member, seconds: float) -> None:
        """The member does not reach the ensemble for a while."""
        session = self.sessions[member.name]
        session.cut += 1
        self._stalled(session)
        self._timeline.after(seconds, self._reach, member)

    def frozen(self, member: Member) -> None:
        """Nothing is heard of it."""
        session = self.sessions[member.name]
        session.stalls += 1
        self._timeline.after(self._timeout_s, self._time_out, session, session.stalls)

    def _stalled(self, session: Session) -> None:
        session.stalls += 1
        self._timeline.after(self._dice.wait(_NOTICED_S), self._notice, session, session.stalls)
        if not self.down:
            self._timeline.after(self._timeout_s, self._time_out, session, session.stalls)

    def _notice(self, session: Session, stalls: int) -> None:
        if session.stalls == stalls:
            session.member.post(self._suspend, session)

    def _suspend(self, session: Session) -> None:
        if session.cut and not session.suspended:
            session.suspended = True
            if session.leads:
                session.member.suspended()

    def _time_out(self, session: Session, stalls: int) -> None:
        if session.stalls == stalls and not session.reached and not self.down:
            self.expire(session)

    def _reach(self, member: Member) -> None:
        """One fault less."""
        session = self.sessions.get(member.name)
        if session is not None and session.cut:
            session.cut -= 1
            self.look(session)

    def look(self, session: Session) -> None:
        """The member may be back: let it find out what became of it."""
        if session.cut:
            return
        session.stalls += 1
        session.member.post(self._find_out, session)
        self._settle()

    def _find_out(self, session: Session) -> None:
        if session.over:
            self._tell_over(session)
            return
        if session.suspended:
            session.suspended = False
            if session.leads:
                session.member.resumed()
        self._cluster.stores_may_write()

    def expire(self, session: Session) -> None:
        """The session is over; the member learns of it when it is reached."""
        if session.over:
            return
        session.over = True
        self._leave(session)
        self._settle()
        if not session.cut:
            session.member.post(self._tell_over, session)

    def _tell_over(self, session: Session) -> None:
        """Contend anew, with a new session."""
        member = session.member
        if self.sessions.get(member.name) is not session:
            return
        led, session.leads = session.leads, False
        fresh = self.sessions[member.name] = Session(member)
        fresh.cut = session.cut
        if led:
            member.deposed()
        self._timeline.after(self._dice.wait(_LATENCY_S), self._stand_in_line, fresh)

    def go_down(self, seconds: float) -> None:
        """All servers are down: nobody can be elected, and no session times out."""
        if self.down:
            return
        self.down = True
        for session in list(self.sessions.values()):
            session.cut += 1
            self._stalled(session)
        self._timeline.after(seconds, self._come_up)

    def _come_up(self) -> None:
        self.down = False
        for session in list(self.sessions.values()):
            self._reach(session.member)

    # The registry

    def may_write(self, epoch: int) -> bool:
        """Whether this is the newest epoch."""
        return epoch == self.epoch

    def commit(self, epoch: int, operation: RegistryOperation) -> bool:
        """Write, unless a newer leader was elected."""
        if not self.may_write(epoch):
            return False
        if epoch != self.epoch:
            raise PromiseError("5 no split brain", f"epoch {epoch} writes {operation} during epoch {self.epoch}")
        operation.apply(self.registry)
        self._cluster.promises.registered(operation)
        return True


class Store:
    """The registry during one leadership."""

    def __init__(self, cluster: "Cluster", member: Member, epoch: int, overtaken: Callable[[], None]) -> None:
        """``overtaken()`` is called once if a newer epoch is found."""
        self._cluster = cluster
        self._ensemble = cluster.ensemble
        self._member = member
        self._epoch = epoch
        self._overtaken = overtaken
        self._written: Callable[[int], None]
        self._waiting: deque[tuple[int, RegistryOperation]] = deque()
        self._unconfirmed = 0
        self._busy = False
        self._closed = False

    def load(self, loaded: Callable[[Registry], None]) -> None:
        """Read all, soon."""
        self._cluster.timeline.after(self._wait(), self._load, loaded)

    def _load(self, loaded: Callable[[Registry], None]) -> None:
        if self._closed or not self._member.alive:
            return
        if not self._is_reached():
            self._cluster.timeline.after(1.0, self._load, loaded)
        elif self._ensemble.epoch != self._epoch:
            self._give_way()
        else:
            self._member.post(self._hand_over, loaded, copy_of(self._ensemble.registry))

    def _hand_over(self, loaded: Callable[[Registry], None], registry: Registry) -> None:
        if not self._closed:
            loaded(registry)

    def write(self, serial: int, operation: RegistryOperation, written: Callable[[int], None]) -> None:
        """Write soon, with what else waits; ``written(serial)`` follows."""
        self._written = written
        self._waiting.append((serial, operation))
        self.go_on()

    def go_on(self) -> None:
        """Write what waits, if the ensemble is reached."""
        if not self._busy and not self._closed and (self._waiting or self._unconfirmed):
            self._busy = True
            self._cluster.timeline.after(self._wait(), self._commit)

    def close(self) -> None:
        """Confirm no more."""
        self._closed = True

    def _commit(self) -> None:
        """What has left the process is written, also if that has died meanwhile."""
        self._busy = False
        if self._ensemble.sessions.get(self._member.name) is None and self._ensemble.down:
            return
        if not self._is_reached() and self._member.alive and not self._member.frozen:
            return  # until the member is back
        while self._waiting:
            serial, operation = self._waiting.popleft()
            if not self._ensemble.commit(self._epoch, operation):
                self._member.post(self._give_way)
                return
            self._unconfirmed = serial
        self._cluster.timeline.after(self._wait(), self._confirm)

    def _confirm(self) -> None:
        if self._is_reached() or self._member.frozen:
            serial, self._unconfirmed = self._unconfirmed, 0
            self._member.post(self._tell, serial)

    def _tell(self, serial: int) -> None:
        if not self._closed and serial:
            self._written(serial)
            self.go_on()

    def _give_way(self) -> None:
        if not self._closed:
            self._closed = True
            self._overtaken()

    def _is_reached(self) -> bool:
        session = self._ensemble.sessions.get(self._member.name)
        return session is not None and session.reached and not self._ensemble.down

    def _wait(self) -> float:
        return self._cluster.registry_dice.wait(_LATENCY_S)


def copy_of(registry: Registry) -> Registry:
    """The same again, as from its operations."""
    fresh = Registry()
    for operation in operations(registry):
        operation.apply(fresh)
    return fresh
