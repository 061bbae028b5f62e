"""An agent process: the core, joined to broker, containers, executors and journal."""

import random
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesos_py import __version__
from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.adapters.detection import detect_hostname, detect_resources
from mesos_py.agent import effects, events
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.agent.events import AgentEvent, MasterSaid, Ticked
from mesos_py.agent.recovery import ERRORS
from mesos_py.agent.views import AgentView
from mesos_py.daemons.agent_parts import Parts, process_parts
from mesos_py.daemons.agent_state import Compaction, encode_record, load_state
from mesos_py.daemons.broker import BrokerListener
from mesos_py.daemons.config import AgentConfig
from mesos_py.daemons.gate import Gate
from mesos_py.daemons.isolation import gpus_of, is_posix, isolation_states
from mesos_py.daemons.service import Reread, logged, private_dir, run, story_file, watcher
from mesos_py.errors import ConfigError, UserError
from mesos_py.messages.codec import AGENT_CALLS, AGENT_ORDERS, MSGPACK, Malformed
from mesos_py.messages.executor import ExecutorCall, ExecutorUpdate
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.gaps import Gaps
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.mailbox import Mailbox
from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address, Delivery
from mesos_py.runtime.story import Story
from mesos_py.types.attributes import Attributes, parse_attributes
from mesos_py.types.containers import ContainerExit, ContainerLives, ContainerSpec, ContainerUsage, NeverBegan
from mesos_py.types.ids import ContainerID, Role
from mesos_py.types.infos import AgentInfo
from mesos_py.types.tasks import Reason
from mesos_py.web.agent import make_agent_app
from mesos_py.web.reader import Reader
from mesos_py.web.server import WebServer

__all__ = ["AgentDaemon", "agent_info", "main"]


def main(config: AgentConfig, reread: Reread | None = None) -> int:
    """Run an agent until it is told to stop; gives the exit code."""
    return run(config, lambda loop: AgentDaemon(config, loop), {signal.SIGUSR1: AgentDaemon.leave}, reread)


def agent_info(config: AgentConfig, url: str) -> AgentInfo:
    """What the agent says of itself; what the configuration leaves open is detected. Raises ConfigError."""
    hostname = config.hostname or detect_hostname()
    try:
        return AgentInfo(
            name=config.name or hostname,
            hostname=hostname,
            resources=detect_resources(
                config.resources,
                Path(config.work_dir),
                default_role=Role(config.default_role),
                gpus=len(gpus_of(config)),
            ),
            attributes=_attributes(config),
            url=url,
            version=__version__,
        )
    except UserError as error:
        raise ConfigError(str(error)) from None


def _attributes(config: AgentConfig) -> Attributes:
    """As configured; and frameworks can refuse an agent that does not wall its tasks off from each other."""
    attributes = parse_attributes(config.attributes)
    if is_posix(isolation_states(config)):
        attributes = {"isolation": "posix", **attributes}
    return attributes


class AgentDaemon:
    """One agent, living in a loop. It listens to the broker, to its containers and to its executors."""

    def __init__(
        self,
        config: AgentConfig,
        loop: Loop,
        make_parts: "Callable[[AgentConfig, Loop, AgentDaemon], Parts] | None" = None,
        jitter: float | None = None,
        tasks_outlive: bool = True,
    ) -> None:
        """Take the port, look at the machine, and read what an earlier process left. Raises ConfigError.

        ``make_parts`` gives other containers than real processes. ``jitter`` in [0, 1) spreads the agents of a cluster
        in time; at random unless given. Unless ``tasks_outlive`` the tasks end with the agent, however it is stopped.
        """
        self._tasks_outlive = tasks_outlive
        self.failure = ""
        self._config = config
        self._loop = loop
        self._directory = private_dir(config.work_dir, 0o711)
        info = agent_info(config, config.advertise_url)
        self._transport = connect(config.broker, loop, name=f"mesos agent {info.name}")
        self._gate = Gate(config)
        self._web = self._make_web()
        self._info = msgspec.structs.replace(info, url=info.url or self._web.bind())
        incarnation = f"{int(loop.clock() * 1000):x}{secrets.token_hex(2)}"
        core_config = self._core_config(incarnation, jitter)
        self._log = get_log(role="agent", agent=core_config.info.name)
        self._broker = BrokerListener(loop, self._log, self)
        self._orders = logged(loop, self._log, well=True)
        self._gaps = Gaps()
        try:
            self._parts = (make_parts or process_parts)(config, loop, self)
        except ConfigError:
            self._web.stop()
            raise
        self._compaction = Compaction()
        self.core = self._recovered_core(core_config)
        self._story = Story(self.core.check if config.paranoid else None)
        self._mailbox: Mailbox[AgentEvent, effects.AgentEffect] = Mailbox(
            loop,
            self.core,
            self._perform,
            Ticked(),
            watcher(self._story, role="agent", agent=core_config.info.name),
        )
        self._queue = topology.agent_queue(self._transport.principal, incarnation)
        self._to_master = Outbox(self._transport, AGENT_CALLS.encode, reply_to=self._queue.name)
        address = topology.master_address("agent", self._transport.principal)
        self._master = Receiver(address, MSGPACK, numbered=True)
        self._specs: dict[ContainerID, ContainerSpec] = {}
        self._on_stopped: Callable[[], None] | None = None
        self._closed = False
        self._performers = self._who_performs()

    def _make_web(self) -> WebServer:
        app = make_agent_app(
            Reader(self._loop),
            self._view,
            str(self._directory.absolute()),
            self._usage,
            self._gate.access,
            condition=self.condition,
            authenticate=self._gate.authenticate,
            why_not_read=self._gate.why_not_read,
            figures=lambda: self.core.metrics(),  # noqa: PLW0108 - there is no core yet
        )
        return WebServer(app, self._config.http_host, self._config.http_port, self._gate.tls)

    def _core_config(self, incarnation: str, jitter: float | None) -> AgentCoreConfig:
        config = self._config
        return AgentCoreConfig(
            info=self._info,
            work_dir=str(self._directory.absolute()),
            incarnation=incarnation,
            jitter=random.random() if jitter is None else jitter,  # noqa: S311 - only spreads the agents
            executor_registration_timeout_s=config.executor_registration_timeout_s,
            executor_reregistration_timeout_s=config.executor_reregistration_timeout_s,
            cleanup=config.recover == "cleanup",
        )

    def _who_performs(self) -> dict[type, Callable[[Any], None]]:
        return {
            effects.SendToMaster: lambda effect: self._to_master.put(self._master, effect.message),
            effects.StartContainer: lambda effect: self._start_container(effect.spec),
            effects.SignalContainer: lambda effect: self._parts.containers.signal(effect.container_id, effect.signal),
            effects.DestroyContainer: lambda effect: self._parts.containers.destroy(effect.container_id),
            effects.ForgetContainer: lambda effect: self._parts.containers.forget(effect.container_id),
            effects.UpdateContainer: lambda effect: self._parts.containers.update(
                effect.container_id, effect.resources, effect.limits
            ),
            effects.SendToExecutor: self._send_to_executor,
            effects.CheckHealth: self._check_health,
            effects.Checkpoint: self._checkpoint,
            effects.StopAgent: self._stop_agent,
        }

    def _view(self) -> AgentView:
        return self.core.view()  # which is not there yet when the HTTP API is made

    def _usage(self) -> list[ContainerUsage]:
        return self._parts.containers.usage()

    # Life

    def start(self) -> None:
        """Connect, and register when the broker is reached."""
        self._log.info("starting", resources=str(self._info.resources), work_dir=str(self._directory))
        self._recover_containers()
        self._web.start()
        self._mailbox.start()
        self._loop.at_turn_end(self._end_turn)
        self._transport.subscribe(self._queue)
        self._transport.start(self._broker)

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Go, and let run what runs: the next process on this work directory takes it over."""
        if not self._tasks_outlive:
            self.leave(on_stopped)
        elif not self._closed:
            self._log.info("leaving the tasks alone", containers=len(self._specs))
            self._mailbox.stop()
            if (farewell := self.core.farewell()) is not None:
                self._to_master.put(self._master, farewell)
            self._close(on_stopped)

    def leave(self, on_stopped: Callable[[], None]) -> None:
        """Kill what runs, leave the cluster, and go."""
        self._on_stopped = on_stopped
        self._mailbox.put(events.LeaveOrdered())

    def condition(self) -> Condition:
        """Part of Daemon."""
        is_registered, text = self.core.how_it_fares()
        trouble = self._broker.trouble
        return Condition(is_registered and not trouble, ": ".join(filter(None, (text, trouble))))

    def reload(self, config: AgentConfig) -> None:
        """Part of Daemon."""
        self._gate.reload(config)

    def abandon(self) -> None:
        """Give back what was taken; for one that is never started."""
        self._parts.close()
        self._web.stop()

    def last_words(self) -> None:
        """Leave the story of what broke."""
        file = story_file(self._directory, "agent")
        self._story.dump(file)
        self._log.error("story written", file=str(file))

    def _stop_agent(self, effect: effects.StopAgent) -> None:
        """The core is done: nothing runs any more."""
        self.failure = effect.error or self.failure
        self._loop.post(self._mailbox.stop)
        self._close(self._on_stopped or self._loop.stop)

    def _close(self, on_closed: Callable[[], None]) -> None:
        self._closed = True
        self._to_master.publish()
        self._transport.flush()
        self._loop.not_at_turn_end(self._end_turn)
        self._parts.close()
        self._web.stop()
        self._transport.stop(on_closed)

    # What an earlier process left

    def _recovered_core(self, core_config: AgentCoreConfig) -> Agent:
        """Raises ConfigError; then everything that was taken is given back."""
        config = self._config
        try:
            state = load_state(
                self._parts.journal,
                core_config,
                policy=config.reconfiguration_policy,
                strict=config.strict,
                url_varies=config.http_port == 0 and not config.advertise_url,
            )
        except ConfigError:
            self.abandon()
            raise
        if lost := state.counters.get(ERRORS):
            self._log.warning("the journal had records that could not be used", count=lost)
        core = Agent(core_config, state)
        self._write_anew(core)
        return core

    def _recover_containers(self) -> None:
        """Find out what became of them. Raises ConfigError."""
        specs = self.core.recovered_specs()
        for spec in specs:
            self._specs[spec.container_id] = self._with_entry(spec)
        try:
            fates = self._parts.containers.recover(list(self._specs.values()))
        except OSError as error:
            raise ConfigError(f"cannot find out what became of the containers: {error.strerror}") from None
        if specs:
            kinds = Counter(type(fates.get(spec.container_id)) for spec in specs)
            self._log.info(
                "recovered", live=kinds[ContainerLives], ended=kinds[ContainerExit], never_began=kinds[NeverBegan]
            )
        self._mailbox.put(events.Recovered(fates))

    def _write_anew(self, core: Agent) -> None:
        records = [encode_record(record) for record in core.records()]
        self._parts.journal.rewrite(records)
        self._compaction.written(sum(map(len, records)))

    # From the broker

    def reach(self, *, reached: bool) -> None:
        """Part of Served."""
        if reached:
            self._gaps.forget()
        self._mailbox.put(events.BrokerConnected() if reached else events.BrokerLost())

    def undeliverable(self, address: Address) -> None:
        """Part of Served: we ask for no returns."""

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """Part of Served."""
        for delivery in deliveries:
            if self._gaps.missed(delivery.epoch, delivery.number):
                self._miss(delivery.epoch)
            for message in AGENT_ORDERS.decode(delivery.body, delivery.content_type):
                if isinstance(message, Malformed):
                    self._log.warning("message refused", why=message.reason, type=message.type)
                else:
                    self._mailbox.put(MasterSaid(delivery.epoch, message))

    def _miss(self, epoch: int) -> None:
        if self.core.registered:  # else it is on its way to tell the master what it has
            self._orders.bad("orders are lost", "more came than this agent could read, or the master lost the broker")
            self._orders.good("no more orders are lost", at_once=False)
            self._mailbox.put(events.OrdersMissed(epoch))

    # From containers (ContainerListener)

    def container_started(self, container_id: ContainerID, pid: int) -> None:
        """Part of ContainerListener."""
        self._mailbox.put(events.ContainerStarted(container_id, pid))

    def container_failed(self, container_id: ContainerID, reason: Reason, message: str) -> None:
        """Part of ContainerListener."""
        self._forget(container_id)
        self._mailbox.put(events.ContainerFailed(container_id, reason, message))

    def container_ended(self, container_id: ContainerID, exit_: ContainerExit) -> None:
        """Part of ContainerListener."""
        self._forget(container_id)
        self._mailbox.put(events.ContainerEnded(container_id, exit_))

    def _forget(self, container_id: ContainerID) -> None:
        spec = self._specs.pop(container_id, None)
        if spec is not None and spec.executor_id is not None:
            self._parts.executors.forget(container_id)

    # From executors (ExecutorListener)

    def executor_connected(self, container_id: ContainerID, updates: Sequence[ExecutorUpdate]) -> None:
        """Part of ExecutorListener."""
        self._mailbox.put(events.ExecutorConnected(container_id, list(updates)))

    def executor_said(self, container_id: ContainerID, calls: Sequence[ExecutorCall]) -> None:
        """Part of ExecutorListener."""
        for call in calls:
            self._mailbox.put(events.ExecutorSaid(container_id, call))

    def executor_disconnected(self, container_id: ContainerID) -> None:
        """Part of ExecutorListener."""
        self._mailbox.put(events.ExecutorDisconnected(container_id))

    # From the journal

    def checkpointed(self, serial: int) -> None:
        """Every record up to this one is durable."""
        self._mailbox.put(events.Checkpointed(serial))

    def journal_failed(self, why: str) -> None:
        """Nothing can be promised any more without a disk; what runs does not need it."""
        self.failure = f"checkpoints cannot be written: {why}"
        self._log.error("checkpoints cannot be written", why=why)
        self.stop(self._on_stopped or self._loop.stop)

    # Effects

    def _perform(self, effect: effects.AgentEffect) -> None:
        self._performers[type(effect)](effect)

    def _start_container(self, spec: ContainerSpec) -> None:
        spec = self._specs[spec.container_id] = self._with_entry(spec)
        self._parts.containers.start(spec)

    def _with_entry(self, spec: ContainerSpec) -> ContainerSpec:
        """A custom executor's with what lets it into the socket."""
        if spec.executor_id is None:
            return spec
        entry = self._parts.executors.environment(spec.container_id)
        return msgspec.structs.replace(spec, environment={**spec.environment, **entry})

    def _send_to_executor(self, effect: effects.SendToExecutor) -> None:
        self._parts.executors.send(effect.container_id, effect.event)  # one that is away is told when it is back

    def _check_health(self, effect: effects.CheckHealth) -> None:
        container_id = effect.container_id
        if (spec := self._specs.get(container_id)) is None:
            return  # it has ended; so the core is being told

        def answer(healthy: bool, message: str) -> None:
            self._mailbox.put(events.HealthChecked(container_id, healthy, message))

        self._parts.health.check(container_id, effect.health_check, spec, answer)

    def _checkpoint(self, effect: effects.Checkpoint) -> None:
        record = encode_record(effect.record)
        self._parts.journal.append(effect.serial, record)
        self._compaction.appended(len(record))

    def _end_turn(self) -> None:
        self._to_master.publish()
        self._transport.flush()
        if self._compaction.is_due():
            self._write_anew(self.core)
