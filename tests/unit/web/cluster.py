"""A real master's core with an agent, frameworks and tasks, in a loop that turns in a thread of its own."""

import threading
from asyncio import AbstractEventLoop, Future
from collections.abc import Iterator
from contextlib import contextmanager

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.master import effects
from mesos_py.master.core import Master
from mesos_py.master.events import (
    AgentSaid,
    BrokerConnected,
    FrameworkSaid,
    OperatorCall,
    OperatorSaid,
    RegistryWritten,
    Ticked,
)
from mesos_py.master.registry import Registry
from mesos_py.master.state import MasterConfig
from mesos_py.messages.agent import RegisterAgent, StatusUpdate
from mesos_py.messages.scheduler import Accept, Subscribe, Subscribed, Teardown
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import AgentID, ContainerID, FrameworkID, MasterID, Principal, TaskID
from mesos_py.types.infos import AgentInfo, FrameworkInfo, MasterInfo
from mesos_py.types.offers import Launch, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import CommandInfo, Source, TaskInfo, TaskState, TaskStatus


class Cluster:
    """A master's core and those who talk to it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.master = Master(
            MasterInfo(master_id=MasterID("M"), epoch=1), MasterConfig(), drf(AllocatorConfig()), Registry()
        )
        self.sent: list[effects.MasterEffect] = []
        self.handle(BrokerConnected())

    def handle(self, event) -> None:
        self.now += 1
        waiting = [event]
        while waiting:
            made = self.master.handle(waiting.pop(0), self.now)
            self.sent += made
            waiting += [RegistryWritten(effect.serial) for effect in made if isinstance(effect, effects.Persist)]

    def add_agent(self, name: str = "node1", url: str = "http://node1:5051", queue: str = "") -> AgentID:
        resources = Resources.parse("cpus:8;mem:8192;ports:[31000-31009]")
        info = AgentInfo(name=name, hostname=f"{name}.example", resources=resources, url=url)
        self.handle(AgentSaid(Principal("agent"), queue or f"q-{name}", RegisterAgent(agent=info)))
        return list(self.master.state.agents)[-1]

    def add_framework(self, name: str = "shop") -> FrameworkID:
        call = Subscribe(framework=FrameworkInfo(name=name))
        self.handle(FrameworkSaid(Principal(name), f"f-{name}", json=False, call=call))
        return next(s.event for s in reversed(self.sent) if _carries(s, Subscribed)).framework_id

    def launch(self, framework_id: FrameworkID, *task_ids: str, on: AgentID | None = None) -> None:
        self.handle(Ticked())
        offers: list[Offer] = [offer for offer, _ in self.master.state.offers.values() if on in (None, offer.agent_id)]
        offer = next(offer for offer in offers if offer.framework_id == framework_id)
        tasks = [
            TaskInfo(task_id=TaskID(t), resources=Resources.of(cpus=0.1, mem=16), command=CommandInfo(value="true"))
            for t in task_ids
        ]
        call = Accept(framework_id=framework_id, offer_ids=[offer.offer_id], operations=[Launch(tasks=tasks)])
        queue = self.master.state.frameworks[framework_id].queue
        self.handle(FrameworkSaid(Principal("shop"), queue, json=False, call=call))
        self.now += 10

    def update(self, framework_id: FrameworkID, task_id: str, state: TaskState) -> None:
        task = self.master.state.frameworks[framework_id].tasks[TaskID(task_id)]
        agent = self.master.state.agents[task.agent_id]
        status = TaskStatus(
            task_id=TaskID(task_id),
            state=state,
            source=Source.EXECUTOR,
            timestamp=self.now,
            update_id=1,
            container_id=ContainerID("C-1"),
        )
        update = StatusUpdate(agent_id=agent.agent_id, framework_id=framework_id, status=status)
        self.handle(AgentSaid(agent.principal, agent.queue, update))

    def tear_down(self, framework_id: FrameworkID) -> None:
        framework = self.master.state.frameworks[framework_id]
        call = Teardown(framework_id=framework_id)
        self.handle(FrameworkSaid(framework.info.principal, framework.queue, json=False, call=call))

    def operate(
        self, loop: Loop, call: OperatorCall, principal: Principal | None, asking: AbstractEventLoop, answer: "Future"
    ) -> None:
        """As the daemon does it."""

        def run() -> None:
            self.handle(OperatorSaid(1, call, principal))
            said = next(effect for effect in reversed(self.sent) if isinstance(effect, effects.Answer))
            asking.call_soon_threadsafe(answer.set_result, said)

        loop.post(run)


def _carries(effect: effects.MasterEffect, kind: type) -> bool:
    return isinstance(effect, effects.SendToFramework) and isinstance(effect.event, kind)


__all__ = ["Cluster", "turning"]


@contextmanager
def turning() -> Iterator[Loop]:
    """A loop that runs in another thread."""
    loop = Loop()
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(5)
        loop.close()
