"""Any sequence of changes: the incremental allocator decides as a slow and obvious one would.

The model knows nothing of masks, sorted lists or what is due. It is told what the allocator decided and judges every
allocation (was this the first in line of all who would take it?) and every end of a pass (does nobody want what is
left?).
"""

from fractions import Fraction

import re2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.allocator.priority import priority
from mesos_py.types.attributes import attribute_text
from mesos_py.types.infos import AgentInfo, AttributeConstraint, Demand, OfferFilter, Operator
from mesos_py.types.offers import Offer
from mesos_py.types.quota import Quota
from mesos_py.types.resources import EMPTY, Resources, key_name, key_role
from mesos_py.types.roles import ancestors, is_within

ROLES = ["*", "a", "a/b", "a/c", "b"]
TOTALS = [
    "cpus:4;mem:400",
    "cpus:8;mem:400;gpus:2;ports:[1-9]",
    "cpus:4;mem:400;cpus(a):2;mem(a):100",
    "cpus(a):2;cpus(a/b):4;mem(b):100;disk:50",
    "disk:100",
]
PARTS = ["cpus:1;mem:100", "cpus:2", "mem:50", "cpus:4;mem:400", "cpus:0.001", "cpus:2;ports:[1-3]"]
WEIGHTS = [0.5, 1, 3]
INTERVAL_S = 1.0
MINIMA = [Resources.parse("cpus:0.01"), Resources.parse("mem:32")]

roles = st.lists(st.sampled_from(ROLES), unique=True, max_size=3)
constraints = st.builds(
    AttributeConstraint,
    attribute=st.sampled_from(["rack", "level", "@hostname"]),
    operator=st.sampled_from(Operator),
    value=st.sampled_from(["r1", "r.", "2", "h1|h2"]),
)
filters = st.dictionaries(
    st.sampled_from(ROLES),
    st.builds(
        OfferFilter,
        hosts=st.none() | st.lists(st.sampled_from(["h1", "h2", "h3"]), max_size=2),
        constraints=st.lists(constraints, max_size=2),
        least=st.sampled_from([EMPTY, EMPTY, Resources.parse("cpus:2"), Resources.parse("mem:200")]),
    ),
    max_size=1,
)
demands = st.lists(
    st.builds(Demand, slice=st.sampled_from(PARTS).map(Resources.parse), count=st.integers(0, 3)), max_size=2
)
AMOUNTS = [
    {},
    {"cpus": 1500},
    {"cpus": 6000, "mem": 200_000},
    {"cpus": 10_000},
    {"mem": 450_000},
    {"gpus": 0},
    {"gpus": 2000, "none": 1000},
    {"cpus": 200_000, "disk": 20_000},
]


@st.composite
def some_quotas(draw):
    """Guarantees up to limits, as the master sees to."""
    made = {}
    for role in draw(st.lists(st.sampled_from(["*", "a", "b", "c"]), unique=True, max_size=3)):
        guarantee, limit = draw(st.sampled_from(AMOUNTS)), draw(st.sampled_from(AMOUNTS))
        limit = {name: max(amount, guarantee.get(name, 0)) for name, amount in limit.items()}
        if guarantee or limit:
            made[role] = Quota(guarantee, limit)
    return made


class Model:
    def __init__(self, policy):
        self.policy = policy
        self.weights = {}
        self.active = {}
        self.roles = {}  # framework -> role -> (suppressed, filter)
        self.demands = {}  # (framework, role) -> [slice, count, left]
        self.counts = {}  # (framework, role), while it has the role or holds something
        self.agents = {}
        self.inactive = set()
        self.held = {}  # (framework, role, agent)
        self.refusals = []  # (framework, role, agent, resources, until)
        self.quotas = {}
        self.limits_held = False

    def free(self, agent_id):
        promised = Resources.sum(r for (_, _, agent), r in self.held.items() if agent == agent_id)
        return self.agents[agent_id].resources - promised

    def forget(self, framework):
        """Drop what is remembered of clients that have neither role nor holdings."""
        for f, role in list(self.counts):
            if f == framework and role not in self.roles.get(f, {}):
                self.demands.pop((f, role), None)
                if not any(key[:2] == (f, role) for key in self.held):
                    del self.counts[f, role]

    def hold(self, framework, role, agent, resources):
        key = (framework, role, agent)
        self.held[key] = self.held.get(key, EMPTY) + resources
        self.counts[framework, role] = self.counts.get((framework, role), 0) + 1

    def give_back(self, framework, role, agent, resources, wanted_again):
        key = (framework, role, agent)
        self.held[key] -= resources
        if not self.held[key]:
            del self.held[key]
        rest = resources.flatten()
        for demand in self.demands.get((framework, role), ()) if wanted_again else ():
            while demand[2] < demand[1] and rest.contains(demand[0]):
                rest -= demand[0]
                demand[2] += 1

    # Who would take what

    def passes(self, offer_filter, agent):
        if offer_filter.hosts is not None and agent.hostname not in offer_filter.hosts:
            return False
        for c in offer_filter.constraints:
            if c.attribute == "@hostname":
                text = agent.hostname
            else:
                text = attribute_text(agent.attributes[c.attribute]) if c.attribute in agent.attributes else None
            positive = {
                "EXISTS": text is not None,
                "EQUALS": text == c.value,
                "MATCHES": text is not None and bool(re2.fullmatch(c.value, text)),
            }
            name = c.operator.value
            if positive[name.removeprefix("NOT_")] == name.startswith("NOT_"):
                return False
        return True

    def worth(self, resources):
        return bool(resources.cpus or resources.mem) and any(resources.flatten().contains(m) for m in MINIMA)

    def cut(self, key, bundle):
        """The offer, and how many of each slice."""
        if key not in self.demands:
            return bundle, []
        taken, counts = EMPTY, []
        for slice_, _, left in self.demands[key]:
            number = 0
            while number < left and (part := bundle.find(slice_)) is not None:
                number += 1
                bundle, taken = bundle - part, taken + part
            counts.append(number)
        return taken, counts

    def consumed(self, top, name):
        reserved = [key for agent in self.agents.values() for key in agent.resources.items() if "(" in key[0]]
        idle = sum(amount for key, amount in reserved if is_within(key_role(key), top) and key_name(key) == name)
        held = (r for (_, role, _), r in self.held.items() if is_within(role, top))
        return idle + sum(r.unreserved().quantities().get(name, 0) for r in held)

    def lacks(self, top, name):
        quota = self.quotas.get(top, Quota())
        return max(0, quota.guarantee.get(name, 0) - self.consumed(top, name))

    def slack(self, name):
        active = [agent for agent in self.agents if agent not in self.inactive]
        free = sum(self.free(agent).unreserved().quantities().get(name, 0) for agent in active)
        return free - sum(self.lacks(top, name) for top in self.quotas)

    def may(self, role, bundle, sure):
        """What quotas allow of a bundle."""
        if not self.quotas:
            return EMPTY if sure else bundle
        top = role.split("/")[0]
        quota = self.quotas.get(top, Quota())
        values = dict(bundle.items())
        for key, value in bundle.items():
            if isinstance(value, int) and "(" not in key:
                own = self.lacks(top, key)
                if sure and own:
                    values[key] = min(values[key], own)
                elif any(key in other.guarantee for other in self.quotas.values()):
                    values[key] = min(values[key], own + max(0, self.slack(key)))
                if key in quota.limit:
                    room = 0 if self.limits_held else max(0, quota.limit[key] - self.consumed(top, key))
                    values[key] = min(values[key], room)
        if sure and not any(self.lacks(top, name) and values.get(name) for name in quota.guarantee):
            return EMPTY
        part = Resources(values)
        return EMPTY if (bundle.cpus and not part.cpus) or (bundle.mem and not part.mem) else part

    def would_take(self, framework, role, agent_id, sure=False):
        suppressed, offer_filter = self.roles[framework][role]
        if not self.active[framework] or suppressed or agent_id in self.inactive:
            return None
        if not self.passes(offer_filter, self.agents[agent_id]):
            return None
        offer, _ = self.cut((framework, role), self.may(role, self.free(agent_id).available_to(role), sure))
        if not self.worth(offer) or not offer.flatten().contains(offer_filter.least):
            return None
        if any(r[:3] == (framework, role, agent_id) and r[3].contains(offer) for r in self.refusals):
            return None
        return offer

    def takers(self, agent_id, sure=False):
        return [(f, role) for f in self.roles for role in self.roles[f] if self.would_take(f, role, agent_id, sure)]

    # Who is first

    def share(self, holds):
        held, total = {}, {}
        for (f, role, _), resources in self.held.items():
            if holds(f, role):
                for name, amount in resources.quantities().items():
                    held[name] = held.get(name, 0) + amount
        for agent in self.agents.values():
            for name, amount in agent.resources.quantities().items():
                total[name] = total.get(name, 0) + amount
        return max((Fraction(amount, total[name]) for name, amount in held.items()), default=Fraction(0))

    def place(self, client):
        framework, role = client

        def at(name, weight, holds):
            weight = Fraction(str(weight))
            share = self.share(holds)
            lead = share / weight if self.policy is drf else (-weight, share)
            return lead, sum(n for key, n in self.counts.items() if holds(*key)), name

        path = [
            at(above, self.weights.get(above, 1), lambda _, r, above=above: is_within(r, above))
            for above in reversed(list(ancestors(role)))
        ]
        if any(r != role and is_within(r, role) for _, r in self.counts):
            path.append(at(f"{role}/.", 1, lambda _, r: r == role))
        own = self.share(lambda f, r: (f, r) == client)
        return [*path, (own, self.counts[client], framework)]


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
                model.give_back(*key, resources, wanted_again=True)
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
TestAllocator.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
