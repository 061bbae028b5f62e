"""An allocator as its documents have it, without a thought for speed: the accounts, and who would take what."""

from fractions import Fraction

import re2
from hypothesis import strategies as st

from mesos_py.allocator.drf import drf
from mesos_py.types.attributes import attribute_text
from mesos_py.types.infos import AttributeConstraint, Demand, OfferFilter, Operator
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
