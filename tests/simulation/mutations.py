"""Breaks each promise on purpose, and looks how many seeds it takes the simulation to find it.

`python -m tests.simulation.mutations` prints the table of docs/simulation.md; names of mutations as arguments try only
those.
"""

import sys
import time
from contextlib import contextmanager

import msgspec

from mesos_py.agent.core import Agent
from mesos_py.agent.effects import DestroyContainer
from mesos_py.agent.events import BrokerLost
from mesos_py.agent.launches import Launches
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.recovery import _Replay
from mesos_py.agent.state import AgentState
from mesos_py.agent.updates import Updates
from mesos_py.allocator.hierarchical import HierarchicalAllocator
from mesos_py.allocator.quota import _ENDLESS, Quotas
from mesos_py.executor.tasks import Tasks as ExecutorTasks
from mesos_py.master.agents import AgentDesk
from mesos_py.master.core import Master
from mesos_py.master.desk import Desk
from mesos_py.master.liveness import LivenessDesk
from mesos_py.master.offers import OfferDesk
from mesos_py.master.tasks import TaskDesk
from mesos_py.messages.agent import RunTasks
from mesos_py.scheduler.core import Scheduler
from mesos_py.scheduler.tasks import TaskBook
from mesos_py.testing.simulation import agents as simulated_agents
from mesos_py.testing.simulation.masters import MasterProcess
from mesos_py.testing.simulation.zookeeper import Ensemble
from mesos_py.types.offers import Launch
from mesos_py.types.tasks import TERMINAL, TaskState
from tests.simulation.mutating import MUTATIONS, SEEDS, instead, mutation, seeds_needed

# 1 no overcommit


@mutation("1")
def rescind_is_forgotten():
    """The master takes an offer back and does not say so."""
    return instead(
        OfferDesk, "rescind", lambda _: lambda self, offers, now: [self.give_back(o, now) for o in [*offers]]
    )


@mutation("1")
def resources_are_recovered_twice():
    """A task's resources are free at its end, and once more when that is acknowledged."""

    def made_from(original):
        def complete(self, task):
            if task.state in TERMINAL and task.agent_id in self._state.agents:
                self._desk.allocator.recover(
                    task.framework_id, task.role, task.agent_id, task.resources, now=0.0, used=True
                )
            original(self, task)

        return complete

    return instead(TaskDesk, "complete", made_from)


@mutation("1")
def a_leader_goes_on_with_the_agents_of_its_last_leadership():
    """A new leader offers agents it knew before they have registered again."""
    kept = {}

    def made_from(original):
        def lead(self, registry):
            before = kept.get(self.name)
            original(self, registry)
            kept[self.name] = self.core
            if before is None or self.core is None:
                return
            state = self.core.state
            for agent in before.state.agents.values():
                if agent.agent_id in registry.admitted and agent.connected and agent.agent_id not in state.agents:
                    agent.tasks, agent.offers, agent.executors = {}, {}, {}
                    state.agents[agent.agent_id] = agent
                    agent.connected = False
                    state.connect(agent, agent.queue, agent.info, self.now())
                    self.core._desk.allocator.add_agent(agent.agent_id, agent.info, {})

        return lead

    return instead(MasterProcess, "_lead", made_from)


@mutation("1")
def disconnected_agents_are_offered():
    """An agent that is away goes on to be offered."""

    def made_from(original):
        return lambda self, agent_id, active: original(self, agent_id, True)

    return instead(HierarchicalAllocator, "set_agent_active", made_from)


@mutation("1")
def the_agent_takes_on_more_than_it_has():
    """A returning agent's tasks are not counted by the allocator."""

    def made_from(original):
        return lambda self, agent_id, agent, used: original(self, agent_id, agent, {})

    return instead(HierarchicalAllocator, "add_agent", made_from)


# 2 at most once


@mutation("2")
def tasks_start_before_they_are_written_down():
    """The agent starts containers before the checkpoint is durable."""
    return instead(Outbox, "when_durable", lambda _: lambda self, deed, subject, now: deed(subject, now))


@mutation("2")
def orders_are_obeyed_again():
    """The agent obeys a doubled RunTasks, whatever it knows."""

    def made_from(original):
        def run(self, order, now):
            framework = self._state.frameworks.get(order.framework_id)
            self._state.sequence = -1
            if framework is not None:
                for operation in order.operations:
                    for task in operation.tasks:
                        framework.tasks.pop(task.task_id, None)
            original(self, order, now)

        return run

    return instead(Launches, "run", made_from)


@mutation("2", 4)
def an_executor_takes_a_task_again():
    """A custom executor runs a task that it has had before."""

    def made_from(original):
        def take_new(self, tasks):
            for task in tasks:
                self._live.pop(task.task_id, None)
            return original(self, tasks)

        return take_new

    return instead(ExecutorTasks, "take_new", made_from)


@mutation("2")
def launches_are_repeated_with_a_new_sequence():
    """After an outage the master sends RunTasks again, as new, and the agent does not look at task ids."""

    def ask(self):
        state = self._desk.state
        for agent in state.agents.values():
            for task in [task for task in agent.tasks if agent.connected and task.state is TaskState.STAGING]:
                framework = state.frameworks[task.framework_id]
                order = RunTasks(
                    agent_id=agent.agent_id,
                    sequence=state.next_sequence(),
                    framework_id=task.framework_id,
                    framework=framework.info,
                    role=task.role,
                    operations=[Launch(tasks=[task.info])],
                )
                self._desk.order(agent, order)

    @contextmanager
    def both():
        with instead(LivenessDesk, "_ask_about_launches", lambda _: ask), orders_are_obeyed_again():
            yield

    return both()


# 3 updates arrive at least once and in order, nothing terminal is lost


@mutation("3")
def acknowledgements_are_dropped():
    """The master does not pass the acknowledgement of an end on."""

    def made_from(original):
        def acknowledge(self, framework, call, now):
            task = framework.tasks.get(call.task_id)
            if task is None or task.state not in TERMINAL:
                original(self, framework, call, now)

        return acknowledge

    return instead(TaskDesk, "acknowledge", made_from)


@mutation("3")
def updates_are_acknowledged_unheard():
    """The scheduler acknowledges an end without telling its user."""

    def made_from(original):
        return lambda self, status: original(self, status) and (status.state not in TERMINAL)

    return instead(TaskBook, "is_news", made_from)


@mutation("3")
def the_newest_update_goes_first():
    """The agent sends the newest update instead of the oldest that waits."""

    def made_from(original):
        def send_head(self, task, now):
            if len(task.updates) > 1 and task.updates[-1].update_id <= task.stable_id:
                task.updates.reverse()
                try:
                    original(self, task, now)
                finally:
                    task.updates.reverse()
            else:
                original(self, task, now)

        return send_head

    return instead(Updates, "_send_head", made_from)


@mutation("3")
def updates_leave_before_they_are_written_down():
    """The agent sends an update before it is durable."""

    def made_from(original):
        def add(self, task, *args, **kwargs):
            original(self, task, *args, **kwargs)
            if task.updates and task.retry_queue is None and self._state.registered and len(task.updates) == 1:
                self._send_head(task, args[0])

        return add

    return instead(Updates, "add", made_from)


@mutation("3", 1)
def ends_are_forgotten_by_a_restart():
    """An agent that comes back forgets the ends that are not acknowledged."""

    def made_from(original):
        def finish(self):
            for task in self.state.tasks():
                if task.state in TERMINAL:
                    task.updates.clear()
            original(self)

        return finish

    return instead(_Replay, "finish", made_from)


# 4 tasks outlive the control plane


@mutation("4")
def tasks_end_with_the_connection():
    """An agent that loses the broker kills what it runs."""

    def made_from(original):
        def handle(self, event, now):
            effects = original(self, event, now)
            if type(event) is BrokerLost:
                effects += [DestroyContainer(container_id) for container_id in self._state.containers]
            return effects

        return handle

    return instead(Agent, "handle", made_from)


@mutation("4")
def a_restart_begins_with_nothing():
    """A restarted agent does not read its records."""
    return instead(simulated_agents, "recover", lambda _: lambda config, records, strict: AgentState(config))


# 5 no split brain


@mutation("5", 8)
def agents_obey_old_masters():
    """An agent does not look at the epoch of an order."""

    def made_from(original):
        def master_said(self, event, now):
            original(self, msgspec.structs.replace(event, epoch=max(event.epoch, self._state.epoch)), now)

        return master_said

    return instead(Agent, "_master_said", made_from)


@mutation("5", 4)
def schedulers_believe_old_masters():
    """A scheduler does not look at the epoch of an event."""

    def made_from(original):
        return lambda self, epoch, message, now: original(self, max(epoch, self._link.epoch), message, now)

    return instead(Scheduler, "_on_master", made_from)


@mutation("5")
def anybody_writes_the_registry():
    """The registry is written without a look at the epoch."""
    return instead(Ensemble, "may_write", lambda _: lambda self, epoch: True)


@mutation("5", 4)
def deposed_leaders_go_on():
    """A leader that is deposed does not step down."""
    return instead(MasterProcess, "deposed", lambda _: lambda self: None)


# 6 soft state


@mutation("6")
def agents_are_let_in_before_that_is_written():
    """The master lets agents in, and gives them up, before the registry says so."""

    def made_from(original):
        def persist(self, operation, then):
            original(self, operation, lambda now: None)
            operation.apply(self.state.registry)
            then(0.0)

        return persist

    return instead(Desk, "persist", made_from)


@mutation("6")
def tasks_of_the_unreachable_are_forgotten():
    """The tasks of an agent that is given up are dropped without a word."""
    return instead(TaskDesk, "lose", lambda _: lambda self, task, *args, **kwargs: self.forget(task))


@mutation("6")
def returning_tasks_are_not_taken_in():
    """A new leader does not take in the tasks that a returning agent reports."""

    def made_from(original):
        def reregister(self, principal, queue, message, now):
            original(self, principal, queue, msgspec.structs.replace(message, frameworks=[], executors=[]), now)

        return reregister

    return instead(AgentDesk, "reregister", made_from)


# 7 guarantees, and limits


@mutation("7")
def nothing_is_kept_for_guarantees():
    """What roles lack to their guarantees is given to others."""
    return instead(Quotas, "_slack", lambda _: lambda self, name: self._available[name])


@mutation("7")
def limits_are_not_counted():
    """A role at its limit is offered more."""

    def made_from(original):
        def most(self, standing, name, *, sure):
            limited = standing is not None and name in standing.quota.limit
            return _ENDLESS if limited else original(self, standing, name, sure=sure)

        return most

    return instead(Quotas, "_most", made_from)


@mutation("7")
def limits_do_not_wait_for_agents():
    """A new leader gives roles with limits at once, though agents that run something of them are not back."""
    return instead(HierarchicalAllocator, "hold_limits", lambda _: lambda self, held: None)


@mutation("7", 10)
def offers_are_not_taken_back_for_quotas():
    """Outstanding offers stay when a quota is set that is against them."""
    return instead(HierarchicalAllocator, "excess", lambda _: lambda self, offers: [])


# 8 bad input


@mutation("8")
def bad_calls_are_not_answered():
    """A call that cannot be served is dropped without a word."""
    return instead(Desk, "refuse", lambda _: lambda self, *args, **kwargs: None)


@mutation("8")
def strangers_stop_the_master():
    """A call of a stranger ends in an exception."""

    def made_from(original):
        def refuse(self, event, call, framework):
            if framework is None:
                raise KeyError(call.framework_id)
            original(self, event, call, framework)

        return refuse

    return instead(Master, "_refuse_stranger", made_from)


# 9 an outage is not a node's failure


@mutation("9", 3)
def agents_time_out_during_an_outage():
    """A leader that is cut off goes on to count the silence of agents."""

    def made_from(original):
        def run_due(self, now):
            original(self, now)
            silence_s = self._state.config.missed_heartbeats * self._slowest_s
            self._agents.check_silence(now, silence_s, self._removals.take)

        return run_due

    @contextmanager
    def both():
        silent = instead(LivenessDesk, "lost", lambda _: lambda self, now: None)
        with silent, instead(LivenessDesk, "run_due", made_from):
            yield

    return both()


@mutation("9")
def silence_during_an_outage_counts():
    """After an outage nobody gets a fresh start."""

    def made_from(original):
        def connected(self, now):
            heard = {agent: agent.heard for agent in self._state.agents.values()}
            absent = dict(self._state.absent)
            original(self, now)
            for agent, at in heard.items():
                agent.heard = at
            self._state.absent.update(absent)

        return connected

    return instead(LivenessDesk, "connected", made_from)


def main(names: list[str]) -> int:
    """Print the table; gives 1 if one was not found."""
    missed = 0
    print("| promise | mutation | first seed | seeds needed | said |\n|---|---|---|---|---|")
    for each in MUTATIONS:
        if names and not any(name in each.breaks.__name__ for name in names):
            continue
        began = time.process_time()
        seed, said = seeds_needed(each, range(SEEDS))
        missed += seed is None
        needed = "not found" if seed is None else seed + 1
        print(f"| {each.promise} | {each.name} | {seed} | {needed} | {said} |", flush=True)
        print(f"{each.breaks.__name__}: {time.process_time() - began:.1f} s", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
