"""What can be done to a cluster: plain values, drawn from the seed before anything happens.

So a fault can be left out and the rest replayed, and a list of them written to a file and read again.
"""

from collections.abc import Iterable
from typing import get_args

import msgspec
from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.testing.simulation.timeline import Dice

__all__ = [
    "KINDS",
    "LEADER",
    "Bad",
    "BlockBroker",
    "BreakSockets",
    "Crash",
    "CrashExecutor",
    "CutOff",
    "CutOffZookeeper",
    "DeleteQueues",
    "Drift",
    "Expire",
    "Fault",
    "Freeze",
    "KillTask",
    "LoseBroker",
    "LoseHost",
    "Operate",
    "RestartBroker",
    "Rival",
    "StopZookeeper",
    "Storm",
    "WantTasks",
    "draw",
    "read",
    "write",
]

LEADER = "leader"
"""Stands for whoever leads when the fault comes."""


class Fault(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Something that happens ``at`` seconds after the start."""

    at: float


class Storm(Fault, frozen=True, kw_only=True):
    """Messages are lost, doubled and slow: these parts of them, 0 to 1."""

    for_s: float
    loss: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0


class LoseBroker(Fault, frozen=True, kw_only=True):
    """One process's connection breaks."""

    who: str


class RestartBroker(Fault, frozen=True, kw_only=True):
    """All connections break, all queues are gone, and for a while nobody can connect."""

    for_s: float


class DeleteQueues(Fault, frozen=True, kw_only=True):
    """Somebody deletes all queues."""


class BlockBroker(Fault, frozen=True, kw_only=True):
    """A memory alarm: the broker takes nothing in, and goes on to hand out."""

    for_s: float


class CutOff(Fault, frozen=True, kw_only=True):
    """Nothing passes between a process and the broker, in one direction or both."""

    who: str
    for_s: float
    deaf: bool
    mute: bool


class CutOffZookeeper(Fault, frozen=True, kw_only=True):
    """A master does not reach ZooKeeper."""

    who: str
    for_s: float


class StopZookeeper(Fault, frozen=True, kw_only=True):
    """All of ZooKeeper is down."""

    for_s: float


class Expire(Fault, frozen=True, kw_only=True):
    """A master's session with ZooKeeper is ended."""

    who: str


class Crash(Fault, frozen=True, kw_only=True):
    """A process dies at one of its next effects, and another one takes its place."""

    who: str
    effects: int
    """It performs so many more."""
    for_s: float
    """Until the next process."""
    sent: float = 0.0
    """The part of what it was about to send that leaves."""
    kept: float = 0.0
    """The part of what the disk had not confirmed that is there all the same."""


class Freeze(Fault, frozen=True, kw_only=True):
    """SIGSTOP, and later SIGCONT."""

    who: str
    for_s: float


class Drift(Fault, frozen=True, kw_only=True):
    """A host's clock jumps ahead, and goes at another rate from then on."""

    who: str
    rate: float
    ahead_s: float = 0.0


class LoseHost(Fault, frozen=True, kw_only=True):
    """A machine is gone, with all that ran there; another one comes under its agent's name."""

    who: str


class CrashExecutor(Fault, frozen=True, kw_only=True):
    """The custom executors of a machine end."""

    who: str


class BreakSockets(Fault, frozen=True, kw_only=True):
    """The connections between a machine's agent and its custom executors break."""

    who: str


class Rival(Fault, frozen=True, kw_only=True):
    """A second instance of a scheduler takes over from the first."""

    who: str


class KillTask(Fault, frozen=True, kw_only=True):
    """A user wants one of her tasks to end."""

    who: str


class WantTasks(Fault, frozen=True, kw_only=True):
    """A user wants some tasks more."""

    who: str
    tasks: int


class Operate(Fault, frozen=True, kw_only=True):
    """An operator does something to one of the things that there are."""

    action: str
    """A key of ``inject.ACTIONS``."""
    pick: float
    """Which, 0 to 1."""


class Bad(Fault, frozen=True, kw_only=True):
    """A stranger sends something that makes no sense."""

    pick: float


_All = (
    Storm | LoseBroker | RestartBroker | DeleteQueues | BlockBroker | CutOff | CutOffZookeeper | StopZookeeper
    | Expire | Crash | Freeze | Drift | LoseHost | CrashExecutor | BreakSockets | Rival | KillTask | WantTasks
    | Operate | Bad
)  # fmt: skip

KINDS = get_args(_All)
"""Every kind of fault."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_All).decode


def write(faults: Iterable[Fault]) -> str:
    """One line for each, to be read again."""
    return "".join(f"{_encode(fault).decode()}\n" for fault in faults)


def read(text: str) -> list[Fault]:
    """The inverse of write. Raises UserError."""
    faults: list[Fault] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                faults.append(_decode(line))
            except msgspec.MsgspecError as error:
                raise UserError(f"line {number} is not a fault: {error}") from None
    return faults


class _Drawing:
    """Draws faults of each kind for one cluster."""

    def __init__(self, dice: Dice, masters: list[str], agents: list[str], users: list[str], actions: list[str]) -> None:
        self.dice = dice
        self.masters = masters
        self.agents = agents
        self.users = users
        self.actions = actions
        self.everybody = [*masters, LEADER, LEADER, *agents, *users]

    def _span(self) -> float:
        """From a moment to beyond every timeout."""
        return round(self.dice.choice([0.5, 5.0, 20.0, 45.0]) * (0.5 + self.dice.random()), 1)

    def storm(self, at: float) -> Fault:
        chance = self.dice.random
        bad = [round(chance() * 0.15, 3) if chance() < 0.7 else 0.0 for _ in range(3)]
        return Storm(at=at, for_s=round(10 + 80 * chance()), loss=bad[0], doubled=bad[1], slow=bad[2])

    def lose_broker(self, at: float) -> Fault:
        return LoseBroker(at=at, who=self.dice.choice(self.everybody))

    def restart_broker(self, at: float) -> Fault:
        return RestartBroker(at=at, for_s=self._span())

    def delete_queues(self, at: float) -> Fault:
        return DeleteQueues(at=at)

    def block_broker(self, at: float) -> Fault:
        return BlockBroker(at=at, for_s=self._span())

    def cut_off(self, at: float) -> Fault:
        deaf = self.dice.random() < 0.6
        mute = not deaf or self.dice.random() < 0.5
        return CutOff(at=at, who=self.dice.choice(self.everybody), for_s=self._span(), deaf=deaf, mute=mute)

    def cut_off_zookeeper(self, at: float) -> Fault:
        return CutOffZookeeper(at=at, who=self.dice.choice([LEADER, *self.masters]), for_s=self._span())

    def stop_zookeeper(self, at: float) -> Fault:
        return StopZookeeper(at=at, for_s=self._span())

    def expire(self, at: float) -> Fault:
        return Expire(at=at, who=self.dice.choice([LEADER, LEADER, *self.masters]))

    def crash(self, at: float) -> Fault:
        chance = self.dice.random
        return Crash(
            at=at,
            who=self.dice.choice(self.everybody),
            effects=self.dice.choice([0, self.dice.randrange(4), self.dice.randrange(30)]),
            for_s=round(self.dice.choice([1.0, 60.0]) * chance(), 1),
            sent=round(chance(), 2),
            kept=round(chance(), 2),
        )

    def freeze(self, at: float) -> Fault:
        return Freeze(at=at, who=self.dice.choice(self.everybody), for_s=self._span())

    def old_leader(self, at: float) -> list[Fault]:
        """One that another takes over from, and that does not know."""
        for_s = round(11.0 + 18.0 * self.dice.random(), 1)
        if self.dice.random() < 0.5:
            return [Freeze(at=at, who=LEADER, for_s=for_s)]
        return [
            CutOff(at=at, who=LEADER, for_s=for_s, deaf=True, mute=False),
            CutOffZookeeper(at=at, who=LEADER, for_s=for_s),
        ]

    def break_sockets(self, at: float) -> Fault:
        return BreakSockets(at=at, who=self.dice.choice(self.agents))

    def drift(self, at: float) -> Fault:
        who = self.dice.choice([*self.masters, *self.agents, *self.users])
        ahead = self.dice.choice([0.0, 0.0, 5.0])
        return Drift(at=at, who=who, rate=round(0.9 + 0.2 * self.dice.random(), 3), ahead_s=ahead)

    def lose_host(self, at: float) -> Fault:
        return LoseHost(at=at, who=self.dice.choice(self.agents))

    def crash_executor(self, at: float) -> Fault:
        return CrashExecutor(at=at, who=self.dice.choice(self.agents))

    def rival(self, at: float) -> Fault:
        return Rival(at=at, who=self.dice.choice(self.users))

    def kill_task(self, at: float) -> Fault:
        return KillTask(at=at, who=self.dice.choice(self.users))

    def operate(self, at: float) -> Fault:
        return Operate(at=at, action=self.dice.choice(self.actions), pick=round(self.dice.random(), 3))

    def quota(self, at: float) -> Fault:
        return Operate(at=at, action="quota", pick=round(self.dice.random(), 3))

    def bad(self, at: float) -> Fault:
        return Bad(at=at, pick=round(self.dice.random(), 3))


_OFTEN = ("storm", "lose_broker", "cut_off", "crash", "crash", "freeze", "expire", "kill_task", "old_leader")
_NOW_AND_THEN = (
    "restart_broker", "delete_queues", "block_broker", "stop_zookeeper", "drift", "rival", "bad", "crash_executor",
    "operate", "operate", "quota", "quota", "lose_host", "cut_off_zookeeper", "break_sockets", "break_sockets",
)  # fmt: skip


def draw(
    seed: int, until: float, masters: list[str], agents: list[str], users: list[str], actions: list[str]
) -> list[Fault]:
    """What a seed does to a cluster of these until then.

    Each seed has its own mixture: of some kinds there is much, of some nothing at all, so that each has a chance to
    show what only comes to light where the others do not cover it.
    """
    dice = Dice(seed, "faults")
    drawing = _Drawing(dice, masters, agents, users, actions)
    kinds = [*_OFTEN, *_OFTEN, *_NOW_AND_THEN]
    mixture = dice.sample(kinds, dice.randint(4, len(kinds)))
    every_s = dice.choice([4.0, 8.0, 15.0])
    faults: list[Fault] = []
    at = 5.0
    while (at := at + dice.expovariate(1.0 / every_s)) < until:
        drawn = getattr(drawing, dice.choice(mixture))(round(at, 3))
        faults += drawn if isinstance(drawn, list) else [drawn]
    wishes = [
        WantTasks(at=float(when), who=dice.choice(users), tasks=dice.randint(1, 4))
        for when in range(10, int(until), 12)
    ]
    return sorted([*faults, *wishes], key=lambda fault: fault.at)
