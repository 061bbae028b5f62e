"""A master process: the core, joined to broker, registry and HTTP API."""

import itertools
import secrets
import time
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from typing import Any

from mesos_py import __version__
from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.allocator.base import AllocatorConfig
from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.policies import make_allocator
from mesos_py.daemons.registry import RegistryFile, RegistryStore
from mesos_py.daemons.service import private_dir, run, story_file, watcher
from mesos_py.errors import ConfigError
from mesos_py.master import effects
from mesos_py.master.core import Master
from mesos_py.master.events import (
    AgentSaid,
    BrokerConnected,
    BrokerLost,
    FrameworkSaid,
    MasterEvent,
    OperatorCall,
    OperatorSaid,
    QueueGone,
    RegistryWritten,
    Ticked,
)
from mesos_py.master.state import MasterConfig as CoreConfig
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.codec import AGENT_CALLS, AGENT_ORDERS, JSON, MSGPACK, SCHEDULER_CALLS, SCHEDULER_EVENTS
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.mailbox import Mailbox
from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address, Delivery
from mesos_py.runtime.story import Story
from mesos_py.types.ids import MasterID, Principal
from mesos_py.types.infos import MasterInfo
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader
from mesos_py.web.server import WebServer

__all__ = ["MasterDaemon", "main"]

_RECEIVERS_KEPT = 100_000


def main(config: MasterConfig) -> int:
    """Run a master until it is told to stop; gives the exit code."""
    return run(config, lambda loop: MasterDaemon(config, loop))


class MasterDaemon:
    """One leadership of one master, living in a loop."""

    def __init__(self, config: MasterConfig, loop: Loop, store: RegistryStore | None = None) -> None:
        """Read the registry and take the port; ``store`` is a file in the work directory unless given."""
        self.failure = ""
        self._config = config
        self._loop = loop
        self._directory = private_dir(config.work_dir)
        policy = AllocatorConfig(allocation_interval_s=config.allocation_interval_s, weights=config.weights)  # type: ignore[arg-type]
        allocator = make_allocator(config.allocator, policy)
        app = make_master_app(Reader(loop), lambda: self.core, self.operate)
        self._web = WebServer(app, config.http_host, config.http_port)
        url = config.advertise_url or self._web.bind()
        self._store = store or RegistryFile(self._directory / "registry", loop)
        try:
            registry, epoch = self._store.load(int(time.time()))
            master_id = MasterID(f"M{epoch:x}-{secrets.token_hex(3)}")
            self._transport = connect(config.broker, loop, name=f"mesos master {master_id}")
        except ConfigError:
            self.abandon()
            raise
        info = MasterInfo(master_id=master_id, epoch=epoch, url=url, version=__version__)
        self.core = Master(info, _core_config(config), allocator, registry)
        self._story = Story(self.core.check if config.paranoid else None)
        self._mailbox: Mailbox[MasterEvent, effects.MasterEffect] = Mailbox(
            loop, self.core, self._perform, Ticked(), watcher(config, self._story, role="master")
        )
        self._log = get_log(role="master", master_id=master_id)
        self._to_frameworks = Outbox(self._transport, SCHEDULER_EVENTS.encode, epoch=epoch)
        self._to_agents = Outbox(self._transport, AGENT_ORDERS.encode, epoch=epoch)
        self._inbox = topology.master_inbox(epoch)
        self._receivers: dict[tuple[str, bool], Receiver] = {}
        self._tickets = itertools.count(1)
        self._answers: dict[int, tuple[AbstractEventLoop, Future[tuple[str, bool]]]] = {}
        self._performers: dict[type, Callable[[Any], None]] = {
            effects.SendToFramework: self._send_to_framework,
            effects.SendToAgent: self._send_to_agent,
            effects.Announce: lambda effect: self._announce(effect.beacon),
            effects.Persist: lambda effect: self._store.write(effect.serial, effect.operation, self._written),
            effects.Answer: self._answer,
        }

    # Life

    def start(self) -> None:
        """Connect, and lead."""
        info = self.core.state.info
        self._log.info("leading", epoch=info.epoch, url=info.url, version=info.version)
        self._web.start()
        self._mailbox.start()
        self._loop.at_turn_end(self._end_turn)
        self._transport.subscribe(self._inbox)
        self._transport.start(self)

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Send what waits, and go."""
        self._end_turn()
        self._loop.not_at_turn_end(self._end_turn)
        self._mailbox.stop()
        self._store.close()
        self._web.stop()
        self._transport.stop(on_stopped)

    def abandon(self) -> None:
        """Give back what was taken; for one that is never started."""
        self._store.close()
        self._web.stop()

    def last_words(self) -> None:
        """Leave the story of what broke."""
        file = story_file(self._directory, "master")
        self._story.dump(file)
        self._log.error("story written", file=str(file))

    # From the broker (Listener)

    def connected(self) -> None:
        """Part of Listener."""
        self._log.info("broker connected")
        self._mailbox.put(BrokerConnected())

    def disconnected(self, reason: str) -> None:
        """Part of Listener."""
        self._log.warning("broker lost", why=reason)
        self._mailbox.put(BrokerLost())

    def undeliverable(self, address: Address) -> None:
        """Part of Listener."""
        if not address.exchange:
            self._mailbox.put(QueueGone(address.routing_key))

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Listener."""
        for delivery in deliveries:
            self._read(delivery)

    def _read(self, delivery: Delivery) -> None:
        sender = topology.principal_of(delivery.routing_key)
        if delivery.routing_key == topology.BEACON.routing_key:
            self._hear_beacon(delivery)
            return
        if sender is None:
            self.core.state.counters["deliveries_of_nobody"] += 1
            return
        kind, principal = sender[0], Principal(sender[1])
        if delivery.user_id not in ("", principal):
            self.core.state.counters["deliveries_of_foreign_users"] += 1
            self._log.warning("foreign user", user_id=delivery.user_id, principal=principal)
            return
        queue = delivery.reply_to if topology.owns(delivery.reply_to, kind, principal) else ""
        put = self._mailbox.put
        if kind == "agent":
            for message in AGENT_CALLS.decode(delivery.body, delivery.content_type):
                put(AgentSaid(principal, queue, message))
        else:
            json = delivery.content_type != MSGPACK
            for call in SCHEDULER_CALLS.decode(delivery.body, delivery.content_type):
                put(FrameworkSaid(principal, queue, json, call))

    def _hear_beacon(self, delivery: Delivery) -> None:
        """One broker has one leader: whoever hears of a newer one goes."""
        for beacon in AGENT_ORDERS.decode(delivery.body, delivery.content_type):
            if isinstance(beacon, Beacon) and beacon.master.epoch > self.core.state.info.epoch and not self.failure:
                self.failure = f"another master leads on this broker: {beacon.master.url or beacon.master.master_id}"
                self._loop.post(lambda: self.stop(self._loop.stop))

    # Effects

    def _perform(self, effect: effects.MasterEffect) -> None:
        self._performers[type(effect)](effect)

    def _send_to_framework(self, effect: effects.SendToFramework) -> None:
        receiver = self._receivers.get((effect.queue, effect.json)) or self._receiver(effect.queue, effect.json)
        self._to_frameworks.put(receiver, effect.event)

    def _send_to_agent(self, effect: effects.SendToAgent) -> None:
        receiver = self._receivers.get((effect.queue, False)) or self._receiver(effect.queue, json=False)
        self._to_agents.put(receiver, effect.message)

    def _receiver(self, queue: str, json: bool) -> Receiver:
        if len(self._receivers) > _RECEIVERS_KEPT:
            self._receivers.clear()  # queues come and go; those in use are soon back
        receiver = Receiver(topology.queue_address(queue), JSON if json else MSGPACK, mandatory=True)
        self._receivers[queue, json] = receiver
        return receiver

    def _announce(self, beacon: Any) -> None:
        """Everybody reads JSON, so that is what the beacon is in."""
        self._to_frameworks.put(Receiver(topology.BEACON, JSON), beacon)

    def _written(self, serial: int) -> None:
        self._mailbox.put(RegistryWritten(serial))

    def _end_turn(self) -> None:
        self._to_agents.publish()
        self._to_frameworks.publish()
        self._transport.flush()

    # Operators

    def operate(self, call: OperatorCall, loop: AbstractEventLoop, answer: "Future[tuple[str, bool]]") -> None:
        """Have the core do something for an operator; from any thread. ``answer`` gets (message, is an error)."""
        ticket = next(self._tickets)

        def put() -> None:
            self._answers[ticket] = (loop, answer)
            self._mailbox.put(OperatorSaid(ticket, call))

        self._loop.post(put)

    def _answer(self, effect: effects.Answer) -> None:
        loop, answer = self._answers.pop(effect.ticket)
        result = (effect.message, effect.error)
        loop.call_soon_threadsafe(lambda: None if answer.done() else answer.set_result(result))


def _core_config(config: MasterConfig) -> CoreConfig:
    shared = set(CoreConfig.__struct_fields__) & set(config.__struct_fields__)
    return CoreConfig(**{name: getattr(config, name) for name in shared})
