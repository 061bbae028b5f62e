"""The agent's decisions: who hears of which event."""

from collections.abc import Iterator
from typing import assert_never

from mesos_py.agent.checkpoint import Record
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.draining import Draining
from mesos_py.agent.effects import AgentEffect
from mesos_py.agent.events import (
    AgentEvent,
    BrokerConnected,
    BrokerLost,
    Checkpointed,
    ContainerEnded,
    ContainerFailed,
    ContainerStarted,
    ExecutorConnected,
    ExecutorDisconnected,
    ExecutorSaid,
    HealthChecked,
    LeaveOrdered,
    MasterSaid,
    OrdersMissed,
    Recovered,
    Ticked,
)
from mesos_py.agent.executors import Executors
from mesos_py.agent.frameworks import Frameworks
from mesos_py.agent.launches import Launches
from mesos_py.agent.leaving import Leaving
from mesos_py.agent.metrics import metrics_of
from mesos_py.agent.outbox import Outbox
from mesos_py.agent.recovering import Recovering
from mesos_py.agent.registration import Registration
from mesos_py.agent.reports import Reports
from mesos_py.agent.snapshot import records_of
from mesos_py.agent.state import AgentState, Executor, Task
from mesos_py.agent.tasks import Tasks
from mesos_py.agent.timers import Timers
from mesos_py.agent.updates import Updates
from mesos_py.agent.views import AgentView, how_it_fares, view_of
from mesos_py.messages.agent import (
    AgentAway,
    AgentRegistered,
    AgentReregistered,
    DrainAgent,
    FrameworkToExecutor,
    KillTask,
    PleaseReregister,
    ReconcileTasks,
    RegistrationRefused,
    RunTasks,
    ShutdownExecutor,
    ShutdownFramework,
    ToAgent,
    UpdateAcknowledged,
)
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.executor import ExecutorCall, ExecutorMessage, ExecutorSubscribe, ExecutorUpdate
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.metrics import Metric

__all__ = ["Agent"]


class Agent:
    """One agent: events in, effects out."""

    def __init__(self, config: AgentCoreConfig, state: AgentState | None = None) -> None:
        """With the ``state`` that ``recover`` gave, it goes on where an earlier process ended: tell it so."""
        self._state = state if state is not None else AgentState(config)
        self._state.recovering = state is not None
        self._out = Outbox()
        self._timers = Timers()
        self._updates = Updates(self._state, self._out)
        self._tasks = Tasks(self._state, self._out, self._timers, self._updates)
        reports = Reports(self._state, self._out, self._updates)
        self._reports = reports
        self._executors = Executors(self._state, self._out, self._timers, self._updates, reports)
        parts = (self._state, self._out, self._updates, self._tasks, self._executors)
        self._launches = Launches(*parts)
        self._frameworks = Frameworks(*parts)
        self._leaving = Leaving(*parts)
        self._draining = Draining(self._state, self._out, self._timers, self._tasks, self._executors)
        self._registration = Registration(self._state, self._out, self._updates)
        self._recovering = Recovering(self._state, self._tasks, self._executors, self._registration, self._leaving)

    def handle(self, event: AgentEvent, now: float) -> list[AgentEffect]:
        """Take in what happened; say what to do."""
        match event:
            case MasterSaid():
                self._master_said(event, now)
            case OrdersMissed():
                self._orders_missed(event.epoch, now)
            case Checkpointed():
                self._out.confirm(event.serial, now)
            case ContainerStarted() | ContainerEnded() | ContainerFailed() | HealthChecked():
                self._container_event(event, now)
            case ExecutorSaid() | ExecutorConnected() | ExecutorDisconnected():
                self._executor_event(event, now)
            case Ticked():
                self._ticked(now)
            case BrokerConnected():
                if not (self._leaving.refused or self._leaving.stopped):
                    self._registration.broker_connected(now)
            case BrokerLost():
                self._registration.broker_lost()
            case Recovered():
                self._recovering.take_in(event.fates, now)
                self._draining.begin(now)
            case LeaveOrdered():
                self._leaving.order(now)
            case _:
                assert_never(event)
        self._go_on(now)
        return self._out.take()

    def _go_on(self, now: float) -> None:
        """What the agent is in the middle of, and this event may have brought further."""
        if self._state.recovering:
            self._recovering.proceed(now)
        elif self._state.drain is not None:
            self._draining.proceed(now)
        if self._state.leaving:
            self._leave(now)

    def next_deadline(self) -> float | None:
        """When to send Ticked if nothing else happens first."""
        return min(
            (
                at
                for at in (
                    self._registration.next_deadline(),
                    self._updates.next_deadline(),
                    self._timers.next_deadline(),
                    self._leaving.next_deadline(),
                )
                if at is not None
            ),
            default=None,
        )

    def recovered_specs(self) -> list[ContainerSpec]:
        """Of the containers that an earlier process may have started; ``Recovered`` says what became of them."""
        return self._recovering.specs()

    def records(self) -> Iterator[Record]:
        """What may be written in place of all that was ever written, whenever no event is being handled."""
        return records_of(self._state)

    @property
    def registered(self) -> bool:
        """The master has us, as far as we know."""
        return self._state.registered

    def farewell(self) -> AgentAway | None:
        """What to send before the process ends, while all it runs goes on; None if nobody would listen."""
        state = self._state
        return AgentAway(agent_id=state.agent_id) if state.registered and state.agent_id is not None else None

    @property
    def state(self) -> AgentState:
        """What it knows; to be read only."""
        return self._state

    def view(self) -> AgentView:
        """A snapshot for the operator."""
        return view_of(self._state)

    def metrics(self) -> list[Metric]:
        """The figures of this moment."""
        return metrics_of(self._state)

    def how_it_fares(self) -> tuple[bool, str]:
        """Whether it is registered, and what it is doing, for people."""
        return how_it_fares(self._state)

    def check(self) -> None:
        """Raise InvariantError if something cannot be."""
        self._state.check()
        self._out.check()
        self._updates.check()

    def _ticked(self, now: float) -> None:
        self._registration.run_due(now)
        self._timers.run_due(now)
        self._updates.run_due(now)

    def _leave(self, now: float) -> None:
        self._leaving.proceed(now)
        if self._leaving.refused or self._leaving.stopped:
            self._registration.stop()

    # The master

    def _orders_missed(self, epoch: int, now: float) -> None:
        """The master shall hear what we have, so that it finds out what we have not."""
        if epoch == self._state.epoch and self._state.registered:
            self._state.count("orders_missed")
            self._registration.asked_to_reregister(now)

    def _master_said(self, event: MasterSaid, now: float) -> None:
        message = event.message
        state = self._state
        epoch = message.master.epoch if isinstance(message, Beacon) else event.epoch
        if epoch < state.epoch or self._leaving.refused or self._leaving.stopped:
            state.count("orders_of_old_masters")
        elif state.recovering and not isinstance(message, Beacon):
            state.count("orders_during_recovery")
        elif isinstance(message, (Beacon, AgentRegistered, RegistrationRefused)):
            self._note_epoch(epoch, now, by_beacon=isinstance(message, Beacon))
            self._standing(message, now)
        elif message.agent_id != state.agent_id:
            state.count("orders_for_others")
        else:
            self._note_epoch(epoch, now)
            self._order(message, now)

    def _note_epoch(self, epoch: int, now: float, *, by_beacon: bool = False) -> None:
        if epoch > self._state.epoch:
            self._registration.new_epoch(epoch, now, by_beacon=by_beacon)

    def _standing(self, message: Beacon | AgentRegistered | RegistrationRefused, now: float) -> None:
        match message:
            case Beacon():
                self._registration.heard_beacon(message, now)
            case AgentRegistered():
                self._registration.registered(message, now)
            case RegistrationRefused():
                mine = message.name == self._state.config.info.name
                if mine and message.agent_id in (None, self._state.agent_id):
                    self._leaving.refuse(message.message, now)
                else:
                    self._state.count("answers_for_others")
            case _:
                assert_never(message)

    def _order(self, message: ToAgent, now: float) -> None:
        match message:
            case UpdateAcknowledged():
                self._updates.acknowledge(message, now)
            case RunTasks():
                self._launches.run(message, now)
            case KillTask():
                self._frameworks.kill(message, now)
            case DrainAgent():
                self._draining.order(message, now)
            case ReconcileTasks():
                self._frameworks.reconcile(message, now)
            case FrameworkToExecutor():
                self._frameworks.forward(message)
            case ShutdownExecutor():
                self._frameworks.shutdown_executor(message, now)
            case ShutdownFramework():
                self._frameworks.shutdown(message.framework_id, now)
            case AgentReregistered():
                self._registration.reregistered(message, now)
            case PleaseReregister():
                self._registration.asked_to_reregister(now)
            case AgentRegistered() | RegistrationRefused() | Beacon():
                raise AssertionError(f"{message!r} is no order")
            case _:
                assert_never(message)

    # Containers and executors

    def _container_event(
        self, event: ContainerStarted | ContainerFailed | ContainerEnded | HealthChecked, now: float
    ) -> None:
        owner = self._state.containers.get(event.container_id)
        if owner is None:
            self._state.count("container_events_ignored")
        elif isinstance(owner, Executor):
            self._of_executor(owner, event, now)
        else:
            self._of_task(owner, event, now)

    def _of_task(
        self, task: Task, event: ContainerStarted | ContainerFailed | ContainerEnded | HealthChecked, now: float
    ) -> None:
        match event:
            case ContainerStarted():
                self._tasks.started(task, event.pid, now)
            case ContainerEnded():
                self._tasks.ended(task, event.exit, now)
            case ContainerFailed():
                self._tasks.failed(task, event.reason, event.message, now)
            case HealthChecked():
                self._tasks.health_checked(task, event.healthy, event.message, now)
            case _:
                assert_never(event)

    def _of_executor(
        self,
        executor: Executor,
        event: ContainerStarted | ContainerFailed | ContainerEnded | HealthChecked,
        now: float,
    ) -> None:
        match event:
            case ContainerStarted():
                self._executors.started(executor, event.pid, now)
            case ContainerEnded():
                self._executors.ended(executor, event.exit, now)
            case ContainerFailed():
                self._executors.failed(executor, event.reason, event.message, now)
            case HealthChecked():
                self._state.count("container_events_ignored")
            case _:
                assert_never(event)

    def _executor_event(self, event: ExecutorSaid | ExecutorConnected | ExecutorDisconnected, now: float) -> None:
        executor = self._state.containers.get(event.container_id)
        if not isinstance(executor, Executor):
            self._state.count("executor_events_ignored")
            return
        match event:
            case ExecutorSaid():
                self._executor_said(executor, event.call, now)
            case ExecutorConnected():
                self._executors.connected(executor, event.updates, now)
            case ExecutorDisconnected():
                self._executors.disconnected(executor)
            case _:
                assert_never(event)

    def _executor_said(self, executor: Executor, call: ExecutorCall, now: float) -> None:
        match call:
            case ExecutorUpdate():
                self._executors.updated(executor, call, now)
            case ExecutorMessage():
                self._reports.message(executor, call.data)
            case ExecutorSubscribe():
                self._executors.connected(executor, call.unacknowledged_updates, now)
            case _:
                assert_never(call)
