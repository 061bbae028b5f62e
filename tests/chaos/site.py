"""What is broken: three masters, three ZooKeeper servers, a broker, and three agents, one of them on another host.

What was broken is not remembered by whoever broke it: ``mend`` brings back whatever is down, frozen or cut off.
"""

import contextlib
import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.load import Loads
from tests.support.cluster import wait_for
from tests.support.masters import Masters
from tests.support.netns import NetworkNamespace
from tests.support.rabbitmq import RabbitMQ
from tests.support.zookeeper import Server, Zookeeper

MASTERS = SERVERS = AGENTS = 3
REMOTE = 3
"""The agent on a host of its own."""
AGENT_TIMEOUT_S = 10.0
PATIENCE_S = 60.0

_OF_A_TASK = re.compile('"event": "(task|container) ')
_pause = threading.Event().wait


class Site(Masters):
    """The whole cluster."""

    def __init__(self, rabbitmq: RabbitMQ, ensemble: Zookeeper, remote: NetworkNamespace, work: Path) -> None:
        super().__init__(rabbitmq.url(), ensemble.url("/mesos"), work, MASTERS, AGENTS)
        self.rabbitmq = rabbitmq
        self.ensemble = ensemble
        self.remote = remote
        self._broker_is_up = True
        self._down: set[int] = set()
        """Servers of the ensemble."""
        self._frozen: set[str] = set()
        self._stopping: set[str] = set()
        self._frozen_servers: set[int] = set()
        self._cut = False

    def _start(self, name: str, *words: str, **options: Any) -> None:
        if name == f"agent{REMOTE}":
            words = (*words, "--broker", self.rabbitmq.url(host=self.remote.ours))
            options["prefix"] = self.remote.prefix
        super()._start(name, *words, **options)

    @property
    def masters(self) -> list[str]:
        return list(self._urls)

    @property
    def agent_names(self) -> list[str]:
        return [f"agent{number}" for number in range(1, AGENTS + 1)]

    @property
    def hosts(self) -> list[str]:
        return [f"host{number}" for number in range(1, AGENTS + 1)]

    def url_of(self, name: str) -> str:
        """A master's HTTP API."""
        return self._urls[name]

    # Damage

    def some_leader(self) -> str:
        """Whoever leads, or if nobody does, any master that runs."""
        running = [name for name in self._urls if self.daemon(name).is_running and name not in self._frozen]
        return next((name for name in running if self.leads(name)), (running or self.masters)[0])

    def kill(self, name: str) -> None:
        self._frozen.discard(name)
        self.daemon(name).kill()

    def terminate(self, name: str) -> None:
        self._stopping.add(name)
        self.daemon(name).popen.terminate()

    def freeze(self, name: str) -> None:
        if self.daemon(name).is_running:
            self._frozen.add(name)
            super().freeze(name)

    def thaw(self, name: str) -> None:
        self._frozen.discard(name)
        super().thaw(name)

    def deafen(self, name: str) -> None:
        """The broker closes a master's connection: what is sent from now on it hears only once it has come back."""
        self.rabbitmq.close_connections_of(self.daemon(name).popen.pid)

    def chief(self) -> int:
        """The number of the ZooKeeper server that leads the others, or of any that runs."""
        running = self._running_servers()
        return next((number for number in running if self._is_chief(number)), (running or [0])[0])

    def has_chief(self) -> bool:
        """Whether one of the servers that run leads the others."""
        return any(self._is_chief(number) for number in self._running_servers())

    def _running_servers(self) -> list[int]:
        return [number for number in range(SERVERS) if number not in self._down | self._frozen_servers]

    def _is_chief(self, number: int) -> bool:
        return "Mode: leader" in self._server(number).ask("srvr")

    def kill_server(self, number: int) -> None:
        self._down.add(number)
        self._frozen_servers.discard(number)
        self._server(number).kill()

    def freeze_server(self, number: int) -> None:
        if number not in self._down:
            self._frozen_servers.add(number)
            self._server(number).send(signal.SIGSTOP)

    @contextlib.contextmanager
    def frozen_ensemble(self) -> Iterator[None]:
        """For the length of the block nobody learns who leads."""
        for number in range(SERVERS):
            self.freeze_server(number)
        try:
            yield
        finally:
            self._thaw_servers()

    def _thaw_servers(self) -> None:
        for number in tuple(self._frozen_servers):
            self._server(number).send(signal.SIGCONT)
        self._frozen_servers.clear()

    def _server(self, number: int) -> Server:
        return self.ensemble.servers[number]

    def stop_broker(self, *, hard: bool = True, wipe: bool = False) -> None:
        if self._broker_is_up:
            self.rabbitmq.stop(hard=hard)
            self._broker_is_up = False
        if wipe:
            self.rabbitmq.wipe()

    def cut(self) -> None:
        """The remote agent hears and reaches nobody."""
        self._cut = True
        self.remote.cut()

    def hold(self, seconds: float) -> None:
        """Leave things broken for so long: the length of a fault, no wait for something to happen."""
        _pause(seconds)

    # Mending

    def mend(self) -> None:
        """Bring back what is down, frozen or cut off. Agents and masters take their time to find each other."""
        for name in tuple(self._frozen):
            self.thaw(name)
        for name in self._stopping:
            self.daemon(name).wait()
        self._stopping.clear()
        self._thaw_servers()
        if self._cut:
            self.remote.heal()
            self._cut = False
        for number in tuple(self._down):
            self._server(number).start()
        if not self._broker_is_up:
            self.rabbitmq.start()
            self._broker_is_up = True
        for number in tuple(self._down):
            self._server(number).wait_serving()
            self._down.discard(number)
        for name in self.masters:
            if not self.daemon(name).is_running:
                self.start_one(name)
        for number in range(1, AGENTS + 1):
            if not self.daemon(f"agent{number}").is_running:
                self.start_agent(number)

    def is_whole(self) -> bool:
        """One master leads, the others follow it, and every agent is back."""
        leader = self.leader()
        if not leader or not all(self.follows(name) for name in self.masters if name != leader):
            return False
        with contextlib.suppress(httpx.TransportError):
            agents = self.items("/agents")
            return [agent["connected"] for agent in agents] == [True] * AGENTS
        return False

    def wait_whole(self) -> None:
        wait_for(self.is_whole, "all masters and agents are back", PATIENCE_S)

    def wait_ready(self) -> None:
        """For the next test, whatever the last one left."""
        if self._daemons.keys() >= set(self.masters):
            self.mend()
            self._tear_down()
        super().wait_ready()
        self.wait_whole()

    def _tear_down(self) -> None:
        """Remove the frameworks that a failed test has left."""
        for framework in self.items("/frameworks"):
            if framework["status"] != "removed":
                url = f"{self._urls[self.wait_leader()]}/frameworks/{framework['framework_id']}/teardown"
                httpx.post(url, timeout=10.0, trust_env=False)

    def headlines(self) -> str:
        """What the daemons logged since this was last asked, but for what each task brings."""
        lines = [line for line in self.news().splitlines() if not _OF_A_TASK.search(line)]
        return "\n".join([f"all is in {self.work}/*.log", *lines])

    # Looking

    def near_agents(self) -> list[str]:
        """Where the HTTP APIs of the agents are that we reach."""
        return [agent["url"] for agent in self.items("/agents") if agent["hostname"] != f"host{REMOTE}"]

    def leading(self, since: float) -> list[float]:
        """When masters began to lead, since then; as their logs have it, in seconds since the epoch."""
        return sorted(at for name in self.masters for at, _ in self._logged(name, "leading", since))

    def logged(self, name: str, event: str, since: float, **fields: str) -> bool:
        """Whether a daemon's log has this event, with these fields."""
        return any(fields.items() <= said.items() for _, said in self._logged(name, event, since))

    def _logged(self, name: str, event: str, since: float) -> Iterator[tuple[float, dict[str, Any]]]:
        for line in self.daemon(name).text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # the last one may not be whole yet
                said = json.loads(line)
                at = datetime.fromisoformat(said["timestamp"]).timestamp()
                if said["event"] == event and at > since:
                    yield at, said

    def check_elections(self, since: float) -> None:
        """No master was deposed but by the end of its session, though it may have heard first who leads instead."""
        for name in self.masters:
            reasons = {said["why"] for _, said in self._logged(name, "deposed", since)}
            assert reasons <= {"the session with ZooKeeper is over", "we resigned"}, f"{name}: {reasons}"

    @contextlib.contextmanager
    def under_load(self, directory: Path) -> Iterator[Loads]:
        """Frameworks are at work during the block; then they finish, and it is checked that they did all, once."""
        began = time.time()
        loads = Loads(directory, self.broker, self.hosts)
        try:
            loads.wait_going()
            yield loads
            loads.finish()
            self.check_elections(began)
        except BaseException:
            loads.show()
            raise
        finally:
            loads.kill()
