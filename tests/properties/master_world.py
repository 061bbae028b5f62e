"""A master, agents and frameworks by number, and what must hold of whatever the master says."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from mesos_py.master import effects, events
from mesos_py.master.state import MasterConfig
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.testing.builders import a_framework, a_master, an_agent
from mesos_py.types.maintenance import AgentMode
from mesos_py.types.roles import is_within
from mesos_py.types.tasks import TaskState

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


class MasterWorld(RuleBasedStateMachine):
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
