"""A real cluster with several masters, elected through a real ZooKeeper."""

import contextlib
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.cluster import AGENTS, Cluster, Process, json_lines, wait_for
from tests.support.rabbitmq import free_ports

SESSION_S = 2
MASTERS = 2


class Masters(Cluster):
    """Masters, agents and what runs on them. Whoever asks, asks the leader."""

    def __init__(self, broker: str, zookeeper: str, work: Path, masters: int = MASTERS, agents: int = AGENTS) -> None:
        super().__init__(broker, work, agents)
        self.zookeeper = zookeeper
        self._urls = {f"master{n}": f"http://127.0.0.1:{port}" for n, port in enumerate(free_ports(masters), 1)}

    def start(self) -> None:
        for name in self._urls:
            self.start_one(name)
        for number in range(1, self.agents + 1):
            self.start_agent(number)
        self.wait_ready()

    def start_one(self, name: str) -> None:
        patience = ["--heartbeat-s", "1", "--missed-heartbeats", "10", "--paranoid"]
        place = ["--zookeeper", self.zookeeper, "--zookeeper-session-timeout-s", str(SESSION_S)]
        port = self._urls[name].rpartition(":")[2]
        self._start(name, "master", "--http-port", port, *place, *patience)

    # Who leads

    def leader(self) -> str:
        """The name of the master that leads, or nothing."""
        return next((name for name in self._urls if self.leads(name)), "")

    def leads(self, name: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self._urls[name]}/state", timeout=1.0, trust_env=False).status_code == 200
        return False

    def standby(self) -> str:
        """The name of a master that runs and does not lead."""
        leader = self.leader()
        return next(name for name in self._urls if name != leader and self.daemon(name).is_running)

    def wait_leader(self, *, other_than: str = "") -> str:
        return wait_for(lambda: {self.leader()} - {"", other_than}, "somebody leads").pop()

    def wait_standing_by(self, *, besides: str) -> None:
        """Until all others know whom they follow."""
        others = [name for name in self._urls if name != besides]
        wait_for(lambda: all(self.follows(name) for name in others), "the others stand by")

    def follows(self, name: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.asked(name, "/state").status_code == 307
        return False

    def asked(self, name: str, path: str) -> httpx.Response:
        """What this very master answers."""
        return httpx.get(self._urls[name] + path, timeout=5.0, trust_env=False)

    def get(self, path: str, **params: Any) -> Any:
        """From the leader, once there is one."""
        leader = self.wait_leader()
        answer = httpx.get(self._urls[leader] + path, params=params, timeout=10.0, trust_env=False)
        if answer.status_code != 200:
            raise httpx.TransportError(f"{leader} leads no more")
        return answer.json()

    def wait_ready(self) -> None:
        for name in self._urls:
            if not self.daemon(name).is_running:
                self.start_one(name)
        super().wait_ready()
        self.url = self._urls[self.wait_leader()]

    # What is done to them

    def freeze(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: int) -> None:
        process: Process = self.daemon(name)
        os.kill(process.popen.pid, number)

    def took_over(self, since: float, other_than: str) -> float:
        """Seconds from ``since``, in seconds since the epoch, until another leads, as its log has it."""
        name = self.wait_leader(other_than=other_than)
        leading = [line for line in json_lines(self.daemon(name).text()) if line["event"] == "leading"]
        return datetime.fromisoformat(leading[-1]["timestamp"]).timestamp() - since
