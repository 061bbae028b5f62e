"""An ensemble within the process: elections among contenders whose connections and sessions end when told to."""

from collections.abc import Callable

from mesos_py.errors import InvariantError
from mesos_py.runtime.election import Candidate, ElectionListener
from mesos_py.runtime.loop import Loop

__all__ = ["FakeElection", "FakeEnsemble"]


class FakeEnsemble:
    """Where contenders stand in line: the first one leads."""

    def __init__(self, epoch: int = 0) -> None:
        """``epoch`` is that of the last leader."""
        self.epoch = epoch
        self.line: list[FakeElection] = []

    def election(self, loop: Loop, us: Candidate) -> "FakeElection":
        """A contender; it stands in line when it is started."""
        return FakeElection(self, loop, us)

    def settle(self) -> None:
        """Tell everybody who can be reached what is so now."""
        if self.line and self.line[0].reached and not self.line[0].leads:
            self.epoch = max(self.epoch + 1, int(self.line[0].clock()))
            self.line[0].lead(self.epoch)
        for contender in self.line[1:]:
            contender.follow(self.line[0].us)


class FakeElection:
    """An Election. What it tells comes in a later round of the loop, as from a thread."""

    def __init__(self, ensemble: FakeEnsemble, loop: Loop, us: Candidate) -> None:
        """``us`` is shown to the others."""
        self.us = us
        self.clock = loop.clock
        self.reached = True
        self.leads = False
        """So it believes."""
        self._ensemble = ensemble
        self._loop = loop
        self._listener: ElectionListener | None = None
        self._suspended = False
        self._leader: Candidate | None = None

    def start(self, listener: ElectionListener) -> None:
        """Part of Election."""
        self._listener = listener
        self._join()

    def contenders(self) -> list[Candidate]:
        """Part of Election."""
        return [contender.us for contender in self._ensemble.line]

    def resign(self) -> None:
        """Part of Election."""
        self._end("we resigned")

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Part of Election."""
        self._listener = None
        self.leads = False
        self._drop()
        self._loop.post(on_stopped)

    # What a test does to it

    def cut_off(self) -> None:
        """Lose the connection."""
        self.reached = False
        if self.leads:
            self._suspended = True
            self._tell(lambda listener: listener.suspended())

    def expire(self) -> None:
        """End the session; we learn of it when we are connected (again)."""
        self._drop()
        if self.reached:
            self._end("the session is over")

    def connect(self) -> None:
        """Be connected again."""
        self.reached = True
        if self not in self._ensemble.line:
            self._end("the session is over")
        elif self._suspended:
            self._suspended = False
            self._tell(lambda listener: listener.resumed())
        self._ensemble.settle()

    # What the ensemble does to it

    def lead(self, epoch: int) -> None:
        """Be elected."""
        if self.leads:
            raise InvariantError("a leader is elected")
        self.leads = True
        self._leader = None
        self._tell(lambda listener: listener.elected(epoch))

    def follow(self, leader: Candidate) -> None:
        """Another leads."""
        if self.reached and leader != self._leader:
            self._leader = leader
            self._tell(lambda listener: listener.led_by(leader))

    def _end(self, why: str) -> None:
        self._drop()
        if self.leads:
            self.leads = self._suspended = False
            self._tell(lambda listener: listener.deposed(why))
        self._join()

    def _join(self) -> None:
        if self._listener is not None and self.reached:
            self._ensemble.line.append(self)
            self._ensemble.settle()

    def _drop(self) -> None:
        if self in self._ensemble.line:
            self._ensemble.line.remove(self)
        self._ensemble.settle()

    def _tell(self, what: Callable[[ElectionListener], None]) -> None:
        self._loop.post(lambda: None if self._listener is None else what(self._listener))
