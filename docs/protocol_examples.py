"""One example of every message, made from the real types: docs/protocol.md shows them, and they cannot go stale.

They tell one story: the framework ``render`` (``M7-F1``) runs a frame and a custom executor on agent ``M7-A3``.
"""

from typing import Any

from mesos_py.messages import agent, executor, scheduler
from mesos_py.messages.beacon import Beacon
from mesos_py.types.ids import AgentID, ContainerID, ExecutorID, FrameworkID, MasterID, OfferID, Principal, Role, TaskID
from mesos_py.types.infos import (
    AgentInfo,
    AttributeConstraint,
    Demand,
    FrameworkInfo,
    MasterInfo,
    OfferFilter,
    Operator,
)
from mesos_py.types.maintenance import Unavailability
from mesos_py.types.offers import InverseOffer, Launch, Offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import (
    URI,
    CommandInfo,
    ExecutorInfo,
    HealthCheck,
    KillPolicy,
    Reason,
    Source,
    TaskInfo,
    TaskRecord,
    TaskState,
    TaskStatus,
)

__all__ = ["EXAMPLES"]

FRAMEWORK_ID = FrameworkID("M7-F1")
AGENT_ID = AgentID("M7-A3")
OFFER_ID = OfferID("M7-O42")
INVERSE_OFFER_ID = OfferID("M7-I3")
TASK_ID = TaskID("frame-17")
EXECUTOR_ID = ExecutorID("painter")
CONTAINER_ID = ContainerID("c-9")
ROLE = Role("media/render")

MASTER = MasterInfo(master_id=MasterID("M7"), epoch=7, url="http://m1.example.org:5050", version="1.0.0")
BEACON = Beacon(master=MASTER, heartbeat_s=15.0, interval_s=15.0)

FRAMEWORK = FrameworkInfo(
    name="render",
    roles=[ROLE],
    user="media",
    failover_timeout_s=3600.0,
    filters={
        ROLE: OfferFilter(
            constraints=[AttributeConstraint(attribute="zone", operator=Operator.EQUALS, value="west")],
            least=Resources.of(cpus=1, mem=512),
        )
    },
)
KNOWN_FRAMEWORK = FrameworkInfo(
    name="render", roles=[ROLE], user="media", failover_timeout_s=3600.0, principal=Principal("render")
)
AGENT = AgentInfo(
    name="node-12",
    hostname="node-12.example.org",
    resources=Resources.parse("cpus:16;mem:65536;disk:500000;ports:[31000-32000]"),
    attributes={"zone": "west", "rack": "b4"},
)
EXECUTOR = ExecutorInfo(
    executor_id=EXECUTOR_ID, command=CommandInfo(argv=["/opt/render/painter"]), resources=Resources.of(cpus=0.1, mem=64)
)
TASK = TaskInfo(
    task_id=TASK_ID,
    name="frame 17",
    resources=Resources.parse("cpus:1.5;mem:512;ports:[31000-31000]"),
    command=CommandInfo(
        value="./paint --frame 17 --port $PORT0",
        uris=[URI(value="http://files.example.org/paint.tar.gz")],
    ),
    health_check=HealthCheck(http_port=31000, http_path="/health"),
)
PAINTED = TaskInfo(
    task_id=TaskID("frame-18"), resources=Resources.of(cpus=1, mem=256), executor=EXECUTOR, data=b"frame=18"
)
RUNNING = TaskStatus(
    task_id=TASK_ID,
    state=TaskState.RUNNING,
    source=Source.EXECUTOR,
    timestamp=1_900_000_000.25,
    update_id=2,
    agent_id=AGENT_ID,
    container_id=CONTAINER_ID,
)

_CALLS = [
    scheduler.Subscribe(framework=FRAMEWORK),
    scheduler.Teardown(framework_id=FRAMEWORK_ID),
    scheduler.Accept(framework_id=FRAMEWORK_ID, offer_ids=[OFFER_ID], operations=[Launch(tasks=[TASK])]),
    scheduler.Decline(framework_id=FRAMEWORK_ID, offer_ids=[OFFER_ID], refuse_seconds=120.0),
    scheduler.AcceptInverseOffers(framework_id=FRAMEWORK_ID, offer_ids=[INVERSE_OFFER_ID], refuse_seconds=3600.0),
    scheduler.DeclineInverseOffers(
        framework_id=FRAMEWORK_ID, offer_ids=[INVERSE_OFFER_ID], reason="the last copy is there until it is moved"
    ),
    scheduler.Revive(framework_id=FRAMEWORK_ID, roles=[ROLE]),
    scheduler.Suppress(framework_id=FRAMEWORK_ID),
    scheduler.Kill(framework_id=FRAMEWORK_ID, task_id=TASK_ID, kill_policy=KillPolicy(grace_period_s=1.0)),
    scheduler.Shutdown(framework_id=FRAMEWORK_ID, agent_id=AGENT_ID, executor_id=EXECUTOR_ID),
    scheduler.Acknowledge(framework_id=FRAMEWORK_ID, agent_id=AGENT_ID, task_id=TASK_ID, update_id=2),
    scheduler.Reconcile(
        framework_id=FRAMEWORK_ID, tasks=[scheduler.TaskToReconcile(task_id=TASK_ID, agent_id=AGENT_ID)]
    ),
    scheduler.Message(framework_id=FRAMEWORK_ID, agent_id=AGENT_ID, executor_id=EXECUTOR_ID, data=b"pause"),
    scheduler.Request(
        framework_id=FRAMEWORK_ID, role=ROLE, demands=[Demand(slice=Resources.of(cpus=1.5, mem=512), count=40)]
    ),
    scheduler.SchedulerHeartbeat(framework_id=FRAMEWORK_ID),
]

_EVENTS = [
    scheduler.Subscribed(framework_id=FRAMEWORK_ID, master=MASTER, heartbeat_interval_s=15.0),
    scheduler.Offers(
        offers=[
            Offer(
                offer_id=OFFER_ID,
                framework_id=FRAMEWORK_ID,
                agent_id=AGENT_ID,
                hostname=AGENT.hostname,
                role=ROLE,
                resources=Resources.parse("cpus:4;mem:8192;ports:[31000-31009]"),
                attributes=AGENT.attributes,
            )
        ]
    ),
    scheduler.Rescind(offer_id=OFFER_ID),
    scheduler.InverseOffers(
        inverse_offers=[
            InverseOffer(
                offer_id=INVERSE_OFFER_ID,
                framework_id=FRAMEWORK_ID,
                agent_id=AGENT_ID,
                hostname=AGENT.hostname,
                unavailability=Unavailability(start=1796162400.0, duration_s=7200.0),
            )
        ]
    ),
    scheduler.RescindInverseOffer(offer_id=INVERSE_OFFER_ID),
    scheduler.Update(status=RUNNING),
    scheduler.MessageReceived(agent_id=AGENT_ID, executor_id=EXECUTOR_ID, data=b"50 %"),
    scheduler.Failure(
        agent_id=AGENT_ID, executor_id=EXECUTOR_ID, status=137, reason=scheduler.FailureReason.EXECUTOR_ENDED
    ),
    scheduler.AgentReturned(agent_id=AGENT_ID),
    scheduler.Error(
        reason=scheduler.ErrorReason.NOT_SUBSCRIBED,
        message="framework M7-F1 is not subscribed; subscribe (again)",
        call="ACCEPT",
    ),
    scheduler.Heartbeat(),
    BEACON,
]

_FROM_AGENT = [
    agent.AskForBeacon(),
    agent.RegisterAgent(agent=AGENT),
    agent.ReregisterAgent(
        agent_id=AGENT_ID,
        agent=AGENT,
        frameworks=[
            agent.FrameworkRecord(
                framework_id=FRAMEWORK_ID,
                framework=KNOWN_FRAMEWORK,
                tasks=[
                    TaskRecord(
                        task=PAINTED, role=ROLE, state=TaskState.FINISHED, status_state=TaskState.RUNNING, update_id=2
                    )
                ],
            )
        ],
        executors=[agent.ExecutorRecord(framework_id=FRAMEWORK_ID, executor=EXECUTOR, role=ROLE)],
    ),
    agent.UnregisterAgent(agent_id=AGENT_ID),
    agent.AgentAway(agent_id=AGENT_ID),
    agent.AgentHeartbeat(agent_id=AGENT_ID),
    agent.StatusUpdate(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, status=RUNNING, latest_state=TaskState.FINISHED),
    agent.ExecutorExited(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, status=137),
    agent.ExecutorToFramework(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, data=b"50 %"),
]

_TO_AGENT = [
    agent.AgentRegistered(name="node-12", agent_id=AGENT_ID),
    agent.AgentReregistered(agent_id=AGENT_ID),
    agent.RegistrationRefused(name="node-12", agent_id=AGENT_ID, message="an operator declared this agent gone"),
    agent.PleaseReregister(agent_id=AGENT_ID),
    agent.RunTasks(
        agent_id=AGENT_ID,
        sequence=5,
        framework_id=FRAMEWORK_ID,
        framework=KNOWN_FRAMEWORK,
        role=ROLE,
        operations=[Launch(tasks=[PAINTED])],
    ),
    agent.KillTask(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, task_id=TASK_ID),
    agent.DrainAgent(agent_id=AGENT_ID, sequence=43, max_grace_period_s=30.0, deadline_s=600.0),
    agent.ShutdownExecutor(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID),
    agent.ShutdownFramework(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID),
    agent.UpdateAcknowledged(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, task_id=TASK_ID, update_id=2),
    agent.ReconcileTasks(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, task_ids=[TASK_ID]),
    agent.FrameworkToExecutor(agent_id=AGENT_ID, framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, data=b"pause"),
    BEACON,
]

_PAINTING = executor.ExecutorUpdate(task_id=TaskID("frame-18"), state=TaskState.RUNNING, number=1)

_EXECUTOR_CALLS = [
    executor.ExecutorSubscribe(token="4f1c09d2", unacknowledged_updates=[_PAINTING]),  # noqa: S106 - not a secret
    executor.ExecutorUpdate(
        task_id=TaskID("frame-18"),
        state=TaskState.FAILED,
        number=2,
        message="no such frame",
        reason=Reason.COMMAND_EXECUTOR_FAILED,
    ),
    executor.ExecutorMessage(data=b"50 %"),
]

_EXECUTOR_EVENTS = [
    executor.ExecutorSubscribed(
        executor=EXECUTOR,
        framework_id=FRAMEWORK_ID,
        framework=KNOWN_FRAMEWORK,
        agent_id=AGENT_ID,
        hostname=AGENT.hostname,
    ),
    executor.LaunchTask(task=PAINTED),
    executor.LaunchTaskGroup(tasks=[PAINTED]),
    executor.KillExecutorTask(task_id=TaskID("frame-18")),
    executor.ExecutorAcknowledged(task_id=TaskID("frame-18"), number=1),
    executor.SchedulerMessage(data=b"pause"),
    executor.ShutdownOrder(grace_period_s=5.0),
    executor.ExecutorError(message="task 'frame-99' is not here"),
]

EXAMPLES: dict[str, list[Any]] = {
    "SchedulerCall": _CALLS,
    "SchedulerEvent": _EVENTS,
    "FromAgent": _FROM_AGENT,
    "ToAgent": _TO_AGENT,
    "ExecutorCall": _EXECUTOR_CALLS,
    "ExecutorEvent": _EXECUTOR_EVENTS,
}
"""By family, in the order of the family's own definition."""
