"""Those who come back to a new leader, for `benchmarks.failover`: emulated agents with tasks, and frameworks.

Each is a process of its own that prints a line of JSON per news, with the time in seconds since the epoch.
`python -m benchmarks.returning agents|frameworks --broker URL ...` serves until it is terminated.
"""

import argparse
import json
import signal
import sys
import threading
import time

from benchmarks.idle import Crowd
from mesos_py import CommandInfo, Framework, Resources, TaskInfo, TaskState
from mesos_py.agent import events
from mesos_py.daemons.service import spare_the_collector
from mesos_py.messages.agent import AgentReregistered, ReregisterAgent
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import AgentID, ContainerID, TaskID

SLEEP = CommandInfo(argv=["/bin/sleep", "100000"])
NEED = Resources.of(cpus=0.1, mem=16)
DECLINED_S = 100_000.0


def tell(**news: object) -> None:
    sys.stdout.write(json.dumps({"at": time.time()} | news) + "\n")  # in one piece: frameworks have threads
    sys.stdout.flush()


class Returning(Crowd):
    """Agents whose tasks run on; says when all have asked a new leader to take them back, and when all are back."""

    OWN_BODIES = True

    def __init__(self, loop: Loop, broker: str, agents: int, resources: Resources, name: str) -> None:
        super().__init__(loop, broker, agents, resources, name)
        self._name = name
        self._asked: dict[int, None] = {}
        self._back: dict[AgentID, None] = {}
        self._epoch = 0

    def _run(self, number: int, container_id: ContainerID) -> None:
        self._events.append((number, events.ContainerStarted(container_id, 1)))

    def _say(self, number: int, message) -> None:
        super()._say(number, message)
        if isinstance(message, ReregisterAgent) and number not in self._asked:
            self._asked[number] = None
            if len(self._asked) == len(self.agents):
                tell(epoch=self._epoch, what="all have asked")

    def _tell_all(self, event) -> None:
        if isinstance(event, events.MasterSaid) and event.message.master.epoch > self._epoch:
            self._epoch = event.message.master.epoch
            self._asked.clear()
            self._back.clear()
            tell(epoch=self._epoch, what="heard of it", spread_s=event.message.spread_s)
        super()._tell_all(event)

    def _hear(self, number: int, said: events.MasterSaid) -> None:
        super()._hear(number, said)
        if isinstance(said.message, AgentReregistered) and said.message.agent_id not in self._back:
            self._back[said.message.agent_id] = None
            if len(self._back) == len(self.agents):
                tell(epoch=self._epoch, what="all are back", who=self._name)


class Owner:
    """A framework that starts its tasks, declines all else for long, and says when a leader makes it an offer."""

    def __init__(self, name: str, tasks: int, per_agent: int) -> None:
        self.framework = Framework(name, refuse_seconds=1.0, failover_timeout_s=3600)
        self.framework.on_offers(self._on_offers)
        self.framework.on_update(self._on_update)
        self.framework.on_registered(self._on_registered)
        self.framework.on_disconnected(lambda why: None)
        self._name = name
        self._tasks = tasks
        self._per_agent = per_agent
        self._missing = tasks
        self._launched = 0
        self._used: dict[AgentID, int] = {}
        self._running: dict[TaskID, None] = {}
        self._epoch = 0
        self._offered = 0
        self.all_run = threading.Event()

    def _on_registered(self, registered) -> None:
        self._epoch = registered.master.epoch
        tell(epoch=self._epoch, what="subscribed", who=self._name)

    def _on_offers(self, offers) -> None:
        if self._epoch > self._offered:
            self._offered = self._epoch
            tell(epoch=self._epoch, what="offered", who=self._name, offers=len(offers))
        for offer in offers:
            used = self._used.get(offer.agent_id, 0)
            room = min(self._missing, self._per_agent - used)
            if room <= 0:
                done = len(self._running) == self._tasks  # until then an offer may still be wanted
                self.framework.decline(offer, refuse_seconds=DECLINED_S if done else 5.0)
                continue
            self._used[offer.agent_id] = used + room
            self._missing -= room
            self.framework.launch(offer, [self._task() for _ in range(room)])

    def _task(self) -> TaskInfo:
        self._launched += 1
        return TaskInfo(task_id=TaskID(f"{self._name}-{self._launched}"), resources=NEED, command=SLEEP)

    def _on_update(self, status) -> None:
        if status.state is TaskState.RUNNING:
            self._running[status.task_id] = None
            if len(self._running) == self._tasks:
                self.all_run.set()
        elif status.state in (TaskState.DROPPED, TaskState.GONE) and not self.all_run.is_set():
            self._missing += 1  # on a busy machine an offer was gone before it was answered
        elif status.state not in (TaskState.STARTING, TaskState.STAGING):
            tell(what="broken", why=f"{status.task_id} {status.state} {status.message}")


def agents(options: argparse.Namespace) -> None:
    loop = Loop()
    Returning(loop, options.broker, options.agents, Resources.parse(options.resources), options.name).start()
    spare_the_collector()
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    loop.run()


def frameworks(options: argparse.Namespace) -> None:
    """Several, each with its share of the tasks, spread over all agents alike."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    share = options.tasks // options.frameworks
    owners = [Owner(f"owner{n}", share, options.per_agent) for n in range(options.frameworks)]
    for owner in owners:
        owner.framework.start(options.broker)
        owner.all_run.wait(options.patience)
    tell(what="all run", tasks=sum(len(owner._running) for owner in owners))
    spare_the_collector()
    ended.wait()
    for owner in owners:
        owner.framework.stop()
    for owner in owners:
        owner.framework.join(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["agents", "frameworks"])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--resources", default="cpus:16;mem:65536;disk:100000;ports:[31000-32000]")
    parser.add_argument("--name", default="crowd")
    parser.add_argument("--frameworks", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--per-agent", type=int, default=10)
    parser.add_argument("--patience", type=float, default=300.0)
    options = parser.parse_args()
    {"agents": agents, "frameworks": frameworks}[options.what](options)


if __name__ == "__main__":
    main()
