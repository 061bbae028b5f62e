"""Every exchange, queue and routing key there is, made here and nowhere else.

=====================================  =====================  ========================================================
name                                   kind                   use
=====================================  =====================  ========================================================
``mesos.master``                       topic exchange         all that agents and frameworks send, with the routing
                                                              key ``agent.<principal>`` or ``framework.<principal>``;
                                                              the only exchange that they may write to
``mesos.master.<epoch>.agents``        queues, exclusive to   the leader's inboxes, bound to the above; a new leader
``mesos.master.<epoch>.frameworks``    the leader             declares new ones, so nothing stale is ever read. There
                                                              are two so that no crowd of frameworks keeps agents from
                                                              being heard; that of agents is bound to the beacon too:
                                                              a newer leader deposes us
``mesos.agent.<principal>.<process>``  queue, exclusive to    master to agent, through the default exchange; one per
                                       the agent's process    process, which may emulate many agents
``mesos.framework.<principal>.<name>`` queue, kept for the    events for a scheduler, through the default exchange;
                                       failover timeout       length-limited
``mesos.beacon``                       fanout exchange        the leader's beacon; the two kinds of queues above are
                                                              bound to it
=====================================  =====================  ========================================================

Every queue is bounded, in bodies and in bytes, so that no reader who is slow, hangs or is flooded fills the broker.
What is too much pushes out the oldest: something newer always comes, whose number shows that something is missing.

Words of a name are separated by dots, so whatever may hold a dot (or anything else that a pattern or a broker's
permission might trip over) is percent-encoded: ``spark.prod`` is ``spark%2Eprod``.
"""

from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote, unquote

from mesos_py.errors import UserError
from mesos_py.runtime.ports import Address, QueueSpec

__all__ = [
    "BEACON",
    "BEACON_EXCHANGE",
    "EXCHANGES",
    "MASTER_EXCHANGE",
    "Kind",
    "agent_queue",
    "framework_queue",
    "master_address",
    "master_inboxes",
    "owns",
    "principal_of",
    "queue_address",
]

Kind = Literal["agent", "framework"]

MASTER_EXCHANGE: Final = "mesos.master"
BEACON_EXCHANGE: Final = "mesos.beacon"

EXCHANGES: Final = ((MASTER_EXCHANGE, "topic"), (BEACON_EXCHANGE, "fanout"))
"""(name, type) of the exchanges; whoever connects declares them: transient for the broker's life, not auto-deleted."""

BEACON: Final = Address(BEACON_EXCHANGE, "")
"""Where the leader publishes its beacon, and what listeners bind their queue to."""

_LONGEST_NAME: Final = 255
"""Bytes that AMQP allows in a name."""

_EVENTS_KEPT: Final = 10_000
_EVENTS_BYTES: Final = 64 * 1024 * 1024
"""What waits for a scheduler before the oldest is dropped; it subscribes again when it notices."""

_ORDERS_KEPT: Final = 20_000
_ORDERS_BYTES: Final = 128 * 1024 * 1024
"""The same for the process of an agent, or of hundreds; it registers again when it notices."""

_CALLS_KEPT: Final = 20_000
_CALLS_BYTES: Final = 64 * 1024 * 1024
"""The same for the leader and all frameworks, which repeat what matters."""

_REPORTS_KEPT: Final = 200_000
_REPORTS_BYTES: Final = 256 * 1024 * 1024
"""The same for the leader and all agents: 50,000 may register at once, with all their tasks."""

_KNOWN: Final = 10_000
"""Names of senders that are remembered, for each body is asked who sent it."""

_LONGEST_EXPIRY_S: Final = 4_294_967.0
"""RabbitMQ counts an expiry in milliseconds in 32 bits: about 49 days."""


def master_address(kind: Kind, principal: str) -> Address:
    """Where an agent or a framework sends to whoever leads."""
    return Address(MASTER_EXCHANGE, _name(kind, principal))


def master_inboxes(epoch: int) -> dict[Kind, QueueSpec]:
    """What the leader of this epoch reads."""
    return {
        "agent": QueueSpec(
            name=f"mesos.master.{epoch}.agents",
            max_length=_REPORTS_KEPT,
            max_bytes=_REPORTS_BYTES,
            bindings=(Address(MASTER_EXCHANGE, "agent.*"), BEACON),
        ),
        "framework": QueueSpec(
            name=f"mesos.master.{epoch}.frameworks",
            max_length=_CALLS_KEPT,
            max_bytes=_CALLS_BYTES,
            bindings=(Address(MASTER_EXCHANGE, "framework.*"),),
        ),
    }


def agent_queue(principal: str, process: str) -> QueueSpec:
    """What one agent process reads; ``process`` tells the processes of one principal apart."""
    return QueueSpec(
        name="mesos." + _name("agent", principal, process),
        max_length=_ORDERS_KEPT,
        max_bytes=_ORDERS_BYTES,
        bindings=(BEACON,),
    )


def framework_queue(principal: str, name: str, failover_timeout_s: float) -> QueueSpec:
    """What one scheduler reads; kept for the failover timeout, or gone with the connection if that is 0."""
    queue = "mesos." + _name("framework", principal, name)
    if failover_timeout_s <= 0:
        return QueueSpec(name=queue, max_length=_EVENTS_KEPT, max_bytes=_EVENTS_BYTES, bindings=(BEACON,))
    return QueueSpec(
        name=queue,
        exclusive=False,
        expires_s=min(failover_timeout_s, _LONGEST_EXPIRY_S),
        max_length=_EVENTS_KEPT,
        max_bytes=_EVENTS_BYTES,
        bindings=(BEACON,),
    )


def queue_address(name: str) -> Address:
    """Straight into one queue."""
    return Address("", name)


@lru_cache(_KNOWN)
def principal_of(routing_key: str) -> tuple[Kind, str] | None:
    """Who sent what arrived at ``mesos.master`` with this key, or None if no agent or framework may use it."""
    kind, dot, word = routing_key.partition(".")
    principal = unquote(word)
    if not dot or not principal or _escape(principal) != word:
        return None  # one principal has one spelling, or the broker's permissions could be walked around
    match kind:
        case "agent":
            return "agent", principal
        case "framework":
            return "framework", principal
        case _:
            return None


@lru_cache(_KNOWN)
def owns(queue_name: str, kind: Kind, principal: str) -> bool:
    """Whether this principal may ask for replies to this queue."""
    prefix = f"mesos.{kind}.{_escape(principal)}."
    rest = queue_name.removeprefix(prefix)
    return rest != queue_name and bool(rest) and bool(principal) and _escape(unquote(rest)) == rest


def _name(*words: str) -> str:
    if not all(words):
        raise UserError(f"a principal or name is empty in {'.'.join(words)!r}")
    name = ".".join(map(_escape, words))
    if len(name) + len("mesos.") > _LONGEST_NAME:
        raise UserError(f"too long for the name of a queue: {name[:60]}...")
    return name


def _escape(word: str) -> str:
    return quote(word, safe="", errors="replace").replace(".", "%2E").replace("~", "%7E")
