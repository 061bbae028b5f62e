"""A scheduler core living in a loop: joined to the broker on one side and to the user's code on the other."""

import os
import secrets
from collections.abc import Callable, Sequence
from logging import INFO, WARNING, getLogger

from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.driver.timers import Timers
from mesos_py.errors import ConfigError, FrameworkEndedError, MesosError
from mesos_py.messages.codec import MSGPACK, SCHEDULER_CALLS, SCHEDULER_EVENTS, Malformed
from mesos_py.messages.scheduler import Call
from mesos_py.runtime.credentials import read_credential
from mesos_py.runtime.gaps import Gaps
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.mailbox import Mailbox
from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address, Delivery
from mesos_py.runtime.standing import Standing
from mesos_py.scheduler.config import SchedulerConfig
from mesos_py.scheduler.core import Scheduler
from mesos_py.scheduler.effects import Deliver, SchedulerEffect, SendToMaster, StopDriver, UserEvent
from mesos_py.scheduler.events import BrokerConnected, BrokerLost, EventsMissed, MasterSaid, SchedulerEvent, Ticked

__all__ = ["Session", "broker_url"]

_log = getLogger("mesos_py.framework")


class Session:
    """One run of a framework, from ``start`` until ``ended`` is called, once."""

    def __init__(
        self,
        config: SchedulerConfig,
        loop: Loop,
        broker: str,
        tell: Callable[[UserEvent], None],
        ended: Callable[[BaseException | None], None],
        save: Callable[[], None],
    ) -> None:
        """``tell`` runs the user's code; what it raises ends the session. Raises ConfigError for a bad broker URL.

        ``save`` writes down what the user's code wants kept, before anything that it asked for is sent.
        """
        name = config.framework.name
        self.core = Scheduler(config)
        self.loop = loop
        self._tell = tell
        self._ended = ended
        self._save = save
        self._over = False
        self.trouble = ""
        """What is wrong with the broker; empty while it is reached, and before the first attempt."""
        self._was_in_trouble = False
        self._unread: set[str] = set()
        self.torn_down = False
        """It has ended for good: there is nothing to come back to."""
        self.timers = Timers(self.guard)
        self._mailbox: Mailbox[SchedulerEvent, SchedulerEffect] = Mailbox(loop, self.core, self._perform, Ticked())
        self._transport = connect(broker, loop, name=f"mesos framework {name}")
        # A queue of its own for each run: two runs of one name must not eat each other's events.
        instance = f"{name[:80]}.{secrets.token_hex(4)}"
        self._queue = topology.framework_queue(self._transport.principal, instance, 0)
        self._outbox: Outbox[Call] = Outbox(self._transport, SCHEDULER_CALLS.encode, reply_to=self._queue.name)
        address = topology.master_address("framework", self._transport.principal)
        self._master = Receiver(address, MSGPACK, numbered=True)
        self._gaps = Gaps()
        self._broker = Standing(loop, self._log_broker)

    def start(self) -> None:
        """Connect; in the loop's thread, or before it runs."""
        self._mailbox.start()
        self.loop.add(self.timers)
        self.loop.at_turn_end(self._publish)
        self._transport.subscribe(self._queue)
        self._transport.start(self)

    @property
    def over(self) -> bool:
        """It has ended, or is about to."""
        return self._over

    def post(self, event: SchedulerEvent) -> None:
        """Let something happen. From any thread; in order."""
        self._mailbox.post(event)

    def guard(self, call: Callable[[], object]) -> None:
        """Run the user's code; what it raises ends the session, unless somebody wants the whole program to end."""
        if self._over:
            return
        try:
            call()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, Exception) and not isinstance(error, ConfigError):  # which says all that helps
                _log.exception("a callback failed; the framework stops")
            self._end(error)

    def _say_unread(self, message: Malformed) -> None:
        """Once of each type: a master that is newer than we are may have much to say that we do not know."""
        if message.type not in self._unread:
            self._unread.add(message.type)
            _log.warning("%s of the master cannot be read: %s", message.type or "a message", message.reason)

    # Effects

    def _perform(self, effect: SchedulerEffect) -> None:
        if self._over:
            return
        match effect:
            case SendToMaster():
                self._outbox.put(self._master, effect.call)
            case Deliver():
                self.guard(lambda: self._tell(effect.event))
            case StopDriver():
                self.torn_down = effect.torn_down
                self._end(_failure(effect))

    def _end(self, failure: BaseException | None) -> None:
        self._over = True
        self._publish()
        self.loop.post(self._leave)
        self._transport.stop(lambda: self._ended(failure))

    def _publish(self) -> None:
        """What cannot be saved is not sent either."""
        try:
            self._save()
        except MesosError as error:
            if not self._over:
                self._end(error)
            return
        self._outbox.publish()

    def _leave(self) -> None:
        self.loop.not_at_turn_end(self._publish)
        self.loop.remove(self.timers)
        self._mailbox.stop()

    # From the broker (Listener)

    def connected(self) -> None:
        """Part of Listener."""
        self._reach("the broker is reached")

    def disconnected(self, reason: str) -> None:
        """Part of Listener."""
        self._lose("the broker is not reached", reason)

    def blocked(self, reason: str) -> None:
        """Part of Listener."""
        self._lose("the broker takes no messages", reason)

    def unblocked(self) -> None:
        """Part of Listener."""
        self._reach("the broker takes messages again")

    def _reach(self, how: str) -> None:
        self.trouble = ""
        self._gaps.forget()
        self._broker.good(how)
        self._mailbox.put(BrokerConnected())

    def _lose(self, what: str, why: str) -> None:
        self.trouble = f"{what}: {why}"
        if not self._over:
            self._broker.bad(what, why)
            self._mailbox.put(BrokerLost(self.trouble))

    def _log_broker(self, what: str, why: str) -> None:
        """The end of a trouble is as loud as the trouble was; that there was none is for the curious."""
        if why:
            self._was_in_trouble = True
            _log.warning("%s: %s", what, why)
        else:
            _log.log(WARNING if self._was_in_trouble else INFO, "%s", what)

    def undeliverable(self, address: Address) -> None:
        """Part of Listener: we ask for no returns."""

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Listener."""
        for delivery in deliveries:
            if self._gaps.missed(delivery.epoch, delivery.number):
                self._mailbox.put(EventsMissed(delivery.epoch))
            for message in SCHEDULER_EVENTS.decode(delivery.body, delivery.content_type):
                if isinstance(message, Malformed):
                    self._say_unread(message)
                else:
                    self._mailbox.put(MasterSaid(delivery.epoch, message))


def _failure(effect: StopDriver) -> MesosError | None:
    if effect.reason is not None:
        return FrameworkEndedError(effect.error, effect.reason)
    return MesosError(effect.error) if effect.error else None


def broker_url(given: str | None) -> str:
    """The broker URL to use. Raises ConfigError if none is given."""
    url = given or os.environ.get("MESOS_BROKER") or read_credential("broker")
    if not url:
        raise ConfigError("no broker is given: neither as an argument nor in MESOS_BROKER")
    return url
