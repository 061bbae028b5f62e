"""`python -m benchmarks.idle`: what a real master needs to keep thousands of idle agents.

The agents are real cores in a few emulator processes, at the heartbeat interval the master asks them for. Two cases:

- *own bodies*: every heartbeat is a message of its own on the broker, spread over the interval, as it is in
  production, where each agent is a process. A sender beside us speaks for the registered agents and the emulators are
  stopped meanwhile, so that nobody is counted twice.
- *emulators*: the emulators themselves send; heartbeats that fall due together leave in one body.

Memory per agent is what the master's resident memory grew by from before the first registration to the steady state.
"""

import argparse
import contextlib
import signal
import tempfile
import time
from pathlib import Path

import httpx
import msgspec

from benchmarks.emulator import Emulator
from benchmarks.support import (
    beam_pid,
    cpu_s,
    free_port,
    machine,
    private_broker,
    process,
    rss_mb,
    table,
)
from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.agent.events import MasterSaid
from mesos_py.master.state import MasterConfig
from mesos_py.messages.agent import AgentHeartbeat
from mesos_py.messages.codec import AGENT_CALLS, MSGPACK
from mesos_py.runtime.loop import Loop
from mesos_py.types.resources import Resources

RESOURCES = "cpus:16;mem:65536;disk:100000;ports:[31000-32000]"
"""Of every agent."""

CORE = MasterConfig()


class Crowd(Emulator):
    """Agents that share a queue, and so every beacon that one of them asked for: one is enough for all."""

    _told_at = float("-inf")

    def _tell_all(self, event) -> None:
        if isinstance(event, MasterSaid):
            now = self._loop.clock()
            if now - self._told_at < 1.0:
                return
            self._told_at = now
        super()._tell_all(event)


class Sender:
    """Publishes one body per heartbeat, evenly spread: what as many agent processes would do together."""

    def __init__(self, loop: Loop, broker: str, agents: list[tuple[str, str]], interval_s: float) -> None:
        self._loop = loop
        self._transport = connect(broker, loop, name="heartbeats")
        self._agents = agents
        self._gap_s = interval_s / len(agents)
        self._address = topology.master_address("agent", self._transport.principal)
        self._queue = topology.agent_queue(self._transport.principal, "heartbeats")
        self._due: float | None = None
        self._next = 0
        self.sent = 0

    def start(self) -> None:
        self._loop.add(self)
        self._loop.at_turn_end(self._transport.flush)
        self._transport.subscribe(self._queue)
        self._transport.start(self)

    def connected(self) -> None:
        self._due = self._loop.clock()

    def disconnected(self, reason: str) -> None:
        raise RuntimeError(reason)

    def blocked(self, reason: str) -> None:
        raise RuntimeError(reason)

    def unblocked(self) -> None:
        pass

    def undeliverable(self, address) -> None:
        pass

    def delivered(self, deliveries) -> None:
        pass

    def next_deadline(self) -> float | None:
        return self._due

    def run_due(self, now: float) -> None:
        while self._due is not None and self._due <= now:
            agent_id, queue = self._agents[self._next]
            for body in AGENT_CALLS.encode([AgentHeartbeat(agent_id=agent_id)], MSGPACK):
                self._transport.publish(self._address, body, content_type=MSGPACK, reply_to=queue)
            self.sent += 1
            self._next = (self._next + 1) % len(self._agents)
            self._due += self._gap_s


def serve(options: argparse.Namespace) -> None:
    """Be a crowd, or the sender for the agents listed in a file, until terminated."""
    loop = Loop()
    if options.crowd:
        Crowd(loop, options.broker, options.agents, Resources.parse(RESOURCES), options.crowd).start()
    else:
        agents = msgspec.json.decode(options.send.read_bytes(), type=list[tuple[str, str]])
        Sender(loop, options.broker, agents, options.interval).start()
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    loop.run()


def registered(client: httpx.Client) -> int:
    """How many agents the master has."""
    return int(client.get("/agents", params={"limit": 0}).json()["total"])


def all_agents(client: httpx.Client) -> list[dict]:
    """Every agent as the master tells it."""
    agents: list[dict] = []
    while page := client.get("/agents", params={"limit": 1000, "offset": len(agents)}).json()["items"]:
        agents += page
    return agents


def queue_of(agent: str) -> str:
    """From which queue an agent of an emulator speaks."""
    return topology.agent_queue("guest", agent.rpartition("-")[0]).name


class Steady:
    """CPU shares of master and broker over some seconds."""

    def __init__(self, master_pid: int, broker_pid: int, seconds: float) -> None:
        pids = (master_pid, broker_pid)
        before, began = [cpu_s(pid) for pid in pids], time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - began
        self.master, self.broker = ((cpu_s(pid) - b) / took for pid, b in zip(pids, before, strict=True))


def row(name: str, agents: int, rate: float, steady: Steady) -> list[str]:
    each = f"{steady.master / rate * 1e6:.0f}" if rate else "-"
    return [name, f"{agents:,}", f"{rate:,.0f}", f"{steady.master:.1%}", each, f"{steady.broker:.1%}"]


def measure(broker, agents: int, processes: int, seconds: float, profile: Path | None = None) -> None:
    url, port = broker.url(), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as work, contextlib.ExitStack() as stack:
        arguments = ["mesos_py", "master", "--broker", url, "--work-dir", f"{work}/master", "--log-level", "warning"]
        leader = stack.enter_context(process(*arguments, "--http-port", str(port), profile=profile))
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        wait_until(lambda: registered(client) == 0, 30)
        pids = leader.pid, beam_pid(broker)
        before_mb, nobody = rss_mb(leader.pid), Steady(*pids, min(5.0, seconds))
        before_mb = rss_mb(leader.pid)
        crowds = stack.enter_context(contextlib.ExitStack())
        began, cpu_before = time.perf_counter(), cpu_s(leader.pid)
        for number in range(processes):
            share = agents // processes + (number < agents % processes)
            flags = ("--crowd", f"crowd{number}", "--agents", str(share), "--broker", url)
            crowds.enter_context(process("benchmarks.idle", *flags))
        wait_until(lambda: registered(client) == agents, 300, every_s=0.5)
        all_s, all_cpu_s = time.perf_counter() - began, cpu_s(leader.pid) - cpu_before
        interval_s = max(CORE.heartbeat_s, agents / CORE.heartbeats_per_s)
        time.sleep(interval_s + 5)  # until all have heard how often to show themselves
        together = Steady(*pids, seconds)
        after_mb = rss_mb(leader.pid)
        everybody = [(agent["agent_id"], queue_of(agent["name"])) for agent in all_agents(client)]
        Path(work, "agents").write_bytes(msgspec.json.encode(everybody))
        crowds.close()
        flags = ("--broker", url, "--interval", str(interval_s))
        stack.enter_context(process("benchmarks.idle", "--send", f"{work}/agents", *flags))
        time.sleep(5)
        alone = Steady(*pids, seconds)
        still = sum(bool(agent["connected"]) for agent in all_agents(client))
    head = ["", "agents", "heartbeats/s", "master, of a core", "us per heartbeat", "broker, of a core"]
    rate = agents / interval_s
    rows = [
        row("nobody", 0, 0.0, nobody),
        row("own bodies", agents, rate, alone),
        row("emulators", agents, rate, together),
    ]
    table(f"Idle, {seconds:.0f} s of steady state, one heartbeat every {interval_s:.0f} s", head, rows)
    growth = (after_mb - before_mb) * 1024 / agents
    rows = [
        ["master before, MB", f"{before_mb:.1f}"],
        ["master with all, MB", f"{after_mb:.1f}"],
        ["kB per agent", f"{growth:.1f}"],
        ["s until all were registered (starting the emulators included)", f"{all_s:.1f}"],
        ["of that CPU of the master", f"{all_cpu_s:.1f}"],
        ["us of the master per registration", f"{all_cpu_s / agents * 1e6:.0f}"],
        ["still connected at the end", f"{still:,}"],
    ]
    table("Memory and registration", ["", ""], rows)


def wait_until(true, patience_s: float, every_s: float = 0.1) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(httpx.TransportError, KeyError):
            if true():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience_s:.0f} s")
        time.sleep(every_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--profile", type=Path, help="write the master's profile there (slower)")
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--crowd", help=argparse.SUPPRESS)
    parser.add_argument("--broker", help=argparse.SUPPRESS)
    parser.add_argument("--interval", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send or options.crowd:
        serve(options)
        return
    print(machine())
    with private_broker() as broker:
        measure(broker, options.agents, options.processes, options.seconds, options.profile)


if __name__ == "__main__":
    main()
