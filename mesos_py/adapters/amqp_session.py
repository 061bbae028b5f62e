"""One AMQP connection's life in the loop, from the moment it is logged in until it is lost or closed.

Nothing here waits. Queues are declared without asking for answers; that the broker starts a consumer proves that all
before it has worked, and if it has not, the broker closes the channel and says why. Whatever goes wrong ends the
session: its owner makes another one.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from struct import error as LayoutError  # noqa: N812 - an exception, whatever its name
from typing import Final, Protocol

from amqp import spec
from amqp.exceptions import AMQPError

from mesos_py.adapters.amqp_advice import advise, advise_blocked
from mesos_py.adapters.amqp_frames import Control, FrameError, Publisher, Reader
from mesos_py.adapters.amqp_wire import Link, LinkLostError, Opened
from mesos_py.runtime.loop import READ, WRITE, Loop
from mesos_py.runtime.ports import Address, Delivery, QueueSpec

__all__ = ["Owner", "Session"]

_HEARTBEAT: Final = b"\x08\0\0\0\0\0\0\xce"
_CLOSE_OK: Final = b"\0\x0a\0\x33"
_SETTLE_S: Final = 15.0
"""How long the broker may take to start the consumers."""
_GOODBYE_S: Final = 2.0
"""How long a polite close may take."""

_INEQUIVALENT: Final = 406
_DECLARE_QUEUE: Final = (50, 10)


class Owner(Protocol):
    """Told what happens to a session; in the loop's thread, never from within a call into the session."""

    def session_settled(self) -> None:
        """All queues are declared and read."""

    def session_blocked(self, reason: str) -> None:
        """The broker takes nothing for now; not before it has settled."""

    def session_unblocked(self) -> None:
        """It does again."""

    def session_delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Everything that one read gave."""

    def session_returned(self, address: Address) -> None:
        """A mandatory body found no queue."""

    def session_lost(self, reason: str, *, clash: bool) -> None:
        """It has ended; ``clash``: because a queue exists with other properties than we want."""


class Session:
    """Publishes, reads and keeps alive one connection. Its methods are called in the loop's thread."""

    def __init__(self, loop: Loop, opened: Opened, owner: Owner, principal: str) -> None:
        """``open`` starts it."""
        self._loop = loop
        self._opened = opened
        self._channel = opened.channel
        self._owner = owner
        self._link = Link(opened)
        number, frame_max = opened.channel.channel_id, opened.connection.frame_max
        self._consumers: dict[bytes, str] = {}
        self._reader = Reader(number, frame_max, self._consumers)
        self._publisher = Publisher(number, frame_max, principal)
        self._starting: set[bytes] = set()
        self._settled = False
        self._blocked = ""
        """Why the broker takes nothing; empty if it does."""
        self._early: list[Delivery] = []
        self._doom: tuple[str, bool] | None = None
        self._watching = 0
        heartbeat = float(opened.connection.heartbeat or 0.0)
        self._beat_s = heartbeat / 2 if heartbeat else 3600.0
        self._silence_s = 2 * heartbeat if heartbeat else float("inf")
        self._heard = False
        self._last_heard = loop.clock()
        self._next_beat = self._last_heard + self._beat_s
        self._settle_by = self._last_heard + _SETTLE_S

    # Life

    def open(self, queues: Sequence[QueueSpec], *, replace: bool) -> None:
        """Begin; ``replace``: queues that exist with other properties are made anew."""
        self._loop.register(self._link.fd, READ, self._ready)
        self._watching = READ
        self._loop.add(self)
        self._loop.at_turn_end(self.flush, last=True)
        for queue in queues:
            if replace:
                self._channel.queue_delete(queue.name, if_unused=True, nowait=True)
            self.declare(queue)
        self._loop.post(self._begin)

    def close(self, on_closed: Callable[[], None]) -> None:
        """Leave the loop at once; say good-bye to the broker in a thread, then post ``on_closed``."""
        self._leave()
        self._link.paused = False
        threading.Thread(target=self._say_goodbye, args=(on_closed,), name="mesos-amqp-close", daemon=True).start()

    @property
    def discarded(self) -> int:
        """Messages dropped because of what a stranger had written into them."""
        return self._reader.discarded

    # Queues

    def declare(self, queue: QueueSpec) -> None:
        """Declare, bind and read a queue."""
        arguments: dict[str, int] = {}
        if queue.expires_s is not None and not queue.exclusive:
            arguments["x-expires"] = max(1, round(queue.expires_s * 1000))
        if queue.max_length is not None:
            arguments["x-max-length"] = queue.max_length
        if queue.max_bytes is not None:
            arguments["x-max-length-bytes"] = queue.max_bytes
        channel = self._channel
        channel.queue_declare(
            queue.name,
            durable=False,
            exclusive=queue.exclusive,
            auto_delete=False,
            nowait=True,
            arguments=arguments,
        )
        for binding in queue.bindings:
            channel.queue_bind(queue.name, binding.exchange, binding.routing_key, nowait=True)
        tag = queue.name.encode()
        self._consumers[tag] = queue.name
        if not self._settled:
            self._starting.add(tag)
        # as channel.basic_consume does, but we read the answer ourselves instead of waiting for it
        consume = (0, queue.name, queue.name, False, True, False, False, None)
        channel.send_method(spec.Basic.Consume, "BssbbbbF", consume)

    def forget(self, queue: QueueSpec) -> None:
        """Stop reading a queue; delete it if it is exclusive."""
        tag = queue.name.encode()
        self._consumers.pop(tag, None)
        self._starting.discard(tag)
        self._channel.basic_cancel(queue.name, nowait=True)
        if queue.exclusive:
            self._channel.queue_delete(queue.name, nowait=True)

    # Bodies

    def publish(
        self, address: Address, body: bytes, content_type: str, reply_to: str, epoch: int, number: int, mandatory: bool
    ) -> bool:
        """Hand over a body; False if the session is ending."""
        if self._doom is not None:
            return False
        self._link.put(self._publisher.frames(address, body, content_type, reply_to, epoch, number, mandatory))
        if self._link.overfull:
            self._end("the broker takes nothing: too much waits to be sent to " + self._opened.node.where)
        return True

    def flush(self) -> None:
        """Send what was published, as far as the kernel takes it."""
        if self._doom is not None or not self._watching or not self._link.unsent:
            return
        try:
            self._link.flush()
        except LinkLostError as error:
            self._end(str(error))
            return
        self._watch()

    # Resident

    def next_deadline(self) -> float:
        """Part of Resident: at once while something is unsent that nobody else will send."""
        if self._doom is not None or (self._link.unsent and not self._link.stuck and not self._link.paused):
            return 0.0
        return self._next_beat if self._settled else min(self._next_beat, self._settle_by)

    def run_due(self, now: float) -> None:
        """Part of Resident: heartbeats, and the end."""
        if self._doom is None and now >= self._next_beat:
            self._beat(now)
        if self._doom is None and not self._settled and now >= self._settle_by:
            self._end(f"{self._opened.node.where} did not declare our queues within {_SETTLE_S:g} s")
        if self._doom is not None:
            reason, clash = self._doom
            self._leave()
            self._opened.close()
            self._owner.session_lost(reason, clash=clash)
        else:
            self.flush()

    def _beat(self, now: float) -> None:
        self._next_beat = now + self._beat_s
        if self._heard:
            self._last_heard = now
        elif now - self._last_heard > self._silence_s:
            self._end(f"nothing heard from {self._opened.node.where} for {self._silence_s:g} s")
            return
        self._heard = False
        if not self._link.spoke and not self._link.paused:
            self._link.put(_HEARTBEAT)
        self._link.spoke = False

    # The socket

    def _begin(self) -> None:
        """What py-amqp has read too far, or, with nothing to read, that we are ready."""
        if self._watching:
            self._ready(READ)

    def _ready(self, _events: int) -> None:
        if self._doom is not None:
            return
        deliveries: list[Delivery] = []
        try:
            data = b"" if self._link.congested else self._link.read()
            if data:
                self._heard = True
                deliveries = self._reader.feed(data)
            if self._reader.controls:
                self._obey()
            self._link.flush()
            self._watch()
        except LinkLostError as error:
            self._end(str(error))
        except FrameError as error:
            self._end(f"{self._opened.node.where} sent {error}")
        self._tell(deliveries)

    def _tell(self, deliveries: list[Delivery]) -> None:
        if not self._settled:
            self._early += deliveries
            if self._starting or self._doom is not None:
                return
            self._settled = True
            self._owner.session_settled()
            self._tell_blocked()
            deliveries, self._early = self._early, []
        if deliveries:
            self._owner.session_delivered(deliveries)
        if self._reader.returned:
            returned, self._reader.returned = self._reader.returned, []
            for address in returned:
                self._owner.session_returned(address)

    def _obey(self) -> None:
        """Frames without content: few, and mostly bad news."""
        controls, self._reader.controls = self._reader.controls, []
        for frame in controls:
            try:
                self._obey_one(frame)
            except (LinkLostError, FrameError):
                raise
            except AMQPError as error:
                raise LinkLostError(f"{self._opened.node.where}: {error.reply_text or error}") from error
            except (LayoutError, IndexError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise FrameError(f"a method that cannot be read ({type(error).__name__}: {error})") from error

    def _obey_one(self, frame: Control) -> None:
        payload, where = frame.payload, self._opened.node.where
        match int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"):
            case spec.Basic.ConsumeOk:
                self._starting.discard(payload[5 : 5 + payload[4]])
            case spec.Basic.Cancel:
                tag = payload[5 : 5 + payload[4]]
                if tag in self._consumers:
                    raise LinkLostError(f"queue {self._consumers[tag]} was deleted at {where}")
            case spec.Channel.Close:
                code, text, method = _close_reason(payload)
                clash = code == _INEQUIVALENT and method == _DECLARE_QUEUE
                self._end(f"{where} refused: {advise(code, text)}", clash=clash)
            case spec.Connection.Close:
                code, text, _ = _close_reason(payload)
                raise LinkLostError(f"{where} closed the connection: {advise(code, text)}")
            case spec.Connection.Blocked:
                self._link.paused = True
                self._blocked = f"{where} is {advise_blocked(payload[5 : 5 + payload[4]].decode('utf-8', 'replace'))}"
                self._tell_blocked()
            case spec.Connection.Unblocked:
                self._link.paused = False
                self._blocked = ""
                if self._settled:
                    self._owner.session_unblocked()
            case _:
                self._opened.connection.on_inbound_frame((frame.kind, frame.channel, payload))

    def _tell_blocked(self) -> None:
        if self._blocked and self._settled:
            self._owner.session_blocked(self._blocked)

    def _watch(self) -> None:
        """Wait for the socket to be writable only while the kernel takes no more; and then perhaps for nothing else.

        Whoever asks for more than the broker takes from us is not heard before it has taken that.
        """
        wanted = (0 if self._link.congested else READ) | (WRITE if self._link.stuck else 0)
        if self._watching and wanted != self._watching:
            self._watching = wanted
            self._loop.modify(self._link.fd, wanted, self._ready)

    def _end(self, reason: str, *, clash: bool = False) -> None:
        """Remember why; the loop carries it out, so that no listener is called from within publish."""
        if self._doom is None:
            self._doom = reason, clash

    def _leave(self) -> None:
        if self._watching:
            self._watching = 0
            self._loop.unregister(self._link.fd)
            self._loop.remove(self)
            self._loop.not_at_turn_end(self.flush)

    def _say_goodbye(self, on_closed: Callable[[], None]) -> None:
        sock: socket.socket = self._opened.connection.transport.sock
        with contextlib.suppress(LinkLostError, FrameError, AMQPError, OSError):
            deadline = time.monotonic() + _GOODBYE_S
            sock.settimeout(_GOODBYE_S)
            self._opened.connection.send_method(spec.Connection.Close, "BsBB", (200, "bye", 0, 0))
            while self._link.unsent and time.monotonic() < deadline:
                self._link.flush()
            while time.monotonic() < deadline:
                if any(control.payload[:4] == _CLOSE_OK for control in self._reader.controls):
                    break
                self._reader.controls.clear()
                self._reader.feed(self._link.read())
        self._opened.close()
        self._loop.post(on_closed)


def _close_reason(payload: bytes) -> tuple[int, str, tuple[int, int]]:
    """From ``class method code:2 text:s class:2 method:2``."""
    end = 7 + payload[6]
    text = payload[7:end].decode("utf-8", "replace")
    method = int.from_bytes(payload[end : end + 2], "big"), int.from_bytes(payload[end + 2 : end + 4], "big")
    return int.from_bytes(payload[4:6], "big"), text, method
