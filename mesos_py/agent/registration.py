"""Finds the leader, registers with it, stays in touch, and obeys nobody of an older epoch.

::

    no broker ──BrokerConnected──▶ seeking ──Beacon──▶ registering ──AgentRegistered, AgentReregistered──▶ registered
        ▲                           ▲  asks for a         ▲ │ repeats with                                   │ │ │
        │ BrokerLost, from anywhere │  beacon             │ └─ back-off                                     │ │ │
        └                           └──── silence ────────┼─────────────────────────────────────────────────┘ │ │
                                                          ├──── PleaseReregister ─────────────────────────────┘ │
                                                          └──── beacon of another master ───────────────────────┘
"""

from typing import Final

from mesos_py.agent.checkpoint import AgentNamed, SequenceSeen
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.state import AgentState, Framework, Task
from mesos_py.agent.updates import Updates
from mesos_py.messages.agent import (
    AgentHeartbeat,
    AgentRegistered,
    AgentReregistered,
    AskForBeacon,
    ExecutorRecord,
    FrameworkRecord,
    RegisterAgent,
    ReregisterAgent,
)
from mesos_py.messages.beacon import Beacon
from mesos_py.types.tasks import TaskRecord

__all__ = ["Registration"]

_PATIENCE: Final = 4.0
"""So many times the spread an answer may take."""


class Registration:
    """The agent's standing with the master."""

    def __init__(self, state: AgentState, out: Outbox, updates: Updates) -> None:
        self._state = state
        self._out = out
        self._updates = updates
        self.beacon: Beacon | None = None
        """The leader's last, until it counts as lost."""
        self._heartbeat_s = 15.0
        self._attempts = 0
        self._ask_at: float | None = None
        self._register_at: float | None = None
        self._heartbeat_at: float | None = None
        self._silent_at: float | None = None

    # The broker

    def broker_connected(self, now: float) -> None:
        """Messages can be sent: (re-)register, or find out with whom."""
        self._state.connected = True
        self._unregister()
        if self.beacon is None:
            self._seek(now)
        else:
            self._hear(self.beacon, now)
            self._begin(now)

    def recovered(self, now: float) -> None:
        """It is known what runs here: now the master may know too."""
        if self._state.connected and self.beacon is not None:
            self._begin(now)

    def broker_lost(self) -> None:
        """Nothing can be sent."""
        self._state.connected = False
        self._unregister()
        self._ask_at = self._silent_at = None

    # The master

    def new_epoch(self, epoch: int, now: float, *, by_beacon: bool) -> None:
        """A newer leader has spoken: the old one is nobody. Unless it was ``by_beacon``, its beacon is asked for."""
        state = self._state
        state.epoch = epoch
        state.sequence = -1
        state.master_id = None
        self._out.record(SequenceSeen(epoch=epoch, sequence=-1))
        self._unregister()
        if not by_beacon:
            self._seek(now)

    def heard_beacon(self, beacon: Beacon, now: float) -> None:
        """The leader lives."""
        state = self._state
        if state.master_id is not None and state.master_id != beacon.master.master_id:
            # The same epoch, so nobody elects masters here: this one was restarted and counts from the beginning.
            state.sequence = -1
            self._out.record(SequenceSeen(epoch=state.epoch, sequence=-1, master_id=beacon.master.master_id))
            self._unregister()
        elif state.master_id is None and state.sequence >= 0:
            master_id = beacon.master.master_id  # whose orders were obeyed already
            self._out.record(SequenceSeen(epoch=state.epoch, sequence=state.sequence, master_id=master_id))
        state.master_id = beacon.master.master_id
        self._hear(beacon, now)
        if state.connected and not state.registered and self._register_at is None:
            self._begin(now)

    def registered(self, answer: AgentRegistered, now: float) -> None:
        """The master has admitted this agent."""
        state = self._state
        if answer.name != state.config.info.name or state.agent_id not in (None, answer.agent_id):
            state.count("answers_for_others")
            return
        if state.agent_id is None:
            state.agent_id = answer.agent_id
            self._out.record(AgentNamed(agent_id=answer.agent_id))
        self._welcome(now)

    def reregistered(self, _answer: AgentReregistered, now: float) -> None:
        """The master has this agent back."""
        self._welcome(now)

    def asked_to_reregister(self, now: float) -> None:
        """The master has lost sight of this agent; an attempt under way goes on as planned."""
        if self._register_at is None:
            self._unregister()
            self._attempts = 0
            self._register(now)

    # Time

    def next_deadline(self) -> float | None:
        """When to ask, register, send a heartbeat, or give the master up."""
        return min(
            (at for at in (self._heartbeat_at, self._silent_at, self._register_at, self._ask_at) if at is not None),
            default=None,
        )

    def run_due(self, now: float) -> None:
        """Do what is due."""
        if self._silent_at is not None and self._silent_at <= now:
            self._silent_at = None
            self.beacon = None
            self._unregister()
            self._seek(now)
        if self._ask_at is not None and self._ask_at <= now:
            self._ask(now)
        if self._register_at is not None and self._register_at <= now:
            self._register(now)
        if self._heartbeat_at is not None and self._heartbeat_at <= now:
            assert self._state.agent_id is not None
            executors = sum(len(framework.executors) for framework in self._state.frameworks.values())
            self._out.to_master(AgentHeartbeat(agent_id=self._state.agent_id, executors=executors))
            self._heartbeat_at = now + self._heartbeat_s

    def stop(self) -> None:
        """Say nothing any more."""
        self._unregister()
        self._ask_at = self._silent_at = None

    # Steps

    def _hear(self, beacon: Beacon, now: float) -> None:
        self.beacon = beacon
        self._heartbeat_s = max(0.001, beacon.heartbeat_s)
        self._ask_at = None
        self._silent_at = now + self._state.config.master_timeout_factor * max(0.001, beacon.interval_s)
        if self._heartbeat_at is not None:
            self._heartbeat_at = min(self._heartbeat_at, now + self._heartbeat_s)

    def _seek(self, now: float) -> None:
        self.beacon = None
        self._attempts = 0
        self._silent_at = None
        if self._state.connected:
            self._ask(now)

    def _ask(self, now: float) -> None:
        self._out.to_master(AskForBeacon())
        self._attempts += 1
        self._ask_at = now + self._wait()

    def _begin(self, now: float) -> None:
        """Register after a random moment, for thousands of agents have heard the same beacon."""
        if self._state.recovering:
            return
        self._attempts = 0
        config = self._state.config
        spread_s = config.registration_backoff_s if self._state.agent_id is None else self._spread_s
        self._register_at = now + config.jitter * spread_s
        if self._register_at <= now:
            self._register(now)

    @property
    def _spread_s(self) -> float:
        """Over how long the agents of this cluster come back; no beacon makes us wait longer than any other attempt."""
        spread_s = 0.0 if self.beacon is None else self.beacon.spread_s
        return max(0.0, min(spread_s, self._state.config.registration_backoff_cap_s))

    def _register(self, now: float) -> None:
        state = self._state
        info = state.config.info
        if state.agent_id is None:
            self._out.to_master(RegisterAgent(agent=info))
        else:
            self._out.to_master(
                ReregisterAgent(
                    agent_id=state.agent_id,
                    agent=info,
                    frameworks=[_framework_record(framework) for framework in state.frameworks.values()],
                    executors=[
                        ExecutorRecord(framework_id=f.framework_id, executor=executor.info, role=executor.role)
                        for f in state.frameworks.values()
                        for executor in f.executors.values()
                    ],
                )
            )
        self._attempts += 1
        self._register_at = now + self._wait()

    def _wait(self) -> float:
        config = self._state.config
        growth = 2.0 ** min(self._attempts - 1, 64)
        # a master slower than it hoped still has most of us before it: to repeat what it has yet to read would drown it
        first_s = max(config.registration_backoff_s, _PATIENCE * self._spread_s)
        wait = min(config.registration_backoff_cap_s, first_s * growth)
        return wait * (1.0 - config.jitter / 2)

    def _welcome(self, now: float) -> None:
        state = self._state
        if state.registered or not state.connected:
            return
        state.registered = True
        self._register_at = None
        self._attempts = 0
        # The first one comes early by a random part, so that agents that registered together do not beat together.
        self._heartbeat_at = now + self._heartbeat_s * (1.0 - state.config.jitter)
        self._updates.resume(now)

    def _unregister(self) -> None:
        self._register_at = None
        self._heartbeat_at = None
        self._state.registered = False
        self._updates.pause()


def _framework_record(framework: Framework) -> FrameworkRecord:
    return FrameworkRecord(
        framework_id=framework.framework_id,
        framework=framework.info,
        tasks=[_task_record(task) for task in framework.tasks.values()],
    )


def _task_record(task: Task) -> TaskRecord:
    head = task.updates[0] if task.updates else None
    sent = head is not None and head.update_id is not None and head.update_id <= task.sent_id
    return TaskRecord(
        task=task.info,
        role=task.role,
        state=task.state,
        status_state=task.status_state,
        update_id=head.update_id if head is not None and sent else None,
        container_id=task.container_id,
        executor_id=task.executor.info.executor_id if task.executor is not None else None,
    )
