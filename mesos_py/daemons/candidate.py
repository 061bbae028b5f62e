"""A master process among several: standby until it is elected, and again when it is deposed.

A standby is hot: it is connected to the broker and to ZooKeeper, and its HTTP API sends everybody to the leader. When
it is elected it reads the registry and begins a leadership; when that ends nothing of it is kept, and the process goes
on as a standby.
"""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from mesos_py import __version__
from mesos_py.adapters.amqp import connect
from mesos_py.adapters.zookeeper.address import parse_address
from mesos_py.adapters.zookeeper.copy import RegistryCopy
from mesos_py.adapters.zookeeper.election import ZookeeperElection
from mesos_py.adapters.zookeeper.lifeline import Lifeline
from mesos_py.adapters.zookeeper.registry import ZookeeperRegistry
from mesos_py.adapters.zookeeper.session import Connection, Session
from mesos_py.allocator.base import AllocatorConfig
from mesos_py.daemons.broker import BrokerListener
from mesos_py.daemons.config import MasterConfig, without_passwords
from mesos_py.daemons.gate import Gate
from mesos_py.daemons.leadership import CEASED, Leadership, new_master_id, tell
from mesos_py.daemons.policies import make_allocator
from mesos_py.daemons.registry import RegistryWriter
from mesos_py.daemons.service import private_dir
from mesos_py.errors import ConfigError
from mesos_py.master.core import Master
from mesos_py.master.effects import Answer, Outcome
from mesos_py.master.events import OperatorCall
from mesos_py.master.registry import Registry
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.election import Candidate, Election
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.ports import Address, Delivery
from mesos_py.runtime.sockets import place
from mesos_py.types.ids import Principal
from mesos_py.types.infos import MasterInfo
from mesos_py.web.leading import MasterView
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader
from mesos_py.web.server import WebServer

__all__ = ["CandidateDaemon", "Coordination", "Store"]


class Store(RegistryWriter, Protocol):
    """The registry during one leadership."""

    def load(self, loaded: Callable[[Registry], None]) -> None:
        """Read all; ``loaded`` is called in the loop's thread unless a newer leader is found before."""


class Coordination(Protocol):
    """What masters share besides the broker: an election, and the registry of whoever is elected."""

    def election(self, us: Candidate) -> Election:
        """Ours; called once."""

    def stand_by(self) -> None:
        """Keep at hand what will be needed when we are elected, until ``store`` is called."""

    def store(self, epoch: int, overtaken: Callable[[str], None]) -> Store:
        """The registry for the leadership of this epoch; ``overtaken(why)`` is told if a newer one is found."""


class _Zookeeper:
    """Coordination through ZooKeeper; tells the log whether that is reached."""

    def __init__(self, config: MasterConfig, loop: Loop) -> None:
        self._loop = loop
        self._session = Session(parse_address(config.zookeeper), loop, config.zookeeper_session_timeout_s)
        self._copy = RegistryCopy(self._session, loop)
        self._where = without_passwords(config.zookeeper)
        self._log = get_log(role="master")
        self._patient_until: float | None = loop.clock() + config.zookeeper_session_timeout_s

    def next_deadline(self) -> float | None:
        """Part of Resident: when to say that it was never reached."""
        return self._patient_until

    def run_due(self, _now: float) -> None:
        """Part of Resident."""
        self._patient_until = None
        why = self._session.why_unreached
        self._log.warning("zookeeper is not reached; it is tried on", zookeeper=self._where, why=why)

    def connection(self, state: Connection) -> None:
        """Part of SessionListener."""
        self._patient_until = None
        if state is Connection.CONNECTED:
            self._log.info("zookeeper connected", zookeeper=self._where)
        else:
            why = "session over" if state is Connection.LOST else "connection lost"
            self._log.warning("zookeeper lost", why=why)

    def election(self, us: Candidate) -> Election:
        self._loop.add(self)
        self._session.listen(self)
        return ZookeeperElection(self._session, self._loop, us)

    def stand_by(self) -> None:
        self._copy.stand_by()

    def store(self, epoch: int, overtaken: Callable[[str], None]) -> Store:
        return ZookeeperRegistry(self._session, self._loop, epoch, overtaken, self._copy.take())


class CandidateDaemon:
    """Stands by, leads, stands by."""

    def __init__(self, config: MasterConfig, loop: Loop, coordination: Coordination | None = None) -> None:
        """Take the ports. ``coordination`` is through ZooKeeper unless given. Raises ConfigError."""
        self.failure = ""
        self._config = config
        self._loop = loop
        self._log = get_log(role="master")
        private_dir(config.work_dir)
        make_allocator(config.allocator, AllocatorConfig())  # what cannot be used is better told now than when elected
        self._gate = Gate(config)
        app = make_master_app(
            Reader(loop),
            lambda: self.core,
            self.operate,
            self._gate.access,
            leader_url=self._leader_url,
            masters=self._masters,
            condition=self.condition,
            authenticate=self._gate.authenticate,
        )
        self._web = WebServer(app, config.http_host, config.http_port, self._gate.tls)
        self._lifeline: Lifeline | None = None
        try:
            self._coordination = coordination or _Zookeeper(config, loop)
            self.url = config.advertise_url or self._web.bind()
            self._lifeline = Lifeline(loop, config.http_host, config.lifeline_port)
            self._transport = connect(config.broker, loop, name=f"mesos master {self.url}")
        except ConfigError:
            self.abandon()
            raise
        host = urlsplit(self.url).hostname or config.http_host
        self._election = self._coordination.election(Candidate(self.url, place(host, self._lifeline.port)))
        self._broker = BrokerListener(loop, self._log, self)
        self._reached = False
        """Whether what we send to the broker goes anywhere."""
        self._leadership: Leadership | None = None
        self._store: Store | None = None
        """Of a leadership, also while it is being read."""
        self._suspended = False
        self._leader: Candidate | None = None

    @property
    def core(self) -> Master | None:
        """Decides, while we lead."""
        return None if self._leadership is None else self._leadership.core

    def _leader_url(self) -> str:
        return "" if self._leader is None else self._leader.url

    def _masters(self) -> list[MasterView]:
        leader = self._leader_url() if self._leadership is None else self.url
        urls = dict.fromkeys([*(each.url for each in self._election.contenders()), self.url])
        return [MasterView(url, leads=url == leader) for url in urls if url]

    # Life

    def start(self) -> None:
        """Stand by, and contend."""
        assert self._lifeline is not None
        self._log.info("contending", url=self.url, version=__version__)
        self._web.start()
        self._lifeline.start()
        self._transport.start(self._broker)
        self._election.start(self)

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Hand over, if we lead, and go."""
        self._step_down()
        left = 2

        def one_stopped() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.abandon()
                on_stopped()

        self._election.stop(one_stopped)
        self._transport.stop(one_stopped)

    def abandon(self) -> None:
        """Give back what was taken."""
        if self._lifeline is not None:
            self._lifeline.close()
        self._web.stop()

    def last_words(self) -> None:
        """Leave the story of what broke."""
        if self._leadership is not None:
            self._leadership.last_words()

    def condition(self) -> Condition:
        """Part of Daemon."""
        if self._broker.trouble:
            return Condition(is_ready=False, text=self._broker.trouble)
        if self._leadership is not None:
            return Condition(not self._suspended, self._leadership.text())
        if self._leader is not None:
            return Condition(is_ready=True, text=f"standing by for {self._leader.url}")
        return Condition(is_ready=False, text="elected, reading the registry" if self._store else "contending")

    def reload(self, config: MasterConfig) -> None:
        """Part of Daemon."""
        self._gate.reload(config)
        if self._leadership is not None:
            self._leadership.use(self._gate.acls)

    # From the election (ElectionListener)

    def elected(self, epoch: int) -> None:
        """Part of ElectionListener."""
        self._log.info("elected", epoch=epoch)
        self._leader = None
        self._suspended = False
        self._store = self._coordination.store(epoch, self._overtaken)
        self._store.load(lambda registry: self._lead(epoch, registry))

    def suspended(self) -> None:
        """Part of ElectionListener."""
        self._suspended = True
        if self._leadership is not None:
            self._leadership.suspend()

    def resumed(self) -> None:
        """Part of ElectionListener."""
        self._suspended = False
        if self._leadership is not None:
            self._leadership.resume()

    def deposed(self, why: str) -> None:
        """Part of ElectionListener."""
        self._log.warning("deposed", why=why)
        self._step_down()

    def led_by(self, leader: Candidate | None) -> None:
        """Part of ElectionListener."""
        self._leader = leader
        self._coordination.stand_by()
        self._log.info("standing by", leader=self._leader_url())

    def _lead(self, epoch: int, registry: Registry) -> None:
        assert self._store is not None
        info = MasterInfo(master_id=new_master_id(epoch), epoch=epoch, url=self.url, version=__version__)
        self._leadership = Leadership(
            self._config, self._loop, self._transport, self._store, registry, info, self._overtaken, self._gate.acls
        )
        self._leadership.start(reached=self._reached)
        if self._suspended:
            self._leadership.suspend()

    def _overtaken(self, who: str) -> None:
        """The registry or the broker knows of a newer leader, and the election not yet."""
        self._log.warning("overtaken", by=who)
        self._election.resign()

    def _step_down(self) -> None:
        if self._leadership is not None:
            self._leadership.stop()
            self._leadership = None
        elif self._store is not None:
            self._store.close()
        self._store = None

    # From the broker

    def reach(self, *, reached: bool) -> None:
        """Part of Served."""
        self._reached = reached
        if self._leadership is not None:
            self._leadership.reach(reached=reached)

    def undeliverable(self, address: Address) -> None:
        """Part of Served."""
        if self._leadership is not None:
            self._leadership.undeliverable(address)

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Served."""
        if self._leadership is not None:
            self._leadership.delivered(deliveries)

    # Operators

    def operate(
        self, call: OperatorCall, principal: Principal | None, loop: AbstractEventLoop, answer: "Future[Answer]"
    ) -> None:
        """Have the core do something for an operator; from any thread."""

        def put() -> None:
            if self._leadership is None:
                tell(loop, answer, Answer(0, Outcome.BUSY, CEASED))
            else:
                self._leadership.operate(call, principal, loop, answer)

        self._loop.post(put)
