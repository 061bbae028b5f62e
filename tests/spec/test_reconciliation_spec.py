"""Mesos's docs/reconciliation.md, sentence by sentence (and src/master/master.cpp where it is silent)."""

import pytest

from mesos_py.master.reconcile import answer_one, answers
from mesos_py.master.registry import AdmitAgent, MarkGone, MarkUnreachable, Registry
from mesos_py.master.state import Agent, Framework, MasterConfig, MasterState, Task
from mesos_py.messages.scheduler import Reconcile, TaskToReconcile
from mesos_py.testing.builders import a_framework, a_master_info, a_status, a_task, an_agent
from mesos_py.types.tasks import Reason, Source, TaskState

NOW = 100.0


@pytest.fixture
def state():
    """An agent that is connected, one that is away, one given up and one declared gone."""
    registry = Registry()
    for operation in (
        AdmitAgent("here", "h"),
        AdmitAgent("away", "h"),
        AdmitAgent("silent", "h"),
        MarkUnreachable("silent", 40.0),
        MarkGone("gone", 50.0),
    ):
        operation.apply(registry)
    state = MasterState(a_master_info(), MasterConfig(), registry)
    agent = state.agents["here"] = Agent("here", an_agent(), "p", "q", 0.0)
    state.connect(agent, "q", agent.info, 0.0)
    return state


@pytest.fixture
def framework(state):
    framework = state.frameworks["F"] = Framework("F", a_framework(), 0.0, history=state.config)
    return framework


@pytest.fixture
def task(state, framework):
    task = framework.tasks["t"] = Task(a_task("t"), "F", "here", "*", None, 0.0)
    state.agents["here"].tasks[task] = None
    return task


def ask(state, framework, task_id, agent_id=None):
    return answer_one(state, framework, TaskToReconcile(task_id=task_id, agent_id=agent_id), NOW)


def test_1_a_known_task_gets_its_latest_state(state, framework, task):
    assert ask(state, framework, "t").state is TaskState.STAGING
    task.status = a_status("t", TaskState.RUNNING, update_id=4, healthy=True)
    task.state = TaskState.FINISHED  # the framework has not heard of it: that would be out of order
    answer = ask(state, framework, "t")
    assert (answer.state, answer.healthy, answer.agent_id) == (TaskState.RUNNING, True, "here")


def test_2_tasks_of_transitioning_agents_get_no_update(state, framework):
    assert ask(state, framework, "x", "away") is None
    state.returning.add("silent")
    assert ask(state, framework, "x", "silent") is None


def test_2_nor_any_unknown_task_while_some_agent_is_transitioning(state, framework):
    assert ask(state, framework, "x") is None
    state.absent.clear()
    assert ask(state, framework, "x").state is TaskState.UNKNOWN


def test_3_an_unknown_task_of_a_registered_agent_is_gone(state, framework):
    assert ask(state, framework, "x", "here").state is TaskState.GONE


def test_4_a_task_of_an_unreachable_agent_is_unreachable_since_then(state, framework):
    answer = ask(state, framework, "x", "silent")
    assert (answer.state, answer.unreachable_time) == (TaskState.UNREACHABLE, 40.0)


def test_4_also_if_the_master_remembers_where_it_was(state, framework):
    framework.unreachable["t"] = task = Task(a_task("t"), "F", "silent", "*", None, 0.0)
    task.state = TaskState.UNREACHABLE
    assert ask(state, framework, "t").unreachable_time == 40.0
    task.state = TaskState.FAILED
    assert ask(state, framework, "t").state is TaskState.FAILED


def test_5_a_task_of_a_gone_agent_is_gone_by_operator(state, framework):
    assert ask(state, framework, "x", "gone").state is TaskState.GONE_BY_OPERATOR


def test_6_all_else_is_unknown(state, framework):
    assert ask(state, framework, "x", "never heard of").state is TaskState.UNKNOWN


def test_answers_come_from_the_master_by_reconciliation_and_need_no_acknowledgement(state, framework, task):
    asked = [("t", None), ("x", "here"), ("x", "silent"), ("x", "gone"), ("x", "nowhere")]
    for task_id, agent_id in asked:
        answer = ask(state, framework, task_id, agent_id)
        assert (answer.source, answer.reason) == (Source.MASTER, Reason.RECONCILIATION)
        assert (answer.update_id, answer.timestamp, answer.task_id) == (None, NOW, task_id)


def test_implicit_is_for_all_that_are_held_also_those_that_have_ended_unacknowledged(state, framework, task):
    other = framework.tasks["u"] = Task(a_task("u"), "F", "here", "*", None, 0.0)
    other.state = TaskState.KILLED
    framework.unreachable["v"] = Task(a_task("v"), "F", "silent", "*", None, 0.0)
    found = answers(state, framework, Reconcile(framework_id="F"), NOW)
    assert [(status.task_id, status.state) for status in found] == [("t", "STAGING"), ("u", "KILLED")]


def test_explicit_answers_only_what_is_asked(state, framework, task):
    wanted = [TaskToReconcile(task_id="x", agent_id="away"), TaskToReconcile(task_id="x", agent_id="here")]
    found = list(answers(state, framework, Reconcile(framework_id="F", tasks=wanted), NOW))
    assert [(status.task_id, status.state) for status in found] == [("x", "GONE")]
