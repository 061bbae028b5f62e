"""`python -m benchmarks.simulation`: how many events a minute, and how many seeds an hour, the simulation handles.

An event is one that a core handles: a message delivered, a timer fired, or the completion of an effect (a record or the
registry written, a container started or ended). Events of the network, such as a message that is lost, are not counted.
Measured in processor time of one core, with all checks of the promises.
"""

import argparse
import cProfile
import pstats
import time

from benchmarks.support import machine, table
from mesos_py.testing.builders import an_agent
from mesos_py.testing.simulation.cluster import Cluster, Setup
from mesos_py.testing.simulation.explore import run_seed
from mesos_py.testing.simulation.workload import RandomUser


def chaos(seeds: int) -> tuple[int, float]:
    """Seeds with their faults: events and seconds."""
    began = time.process_time()
    events = sum(run_seed(seed).events for seed in range(seeds))
    return events, time.process_time() - began


def peace(agents: int, users: int, seconds: float) -> tuple[int, float]:
    """One cluster without faults whose users always want more."""
    cluster = Cluster(1, Setup(agents=[an_agent(f"a{number}", "cpus:16;mem:16384") for number in range(agents)]))
    for number in range(users):
        user = RandomUser(cluster, f"u{number}", 100)
        cluster.add_framework(user)
        for when in range(5, int(seconds), 5):
            cluster.timeline.at(float(when), user.want_more, 50)
    began = time.process_time()
    cluster.run(seconds)
    return cluster.handled, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    options = parser.parse_args()
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(chaos, options.seeds)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(machine())
    events, seconds = chaos(options.seeds)
    rows = [
        [
            "seeds with faults",
            f"{events / options.seeds:,.0f}",
            f"{events / seconds * 60:,.0f}",
            f"{options.seeds / seconds * 3600:,.0f}",
        ]
    ]
    for agents, users in ((10, 2), (100, 10)):
        events, seconds = peace(agents, users, 300.0)
        rows.append(
            [f"{agents} agents, {users} frameworks, no faults", f"{events:,}", f"{events / seconds * 60:,.0f}", ""]
        )
    table("Simulation", ["", "events a run", "events/min", "seeds/hour"], rows)


if __name__ == "__main__":
    main()
