"""Sentences about the master's core that need more than one look."""

import pytest
from msgspec.structs import replace

from mesos_py.allocator.base import AllocatorConfig
from mesos_py.master import effects, events
from mesos_py.master.registry import AdmitAgent, MarkUnreachable, Registry, TakeDown
from mesos_py.master.state import MasterConfig
from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.testing.builders import a_framework, a_master, a_status, a_task, an_agent, an_executor
from mesos_py.types.infos import OfferFilter
from mesos_py.types.maintenance import Window
from mesos_py.types.offers import Launch
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import TaskInfo, TaskRecord, TaskState


class World:
    """A master with a registry that answers at once, unless it is told not to."""

    def __init__(self, config=None, registry=None):
        self.now = 0.0
        self.hears_itself = True
        self.registry_answers = True
        self.master = a_master(config, AllocatorConfig(), registry)
        self.handle(events.BrokerConnected())

    def handle(self, event):
        done = self.master.handle(event, self.now)
        for effect in done:
            if isinstance(effect, effects.Persist) and self.registry_answers:
                done = done + self.handle(events.RegistryWritten(effect.serial))
            if isinstance(effect, effects.SendEcho) and self.hears_itself:
                for inbox in ("framework", "agent"):
                    done = done + self.handle(events.EchoHeard(inbox, effect.sent))
        self.master.check()
        return done

    def tick(self, now):
        self.now = now
        return self.handle(events.Ticked())

    def framework(self, call, queue="web", principal="u"):
        return [e.event for e in self.handle(events.FrameworkSaid(principal, queue, True, call)) if hasattr(e, "event")]

    def agent(self, message, queue="a", principal="p"):
        return [e.message for e in self.handle(events.AgentSaid(principal, queue, message)) if hasattr(e, "message")]

    def subscribe(self, **fields):
        fields.setdefault("failover_timeout_s", 1000.0)
        self.framework(calls.Subscribe(framework=a_framework("web", **fields)))

    def launch(self, *tasks):
        [(offer, _)] = self.master.state.offers.values()
        return self.framework(
            calls.Accept(
                framework_id="M-F1",
                offer_ids=[offer.offer_id],
                operations=[Launch(tasks=list(tasks))],
                refuse_seconds=0,
            )
        )


@pytest.fixture
def world():
    """One agent, one framework, one offer."""
    world = World()
    world.agent(agents.RegisterAgent(agent=an_agent("a")))
    world.subscribe()
    world.tick(1.0)
    return world


def test_nothing_is_offered_and_nobody_is_timed_before_the_first_connection():
    master = a_master()
    assert master.next_deadline() is None
    assert master.handle(events.Ticked(), 5.0) == []


def test_agents_are_not_sent_the_filters_of_a_framework():
    world = World()
    world.subscribe(filters={"*": OfferFilter(hosts=["a"])})
    for name in ("a", "b"):
        world.agent(agents.RegisterAgent(agent=an_agent(name)), queue=name)
    world.tick(1.0)
    [(offer, _)] = world.master.state.offers.values()
    accept = calls.Accept(framework_id="M-F1", offer_ids=[offer.offer_id], operations=[Launch(tasks=[a_task("t")])])
    [order] = [e.message for e in world.handle(events.FrameworkSaid("u", "web", True, accept))]
    assert (offer.hostname, order.framework.name, order.framework.filters) == ("a", "web", {})


def test_launches_are_numbered_over_all_agents_and_through_their_absence(world):
    world.launch(a_task("t1", "cpus:1"))
    back = agents.ReregisterAgent(agent_id="M-A1", agent=an_agent("a"))
    for now in (100.0, 200.0):
        world.tick(now)
        world.framework(calls.SchedulerHeartbeat(framework_id="M-F1"))
    assert "M-A1" not in world.master.state.agents
    world.agent(back)
    world.framework(calls.Subscribe(framework=a_framework(), framework_id="M-F1"))
    world.tick(201.0)
    [(offer, _)] = world.master.state.offers.values()
    accept = calls.Accept(
        framework_id="M-F1", offer_ids=[offer.offer_id], operations=[Launch(tasks=[a_task("t2", "cpus:1")])]
    )
    [order] = [e.message for e in world.handle(events.FrameworkSaid("u", "web", True, accept))]
    assert order.sequence == 2


def test_nobody_returns_as_an_agent_of_another_principal():
    registry = Registry()
    AdmitAgent("old-A1", "h", "me").apply(registry)
    AdmitAgent("old-A2", "h", "me").apply(registry)
    MarkUnreachable("old-A2", 0.0).apply(registry)
    world = World(registry=registry)
    for agent_id in ("old-A1", "old-A2"):
        message = agents.ReregisterAgent(agent_id=agent_id, agent=an_agent("a"))
        assert world.agent(message, principal="thief") == []
        assert agent_id not in world.master.state.agents
        assert isinstance(world.agent(message, principal="me")[0], agents.AgentReregistered)


def test_nobody_returns_as_an_agent_that_is_just_being_admitted():
    """Nobody knows yet whose it is, and it has run nothing."""
    master = World().master

    def say(queue, message):
        return master.handle(events.AgentSaid(queue, queue, message), 0.0)

    [written] = say("a", agents.RegisterAgent(agent=an_agent("a")))
    assert say("thief", agents.ReregisterAgent(agent_id="M-A1", agent=an_agent("thief"))) == []
    [answer] = master.handle(events.RegistryWritten(written.serial), 0.0)
    assert answer.queue == "a"
    say("a", agents.UnregisterAgent(agent_id="M-A1"))
    master.check()


def test_an_agent_that_leaves_while_its_return_is_written_has_left():
    master = World().master

    def say(message):
        return master.handle(events.AgentSaid("p", "a", message), 0.0)

    [first] = say(agents.RegisterAgent(agent=an_agent("a")))
    master.handle(events.RegistryWritten(first.serial), 0.0)
    moved = replace(an_agent("a"), hostname="elsewhere")
    [back] = say(agents.ReregisterAgent(agent_id="M-A1", agent=moved))
    assert back.operation == AdmitAgent("M-A1", "elsewhere", "p")
    [left] = say(agents.UnregisterAgent(agent_id="M-A1"))
    assert master.handle(events.RegistryWritten(back.serial), 0.0) == []
    master.check()
    master.handle(events.RegistryWritten(left.serial), 0.0)
    master.check()
    assert not master.state.agents
    assert not master.state.registry.admitted


def test_an_agent_id_that_was_not_given_out_is_refused(world):
    for agent_id in ("M-A2", "M-Ax", "M-A-1", "../A1"):
        [answer] = world.agent(agents.ReregisterAgent(agent_id=agent_id, agent=an_agent("b")), queue="b")
        assert isinstance(answer, agents.RegistrationRefused)


def test_one_process_speaks_for_many_agents_and_all_go_with_its_queue():
    world = World()
    for name in "abc":
        world.agent(agents.RegisterAgent(agent=an_agent(name)), queue="process")
    world.agent(agents.RegisterAgent(agent=an_agent("d")), queue="other")
    world.handle(events.QueueGone("process"))
    assert [a.connected for a in world.master.state.agents.values()] == [False, False, False, True]


def test_an_agent_that_registers_in_place_of_another_puts_it_out(world):
    world.agent(agents.ReregisterAgent(agent_id="old-A5", agent=an_agent("a")))
    assert not world.master.state.agents["M-A1"].connected
    assert world.master.state.agents["old-A5"].connected


def test_a_failover_timeout_does_not_run_while_we_are_cut_off(world):
    world.handle(events.QueueGone("web"))
    due = world.master.state.frameworks["M-F1"].removal_due
    world.now = 100.0
    world.handle(events.BrokerLost())
    world.now = 5000.0
    world.handle(events.BrokerConnected())
    assert world.master.state.frameworks["M-F1"].removal_due == due + 4900.0


def test_a_framework_due_for_removal_may_still_come_back_from_the_queue_of_another():
    world = World()
    world.framework(calls.Subscribe(framework=a_framework(failover_timeout_s=10.0)), queue="one")
    world.framework(calls.Subscribe(framework=a_framework(failover_timeout_s=10.0)), queue="two")
    world.now = 100.0
    world.handle(events.QueueGone("one"))
    world.now = 200.0
    [subscribed] = world.framework(calls.Subscribe(framework=a_framework(), framework_id="M-F1"), queue="two")
    assert subscribed.framework_id == "M-F1"


def test_a_removed_framework_is_known_as_such_when_it_is_forgotten():
    world = World(MasterConfig(max_completed_frameworks=1))
    for _ in range(3):
        world.subscribe()
        framework_id = world.master.state.framework_ids["web"]
        world.framework(calls.Teardown(framework_id=framework_id))
    assert list(world.master.state.completed) == ["M-F3"]
    [error] = world.framework(calls.Subscribe(framework=a_framework(), framework_id="M-F1"))
    assert error.reason is calls.ErrorReason.FRAMEWORK_REMOVED
    world.agent(agents.RegisterAgent(agent=an_agent("a")))
    status = agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=a_status())
    assert world.agent(status) == [agents.ShutdownFramework(agent_id="M-A1", framework_id="M-F1")]


def test_a_framework_removed_while_its_agent_is_away_is_shut_down_there_later(world):
    world.launch(a_task("t1", "cpus:1", executor=an_executor("e", "cpus:1")))
    world.handle(events.QueueGone("a"))
    assert world.framework(calls.Teardown(framework_id="M-F1")) == []
    task = TaskRecord(task=a_task("t1", "cpus:1"), role="*", state=TaskState.RUNNING, status_state=TaskState.RUNNING)
    record = agents.FrameworkRecord(framework_id="M-F1", framework=a_framework(), tasks=[task])
    said = world.agent(agents.ReregisterAgent(agent_id="M-A1", agent=an_agent("a"), frameworks=[record]))
    assert said[1:] == [agents.ShutdownFramework(agent_id="M-A1", framework_id="M-F1")]
    assert world.master.state.agents["M-A1"].used() == {}


def test_an_executor_is_freed_once_whatever_comes_twice(world):
    executor = an_executor("e", "cpus:1")
    world.launch(a_task("t1", "cpus:1", executor=executor))
    exited = agents.ExecutorExited(agent_id="M-A1", framework_id="M-F1", executor_id="e", status=0)
    world.agent(exited)
    world.agent(exited)
    assert world.master.state.agents["M-A1"].used() == {("M-F1", "*"): Resources.of(cpus=1)}
    world.agent(agents.ReregisterAgent(agent_id="M-A1", agent=an_agent("a")))
    world.agent(exited)


def test_an_executor_on_its_way_stays_charged_through_a_re_registration(world):
    world.launch(a_task("t1", "cpus:1", executor=an_executor("e", "cpus:1")))
    world.agent(agents.ReregisterAgent(agent_id="M-A1", agent=an_agent("a")))
    assert world.master.state.agents["M-A1"].used() == {("M-F1", "*"): Resources.of(cpus=2)}
    status = a_status("t1", TaskState.DROPPED, agent_id="M-A1")
    world.agent(agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=status))
    assert world.master.state.agents["M-A1"].used() == {}


def test_an_executor_that_was_seen_is_not_freed_by_a_dropped_task(world):
    executor = an_executor("e", "cpus:1")
    world.launch(a_task("t1", "cpus:1", executor=executor), a_task("t2", "cpus:1", executor=executor))
    for task_id, state in (("t1", TaskState.RUNNING), ("t1", TaskState.FINISHED), ("t2", TaskState.DROPPED)):
        status = a_status(task_id, state, agent_id="M-A1")
        world.agent(agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=status))
    assert world.master.state.agents["M-A1"].used() == {("M-F1", "*"): Resources.of(cpus=1)}


def test_history_keeps_nothing_that_only_programs_read(world):
    executor = an_executor("e", data=b"big", labels={"a": "label"})
    world.launch(a_task("t1", "cpus:1", data=b"big", labels={"a": "label"}, name="one", executor=executor))
    status = a_status("t1", TaskState.FINISHED, data=b"bytes", labels={"a": "label"}, agent_id="M-A1")
    [update] = [e.event for e in world.handle(events.AgentSaid("p", "a", agents.StatusUpdate(
        agent_id="M-A1", framework_id="M-F1", status=status)))]  # fmt: skip
    assert (update.status.data, update.status.labels) == (b"bytes", {"a": "label"})
    [ended] = world.master.state.frameworks["M-F1"].completed
    assert ended.info == TaskInfo(task_id="t1", name="one", resources=Resources.of(cpus=1))
    assert (ended.status.data, ended.status.labels, ended.executor_id) == (b"", {}, "e")


def test_a_status_names_the_agent_it_comes_from(world):
    world.launch(a_task("t1", "cpus:1"))
    status = a_status("t1", agent_id="somewhere else")
    [update] = [e.event for e in world.handle(events.AgentSaid("p", "a", agents.StatusUpdate(
        agent_id="M-A1", framework_id="M-F1", status=status)))]  # fmt: skip
    assert update.status.agent_id == "M-A1"


def test_intervals_shrink_slowly_so_that_a_missed_beacon_costs_no_agent():
    world = World(MasterConfig(heartbeats_per_s=0.05, removals_per_s=100))
    for number in range(8):
        world.agent(agents.RegisterAgent(agent=an_agent(f"a{number}")), queue=f"q{number}")
    told = [effect.beacon for effect in world.tick(15.0) if isinstance(effect, effects.Announce)]
    assert [beacon.heartbeat_s for beacon in told] == [160.0]
    for number in range(7):
        leave = agents.UnregisterAgent(agent_id=f"M-A{number + 1}")
        world.handle(events.AgentSaid("p", f"q{number}", leave))
    intervals = []
    while len(intervals) < 4:
        world.agent(agents.AgentHeartbeat(agent_id="M-A8"), queue="q7")
        told = world.tick(world.master.next_deadline())
        intervals += [effect.beacon.heartbeat_s for effect in told if isinstance(effect, effects.Announce)]
    assert intervals == [80.0, 40.0, 20.0, 20.0]


def test_a_refusal_does_not_quote_a_stranger_at_length():
    world = World()
    [error] = world.framework(calls.Teardown(framework_id="x" * 10**6))
    assert len(error.message) <= 1000


def test_a_launch_that_never_arrived_is_found_out_by_reconciliation(world):
    world.launch(a_task("t"))
    for tasks in ([], [calls.TaskToReconcile(task_id="t"), calls.TaskToReconcile(task_id="unknown")]):
        done = world.handle(events.FrameworkSaid("u", "web", True, calls.Reconcile(framework_id="M-F1", tasks=tasks)))
        [question] = [effect.message for effect in done if isinstance(effect, effects.SendToAgent)]
        assert question == agents.ReconcileTasks(agent_id="M-A1", framework_id="M-F1", task_ids=["t"])
    world.agent(agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=a_status("t", TaskState.STARTING)))
    done = world.handle(events.FrameworkSaid("u", "web", True, calls.Reconcile(framework_id="M-F1")))
    assert not [effect for effect in done if isinstance(effect, effects.SendToAgent)]


def test_nothing_lives_after_its_end(world):
    """Its framework would be told of the end, and the agent be charged for ever."""
    world.launch(a_task("t"))
    ended = a_status("t", TaskState.FINISHED, update_id=1)
    update = agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=ended, latest_state=TaskState.RUNNING)
    assert world.handle(events.AgentSaid("p", "a", update)) == []
    assert world.master.state.counters["invalid_status_updates"] == 1
    assert world.master.state.frameworks["M-F1"].tasks["t"].state is TaskState.STAGING


def test_an_end_known_only_by_the_latest_state_is_told_when_its_agent_is_lost(world):
    world.launch(a_task("t"))
    running = a_status("t", TaskState.RUNNING, update_id=1, container_id="C1")
    world.agent(
        agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=running, latest_state=TaskState.FINISHED)
    )
    told = []
    for now in range(2, 300, 10):
        told += [e.event.status for e in world.tick(now) if isinstance(getattr(e, "event", None), calls.Update)]
        world.framework(calls.SchedulerHeartbeat(framework_id="M-F1"))
    assert [(status.state, status.container_id) for status in told] == [(TaskState.FINISHED, "C1")]
    wanted = [calls.TaskToReconcile(task_id="t")]
    [answer] = world.framework(calls.Reconcile(framework_id="M-F1", tasks=wanted))
    assert answer.status.state is TaskState.FINISHED


def test_an_ended_task_whose_acknowledgement_crossed_a_late_report_is_not_kept(world):
    """The report was under way while the last update was acknowledged: the agent is asked, and has no such task."""
    world.subscribe()
    [welcome] = world.agent(agents.RegisterAgent(agent=an_agent()))
    world.tick(1.0)
    world.launch(a_task())
    status = a_status(state=TaskState.FINISHED, update_id=1, agent_id="M-A1")
    world.agent(agents.StatusUpdate(agent_id=welcome.agent_id, framework_id="M-F1", status=status))
    world.framework(calls.Acknowledge(framework_id="M-F1", agent_id="M-A1", task_id="t", update_id=1))
    framework = world.master.state.frameworks["M-F1"]
    assert not framework.tasks
    record = TaskRecord(task=a_task(), role="*", state=TaskState.FINISHED, status_state=TaskState.FINISHED, update_id=1)
    frameworks = [agents.FrameworkRecord(framework_id="M-F1", framework=framework.info, tasks=[record])]
    orders = world.agent(agents.ReregisterAgent(agent_id="M-A1", agent=an_agent(), frameworks=frameworks, executors=[]))
    question = agents.ReconcileTasks(agent_id="M-A1", framework_id="M-F1", task_ids=["t"])
    assert question in orders
    assert world.agent(agents.AgentHeartbeat(agent_id="M-A1")) == [question]  # the first one may be lost
    answer = a_status(state=TaskState.FINISHED, agent_id="M-A1")
    world.agent(agents.StatusUpdate(agent_id="M-A1", framework_id="M-F1", status=answer))
    assert not framework.tasks


def test_an_agent_that_falls_silent_while_its_machine_is_taken_down_is_sent_away_once(world):
    def persisted(done):
        return [effect for effect in done if isinstance(effect, effects.Persist)]

    window = Window(hosts=["a"], start=100.0)
    world.handle(events.OperatorSaid(1, events.OperatorSetSchedule([window])))
    world.handle(events.QueueGone("a"))
    world.registry_answers = False
    writing = persisted(world.handle(events.OperatorSaid(2, events.OperatorTakeDown(["a"]))))
    for now in (40.0, 80.0, 120.0):
        world.framework(calls.SchedulerHeartbeat(framework_id="M-F1"))
        writing += persisted(world.tick(now))
    assert [type(each.operation) for each in writing] == [TakeDown, MarkUnreachable]
    told = [effect for each in writing for effect in world.handle(events.RegistryWritten(each.serial))]
    assert sum(isinstance(getattr(effect, "event", None), calls.Failure) for effect in told) == 1
    state = world.master.state
    assert (state.agents, state.registry.unreachable, state.registry.principals) == ({}, {}, {})
    assert state.counters["agents_unreachable"] == 0


# Whether we hear ourselves


def silent_for(world, seconds):
    """Nobody says anything, and the master looks as often as it wants to."""
    end = world.now + seconds
    while (due := world.master.next_deadline()) is not None and due <= end:
        world.tick(max(due, world.now))
    world.now = end


def who_is_connected(world):
    return [who.connected for who in (*world.master.state.agents.values(), *world.master.state.frameworks.values())]


def test_the_silent_are_noticed_when_we_hear_ourselves(world):
    silent_for(world, 100.0)
    assert not any(who_is_connected(world))


def test_nobody_is_silent_while_we_do_not_hear_ourselves(world):
    world.hears_itself = False
    silent_for(world, 1000.0)
    assert who_is_connected(world) == [True, True]


def test_a_late_echo_proves_nothing_and_the_silent_get_their_time_anew(world):
    world.hears_itself = False
    silent_for(world, 1000.0)
    for inbox in ("framework", "agent"):
        world.handle(events.EchoHeard(inbox, world.now - 100.0))
    world.hears_itself = True
    silent_for(world, 60.0)
    assert who_is_connected(world) == [True, True]
    assert world.master.state.inbox_lag_s["agent"] < 1.0
    silent_for(world, 40.0)
    assert not any(who_is_connected(world))


def test_each_inbox_speaks_for_its_senders_only(world):
    world.hears_itself = False
    world.master.handle(events.Ticked(), world.now)
    for _ in range(10):
        world.tick(world.now + 15.0)
        world.handle(events.EchoHeard("framework", world.now))
    assert who_is_connected(world) == [True, False]


def test_what_is_held_while_suspended_is_bounded_for_each_framework(world):
    world.handle(events.LeadershipSuspended())
    tasks = [a_task(f"t{number}", "cpus:1") for number in range(900)]
    accept = calls.Accept(framework_id="M-F1", offer_ids=["O1"], operations=[Launch(tasks=tasks)])
    answers = [world.framework(accept) for _ in range(4)]
    assert answers[:2] == [[], []]
    assert all("too much to remember" in error.message for (error,) in answers[2:])
