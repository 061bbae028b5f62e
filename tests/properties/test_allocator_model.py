"""Any sequence of changes: the incremental allocator decides as a slow and obvious one would.

The model knows nothing of masks, sorted lists or what is due. It is told what the allocator decided and judges every
allocation (was this the first in line of all who would take it?) and every end of a pass (does nobody want what is
left?).
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.allocator.priority import priority
from mesos_py.types.infos import AgentInfo, OfferFilter
from mesos_py.types.offers import Offer
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources
from tests.properties.allocator_model import (
    INTERVAL_S,
    MINIMA,
    PARTS,
    ROLES,
    TOTALS,
    WEIGHTS,
    Model,
    demands,
    filters,
    roles,
    some_quotas,
)


class AllocatorMachine(RuleBasedStateMachine):
    """Drives both; each rule is one call of the protocol."""

    @initialize(policy=st.sampled_from([drf, priority]), quotas=some_quotas())
    def start(self, policy, quotas):
        self.policy = policy
        self.now = 100.0
        self.serial = self.steps = 0
        self.allocator = policy(AllocatorConfig(allocation_interval_s=INTERVAL_S, min_allocatable=MINIMA))
        self.model = Model(policy)
        self.set_quotas(quotas)
        for chosen in (["*"], ["*", "a/b"], ["a/b", "a"]):
            self.add_framework(chosen, {}, [], active=True)
        for number, total in enumerate(TOTALS[:4]):
            self.join(f"h{number}", Resources.parse(total), {}, {})

    def name(self, letter):
        self.serial += 1
        return f"{letter}{self.serial}"

    def pick(self, data, values):
        return data.draw(st.sampled_from(sorted(values)))

    def subscribe(self, framework, chosen, chosen_filters, suppressed):
        self.model.roles[framework] = {
            role: (role in suppressed, chosen_filters.get(role, OfferFilter())) for role in chosen
        }
        for role in chosen:
            self.model.counts.setdefault((framework, role), 0)

    @rule(chosen=roles, chosen_filters=filters, suppressed=roles, active=st.booleans())
    def add_framework(self, chosen, chosen_filters, suppressed, active):
        framework = self.name("F")
        self.allocator.add_framework(framework, chosen, filters=chosen_filters, suppressed=suppressed, active=active)
        self.model.active[framework] = active
        self.subscribe(framework, chosen, chosen_filters, suppressed)

    @precondition(lambda self: self.model.active)
    @rule(data=st.data(), chosen=roles, chosen_filters=filters)
    def update_framework(self, data, chosen, chosen_filters):
        framework = self.pick(data, self.model.active)
        self.allocator.update_framework(framework, chosen, filters=chosen_filters)
        model = self.model
        model.active[framework] = True
        model.refusals = [r for r in model.refusals if r[0] != framework]
        model.roles[framework] = {}
        model.demands = {key: value for key, value in model.demands.items() if key[0] != framework}
        model.forget(framework)
        self.subscribe(framework, chosen, chosen_filters, [])

    @precondition(lambda self: self.model.active)
    @rule(data=st.data(), remove=st.booleans())
    def lose_framework(self, data, remove):
        framework = self.pick(data, self.model.active)
        model = self.model
        model.refusals = [r for r in model.refusals if r[0] != framework]
        if not remove:
            self.allocator.deactivate_framework(framework)
            model.active[framework] = False
            return
        self.allocator.remove_framework(framework)
        model.held = {key: r for key, r in model.held.items() if key[0] != framework}
        del model.active[framework], model.roles[framework]
        model.forget(framework)

    @rule(
        data=st.data(),
        total=st.sampled_from(TOTALS),
        hostname=st.sampled_from(["h1", "h2", "h3"]),
        attributes=st.sampled_from([{}, {"rack": "r1"}, {"rack": "r2", "level": 2.0}]),
    )
    def add_agent(self, data, total, hostname, attributes):
        resources = Resources.parse(total)
        used = {}
        if self.model.active and data.draw(st.booleans()):
            part = Resources.parse(self.pick(data, PARTS))
            if resources.contains(part):
                used = {(self.pick(data, self.model.active), self.pick(data, ROLES)): part}
        self.join(hostname, resources, attributes, used)

    def join(self, hostname, resources, attributes, used):
        info = AgentInfo(name="n", hostname=hostname, resources=resources, attributes=attributes)
        agent = self.name("A")
        self.allocator.add_agent(agent, info, used)
        self.model.agents[agent] = info
        for (framework, role), part in used.items():
            self.model.hold(framework, role, agent, part)

    @precondition(lambda self: self.model.agents)
    @rule(data=st.data())
    def remove_agent(self, data):
        agent = self.pick(data, self.model.agents)
        self.allocator.remove_agent(agent)
        model = self.model
        for key, resources in list(model.held.items()):
            if key[2] == agent:
                model.give_back(*key, resources, wanted_again=False)
        model.refusals = [r for r in model.refusals if r[2] != agent]
        del model.agents[agent]
        model.inactive.discard(agent)
        for framework in model.active:
            model.forget(framework)

    @precondition(lambda self: self.model.agents)
    @rule(data=st.data(), active=st.booleans())
    def set_agent_active(self, data, active):
        agent = self.pick(data, self.model.agents)
        self.allocator.set_agent_active(agent, active)
        (self.model.inactive.discard if active else self.model.inactive.add)(agent)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), refuse_s=st.sampled_from([0.0, 0.5, 3.0, 9.0]), times=st.integers(1, 4))
    def decline(self, data, refuse_s, times):
        self.recover(data, refuse_s, times)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), times=st.integers(1, 4))
    def end(self, data, times):
        self.recover(data, None, times)

    def recover(self, data, refuse_s, times):
        model = self.model
        for _ in range(times):
            if not model.held:
                return
            key = self.pick(data, model.held)
            resources = model.held[key]
            part = resources.find(Resources.parse(self.pick(data, PARTS)))
            part = part if part and data.draw(st.booleans()) else resources
            self.allocator.recover(*key, part, now=self.now, refuse_s=refuse_s)
            model.give_back(*key, part, wanted_again=not refuse_s)
            framework, role, _ = key
            if refuse_s and model.active[framework] and role in model.roles[framework]:
                model.refusals.append((*key, part, self.now + max(refuse_s, INTERVAL_S)))
            model.forget(framework)

    @precondition(lambda self: self.model.active)
    @rule(data=st.data(), chosen=roles)
    def suppress(self, data, chosen):
        framework = self.pick(data, self.model.active)
        self.allocator.suppress(framework, chosen)
        for role in set(chosen) & set(self.model.roles[framework]):
            self.model.roles[framework][role] = (True, self.model.roles[framework][role][1])

    @precondition(lambda self: self.model.active)
    @rule(data=st.data())
    def revive(self, data):
        framework = self.pick(data, {r[0] for r in self.model.refusals} or self.model.active)
        chosen = self.model.roles[framework]
        self.allocator.revive(framework, list(chosen))
        for role, (_, offer_filter) in chosen.items():
            chosen[role] = (False, offer_filter)
        self.model.refusals = [r for r in self.model.refusals if r[0] != framework]

    @precondition(lambda self: any(self.model.roles.values()))
    @rule(data=st.data(), wanted=demands)
    def request(self, data, wanted):
        framework, role = self.pick(data, [(f, r) for f, chosen in self.model.roles.items() for r in chosen])
        self.allocator.request(framework, role, wanted)
        self.model.demands.pop((framework, role), None)
        if wanted:
            self.model.demands[framework, role] = [[d.slice, d.count, d.count] for d in wanted]

    @rule(role=st.sampled_from(ROLES), weight=st.sampled_from(WEIGHTS))
    def set_weight(self, role, weight):
        self.allocator.set_weight(role, weight)
        self.model.weights[role] = weight

    @rule(quotas=some_quotas())
    def set_quotas(self, quotas):
        self.allocator.set_quotas(quotas)
        self.model.quotas = quotas

    @rule(held=st.booleans())
    def hold_limits(self, held):
        self.allocator.hold_limits(held)
        self.model.limits_held = held

    @rule()
    def take_back_excess(self):
        """As if all that is held on active agents were offers."""
        model = self.model
        offers = [
            Offer(offer_id="O", framework_id=f, agent_id=agent, hostname="", role=role, resources=resources)
            for (f, role, agent), resources in reversed(model.held.items())
            if agent not in model.inactive
        ]
        for offer in self.allocator.excess(offers):
            key = (offer.framework_id, offer.role, offer.agent_id)
            assert self.is_excess(*key)
            self.allocator.recover(*key, offer.resources, now=self.now)
            model.give_back(*key, offer.resources, wanted_again=True)
            model.forget(offer.framework_id)
        assert not any(self.is_excess(*key) for key in model.held if key[2] not in model.inactive)

    def is_excess(self, framework, role, agent):
        """Its role is over its limit, or somebody lacks what this one could spare."""
        model, top = self.model, role.split("/")[0]
        quota = model.quotas.get(top, Quota())
        for name in model.held[framework, role, agent].unreserved().quantities():
            consumed = model.consumed(top, name)
            if name in quota.limit and consumed > quota.limit[name]:
                return True
            guaranteed = any(name in other.guarantee for other in model.quotas.values())
            if guaranteed and model.slack(name) < 0 and consumed > quota.guarantee.get(name, 0):
                return True
        return False

    @rule(later_s=st.sampled_from([0.3, 1.0, 4.0]))
    def wait(self, later_s):
        self.now += later_s
        self.allocate()

    def allocate(self):
        model = self.model
        model.refusals = [r for r in model.refusals if r[4] > self.now]
        self.allocator._fall_due(self.now)
        given = {}
        for allocation in self.allocator._hand_out():
            client, agent = (allocation.framework_id, allocation.role), allocation.agent_id
            sure = allocation.resources == model.would_take(*client, agent, sure=True)
            sure = sure and client == min(model.takers(agent, sure=True), key=model.place)
            takers = model.takers(agent, sure)
            assert client in takers
            assert client == min(takers, key=model.place)
            assert sure or not set(model.takers(agent, sure=True)) - given.get(agent, set())
            given.setdefault(agent, set()).add(client)
            assert allocation.resources == model.would_take(*client, agent, sure)
            bundle = model.may(client[1], model.free(agent).available_to(client[1]), sure)
            _, counts = model.cut(client, bundle)
            for demand, number in zip(model.demands.get(client, ()), counts, strict=True):
                demand[2] -= number
            model.hold(*client, agent, allocation.resources)
        waiting = {agent.agent_id for agent in self.allocator._declined}
        for agent in set(model.agents) - waiting:
            assert not model.takers(agent), agent
        deadline = self.allocator.next_deadline()
        assert deadline is None or deadline > self.now
        assert not waiting or deadline < self.now + INTERVAL_S + 0.001

    @precondition(lambda self: hasattr(self, "model"))
    @invariant()
    def adds_up(self):
        self.steps += 1
        if self.steps % 3:
            self.allocate()
        self.allocator.check()

    def teardown(self):
        if not hasattr(self, "model"):
            return
        for agent in list(self.model.agents):
            self.allocator.remove_agent(agent)
        for framework in list(self.model.active):
            self.allocator.remove_framework(framework)
        self.allocator.allocate(self.now + 1)
        self.allocator.check()
        assert self.allocator.next_deadline() is None


TestAllocator = AllocatorMachine.TestCase
TestAllocator.settings = settings(max_examples=60, stateful_step_count=30)
