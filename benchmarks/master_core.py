"""What a task costs the master's core, with the default policy: accept, two updates, two acknowledgements.

``python benchmarks/master_core.py [--profile]``. One line per figure; the baseline is a loop that only makes the
messages that the core must make (one RunTasks entry, two Updates, two UpdateAcknowledged with their envelopes).
"""

import cProfile
import gc
import pstats
import sys
from time import process_time

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.master.effects import SendToAgent, SendToFramework
from mesos_py.master.events import AgentSaid, BrokerConnected, FrameworkSaid, RegistryWritten, Ticked
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.testing.builders import a_framework, a_master, a_status, a_task, an_agent
from mesos_py.types.offers import Launch
from mesos_py.types.tasks import TaskState

AGENTS = 200
FRAMEWORKS = 10
TASKS = 100
"""Per offer."""
ROUNDS = 20


class Bench:
    """A cluster in which every framework fills every offer, and every task ends."""

    def __init__(self):
        self.now = 1000.0
        self.master = a_master(allocator=AllocatorConfig(min_allocatable=[]))
        self.handle(BrokerConnected())
        for number in range(AGENTS):
            info = an_agent(f"a{number}", "cpus:100;mem:102400")
            self.handle(AgentSaid("p", f"q{number}", agents.RegisterAgent(agent=info)))
            self.handle(RegistryWritten(number + 1))
        for number in range(FRAMEWORKS):
            info = a_framework(f"f{number}", failover_timeout_s=3600)
            self.handle(FrameworkSaid("u", f"f{number}", True, calls.Subscribe(framework=info)))
        self.queues = {a.agent_id: a.queue for a in self.master.state.agents.values()}
        self.number = 0
        self.core_s = 0.0
        self.tasks = 0

    def handle(self, event):
        return self.master.handle(event, self.now)

    def round(self):
        """Every agent is offered once, filled, and emptied."""
        self.now += 1.0
        events = []
        start = process_time()
        told = self.handle(Ticked())
        self.core_s += process_time() - start
        for effect in told:
            if isinstance(effect, SendToFramework) and isinstance(effect.event, calls.Offers):
                events += [self.life(effect.queue, offer) for offer in effect.event.offers]
        handle = self.master.handle
        now = self.now
        gc.collect()
        start = process_time()
        for life in events:
            for event in life:
                handle(event, now)
        self.core_s += process_time() - start
        self.tasks += TASKS * len(events)

    def life(self, queue, offer):
        """The events of all tasks of one offer, made beforehand."""
        ids = {"agent_id": offer.agent_id, "framework_id": offer.framework_id}
        tasks = []
        for _ in range(TASKS):
            self.number += 1
            tasks.append(a_task(f"t{self.number}", "cpus:1;mem:1024"))
        shared = tasks[0].resources
        tasks = [type(t)(task_id=t.task_id, resources=shared, command=t.command) for t in tasks]  # as the codec does
        said = [
            FrameworkSaid(
                "u",
                queue,
                True,
                calls.Accept(
                    framework_id=offer.framework_id, offer_ids=[offer.offer_id], operations=[Launch(tasks=tasks)]
                ),
            )
        ]
        for update_id, state in enumerate((TaskState.RUNNING, TaskState.FINISHED), 1):
            for task in tasks:
                status = a_status(task.task_id, state, update_id=update_id, agent_id=offer.agent_id)
                update = agents.StatusUpdate(**ids, status=status)
                said.append(AgentSaid("p", self.queues[offer.agent_id], update))
            for task in tasks:
                ack = calls.Acknowledge(**ids, task_id=task.task_id, update_id=update_id)
                said.append(FrameworkSaid("u", queue, True, ack))
        return said


def baseline(number):
    """Seconds to only make the messages for so many tasks."""
    status = a_status()
    start = process_time()
    for _ in range(number * 2):
        SendToFramework("q", True, calls.Update(status=status))
        SendToAgent("q", agents.UpdateAcknowledged(agent_id="a", framework_id="f", task_id="t", update_id=1))
    return process_time() - start


def main():
    bench = Bench()
    bench.round()  # warm up
    best = []
    profile = cProfile.Profile()
    for _ in range(ROUNDS):
        bench.core_s, bench.tasks = 0.0, 0
        if "--profile" in sys.argv:
            profile.enable()
        bench.round()
        profile.disable()
        best.append(bench.core_s / bench.tasks * 1e6)
    bench.master.check()
    least = min(baseline(20_000) / 20_000 * 1e6 for _ in range(5))
    best.sort()
    print(f"a task's whole life through the core: {best[0]:.1f} us (median of {ROUNDS}: {best[ROUNDS // 2]:.1f} us)")
    print(f"only making its messages: {least:.1f} us; ratio {best[0] / least:.1f}")
    if "--profile" in sys.argv:
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    main()
