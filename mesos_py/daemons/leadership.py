"""One leadership of one master: a core, joined to the broker and the registry, from its election to its end."""

import contextlib
import itertools
import secrets
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from mesos_py import __version__
from mesos_py.adapters import topology
from mesos_py.allocator.base import AllocatorConfig
from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.policies import make_allocator
from mesos_py.daemons.registry import RegistryWriter
from mesos_py.daemons.service import logged, story_file, watcher
from mesos_py.master import effects
from mesos_py.master.core import Master
from mesos_py.master.events import (
    AclsChanged,
    AgentSaid,
    BrokerConnected,
    BrokerLost,
    EchoHeard,
    FrameworkSaid,
    LeadershipResumed,
    LeadershipSuspended,
    MasterEvent,
    OperatorCall,
    OperatorSaid,
    QueueGone,
    RegistryWritten,
    Ticked,
)
from mesos_py.master.registry import Registry
from mesos_py.master.state import MasterConfig as CoreConfig
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.codec import (
    AGENT_CALLS,
    AGENT_ORDERS,
    JSON,
    MSGPACK,
    SCHEDULER_CALLS,
    SCHEDULER_EVENTS,
    Malformed,
)
from mesos_py.messages.scheduler import Call
from mesos_py.runtime.gaps import Gaps
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.mailbox import Mailbox
from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address, Delivery, Transport
from mesos_py.runtime.shares import Shares
from mesos_py.runtime.story import Story
from mesos_py.types.acls import ALLOW_ALL, Acls
from mesos_py.types.ids import MasterID, Principal
from mesos_py.types.infos import MasterInfo

__all__ = ["CEASED", "Leadership", "new_master_id", "tell"]

CEASED: Final = "this master has ceased to lead; ask again"

_RECEIVERS_KEPT: Final = 100_000

_Body = tuple[str, Delivery]
"""Of a framework, with its queue, or an empty string if nobody can be answered."""


def new_master_id(epoch: int) -> MasterID:
    """One that no other leadership has."""
    return MasterID(f"M{epoch:x}-{secrets.token_hex(3)}")


class Leadership:
    """Leads over a transport that it is lent, and hears what that hears. Nothing of it is used by the next one."""

    def __init__(
        self,
        config: MasterConfig,
        loop: Loop,
        transport: Transport,
        store: RegistryWriter,
        registry: Registry,
        info: MasterInfo,
        overtaken: Callable[[str], None],
        acls: Acls = ALLOW_ALL,
    ) -> None:
        """``registry`` is what was durable when the epoch of ``info`` began.

        ``overtaken(who)`` is called once if somebody leads with a newer epoch.
        """
        self._loop = loop
        self._directory = Path(config.work_dir)
        self._transport = transport
        self._store = store
        self._overtaken = overtaken
        self._heard_newer = False
        policy = AllocatorConfig(allocation_interval_s=config.allocation_interval_s, weights=config.weights)  # type: ignore[arg-type]
        self.core = Master(info, _core_config(config, acls), make_allocator(config.allocator, policy), registry)
        self._story = Story(self.core.check if config.paranoid else None)
        self._mailbox: Mailbox[MasterEvent, effects.MasterEffect] = Mailbox(
            loop, self.core, self._perform, Ticked(), watcher(self._story, role="master")
        )
        self._log = get_log(role="master", master_id=info.master_id)
        self._to_frameworks = Outbox(transport, SCHEDULER_EVENTS.encode, epoch=info.epoch)
        self._to_agents = Outbox(transport, AGENT_ORDERS.encode, epoch=info.epoch)
        self._inboxes = topology.master_inboxes(info.epoch)
        self._gaps = Gaps()
        self._shares = Shares(loop, _calls_of, self._hear_framework, self._drop)
        """What frameworks have sent, by principal."""
        self._overflow = logged(loop, self._log, well=True)
        self._receivers: dict[tuple[str, bool], Receiver] = {}
        self._tickets = itertools.count(1)
        self._answers: dict[int, tuple[AbstractEventLoop, Future[effects.Answer]]] = {}
        self._performers: dict[type, Callable[[Any], None]] = {
            effects.SendToFramework: self._send_to_framework,
            effects.SendToAgent: self._send_to_agent,
            effects.Announce: lambda effect: self._announce(effect.beacon),
            effects.SendEcho: lambda effect: self._send_echo(effect.sent),
            effects.Persist: lambda effect: self._store.write(effect.serial, effect.operation, self._written),
            effects.Answer: self._answer,
        }

    # Life

    def start(self, *, reached: bool = False) -> None:
        """Lead. ``reached`` if the broker is already."""
        info = self.core.state.info
        self._log.info("leading", epoch=info.epoch, url=info.url, version=__version__)
        self._mailbox.start()
        self._shares.start()
        self._loop.at_turn_end(self._end_turn)
        for inbox in self._inboxes.values():
            self._transport.subscribe(inbox)
        if reached:
            self._mailbox.put(BrokerConnected())

    def stop(self) -> None:
        """Send what waits, and lead no more."""
        self._end_turn()
        self._loop.not_at_turn_end(self._end_turn)
        self._mailbox.stop()
        self._shares.close()
        self._store.close()
        self._overflow.close()
        for inbox in self._inboxes.values():
            self._transport.unsubscribe(inbox.name)
        for ticket in list(self._answers):
            self._answer(effects.Answer(ticket, effects.Outcome.BUSY, CEASED))

    def text(self) -> str:
        """What it is doing, for people."""
        state = self.core.state
        if state.suspended:
            return f"suspended in epoch {state.info.epoch}: ZooKeeper is not reached, another may lead by now"
        counts = {
            "agent": sum(map(len, state.agent_ids.values())),
            "framework": len(state.frameworks),
            "task": sum(len(framework.tasks) for framework in state.frameworks.values()),
        }
        known = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items())
        return f"leading epoch {state.info.epoch} with {known}"

    def suspend(self) -> None:
        """Whether we still lead is not known."""
        self._log.warning("suspended", why="the connection to ZooKeeper is lost")
        self._mailbox.put(LeadershipSuspended())

    def resume(self) -> None:
        """We still lead."""
        self._log.info("resumed")
        self._mailbox.put(LeadershipResumed())

    def use(self, acls: Acls) -> None:
        """Go by other rules."""
        self._mailbox.put(AclsChanged(acls))

    def last_words(self) -> None:
        """Leave the story of what broke."""
        file = story_file(self._directory, "master")
        self._story.dump(file)
        self._log.error("story written", file=str(file))

    # From the broker

    def reach(self, *, reached: bool) -> None:
        """Part of Served."""
        if reached:
            self._gaps.forget()
        self._mailbox.put(BrokerConnected() if reached else BrokerLost())

    def undeliverable(self, address: Address) -> None:
        """Part of Served."""
        if not address.exchange:
            self._mailbox.put(QueueGone(address.routing_key))

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Served."""
        for delivery in deliveries:
            self._read(delivery)

    def _read(self, delivery: Delivery) -> None:
        sender = topology.principal_of(delivery.routing_key)
        if delivery.routing_key == topology.BEACON.routing_key:
            self._hear_beacon(delivery)
            return
        if delivery.routing_key == delivery.queue:
            self._hear_echo(delivery)
            return
        if sender is None:
            self.core.state.counters["deliveries_of_nobody"] += 1
            return
        kind, principal = sender[0], Principal(sender[1])
        if delivery.user_id != principal:  # nor is nobody: the broker does not ask for the key on every way to us
            self.core.state.counters["deliveries_of_foreign_users"] += 1
            self._log.warning("foreign user", user_id=delivery.user_id or "none", principal=principal)
            return
        queue = delivery.reply_to if topology.owns(delivery.reply_to, kind, principal) else ""
        if queue and (missed := self._gaps.missed(queue, delivery.number)):
            self._miss(kind, missed)
        if kind == "agent":
            for message in AGENT_CALLS.decode(delivery.body, delivery.content_type):
                self._mailbox.put(AgentSaid(principal, queue, message))
        else:
            self._shares.put(principal, (queue, delivery), len(delivery.body))

    def _hear_framework(self, principal: Principal, body: _Body, calls: Sequence[Call | Malformed]) -> None:
        queue, delivery = body
        json, put = delivery.content_type != MSGPACK, self._mailbox.put
        for call in calls:
            put(FrameworkSaid(principal, queue, json, call))

    def _miss(self, kind: topology.Kind, count: int) -> None:
        """Who sent it repeats what matters."""
        self.core.state.counters[f"{kind}_bodies_missed"] += count
        name = self._inboxes[kind].name
        self._overflow.bad("messages are lost", f"{name} overflows: more is sent than this master can read")
        self._overflow.good("no more messages are lost", at_once=False)

    def _drop(self, principal: Principal) -> None:
        """It repeats what matters, and has sent so much that nobody else is to wait for it."""
        self.core.state.counters["framework_bodies_dropped"] += 1
        self._overflow.bad("messages are lost", f"the principal {principal} sends more than this master can handle")
        self._overflow.good("no more messages are lost", at_once=False)

    def _hear_echo(self, delivery: Delivery) -> None:
        """Only what we have sent ourselves counts."""
        if delivery.epoch == self.core.state.info.epoch and delivery.user_id == self._transport.principal:
            kind = next(kind for kind, inbox in self._inboxes.items() if inbox.name == delivery.queue)
            with contextlib.suppress(ValueError):
                self._mailbox.put(EchoHeard(kind, float(delivery.body)))

    def _hear_beacon(self, delivery: Delivery) -> None:
        """One broker has one leader: whoever hears of a newer one is none."""
        for beacon in AGENT_ORDERS.decode(delivery.body, delivery.content_type):
            if (
                isinstance(beacon, Beacon)
                and beacon.master.epoch > self.core.state.info.epoch
                and not self._heard_newer
            ):
                self._heard_newer = True
                self._loop.post(partial(self._overtaken, beacon.master.url or beacon.master.master_id))

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
        address = topology.queue_address(queue)
        receiver = Receiver(address, JSON if json else MSGPACK, mandatory=True, numbered=True)
        self._receivers[queue, json] = receiver
        return receiver

    def _announce(self, beacon: Any) -> None:
        """Everybody reads JSON, so that is what the beacon is in."""
        self._to_frameworks.put(Receiver(topology.BEACON, JSON), beacon)

    def _send_echo(self, sent: float) -> None:
        epoch = self.core.state.info.epoch
        for inbox in self._inboxes.values():
            address = topology.queue_address(inbox.name)
            self._transport.publish(address, repr(sent).encode(), content_type="text/plain", epoch=epoch)

    def _written(self, serial: int) -> None:
        self._mailbox.put(RegistryWritten(serial))

    def _end_turn(self) -> None:
        self._to_agents.publish()
        self._to_frameworks.publish()
        self._transport.flush()

    # Operators

    def operate(
        self, call: OperatorCall, principal: Principal | None, loop: AbstractEventLoop, answer: "Future[effects.Answer]"
    ) -> None:
        """Have the core do something for an operator."""
        ticket = next(self._tickets)
        self._answers[ticket] = (loop, answer)
        self._mailbox.put(OperatorSaid(ticket, call, principal))

    def _answer(self, effect: effects.Answer) -> None:
        loop, answer = self._answers.pop(effect.ticket)
        tell(loop, answer, effect)


def tell(loop: AbstractEventLoop, answer: "Future[effects.Answer]", said: effects.Answer) -> None:
    """Answer an operator in the loop where the answer is waited for."""
    with contextlib.suppress(RuntimeError):  # the web has stopped meanwhile
        loop.call_soon_threadsafe(lambda: None if answer.done() else answer.set_result(said))


def _calls_of(body: _Body) -> Sequence[Call | Malformed]:
    _queue, delivery = body
    return SCHEDULER_CALLS.decode(delivery.body, delivery.content_type)


def _core_config(config: MasterConfig, acls: Acls) -> CoreConfig:
    shared = set(CoreConfig.__struct_fields__) & set(config.__struct_fields__)
    return CoreConfig(**{name: getattr(config, name) for name in shared}, acls=acls)
