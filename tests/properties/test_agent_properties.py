"""An agent between a careless master, a slow disk, a broker that comes and goes, and containers that do as they like.

It dies at any time and goes on from what is on the disk, which may be more than it knows of. Whatever happens in
whatever order: a task starts at most once and only when that is written down, its updates come one after the other
until acknowledged, and in the end every task has ended and its framework knows it.
"""

from hypothesis import HealthCheck as Suppress
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from mesos_py.agent.events import (
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
    Ticked,
)
from mesos_py.messages.agent import (
    AgentRegistered,
    AgentReregistered,
    DrainAgent,
    KillTask,
    PleaseReregister,
    ReconcileTasks,
    RunTasks,
    ShutdownExecutor,
    ShutdownFramework,
    UpdateAcknowledged,
)
from mesos_py.messages.executor import ExecutorUpdate
from mesos_py.types.containers import ContainerExit
from mesos_py.types.infos import FrameworkInfo
from mesos_py.types.offers import Launch, LaunchGroup
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import (
    TERMINAL,
    CommandInfo,
    ExecutorInfo,
    KillPolicy,
    Reason,
    TaskInfo,
    TaskState,
)
from tests.properties.agent_world import AGENT, ASKED, CHECK, FRAMEWORKS, NOT_STARTED, OVER, UP, AgentWorld
from tests.unit.agent.rig import a_beacon


class World(AgentWorld):
    # The broker and the master

    @initialize()
    def register(self):
        self.do(BrokerConnected()) if self.set_connected(True) else None
        self.say(a_beacon(self.epoch))
        self.say(AgentRegistered(name="n", agent_id=AGENT))
        self.named = 1
        self.confirm_all()

    def confirm_all(self):
        self.durable = self.written
        self.do(Checkpointed(self.durable))

    def set_connected(self, connected):
        self.connected = connected
        return True

    @precondition(lambda self: self.connected)
    @rule()
    def lose_broker(self):
        self.do(BrokerLost())
        self.connected = False

    @precondition(lambda self: not self.connected)
    @rule()
    def find_broker(self):
        self.connected = True
        self.do(BrokerConnected())

    @precondition(lambda self: self.connected)
    @rule(answer=st.booleans())
    def answer_registration(self, answer):
        if self.asked and answer:
            self.asked = False
            self.welcome()

    def welcome(self):
        self.say(AgentReregistered(agent_id=AGENT))
        for framework_id in self.removed:
            self.say(ShutdownFramework(agent_id=AGENT, framework_id=framework_id))

    @precondition(lambda self: self.connected)
    @rule(old=st.integers(0, 2))
    def beacon(self, old):
        self.say(a_beacon(max(0, self.epoch - old)))

    @precondition(lambda self: self.connected)
    @rule()
    def new_leader(self):
        self.epoch += 1
        self.sequence = 0
        self.say(a_beacon(self.epoch))

    @precondition(lambda self: self.connected)
    @rule()
    def please_reregister(self):
        self.say(PleaseReregister(agent_id=AGENT))

    # Launching

    def order(self, framework_id, operation):
        self.sequence += 1
        message = RunTasks(
            agent_id=AGENT,
            sequence=self.sequence,
            framework_id=framework_id,
            framework=FrameworkInfo(name="f"),
            role="r",
            operations=[operation],
        )
        self.orders.append((self.epoch, message))
        self.say(message)

    def new_task(self, framework_id, **fields):
        task_id = f"t{len(self.launched)}"
        self.launched.append((framework_id, task_id))
        return TaskInfo(task_id=task_id, resources=Resources.of(cpus=1, mem=10), **fields)

    @precondition(lambda self: self.connected)
    @rule(
        framework_id=st.sampled_from(FRAMEWORKS),
        count=st.integers(1, 3),
        group=st.booleans(),
        health=st.booleans(),
        limit=st.sampled_from([None, 5.0]),
        command=st.sampled_from(["true", ""]),
    )
    def launch(self, framework_id, count, group, health, limit, command):
        if framework_id in self.removed:
            return
        infos = [
            self.new_task(
                framework_id,
                command=CommandInfo(value=command),
                health_check=CHECK if health else None,
                max_completion_time_s=limit,
            )
            for _ in range(count)
        ]
        self.order(framework_id, LaunchGroup(tasks=infos) if group else Launch(tasks=infos))

    @precondition(lambda self: self.connected)
    @rule(
        framework_id=st.sampled_from(FRAMEWORKS),
        count=st.integers(1, 2),
        group=st.booleans(),
        executor_id=st.sampled_from(["e1", "e2"]),
    )
    def launch_on_executor(self, framework_id, count, group, executor_id):
        if framework_id in self.removed:
            return
        executor = ExecutorInfo(
            executor_id=executor_id, command=CommandInfo(value="e"), resources=Resources.of(cpus=0.5)
        )
        infos = [self.new_task(framework_id, executor=executor) for _ in range(count)]
        operation = LaunchGroup(tasks=infos, executor=executor) if group else Launch(tasks=infos)
        self.order(framework_id, operation)

    @precondition(lambda self: self.connected and self.orders)
    @rule(data=st.data(), fresh=st.booleans())
    def replay(self, data, fresh):
        """A doubled, late or misdirected order; or one that names a task again under a new sequence number."""
        epoch, message = data.draw(st.sampled_from(self.orders))
        tasks = [(message.framework_id, task.task_id) for task in message.operations[0].tasks]
        if fresh and not any(self.is_settled(key) for key in tasks):
            self.order(message.framework_id, message.operations[0])
        else:
            self.say(message, epoch)

    def is_settled(self, key):
        """An id may be used again once the framework has acknowledged its end."""
        heard = self.heard.get(key, [])
        return key[0] in self.removed or (heard and heard[-1].state in TERMINAL)

    # Killing

    @precondition(lambda self: self.connected and self.launched)
    @rule(data=st.data(), grace=st.sampled_from([None, 0.0, 1.0, 50.0]))
    def kill(self, data, grace):
        framework_id, task_id = data.draw(st.sampled_from(self.launched))
        policy = None if grace is None else KillPolicy(grace_period_s=grace)
        self.say(KillTask(agent_id=AGENT, framework_id=framework_id, task_id=task_id, kill_policy=policy))

    @precondition(lambda self: self.connected)
    @rule(
        grace=st.sampled_from([None, 0.0, 1.0]),
        deadline=st.sampled_from([None, None, 0.0, 5.0]),
        gone=st.booleans(),
        again=st.booleans(),
    )
    def drain(self, grace, deadline, gone, again):
        self.sequence += 1
        wishes = {"max_grace_period_s": grace, "deadline_s": deadline, "mark_gone": gone}
        order = DrainAgent(agent_id=AGENT, sequence=self.sequence, **wishes)
        for _ in range(1 + again):
            self.say(order)

    @precondition(lambda self: self.connected)
    @rule(framework_id=st.sampled_from(FRAMEWORKS), executor_id=st.sampled_from(["e1", "e2"]))
    def shutdown_executor(self, framework_id, executor_id):
        self.say(ShutdownExecutor(agent_id=AGENT, framework_id=framework_id, executor_id=executor_id))

    @precondition(lambda self: self.connected and len(self.launched) > 6 and not self.removed)
    @rule()
    def shutdown_framework(self):
        self.removed.add(FRAMEWORKS[1])
        self.say(ShutdownFramework(agent_id=AGENT, framework_id=FRAMEWORKS[1]))

    @precondition(lambda self: self.connected and self.launched)
    @rule(data=st.data())
    def reconcile(self, data):
        framework_id, task_id = data.draw(st.sampled_from(self.launched))
        self.say(ReconcileTasks(agent_id=AGENT, framework_id=framework_id, task_ids=[task_id, "unheard-of"]))

    # Acknowledging

    def unacknowledged(self):
        return [key for key, heard in self.heard.items() if len(heard) > self.acked.get(key, 0)]

    @precondition(lambda self: self.connected and self.heard)
    @rule(data=st.data(), wrong=st.sampled_from([0, 0, 0, -1, 1]))
    def acknowledge(self, data, wrong):
        key = data.draw(st.sampled_from(sorted(self.heard)))
        update_id = min(self.acked.get(key, 0) + 1, len(self.heard[key])) + wrong
        if update_id <= len(self.heard[key]) or not self.crashes:  # one not heard of may be known from before
            self.ack(key, update_id)

    def ack(self, key, update_id):
        if 0 < update_id <= len(self.heard[key]) and self.acked.get(key, 0) == update_id - 1 and (
            key[0] not in self.removed
        ):  # fmt: skip
            self.acked[key] = update_id
        self.say(UpdateAcknowledged(agent_id=AGENT, framework_id=key[0], task_id=key[1], update_id=update_id))

    # Containers

    def living(self, *stages):
        return [container_id for container_id, (stage, _) in self.containers.items() if stage in stages]

    @precondition(lambda self: self.living(ASKED))
    @rule(data=st.data(), works=st.sampled_from([True, True, True, False]))
    def container_prepared(self, data, works):
        container_id = data.draw(st.sampled_from(self.living(ASKED)))
        if works:
            self.containers[container_id][0] = UP
            self.has.setdefault(container_id, {})
            self.do(ContainerStarted(container_id, 1))
        else:
            self.over(container_id)
            self.do(ContainerFailed(container_id, Reason.CONTAINER_LAUNCH_FAILED, "no"))

    @precondition(lambda self: self.living(UP))
    @rule(data=st.data(), code=st.sampled_from([0, 1, None]))
    def container_ends(self, data, code):
        container_id = data.draw(st.sampled_from(self.living(UP)))
        exit_ = ContainerExit(exit_code=code, signal=9 if code is None else None)
        self.over(container_id, exit_)
        self.do(ContainerEnded(container_id, exit_))

    def over(self, container_id, exit_=NOT_STARTED):
        self.containers[container_id][0] = OVER
        self.exits[container_id] = exit_
        self.sessions.discard(container_id)

    @precondition(lambda self: self.checking)
    @rule(healthy=st.booleans())
    def check_answered(self, healthy):
        self.do(HealthChecked(self.checking.pop(0), healthy, "seen"))

    # Executors

    def executors(self):
        return [c for c in self.living(UP) if self.containers[c][1].executor_id is not None]

    @precondition(lambda self: self.executors())
    @rule(data=st.data(), repeat=st.booleans())
    def executor_connects_or_goes(self, data, repeat):
        container_id = data.draw(st.sampled_from(self.executors()))
        if container_id in self.sessions:
            self.sessions.discard(container_id)
            self.do(ExecutorDisconnected(container_id))
            return
        self.sessions.add(container_id)
        said = [
            ExecutorUpdate(task_id=task_id, state=state, number=number - 1)
            for task_id, (state, number) in self.has[container_id].items()
            if number and repeat
        ]
        self.do(ExecutorConnected(container_id, said))

    @precondition(lambda self: any(self.has.get(c) for c in self.sessions))
    @rule(
        data=st.data(),
        state=st.sampled_from([TaskState.RUNNING, TaskState.FINISHED, TaskState.STAGING, TaskState.KILLED]),
    )
    def executor_reports(self, data, state):
        container_id = data.draw(st.sampled_from(sorted(c for c in self.sessions if self.has.get(c))))
        tasks = self.has[container_id]
        task_id = data.draw(st.sampled_from(sorted(tasks)))
        known = tasks[task_id]
        update = ExecutorUpdate(task_id=task_id, state=state, number=known[1])
        if state is not TaskState.STAGING and known[0] not in TERMINAL:
            known[0] = state
            known[1] += 1
        self.do(ExecutorSaid(container_id, update))

    # Time

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 70.0, 700.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.tick()

    @rule()
    def until_the_deadline(self):
        due = self.agent.next_deadline()
        if due is not None:
            self.now = max(self.now, due)
            self.tick()

    def tick(self):
        self.do(Ticked())
        due = self.agent.next_deadline()
        assert due is None or due > self.now

    @invariant()
    def nothing_is_due_without_a_broker_but_the_agents_own_work(self):
        if not self.connected:
            assert self.agent._updates.next_deadline() is None
            assert self.agent._registration.next_deadline() is None

    # In the end all is well

    def teardown(self):
        for container_id in self.living(ASKED):
            self.over(container_id)
            self.do(ContainerFailed(container_id, Reason.CONTAINER_LAUNCH_FAILED, "no"))
        for _ in range(3):
            self.confirm_all()
            for container_id in self.living(ASKED, UP):
                stage = self.containers[container_id][0]
                self.over(container_id)
                if stage == ASKED:
                    self.do(ContainerStarted(container_id, 1))
                self.do(ContainerEnded(container_id, ContainerExit(exit_code=0)))
        self.connected = True
        self.do(BrokerConnected())
        self.say(a_beacon(self.epoch))
        self.welcome()
        for _ in range(50):
            self.confirm_all()
            for key in self.unacknowledged():
                self.ack(key, self.acked.get(key, 0) + 1)
        view = self.agent.view()
        assert view.frameworks == []
        assert view.used == Resources()
        for key in self.launched:
            if key[0] in self.removed:
                continue
            if key not in self.heard and self.crashes:  # the master asks for it, and hears that it is not there
                assert not self.starts.get(key)
                assert key not in self.delivered
            elif key in self.serials:
                states = [status.state for status in self.heard[key]]
                assert states[-1] in TERMINAL, f"{key} never ended: {states}"
        assert self.agent._updates.next_deadline() is None
        assert self.agent._timers.next_deadline() is None


TestAgent = World.TestCase
TestAgent.settings = settings(max_examples=60, stateful_step_count=60, suppress_health_check=list(Suppress))
