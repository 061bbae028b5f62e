"""A small cluster to try policies on."""

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import Resources


def bag(text):
    return Resources.parse(text)


class World:
    """An allocator with short names for its calls; frameworks and agents are known by theirs."""

    def __init__(self, policy=drf, **config):
        self.now = 0.0
        self.allocator = policy(AllocatorConfig(**config))

    def framework(self, framework_id, *roles, filters=None, **options):
        self.allocator.add_framework(framework_id, list(roles) or ["*"], filters=filters or {}, **options)

    def agent(self, agent_id, resources="cpus:4;mem:4096", used=None, hostname="", **attributes):
        info = AgentInfo(name=agent_id, hostname=hostname or agent_id, resources=bag(resources), attributes=attributes)
        self.allocator.add_agent(agent_id, info, used or {})

    def allocate(self):
        made = self.allocator.allocate(self.now)
        self.allocator.check()
        return made

    def offers(self):
        """Who is offered what now, as (framework, agent)."""
        return [(made.framework_id, made.agent_id) for made in self.allocate()]

    def give_back(self, made, refuse_s=None, resources=None):
        """Return an allocation, or part of it."""
        back = made.resources if resources is None else bag(resources)
        self.allocator.recover(made.framework_id, made.role, made.agent_id, back, now=self.now, refuse_s=refuse_s)

    def decline_all(self, refuse_s=5.0):
        made = self.allocate()
        for one in made:
            self.give_back(one, refuse_s)
        return [(one.framework_id, one.agent_id) for one in made]
