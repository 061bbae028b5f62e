"""How long allocation takes: a full pass over all agents, and one event (an agent comes free and is offered again).

    python -m benchmarks.allocation [--quick]

Prints a table of medians of processor time. The baseline, run in the same process, is the policy written down naively:
for every agent, sort all frameworks by dominant share as a Fraction and offer to the first.
"""

import gc
import sys
from fractions import Fraction
from statistics import median
from time import process_time
from typing import NamedTuple

from mesos_py.allocator.base import Allocation, AllocatorConfig
from mesos_py.allocator.drf import drf
from mesos_py.types.ids import FrameworkID, Role
from mesos_py.types.infos import AgentInfo
from mesos_py.types.quota import Quota
from mesos_py.types.resources import Resources

SIZES = [
    Resources.parse("cpus:8;mem:32768;disk:200000;ports:[31000-32000]"),
    Resources.parse("cpus:16;mem:65536;disk:400000;ports:[31000-32000]"),
    Resources.parse("cpus:32;mem:131072;disk:800000;ports:[31000-32000]"),
    Resources.parse("cpus:64;mem:262144;disk:800000;gpus:8;ports:[31000-32000]"),
]
PASSES = 5
EVENTS = 2000
ONE_ROLE = ["*"]
TREE = [f"team{i}/job{j}" for i in range(4) for j in range(5)]


class Case(NamedTuple):
    agents: int
    frameworks: int
    roles: list[str]
    refused: float
    """The part of all agents that each framework refuses."""
    sure: float = 0.0
    """The part of the cluster that each of the four teams of the tree is guaranteed; its limit is five times that."""


CASES = [
    Case(1_000, 200, ONE_ROLE, 0.0),
    Case(10_000, 1_000, ONE_ROLE, 0.0),
    Case(50_000, 200, ONE_ROLE, 0.0),
    Case(10_000, 1_000, TREE, 0.0),
    Case(50_000, 200, TREE, 0.0),
    Case(10_000, 200, ONE_ROLE, 0.95),
    Case(10_000, 200, TREE, 0.95),
    Case(2_000, 1_000, ONE_ROLE, 0.95),
    Case(10_000, 200, TREE, 0.0, sure=0.1),
    Case(50_000, 200, TREE, 0.0, sure=0.1),
    Case(10_000, 200, TREE, 0.95, sure=0.1),
]
QUICK = [CASES[0], Case(2_000, 200, TREE, 0.95), Case(2_000, 200, TREE, 0.0, sure=0.1)]


class Bench:
    """A cluster of which every agent is free and due."""

    def __init__(self, case: Case) -> None:
        self.allocator = drf(AllocatorConfig())
        self.sizes = {f"A{number:05}": SIZES[number * 7 % 4] for number in range(case.agents)}
        for number in range(case.frameworks):
            role = case.roles[number % len(case.roles)]
            self.allocator.add_framework(f"F{number:04}", [role], filters={})
        for agent_id, size in self.sizes.items():
            info = AgentInfo(name=agent_id, hostname=agent_id, resources=size)
            self.allocator.add_agent(agent_id, info, {})
        self.guarantee(case)
        self.refuse(case)

    def guarantee(self, case: Case) -> None:
        """To one of the teams what is free for nobody: its frameworks want no offers."""
        if not case.sure:
            return
        total = Resources.sum(self.sizes.values())
        sure = {name: round(total.scalar(name) * case.sure) for name in ("cpus", "mem")}
        limit = {name: 5 * amount for name, amount in sure.items()}
        self.allocator.set_quotas({Role(f"team{i}"): Quota(sure, limit) for i in range(4)})
        for number in range(0, case.frameworks, 20):
            self.allocator.suppress(FrameworkID(f"F{number:04}"), [Role("team0/job0")])
            for job in range(1, 5):
                self.allocator.suppress(FrameworkID(f"F{number + job:04}"), [Role(f"team0/job{job}")])

    def refuse(self, case: Case) -> None:
        """As declines for an hour would, without the hours it would take to collect them."""
        refusals = self.allocator._refusals
        claims = [claim for framework in self.allocator._frameworks.values() for claim in framework.claims.values()]
        accepted = round(case.agents * (1 - case.refused))
        for number, claim in enumerate(claims if case.refused else []):
            first = number * 7919 % case.agents
            for place, (agent_id, size) in enumerate(self.sizes.items()):
                if (place - first) * 613 % case.agents >= accepted:
                    refusals.add(claim.mask, agent_id, size, 3600.0)

    def give_back(self, allocation: Allocation) -> None:
        self.allocator.recover(
            allocation.framework_id, allocation.role, allocation.agent_id, allocation.resources, now=0.0
        )

    def full_pass_s(self) -> float:
        times = []
        for _ in range(PASSES):
            start = process_time()
            made = self.allocator.allocate(0.0)
            times.append(process_time() - start)
            for allocation in made:
                self.give_back(allocation)
        return median(times)

    def event_s(self) -> float:
        held = {made.agent_id: made for made in self.allocator.allocate(0.0)}
        agents = list(held)
        times = []
        for number in range(EVENTS):
            allocation = held[agents[number * 7919 % len(agents)]]
            start = process_time()
            self.give_back(allocation)
            (made,) = self.allocator.allocate(0.0)
            times.append(process_time() - start)
            held[made.agent_id] = made
        return median(times)


def naive_pass_s(case: Case) -> float:
    sizes = [SIZES[number * 7 % 4].quantities() for number in range(case.agents)]
    totals: dict[str, int] = {}
    for size in sizes:
        for name, amount in size.items():
            totals[name] = totals.get(name, 0) + amount
    held: list[dict[str, int]] = [{} for _ in range(case.frameworks)]

    def share(framework: int) -> Fraction:
        return max((Fraction(amount, totals[name]) for name, amount in held[framework].items()), default=Fraction(0))

    start = process_time()
    for size in sizes:
        first, *_ = sorted(range(case.frameworks), key=share)
        for name, amount in size.items():
            held[first][name] = held[first].get(name, 0) + amount
    return process_time() - start


def main() -> None:
    cases = QUICK if "--quick" in sys.argv[1:] else CASES
    naive_s = naive_pass_s(CASES[0])
    print(f"{'agents':>7} {'frameworks':>10} {'roles':>5} {'refused':>7} {'sure':>4}", end="")
    print(f" {'full pass':>10} {'per agent':>9} {'event':>8}")
    for case in cases:
        bench = Bench(case)
        gc.collect()
        gc.freeze()
        pass_s, event_s = bench.full_pass_s(), bench.event_s()
        print(
            f"{case.agents:>7} {case.frameworks:>10} {len(case.roles):>5} {case.refused:>7.0%} {case.sure:>4.0%}"
            f" {pass_s * 1e3:>7.1f} ms {pass_s / case.agents * 1e6:>6.2f} us {event_s * 1e6:>5.1f} us"
        )
        if case == CASES[0]:
            ratio = naive_s / pass_s
            print(f"        the same, naively: a full pass {naive_s * 1e3:.0f} ms, {ratio:.0f} times as long")
        gc.unfreeze()
        del bench
        gc.collect()


if __name__ == "__main__":
    main()
