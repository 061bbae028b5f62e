"""Tasks of a framework on one agent of a real cluster, to see what becomes of them."""

from typing import Any, Self

from msgspec.structs import replace

from mesos_py import Framework, KillPolicy, Reason, TaskState, TaskStatus, command_task
from mesos_py.types.tasks import TERMINAL
from tests.support.cluster import Cluster

DRAINED = {(TaskState.KILLED, Reason.AGENT_DRAINING)}


class Job:
    """All its tasks are running when it is made."""

    def __init__(self, cluster: Cluster, line: str, count: int = 3, grace_s: float = 3.0) -> None:
        self.cluster = cluster
        self.framework = Framework("job")
        self.framework.start(cluster.broker)
        offer = self.framework.wait_offer(cpus=0.05 * count, mem=16 * count, timeout=30)
        self.host = offer.hostname
        self.ids = [f"t{n}" for n in range(count)]
        policy = KillPolicy(grace_period_s=grace_s)
        tasks = [command_task(name, line, cpus=0.05, mem=16) for name in self.ids]
        self.framework.launch(offer, [replace(task, kill_policy=policy) for task in tasks])
        for name in self.ids:
            self.framework.wait(name, states=["RUNNING"], timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.framework.stop()
        self.framework.join(20)

    def ends(self) -> list[TaskStatus]:
        return [self.framework.wait(name, states=TERMINAL, timeout=60) for name in self.ids]

    def agent(self) -> dict[str, Any]:
        return next(agent for agent in self.cluster.items("/agents") if agent["hostname"] == self.host)

    def why(self) -> set[tuple[TaskState, Reason | None]]:
        return {(status.state, status.reason) for status in self.ends()}
