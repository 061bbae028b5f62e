"""A custom executor: the real library's core, and an author's code that runs what it is told to.

It talks to its agent over a socket that keeps the order and breaks with either side.
"""

from typing import TYPE_CHECKING

from mesos_py.agent import events as agent_events
from mesos_py.executor import effects, events
from mesos_py.executor.core import Executor, ExecutorCoreConfig
from mesos_py.messages.executor import ExecutorCall, ExecutorEvent, ExecutorSubscribe
from mesos_py.testing.simulation.broken import PromiseError
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import ContainerID, TaskID
from mesos_py.types.tasks import TaskInfo, TaskState

if TYPE_CHECKING:
    from mesos_py.testing.simulation.agents import AgentProcess
    from mesos_py.testing.simulation.hosts import Host

__all__ = ["ExecutorProcess"]

_LATENCY_S = 0.0005
_KILLING_S = 0.3


class ExecutorProcess:
    """In its container, from its begin to its end."""

    def __init__(self, host: "Host", container_id: ContainerID) -> None:
        """Not started yet."""
        self.host = host
        self.container_id = container_id
        self.core = Executor(ExecutorCoreConfig(token=container_id))
        self.running: dict[TaskID, TaskInfo] = {}
        self.framework_id = ""
        self._cluster = host.cluster
        self._agent: AgentProcess | None = None
        """At the other end of the open socket."""
        self._ended = False
        self._wake_at = float("inf")

    def start(self) -> None:
        """Its command runs."""
        self._handle(events.Started())

    def stop(self) -> None:
        """Its container has ended."""
        self._ended = True
        self.disconnect()

    def disconnect(self) -> None:
        """The socket breaks, and both sides see it."""
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.sockets.pop(self.container_id, None)
            agent.put(agent_events.ExecutorDisconnected(self.container_id))
            self._cluster.timeline.after(_LATENCY_S, self._handle, events.Disconnected())

    # The core

    def _handle(self, event: events.Event) -> None:
        if self._ended:
            return
        cluster = self._cluster
        now = self.host.clock.show(cluster.timeline.now)
        cluster.handled += 1
        cluster.story.append((cluster.timeline.now, self.container_id, event))
        try:
            wanted = self.core.handle(event, now)
        except Exception as error:
            raise PromiseError("8 nothing stops a daemon", f"{self.container_id}: {error!r}") from error
        for effect in wanted:
            self._perform(effect)
        self._plan()

    def _plan(self) -> None:
        due = self.core.next_deadline()
        if due is not None and not self._ended:
            at = max(self.host.clock.when(due), self._cluster.timeline.now + 0.001)
            if at < self._wake_at:
                self._wake_at = at
                self._cluster.timeline.at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        if at == self._wake_at and not self._ended:
            self._wake_at = float("inf")
            self._handle(events.Ticked())

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Connect():
                self._cluster.timeline.after(_LATENCY_S, self._connect)
            case effects.SendToAgent():
                self._cluster.timeline.after(_LATENCY_S, self._reach_agent, self._agent, effect.call)
            case effects.CallLaunch():
                self._launch(effect.task)
            case effects.CallLaunchGroup():
                for task in effect.tasks:
                    self._launch(task)
            case effects.CallKill():
                self._cluster.timeline.after(_KILLING_S, self._end_task, effect.task_id, TaskState.KILLED)
            case effects.CallShutdown():
                for task_id in list(self.running):
                    self._cluster.timeline.after(_KILLING_S, self._end_task, task_id, TaskState.KILLED)
            case effects.ExitNow():
                exit_ = ContainerExit(exit_code=0)
                self._cluster.timeline.after(0.0, self.host.end, self.container_id, exit_)
            case effects.CallSubscribed():
                self.framework_id = effect.subscribed.framework_id

    # The socket

    def _connect(self) -> None:
        agent = self.host.agent
        if self._ended:
            return
        if not agent.alive or self._agent is not None:
            self._handle(events.Disconnected())
            return
        self._agent = agent
        agent.sockets[self.container_id] = self
        self._handle(events.Connected())

    def _reach_agent(self, agent: "AgentProcess | None", call: ExecutorCall) -> None:
        if agent is None or not agent.alive or self._ended:
            return
        if isinstance(call, ExecutorSubscribe):
            agent.put(agent_events.ExecutorConnected(self.container_id, call.unacknowledged_updates))
        else:
            agent.put(agent_events.ExecutorSaid(self.container_id, call))

    def agent_said(self, agent: "AgentProcess", event: ExecutorEvent) -> None:
        """It has arrived, unless the socket has broken meanwhile."""
        if self._agent is agent:
            self._handle(events.AgentSaid(event))

    def agent_died(self) -> None:
        """The socket breaks."""
        self._agent = None
        self._cluster.timeline.after(_LATENCY_S, self._handle, events.Disconnected())

    # The author's code

    def _launch(self, task: TaskInfo) -> None:
        self.host.task_begins(self.framework_id, task.task_id)
        self.running[task.task_id] = task
        behaviour = self.host.behaviour_of(task.task_id)
        after = self._cluster.timeline.after
        after(behaviour.starts_in_s, self._report, task.task_id, TaskState.RUNNING)
        if behaviour.runs_s is not None:
            state = TaskState.FAILED if behaviour.exit_code else TaskState.FINISHED
            after(behaviour.starts_in_s + behaviour.runs_s, self._end_task, task.task_id, state)

    def _report(self, task_id: TaskID, state: TaskState) -> None:
        if task_id in self.running and not self._ended:
            self._handle(events.UserUpdated(task_id=task_id, state=state))

    def _end_task(self, task_id: TaskID, state: TaskState) -> None:
        if task_id in self.running and not self._ended:
            del self.running[task_id]
            self._handle(events.UserUpdated(task_id=task_id, state=state))
