"""Who is alive: shows everybody that we are, and finds out who is not.

Agents learn from the beacon how often to show themselves: less often in a large cluster, so that their heartbeats do
not drown the master; and over how long to spread when they come back, for the same reason. While we are cut off from
the broker, silence proves nothing; and when many fall silent at once, the fault is more likely in between: they are
offered no more, but given up only slowly (promise 9).

Nor does silence prove anything while we do not hear ourselves. So before we look who is silent we send an **echo** to
our own inboxes, and look when it comes: all that was there before it has been heard by then. If it comes late, or not
at all, a connection hangs that nobody has given up yet, or the inbox is flooded, or the broker is stuck.
"""

from mesos_py.master.agents import AgentDesk
from mesos_py.master.desk import Desk
from mesos_py.master.effects import Announce, SendEcho
from mesos_py.master.frameworks import FrameworkDesk
from mesos_py.messages.agent import PleaseReregister
from mesos_py.messages.beacon import Beacon
from mesos_py.types.tasks import TaskState

__all__ = ["LivenessDesk"]


class LivenessDesk:
    """Owns beacons, heartbeats and our own connection."""

    def __init__(self, desk: Desk, agents: AgentDesk, frameworks: FrameworkDesk) -> None:
        """One per master."""
        self._desk = desk
        self._state = desk.state
        self._agents = agents
        self._frameworks = frameworks
        config = desk.state.config
        self._removals = _Allowance(config.removal_burst, config.removals_per_s)
        self._interval_s = config.heartbeat_s
        """The agents' heartbeat interval, as announced last."""
        self._slowest_s = config.heartbeat_s
        """That by which some agents may still go, which have not heard the last beacon yet."""
        self._agents_due: float | None = None
        self._frameworks_due: float | None = None
        self._lost_at: float | None = None
        self._agents_may_be_silent = False
        """Whether it is time to look which agents are."""

    def next_deadline(self) -> float | None:
        """When to show ourselves next; None before the first connection."""
        if self._agents_due is None or self._frameworks_due is None:
            return None
        return min(self._agents_due, self._frameworks_due)

    def run_due(self, now: float) -> None:
        """Show ourselves, and look who is silent."""
        if self._frameworks_due is not None and self._frameworks_due <= now:
            self._frameworks_due = now + self._state.config.heartbeat_s
            self._frameworks.show_life()
            self._desk.ask(SendEcho(now))
        if self._agents_due is not None and self._agents_due <= now:
            self._announce(now)
            self._agents_may_be_silent = True

    def connected(self, now: float) -> None:
        """Silence until now proves nothing: everybody gets a fresh start."""
        state = self._state
        state.cut_off = False
        state.connected_since = now
        state.patient_until = now + state.config.missed_heartbeats * state.config.heartbeat_s
        self._begin_afresh(now)
        self._frameworks.be_patient(0.0 if self._lost_at is None else now - self._lost_at, now)
        self._lost_at = None
        self._ask_about_launches()
        self._frameworks_due = now + state.config.heartbeat_s
        self._announce(now)

    def lost(self, now: float) -> None:
        """We hear nobody and nobody hears us."""
        self._state.cut_off = True
        if self._lost_at is None:
            self._lost_at = now

    def heard_echo(self, inbox: str, sent: float, now: float) -> None:
        """What others send comes too, as late as this: whoever is silent now is."""
        state = self._state
        state.inbox_lag_s[inbox] = now - sent
        if now - sent >= state.config.heartbeat_s:
            state.counters["late_echoes"] += 1
            self._begin_afresh(now)  # what others have sent may be as late, and still on its way
        elif state.cut_off:
            pass  # it was sent before
        elif inbox == "framework":
            self._frameworks.check_silence(now)
        elif self._agents_may_be_silent:
            self._agents_may_be_silent = False
            self._agents.check_silence(now, state.config.missed_heartbeats * self._slowest_s, self._removals.take)

    def beacon(self) -> Beacon:
        """Our sign of life."""
        state = self._state
        spread_s = len(state.registry.admitted) / state.config.returns_per_s
        return Beacon(master=state.info, heartbeat_s=self._interval_s, interval_s=self._interval_s, spread_s=spread_s)

    def _begin_afresh(self, now: float) -> None:
        """Silence counts from now."""
        state = self._state
        for agent in state.agents.values():
            agent.heard = now
        state.absent = dict.fromkeys(state.absent, now)
        for framework in state.frameworks.values():
            framework.heard = now

    def _announce(self, now: float) -> None:
        """Say how often to show oneself. It may double at once, but only halve: a beacon may be missed."""
        config = self._state.config
        wanted = max(config.heartbeat_s, len(self._state.registry.admitted) / config.heartbeats_per_s)
        before = self._interval_s
        self._interval_s = max(wanted, before / 2)
        self._slowest_s = max(self._interval_s, before)
        self._agents_due = now + self._interval_s
        self._desk.ask(Announce(self.beacon()))

    def _ask_about_launches(self) -> None:
        """What we sent last may be lost: agents of whose tasks we have heard nothing yet are to say what they have."""
        for agent in self._state.agents.values():
            if agent.connected and any(task.state is TaskState.STAGING for task in agent.tasks):
                self._desk.order(agent, PleaseReregister(agent_id=agent.agent_id))


class _Allowance:
    """A number at once, then so many per second."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._counted = 0.0

    def take(self, now: float) -> bool:
        """Use up one, if there is one."""
        self._left = min(float(self._burst), self._left + (now - self._counted) * self._per_s)
        self._counted = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
