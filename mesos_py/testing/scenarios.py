"""Scenario scripts: what happens to a master, and, below four dashes, exactly what it then asks for.

::

    t=1 a: register cpus:4;mem:1024
    t=2 tick
    ----
    registry <- AdmitAgent A1 hostname=a principal=a
    a <- AGENT_REGISTERED A1 name=a
    web <- OFFERS offers=O1(A1 * cpus:4;mem:1024)

``t=`` sets the clock. ``queue: verb ...`` is a message from there, and its principal is what stands before a slash in
the queue. Words are read as in a shell, ``|`` starts the next task or record, ``name=value`` is an option. Ids are
written without the master's part (``O1`` for ``M-O1``). The script is played against the real core and the default
policy; echoes come back at once, and so does the registry's answer unless told ``registry slow``. After every event the
core checks itself.
"""

import re
import shlex
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.errors import InvariantError
from mesos_py.master import effects, events
from mesos_py.master.core import Master
from mesos_py.master.registry import (
    AdmitAgent,
    MarkUnreachable,
    Registry,
    SetQuotas,
    SetSchedule,
    SetWeights,
    StartDraining,
    TakeDown,
)
from mesos_py.master.state import MasterConfig
from mesos_py.messages.agent import AgentRegistered, AgentReregistered
from mesos_py.messages.scheduler import Subscribed
from mesos_py.testing import shorthand
from mesos_py.testing.brief import brief
from mesos_py.testing.builders import a_master
from mesos_py.testing.shorthand import Words
from mesos_py.types.acls import read_acls
from mesos_py.types.ids import AgentID, Role
from mesos_py.types.maintenance import Drain, Window

__all__ = ["play"]

_OPERATORS: Final[dict[str, type[events.OperatorCall]]] = {
    "kill": events.OperatorKill,
    "teardown": events.OperatorTeardown,
    "gone": events.OperatorMarkGone,
    "drain": events.OperatorDrain,
    "deactivate": events.OperatorDeactivate,
    "reactivate": events.OperatorReactivate,
}

T = TypeVar("T", bound=msgspec.Struct)
_Shown = effects.SendToFramework | effects.SendToAgent | effects.Announce | effects.Persist | effects.Answer

Witness = Callable[[type], object]


def play(script: str, witness: Witness = lambda _type: None) -> str:
    """The script with what really follows below the dashes. ``witness`` is shown every type that goes in or out."""
    player = _Player(witness)
    return "\n\n".join(_play_block(player, block) for block in re.split(r"\n\s*\n", script.strip())) + "\n"


def _play_block(player: "_Player", block: str) -> str:
    above = block.partition("----")[0].rstrip()
    commands = [line for line in above.splitlines() if line and not line.startswith("#")]
    outcome = [line for command in commands for line in player.run(command)]
    return "\n".join([above, "----", *(outcome or ["(nothing)"])]) if commands else above


def _operator_call(verb: str, words: Words) -> events.OperatorCall:
    match verb, words.plain:
        case "weight", [role, number]:
            return events.OperatorSetWeights({Role(role): None if number == "none" else float(number)})
        case "quota", _:
            return events.OperatorSetQuotas(shorthand.quotas(words), force="force" in words.options)
        case "schedule", windows:
            return events.OperatorSetSchedule(list(map(_window, windows)))
        case "down", hosts:
            return events.OperatorTakeDown(hosts)
        case "up", hosts:
            return events.OperatorBringUp(hosts)
        case _:
            return _from_words(_OPERATORS[verb], words)


class _Player:
    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._now = 0.0
        self._config: dict[str, Any] = {}
        self._allocator: dict[str, Any] = {}
        self._registry = Registry()
        self._registry_is_slow = False
        self._core: Master | None = None
        self._rules: list[dict[str, Any]] = []
        self._own_ids: dict[str, str] = {}
        """By queue, what the framework or agent there was last called."""

    def run(self, command: str) -> list[str]:
        words = shlex.split(re.sub(r"\b([FAOI]\d+)\b", r"M-\1", command))
        if words[0].startswith("t="):
            self._now = float(words.pop(0)[2:])
        match words:
            case ["tick"]:
                return self._tick()
            case ["broker", "up" | "lost" as how]:
                return self._handle(events.BrokerConnected() if how == "up" else events.BrokerLost())
            case ["leadership", "suspended" | "resumed" as how]:
                return self._handle(events.LeadershipSuspended() if how == "suspended" else events.LeadershipResumed())
            case ["queue", "gone", queue]:
                return self._handle(events.QueueGone(queue))
            case ["written", serial]:
                return self._handle(events.RegistryWritten(int(serial)))
            case ["operator", verb, *rest]:
                self._witness(type(call := _operator_call(verb, Words(rest))))
                return self._handle(events.OperatorSaid(1, call))
            case ["rule", "allow" | "deny" as which, action, *on]:
                self._rules.append({which: [action], "on": on} if on else {which: [action]})
                return self._handle(events.AclsChanged(read_acls({"rules": self._rules})))
            case ["deadline"]:
                return [f"deadline {self._master.next_deadline()}"]
            case [queue, verb, *rest] if queue.endswith(":"):
                return self._handle(self._said(queue[:-1], verb, Words(rest)))
            case _:
                self._set_up(words)
                return []

    @property
    def _master(self) -> Master:
        if self._core is None:
            self._core = a_master(MasterConfig(**self._config), AllocatorConfig(**self._allocator), self._registry)
        return self._core

    def _set_up(self, words: list[str]) -> None:
        match words:
            case ["master" | "allocator" as whose, *settings]:
                config = self._config if whose == "master" else self._allocator
                config |= {name: float(value) for name, value in (word.split("=") for word in settings)}
            case ["registry", "slow"]:
                self._registry_is_slow = True
            case ["registry", "quota" | "weight" as verb, *rest]:
                call = _operator_call(verb, Words(rest))
                if isinstance(call, events.OperatorSetQuotas):
                    SetQuotas(call.quotas).apply(self._registry)
                elif isinstance(call, events.OperatorSetWeights):
                    SetWeights(call.weights).apply(self._registry)
            case ["registry", "admitted", agent_id, host]:
                AdmitAgent(AgentID(agent_id), host).apply(self._registry)
            case ["registry", "unreachable", agent_id, since]:
                MarkUnreachable(AgentID(agent_id), float(since)).apply(self._registry)
            case ["registry", "schedule", *windows]:
                SetSchedule(list(map(_window, windows))).apply(self._registry)
            case ["registry", "down", host, since]:
                TakeDown([host], float(since)).apply(self._registry)
            case ["registry", "draining", agent_id, since, *settings]:
                drain = _from_words(Drain, Words([since, *settings]))
                StartDraining(AgentID(agent_id), drain).apply(self._registry)
            case _:
                raise ValueError(f"{' '.join(words)!r} is no command")

    def _tick(self) -> list[str]:
        lines = self._handle(events.Ticked())
        due = self._master.next_deadline()
        if due is not None and due <= self._now:  # because of what an echo has shown
            lines += self._handle(events.Ticked())
            due = self._master.next_deadline()
        if due is not None and due <= self._now:
            raise InvariantError(f"at {self._now} the next deadline is {due}: the loop would spin")
        return lines

    def _handle(self, event: events.MasterEvent) -> list[str]:
        self._witness(type(event))
        done = self._master.handle(event, self._now)
        self._master.check()
        lines = [self._show(effect) for effect in done if not isinstance(effect, effects.SendEcho)]
        serials = [effect.serial for effect in done if isinstance(effect, effects.Persist)]
        if serials and not self._registry_is_slow:
            lines += self._handle(events.RegistryWritten(serials[-1]))
        for echo in (effect for effect in done if isinstance(effect, effects.SendEcho)):
            self._witness(type(echo))
            lines += self._handle(events.EchoHeard("framework", echo.sent))
            lines += self._handle(events.EchoHeard("agent", echo.sent))
        return lines

    def _said(self, queue: str, verb: str, words: Words) -> events.MasterEvent:
        me = words.options.get("me", self._own_ids.get(queue, "?"))
        principal = words.options.get("principal", queue.partition("/")[0])
        queue = "" if queue == "nobody" else queue
        call = shorthand.call(verb, me, queue, words)
        if call is not None:
            self._witness(type(call))
            return events.FrameworkSaid(principal, queue, True, call)
        message = shorthand.agent_message(verb, me, queue, words)
        self._witness(type(message))
        return events.AgentSaid(principal, queue, message)

    def _show(self, effect: _Shown) -> str:
        self._witness(type(effect))
        match effect:
            case effects.SendToFramework() | effects.SendToAgent():
                queue = effect.queue
                message: Any = effect.event if isinstance(effect, effects.SendToFramework) else effect.message
                if not queue:
                    raise InvariantError(f"nobody is sent {message}")
                if isinstance(message, Subscribed):
                    self._own_ids[queue] = message.framework_id
                if isinstance(message, (AgentRegistered, AgentReregistered)):
                    self._own_ids[queue] = message.agent_id
            case effects.Announce():
                queue, message = "all", effect.beacon
            case effects.Persist():
                queue, message = "registry", effect.operation
            case effects.Answer():
                return f"operator <- {effect.outcome} {effect.message}".replace("M-", "")
        self._witness(type(message))
        return f"{queue} <- {brief(message)}".replace("M-", "")


def _window(word: str) -> Window:
    """``host1+host2:100`` begins at 100, ``host1:100+60`` lasts 60 seconds."""
    hosts, _, times = word.partition(":")
    start, _, duration = times.partition("+")
    return Window(hosts=hosts.split("+"), start=float(start), duration_s=float(duration) if duration else None)


def _from_words(kind: type[T], words: Words) -> T:
    """``A1 mark_gone=true``: plain words are the first fields, the others are named."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    given = dict(zip(fields, words.plain, strict=False)) | words.options
    return kind(**{name: msgspec.convert(word, fields[name], strict=False) for name, word in given.items()})
