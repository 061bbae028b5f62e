"""The master's core under any interleaving of what frameworks, agents, broker, registry and operators can do.

Every rule is one event; after each, the promises that a master alone can keep are checked.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from mesos_py.master import effects, events
from mesos_py.master.registry import Registry, operations
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.messages.codec import Malformed
from mesos_py.testing.builders import a_framework, a_status, a_task, an_agent, an_executor
from mesos_py.types.infos import Demand, FrameworkInfo, OfferFilter
from mesos_py.types.maintenance import Window
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import LIVE, TERMINAL, TaskRecord, TaskState
from tests.properties.master_world import (
    CONFIG,
    MasterWorld,
    agent_resources,
    amounts,
    executors,
    few,
    odd_seconds,
    roles,
    sizes,
    states,
    task_ids,
)


class MasterMachine(MasterWorld):
    # Frameworks

    @rule(number=few, roles=roles, timeout=st.sampled_from([0.0, 0.0, 60.0, float("nan")]), filtered=st.booleans())
    def subscribe(self, number, roles, timeout, filtered):
        filters = {role: OfferFilter(hosts=["a0"]) for role in roles} if filtered else {}
        info = FrameworkInfo(name="f", roles=roles, failover_timeout_s=timeout, filters=filters)
        call = calls.Subscribe(framework=info, framework_id=self.ids.get(f"f{number}"), inverse_offers=filtered)
        self.framework(number, call)

    @rule(number=few, whose=few, made_up=st.sampled_from([None, "M-F7", "other-F1", "../x"]))
    def fail_over(self, number, whose, made_up):
        wanted = made_up or self.framework_id(whose)
        info = a_framework("f", failover_timeout_s=30.0)
        self.framework(number, calls.Subscribe(framework=info, framework_id=wanted))

    @precondition(lambda self: self.now > 1010)
    @rule(number=few)
    def tear_down(self, number):
        self.framework(number, calls.Teardown(framework_id=self.framework_id(number)))

    @rule(
        number=few,
        launches=st.lists(st.tuples(task_ids, sizes, executors), max_size=3),
        group=st.booleans(),
        mine=st.booleans(),
        several=st.booleans(),
        refuse=odd_seconds,
        twice=st.booleans(),
    )
    def accept(self, number, launches, group, mine, several, refuse, twice):
        framework = self.master.state.frameworks.get(self.framework_id(number))
        mine = list(framework.offers) if framework and mine else self.offered[-3:]
        tasks = [_task(*launch) for launch in launches]
        operation = LaunchGroup(tasks=tasks) if group else Launch(tasks=tasks)
        call = calls.Accept(
            framework_id=self.framework_id(number),
            offer_ids=mine if several else mine[:1],
            operations=[operation],
            refuse_seconds=refuse,
        )
        for _ in range(1 + twice):
            self.framework(number, call)

    @precondition(lambda self: any(f.offers for f in self.master.state.frameworks.values()))
    @rule(count=st.integers(1, 3), executor=executors, data=st.data())
    def accept_well(self, count, executor, data):
        framework = data.draw(st.sampled_from([f for f in self.master.state.frameworks.values() if f.offers]))
        offer = next(iter(framework.offers.values()))
        number = int(framework.queue[1:])
        tasks = [_task(f"t{n}", "cpus:0.5;mem:16", executor) for n in range(count)]
        call = calls.Accept(
            framework_id=framework.framework_id,
            offer_ids=[offer.offer_id],
            operations=[Launch(tasks=tasks)],
            refuse_seconds=0,
        )
        self.framework(number, call)
        waits = self.master.state.suspended
        assert (offer.offer_id in self.master.state.offers) == waits

    @rule(number=few, refuse=odd_seconds)
    def decline(self, number, refuse):
        framework_id = self.framework_id(number)
        self.framework(
            number, calls.Decline(framework_id=framework_id, offer_ids=self.offered[-4:], refuse_seconds=refuse)
        )

    @rule(
        number=few, roles=st.sampled_from([[], ["ads"], ["none"]]), verb=st.sampled_from([calls.Revive, calls.Suppress])
    )
    def revive_or_suppress(self, number, roles, verb):
        self.framework(number, verb(framework_id=self.framework_id(number), roles=roles))

    @rule(number=few, role=st.sampled_from(["*", "ads"]), size=sizes, count=st.integers(-1, 3))
    def request(self, number, role, size, count):
        demand = Demand(slice=Resources.parse(size), count=count)
        self.framework(number, calls.Request(framework_id=self.framework_id(number), role=role, demands=[demand]))

    @rule(number=few, task_id=task_ids, agent=st.sampled_from([None, 0, 1]))
    def kill(self, number, task_id, agent):
        agent_id = None if agent is None else self.agent_id(agent)
        self.framework(number, calls.Kill(framework_id=self.framework_id(number), task_id=task_id, agent_id=agent_id))

    @rule(number=few, task_id=task_ids, agent=st.sampled_from([None, 0, 1]))
    def reconcile(self, number, task_id, agent):
        wanted = calls.TaskToReconcile(task_id=task_id, agent_id=None if agent is None else self.agent_id(agent))
        before = self.fingerprint()
        self.framework(number, calls.Reconcile(framework_id=self.framework_id(number), tasks=[wanted]))
        self.framework(number, calls.Reconcile(framework_id=self.framework_id(number)))
        assert self.fingerprint() == before

    @precondition(lambda self: self.updates)
    @rule(number=few, data=st.data())
    def acknowledge(self, number, data):
        agent_id, task_id, update_id = data.draw(st.sampled_from(self.updates[-8:]))
        call = calls.Acknowledge(
            framework_id=self.framework_id(number), agent_id=agent_id, task_id=task_id, update_id=update_id
        )
        self.framework(number, call)

    @rule(number=few, agent=few)
    def shut_down_or_message(self, number, agent):
        ids = {"framework_id": self.framework_id(number), "agent_id": self.agent_id(agent), "executor_id": "e"}
        self.framework(number, calls.Shutdown(**ids))
        self.framework(number, calls.Message(**ids, data=b"x"))

    @rule(number=few, to=st.sampled_from(["", "f0", "stranger"]), who=few)
    def impossible_call(self, number, to, who):
        """Promise 8: refused, answered or counted, and nothing is changed."""
        before = self.fingerprint()
        refused = sum(self.master.state.counters.values())
        for call in (Malformed(reason="no"), calls.Teardown(framework_id="nobody's")):
            said = self.tell(events.FrameworkSaid(f"p{who}", to, True, call))
            assert [type(effect.event) for effect in said] == ([calls.Error] if to else [])
        for message in (Malformed(reason="no"), agents.AgentHeartbeat(agent_id="nobody's")):
            self.tell(events.AgentSaid(f"a{who}", to, message))
        assert self.fingerprint() == before
        assert sum(self.master.state.counters.values()) >= refused + 4

    # Agents

    @rule(number=few, resources=agent_resources)
    def register(self, number, resources):
        self.agent(number, agents.RegisterAgent(agent=an_agent(f"a{number}", resources)))

    @rule(
        number=few,
        process=st.integers(0, 1),
        other=st.sampled_from([None, None, None, 0, 1]),
        lies=st.lists(st.tuples(few, task_ids, sizes, states, executors), max_size=3),
        honest=st.booleans(),
        made_up=st.sampled_from([None, None, None, "M-A9", "older-A1"]),
        resources=agent_resources,
        again=st.booleans(),
    )
    def reregister(self, number, process, other, lies, honest, made_up, resources, again):
        """As itself or another, from the process it was or a new one, with the truth or with lies."""
        agent_id = made_up or self.agent_id(number if other is None else other, 1 - process)
        if agent_id == "A?":
            agent_id = self.agent_id(number if other is None else other, process)
        agent = self.master.state.agents.get(agent_id)
        tasks = list(agent.tasks) if agent and honest else []
        records = [
            agents.FrameworkRecord(
                framework_id=task.framework_id,
                framework=a_framework("f"),
                tasks=[TaskRecord(task=task.info, role=task.role, state=task.state, status_state=TaskState.STAGING)],
            )
            for task in tasks
        ]
        reported = [(f, e) for (f, _), e in agent.executors.items()] if agent and honest else []
        known = [agents.ExecutorRecord(framework_id=f, executor=e.info, role=e.role) for f, e in reported]
        for framework, task_id, size, state, executor in [] if honest else lies:
            task = TaskRecord(task=_task(task_id, size, executor), role="ads", state=state, status_state=state)
            framework_id = self.framework_id(framework)
            records.append(
                agents.FrameworkRecord(framework_id=framework_id, framework=a_framework("f"), tasks=[task, task])
            )
            if executor:
                known.append(
                    agents.ExecutorRecord(framework_id=framework_id, executor=an_executor(*executor), role="eng")
                )
        info = agent.info if agent and honest else an_agent(f"a{number}", resources)
        message = agents.ReregisterAgent(agent_id=agent_id, agent=info, frameworks=records, executors=known)
        for _ in range(1 + again):
            self.agent(number, message, process)

    @rule(
        number=few, process=st.integers(0, 1), framework=few, task_id=task_ids, state=states, update=st.integers(0, 3)
    )
    def any_update(self, number, process, framework, task_id, state, update):
        status = a_status(task_id, state, update_id=update or None, agent_id=self.agent_id(number, process))
        message = agents.StatusUpdate(
            agent_id=self.agent_id(number, process), framework_id=self.framework_id(framework), status=status
        )
        self.agent(number, message, process)

    @precondition(lambda self: any(self.master.state.agents[t.agent_id].connected for t in self.live()))
    @rule(data=st.data(), state=st.sampled_from(sorted(LIVE | TERMINAL)), final=st.booleans())
    def honest_update(self, data, state, final):
        """Promise 3: whatever a known agent says in order of a known task reaches its framework."""
        state_now = self.master.state
        task = data.draw(st.sampled_from([t for t in self.live() if state_now.agents[t.agent_id].connected]))
        agent = state_now.agents[task.agent_id]
        update_id = 1 + (task.status.update_id or 0 if task.status else 0)
        status = a_status(task.info.task_id, state, update_id=update_id, agent_id=agent.agent_id)
        message = agents.StatusUpdate(
            agent_id=agent.agent_id,
            framework_id=task.framework_id,
            status=status,
            latest_state=TaskState.FINISHED if final else None,
        )
        said = self.tell(events.AgentSaid(agent.principal, agent.queue, message))
        framework = state_now.frameworks[task.framework_id]
        if framework.connected:
            assert effects.SendToFramework(framework.queue, True, calls.Update(status=status)) in said

    @rule(number=few, framework=few)
    def executor_ends(self, number, framework):
        ids = {
            "agent_id": self.agent_id(number),
            "framework_id": self.framework_id(framework),
            "executor_id": "e",
        }
        self.agent(number, agents.ExecutorExited(**ids, status=None))
        self.agent(number, agents.ExecutorToFramework(**ids, data=b"y"))

    @precondition(lambda self: self.now > 1005)
    @rule(number=few, process=st.integers(0, 1))
    def unregister(self, number, process):
        self.agent(number, agents.UnregisterAgent(agent_id=self.agent_id(number, process)), process)

    # The world

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 16.0, 80.0, 700.0]), alive=st.booleans())
    def time_passes(self, seconds, alive):
        self.now += seconds
        if alive:
            for agent in list(self.master.state.agents.values()):
                if agent.connected:
                    beat = agents.AgentHeartbeat(agent_id=agent.agent_id)
                    self.tell(events.AgentSaid(agent.principal, agent.queue, beat))
            for framework in list(self.master.state.frameworks.values()):
                if framework.connected:
                    call = calls.SchedulerHeartbeat(framework_id=framework.framework_id)
                    self.tell(events.FrameworkSaid(framework.info.principal, framework.queue, True, call))
        before = (set(self.master.state.frameworks), set(self.master.state.offers))
        self.tell(events.Ticked())
        if self.master.state.cut_off:
            assert before == (set(self.master.state.frameworks), set(self.master.state.offers))

    @rule(how=st.sampled_from([events.LeadershipSuspended, events.LeadershipResumed]))
    def leadership(self, how):
        self.tell(how())

    @rule(inbox=st.sampled_from(["framework", "agent"]), first=st.booleans())
    @precondition(lambda self: self.echoes)
    def echo(self, inbox, first):
        """It comes late, or never, or twice."""
        self.tell(events.EchoHeard(inbox, self.echoes[0 if first else -1]))

    @rule()
    def broker_lost(self):
        self.tell(events.BrokerLost())

    @rule(outage=st.sampled_from([0.0, 30.0, 2000.0]))
    def broker_back(self, outage):
        """Promise 9: nobody pays for the time in which we were cut off, nor for being a little late after it."""
        if outage:
            self.tell(events.BrokerLost())
            self.now += outage
        known = (set(self.master.state.frameworks), set(self.master.state.registry.admitted))
        self.tell(events.BrokerConnected())
        self.tell(events.Ticked())
        self.now += 16
        self.tell(events.Ticked())
        assert known == (set(self.master.state.frameworks), set(self.master.state.registry.admitted))

    @rule(queue=st.sampled_from(["f0", "f1", "f2", "a0/0", "a1/0", "a1/1", "nobody"]))
    def queue_gone(self, queue):
        self.tell(events.QueueGone(queue))

    @precondition(lambda self: self.unwritten)
    @rule(late=st.booleans())
    def registry_written(self, late):
        serial = self.unwritten[0] if late else self.unwritten[-1]
        self.registry_says(serial)
        self.registry_says(serial)

    @rule(
        agent=few,
        process=st.integers(0, 1),
        verb=st.sampled_from([events.OperatorDeactivate, events.OperatorReactivate, events.OperatorDrain]),
        grace=st.sampled_from([None, 0.0, 5.0, -1.0, float("nan")]),
        deadline=st.sampled_from([None, 0.0, 30.0, float("inf")]),
        gone=st.sampled_from([False, False, True]),
    )
    def maintain(self, agent, process, verb, grace, deadline, gone):
        """Whatever is asked, there is one answer, at once or when the registry is written."""
        wishes = (grace, deadline, gone) if verb is events.OperatorDrain else ()
        self.tell(events.OperatorSaid(8, verb(self.agent_id(agent, process), *wishes)))

    @rule(
        hosts=st.lists(st.sampled_from(["a0", "a1", "a2"]), max_size=2),
        start=st.sampled_from([0.0, 2000.0, float("nan")]),
        verb=st.sampled_from(["plan", "plan", "down", "up"]),
    )
    def plan(self, hosts, start, verb):
        call = {
            "plan": events.OperatorSetSchedule([Window(hosts=hosts, start=start)]),
            "down": events.OperatorTakeDown(hosts),
            "up": events.OperatorBringUp(hosts),
        }[verb]
        self.tell(events.OperatorSaid(9, call))

    @rule(number=few, can=st.booleans(), refuse=odd_seconds)
    def answer_inverse(self, number, can, refuse):
        kind = calls.AcceptInverseOffers if can else calls.DeclineInverseOffers
        framework_id = self.framework_id(number)
        self.framework(number, kind(framework_id=framework_id, offer_ids=self.asked[-3:], refuse_seconds=refuse))

    @invariant()
    def nobody_is_on_a_machine_that_is_down(self):
        state = self.master.state
        if not self.unwritten:
            assert not any(agent.info.hostname in state.registry.down for agent in state.agents.values())

    @precondition(lambda self: self.master.state.registry.drains)
    @rule()
    def drained_agents_do_as_told(self):
        """All of them: what is not away ends what it has and is drained, or gone, by what it says of that."""
        state = self.master.state
        for agent_id in list(state.registry.drains):
            agent = state.agents.get(agent_id)
            if agent is None or not agent.connected:
                continue
            for task in list(agent.tasks):
                ids = {"agent_id": agent_id, "framework_id": task.framework_id}
                status = a_status(task.info.task_id, TaskState.KILLED, agent_id=agent_id)
                message = agents.StatusUpdate(**ids, status=status)
                self.tell(events.AgentSaid(agent.principal, agent.queue, message))
            for framework_id, executor_id in list(agent.executors):
                ids = {"agent_id": agent_id, "framework_id": framework_id, "executor_id": executor_id}
                message = agents.ExecutorExited(**ids, status=0)
                self.tell(events.AgentSaid(agent.principal, agent.queue, message))
        for serial in list(self.unwritten):
            self.registry_says(serial)
        for agent_id, drain in state.registry.drains.items():
            agent = state.agents.get(agent_id)
            if agent is not None and agent.connected and not self.unwritten:
                assert drain.drained is not None or drain.mark_gone

    @rule(task_id=task_ids, framework=few, agent=few, verb=st.sampled_from(["kill", "kill", "teardown", "gone"]))
    def operator(self, task_id, framework, agent, verb):
        call = {
            "kill": events.OperatorKill(task_id),
            "teardown": events.OperatorTeardown(self.framework_id(framework)),
            "gone": events.OperatorMarkGone(self.agent_id(agent)),
        }[verb]
        self.tell(events.OperatorSaid(7, call))

    @rule(
        quotas=st.dictionaries(
            st.sampled_from(["*", "ads", "eng", "eng/web", "a b"]),
            st.builds(Quota, amounts, amounts),
            max_size=2,
        ),
        force=st.sampled_from([True, True, False]),
    )
    def set_quotas(self, quotas, force):
        self.tell(events.OperatorSaid(9, events.OperatorSetQuotas(quotas, force)))

    @rule(role=st.sampled_from(["ads", "eng/web", ""]), weight=st.sampled_from([None, 0.5, 2.0, 0.0, float("nan")]))
    def set_weights(self, role, weight):
        self.tell(events.OperatorSaid(9, events.OperatorSetWeights({role: weight})))

    # Promises

    def fingerprint(self):
        """All that a refused call could change."""
        state = self.master.state
        return (
            {i: (a.connected, a.queue, a.heard, tuple(a.tasks), tuple(a.offers)) for i, a in state.agents.items()},
            {
                i: (f.connected, f.queue, tuple(f.tasks), [t.state for t in f.tasks.values()], tuple(f.offers))
                for i, f in state.frameworks.items()
            },
            list(state.completed),
            list(state.offers),
        )

    @invariant()
    def nothing_contradicts_itself(self):
        self.master.check()

    @invariant()
    def memory_is_bounded(self):
        state = self.master.state
        assert len(state.completed) <= CONFIG.max_completed_frameworks
        assert all(len(f.completed) <= CONFIG.max_completed_tasks for f in state.frameworks.values())
        assert len(state.counters) < 90

    @invariant()
    def the_registry_can_be_rebuilt(self):
        copy = Registry()
        for operation in operations(self.master.state.registry):
            operation.apply(copy)
        assert vars(copy) == vars(self.master.state.registry)


def _task(task_id, size, executor=None):
    return a_task(task_id, size, executor=an_executor(*executor)) if executor else a_task(task_id, size)


TestMasterMachine = MasterMachine.TestCase
TestMasterMachine.settings = settings(max_examples=150, stateful_step_count=40)
TestMasterMachine = pytest.mark.timeout(300)(TestMasterMachine)
