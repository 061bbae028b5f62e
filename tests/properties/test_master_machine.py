"""The master's core under any interleaving of what frameworks, agents, broker, registry and operators can do.

Every rule is one event; after each, the promises that a master alone can keep are checked.
"""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_py.master import effects, events
from mesos_py.master.registry import Registry, operations
from mesos_py.master.state import MasterConfig
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.messages.codec import Malformed
from mesos_py.testing.builders import a_framework, a_master, a_status, a_task, an_agent, an_executor
from mesos_py.types.infos import Demand, FrameworkInfo, OfferFilter
from mesos_py.types.maintenance import AgentMode, Window
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources
from mesos_py.types.roles import is_within
from mesos_py.types.tasks import LIVE, TERMINAL, TaskRecord, TaskState

CONFIG = MasterConfig(
    offer_timeout_s=20, max_completed_frameworks=2, max_completed_tasks=3, max_unreachable_tasks=3, removal_burst=2
)
few = st.integers(0, 2)
task_ids = st.sampled_from(["t0", "t1", "t2", "t0", "t1", "t2", "../t", ""])
odd_seconds = st.sampled_from([0.0, 0.5, 5.0, 30.0, -1.0, float("nan"), float("inf"), float("-inf")])
sizes = st.sampled_from(
    [
        "cpus:1;mem:64",
        "cpus:0.5",
        "cpus:1;mem:16",
        "cpus:2",
        "cpus:5;mem:64",
        "mem:600",
        "gpus:0.5",
        "cpus:1;odd:{a,b}",
        "cpus:1;odd:[1-2]",
        "",
    ]
)
roles = st.sampled_from([["*"], ["ads"], ["ads", "eng/web"], []])
states = st.sampled_from(list(TaskState))
agent_resources = st.sampled_from(["cpus:4;mem:1024", "cpus:2;mem:256", "cpus:4;mem:1024;odd:3", "cpus(ads):2;mem:512"])
amounts = st.sampled_from([{}, {"cpus": 0}, {"cpus": 3000}, {"cpus": 3000, "mem": 500_000}, {"odd": 1000}])
executors = st.sampled_from([None, None, ("e", "cpus:0.5"), ("e", "cpus:1"), ("x", "odd:{q}")])


class MasterMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.master = a_master(CONFIG)
        self.unwritten: list[int] = []
        self.ids: dict[str, str] = {}
        self.offered: list[str] = []
        self.asked: list[str] = []
        self.launched: Counter = Counter()
        self.last_sequence: dict[str, int] = {}
        self.updates: list[tuple[str, str, int]] = []
        self.slow_registry = False
        self.echoes: list[float] = []
        self.tell(events.BrokerConnected())

    @initialize(slow=st.booleans(), failover=st.sampled_from([0.0, 60.0]))
    def begin(self, slow, failover):
        for number in range(2):
            info = a_framework("f", *(["*"] if number else ["*", "ads"]), failover_timeout_s=failover)
            self.framework(number, calls.Subscribe(framework=info))
            self.agent(number, agents.RegisterAgent(agent=an_agent(f"a{number}")))
        self.slow_registry = slow
        self.tell(events.Ticked())

    # Plumbing

    def tell(self, event):
        tasks = {(f, t) for f, framework in self.master.state.frameworks.items() for t in framework.tasks}
        result = self.master.handle(event, self.now)
        if isinstance(event, events.Ticked):
            due = self.master.next_deadline()
            assert (due is None) == self.master.state.cut_off
            assert due is None or due > self.now, "the loop would spin"
            if not self.master.state.cut_off and not self.master.state.suspended:
                self.no_offer_breaks_a_limit()
        for effect in result:
            self.look(effect, tasks)
        if self.unwritten and not self.slow_registry:
            self.registry_says(self.unwritten[-1])
        return result

    def registry_says(self, serial):
        self.unwritten = [other for other in self.unwritten if other > serial]
        self.tell(events.RegistryWritten(serial))

    def look(self, effect, tasks):
        match effect:
            case effects.SendToFramework() | effects.SendToAgent():
                assert effect.queue
                message = effect.event if isinstance(effect, effects.SendToFramework) else effect.message
            case effects.Persist():
                self.unwritten.append(effect.serial)
                if self.master.state.cut_off:
                    assert type(effect.operation).__name__ != "MarkUnreachable", "nobody is given up while cut off"
                return
            case effects.SendEcho(sent=sent):
                self.echoes.append(sent)
                return
            case _:
                return
        match message:
            case calls.Subscribed() | agents.AgentRegistered() | agents.AgentReregistered():
                self.ids[effect.queue] = getattr(message, "framework_id", None) or message.agent_id
            case calls.Offers():
                assert not self.master.state.cut_off
                assert not self.master.state.suspended
                self.offered += [offer.offer_id for offer in message.offers]
            case calls.Update(status=status) if status.update_id is not None:
                self.updates.append((status.agent_id, status.task_id, status.update_id))
            case calls.InverseOffers():
                assert not self.master.state.suspended
                self.asked += [offer.offer_id for offer in message.inverse_offers]
            case agents.DrainAgent():
                self.count_up(message)
                assert message.agent_id in self.master.state.registry.drains
            case agents.RunTasks():
                assert not self.master.state.suspended, "launched while another may lead"
                assert self.master.state.registry.mode_of(message.agent_id) is AgentMode.ACTIVE
                self.count_up(message)
                for operation in message.operations:
                    for task in operation.tasks:
                        assert (message.framework_id, task.task_id) not in tasks, "launched while it is known"

    def count_up(self, order):
        assert order.sequence > self.last_sequence.get(order.agent_id, 0)
        self.last_sequence[order.agent_id] = order.sequence

    def framework(self, number, call):
        queue = f"f{number}"
        return self.tell(events.FrameworkSaid(f"p{number % 2}", queue, True, call))

    def agent(self, number, message, process=0):
        return self.tell(events.AgentSaid(f"a{number}", f"a{number}/{process}", message))

    def framework_id(self, number):
        return self.ids.get(f"f{number}", "F?")

    def agent_id(self, number, process=0):
        return self.ids.get(f"a{number}/{process}", "A?")

    def live(self):
        return [task for agent in self.master.state.agents.values() for task in agent.tasks]

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

    def no_offer_breaks_a_limit(self):
        """Where a role uses more than its limit, because that came later, nothing of the kind is offered to it."""
        state = self.master.state
        for top, quota in state.registry.quotas.items():
            offered = [offer.resources for offer, _ in state.offers.values() if is_within(offer.role, top)]
            totals = [agent.info.resources for agent in state.agents.values()]
            reserved = [total.reserved(role) for total in totals for role in total.roles() if is_within(role, top)]
            used = [
                resources
                for agent in state.agents.values()
                for (_, role), resources in agent.used().items()
                if is_within(role, top)
            ]
            for name, limit in quota.limit.items():
                offers = sum(resources.unreserved().scalar(name) for resources in offered)
                rest = sum(resources.unreserved().scalar(name) for resources in used)
                assert not offers or offers + rest + sum(part.scalar(name) for part in reserved) <= limit

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
TestMasterMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestMasterMachine = pytest.mark.timeout(300)(TestMasterMachine)
