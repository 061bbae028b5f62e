"""Runs what a seed says: a cluster, its users, its faults; until everybody agrees, or a promise breaks."""

from msgspec import Struct

from mesos_py.agent.config import AgentCoreConfig
from mesos_py.master.state import MasterConfig
from mesos_py.scheduler.config import Backoff, SchedulerConfig
from mesos_py.testing.builders import a_framework, an_agent
from mesos_py.testing.simulation import faults
from mesos_py.testing.simulation.agreement import disagreements
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.testing.simulation.cluster import Cluster, Setup
from mesos_py.testing.simulation.faults import Fault
from mesos_py.testing.simulation.inject import ACTIONS, Injector
from mesos_py.testing.simulation.timeline import Dice
from mesos_py.testing.simulation.workload import RandomUser

__all__ = ["Outcome", "draw_faults", "run_seed"]

FAULTS_S = 300.0
"""Faults come during so many seconds."""
PEACE_S = 3000.0
"""So long after the last fault all must have been agreed upon."""
STORY_LINES = 1000
_CHECK_EVERY_S = 10.0
_LOOK_EVERY_S = 20.0
_USERS = ("u0", "u1")


class Outcome(Struct, frozen=True, kw_only=True):
    """How a run ended."""

    seed: int
    faults: list[Fault]
    failure: str = ""
    """Which promise was broken and how; empty if none was."""
    promise: str = ""
    story: str = ""
    """The last that happened, if it failed."""
    events: int = 0
    """That a core has handled."""
    settled_s: float = 0.0
    """From the end of the last fault until everybody agreed."""


def a_setup(seed: int) -> Setup:
    """A small cluster that is quick to lose its patience: seeds differ in the number of agents and masters."""
    dice = Dice(seed, "setup")
    master = MasterConfig(
        heartbeat_s=5.0,
        missed_heartbeats=dice.choice([3, 5]),
        offer_timeout_s=dice.choice([10.0, 60.0]),
        reregister_timeout_s=dice.choice([40.0, 90.0]),
        quota_recovery_agents=1.0,
        quota_recovery_timeout_s=10 * PEACE_S,
    )
    agent = AgentCoreConfig(
        info=an_agent(),
        work_dir="/w",
        incarnation="",
        update_retry_s=5.0,
        update_retry_cap_s=40.0,
        registration_backoff_cap_s=20.0,
        completed_tasks=dice.choice([5, 1000]),
    )
    scheduler = SchedulerConfig(
        framework=a_framework(),
        launch_answer_s=30.0,
        reconcile_every_s=120.0,
        reconciling=Backoff(first_s=5.0, cap_s=40.0),
        killing=Backoff(first_s=5.0, cap_s=40.0),
    )
    return Setup(
        masters=dice.choice([1, 2, 3]),
        agents=[an_agent(f"a{number}", "cpus:4;mem:1024") for number in range(dice.choice([2, 3, 4]))],
        master=master,
        agent=agent,
        scheduler=scheduler,
        inbox_holds=dice.choice([20, None]),
        events_kept=dice.choice([5, 10_000]),
    )


def draw_faults(seed: int) -> list[Fault]:
    """What this seed does to its cluster."""
    setup = a_setup(seed)
    masters = [f"m{number}" for number in range(setup.masters)]
    agents = [info.name for info in setup.agents]
    return faults.draw(seed, FAULTS_S, masters, agents, list(_USERS), sorted(ACTIONS))


def run_seed(seed: int, wanted: list[Fault] | None = None) -> Outcome:
    """Run a seed with its own faults, or with others."""
    chosen = draw_faults(seed) if wanted is None else wanted
    cluster = Cluster(seed, a_setup(seed))
    for number, name in enumerate(_USERS):
        cluster.add_framework(RandomUser(cluster, name, 6, auto_acknowledge=number == 0))
    Injector(cluster).plan(chosen)
    over = max((fault.at + getattr(fault, "for_s", 0.0) for fault in chosen), default=0.0)
    try:
        settled = _run(cluster, over)
    except PromiseError as broken:
        failure = str(broken)
        story = cluster.tell_story(STORY_LINES)
        return Outcome(
            seed=seed, faults=chosen, failure=failure, promise=broken.promise, story=story, events=cluster.handled
        )
    return Outcome(seed=seed, faults=chosen, events=cluster.handled, settled_s=settled)


def _run(cluster: Cluster, over: float) -> float:
    """Gives how long it took to agree after the last fault. Raises PromiseError."""
    while cluster.now < over:
        cluster.run(min(over, cluster.now + _CHECK_EVERY_S))
        cluster.promises.check_state()
    found = ["nobody has looked"]
    while found and cluster.now < over + PEACE_S:
        cluster.run(cluster.now + _LOOK_EVERY_S)
        cluster.promises.check_state()
        found = disagreements(cluster)
    if found:
        raise PromiseError("all agree in the end", "; ".join(found[:10]))
    return cluster.now - over
