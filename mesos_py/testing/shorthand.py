"""Messages from a few words, as scenario scripts write them.

::

    subscribe [ROLE ...] [id=F1] [name=N] [timeout=S] [suppressed=ROLE,...] [hosts=HOST,...]
              [resume=1] [returns=1] [inverse=1]
    accept O1 [O2 ...] [refuse=S] [| TASK RESOURCES [EXECUTOR]] [| group [EXECUTOR] TASK=RESOURCES ...]
    decline O1 ... [refuse=S]     can I1 ... or cannot I1 ... [refuse=S] [reason=TEXT]
    suppress, revive [ROLE ...]     request ROLE [| RESOURCES COUNT] ...
    kill TASK [agent=A1] [grace=S]     acknowledge A1 TASK UPDATE     reconcile [TASK[@A1] ...]
    message A1 EXECUTOR TEXT     shutdown A1 EXECUTOR     heartbeat     teardown     malformed TEXT

    register RESOURCES [name=N]     seek     alive [executors=N]     unregister     garbled TEXT
    reregister A1 RESOURCES [name=N] [| F1 TASK STATE RESOURCES [sent=STATE] [timeout=S]] [| executor F1 EXECUTOR]
    status F1 TASK STATE [UPDATE] [latest=STATE]     exited F1 EXECUTOR     talk F1 EXECUTOR TEXT

    operators: weight ROLE NUMBER|none     quota ROLE [guarantee=RESOURCES] [limit=RESOURCES] [force=yes] [| ROLE ...]

An EXECUTOR is a name, with ``/`` and its resources if it has any. ``me=`` gives another sender's id than its own.
"""

from collections.abc import Iterator
from typing import Any

from mesos_py.messages import agent as agents
from mesos_py.messages import scheduler as calls
from mesos_py.messages.agent import FromAgent
from mesos_py.messages.codec import Malformed
from mesos_py.messages.scheduler import Call
from mesos_py.testing.builders import a_framework, a_status, a_task, an_agent, an_executor
from mesos_py.types.ids import AgentID, FrameworkID, Role
from mesos_py.types.infos import Demand, OfferFilter
from mesos_py.types.offers import Launch, LaunchGroup, Operation
from mesos_py.types.quota import Quota, amounts_from, parse_amounts
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ANY_ROLE
from mesos_py.types.tasks import ExecutorInfo, KillPolicy, TaskRecord, TaskState

__all__ = ["Words", "agent_message", "call", "quotas"]


class Words:
    """What follows the verb: plain words, ``name=value`` options, and records after bars."""

    def __init__(self, words: list[str]) -> None:
        records: list[list[str]] = [[]]
        for word in words:
            if word == "|":
                records.append([])
            else:
                records[-1].append(word)
        self.plain: list[Any] = [word for word in records[0] if "=" not in word]
        self.options: dict[str, Any] = dict(word.split("=", 1) for word in records[0] if "=" in word)
        self.records = records[1:]

    def list(self, name: str) -> list[Any]:
        """An option that holds several."""
        return self.options[name].split(",") if name in self.options else []


def call(verb: str, me: FrameworkID, queue: str, words: Words) -> Call | Malformed | None:
    """A call of the framework ``me``; None if there is none of that name."""
    plain, options = words.plain, words.options
    match verb:
        case "subscribe":
            hosts = OfferFilter(hosts=words.list("hosts"))
            info = a_framework(
                options.get("name", queue),
                *plain,
                failover_timeout_s=float(options.get("timeout", 3600)),
                filters=dict.fromkeys(plain or ["*"], hosts) if "hosts" in options else {},
            )
            return calls.Subscribe(
                framework=info,
                framework_id=options.get("id"),
                suppressed_roles=words.list("suppressed"),
                resume="resume" in options,
                agent_returns="returns" in options,
                inverse_offers="inverse" in options,
            )
        case "accept":
            return calls.Accept(
                framework_id=me,
                offer_ids=plain,
                operations=list(map(_operation, words.records)),
                refuse_seconds=float(options.get("refuse", 5)),
            )
        case "decline":
            return calls.Decline(framework_id=me, offer_ids=plain, refuse_seconds=float(options.get("refuse", 5)))
        case "can" | "cannot":
            kind = calls.AcceptInverseOffers if verb == "can" else calls.DeclineInverseOffers
            seconds, reason = float(options.get("refuse", 5)), options.get("reason", "")
            return kind(framework_id=me, offer_ids=plain, refuse_seconds=seconds, reason=reason)
        case "suppress":
            return calls.Suppress(framework_id=me, roles=plain)
        case "revive":
            return calls.Revive(framework_id=me, roles=plain)
        case "request":
            demands = [Demand(slice=Resources.parse(text), count=int(count)) for text, count in words.records]
            return calls.Request(framework_id=me, role=plain[0], demands=demands)
        case "malformed":
            return Malformed(reason=" ".join(plain), type="?")
        case _:
            return _call_of_task(verb, me, words)


def _call_of_task(verb: str, me: FrameworkID, words: Words) -> Call | None:
    plain, options = words.plain, words.options
    match verb:
        case "kill":
            policy = KillPolicy(grace_period_s=float(options["grace"])) if "grace" in options else None
            return calls.Kill(framework_id=me, task_id=plain[0], agent_id=options.get("agent"), kill_policy=policy)
        case "acknowledge":
            return calls.Acknowledge(framework_id=me, agent_id=plain[0], task_id=plain[1], update_id=int(plain[2]))
        case "reconcile":
            pairs = [word.partition("@") for word in plain]
            tasks = [calls.TaskToReconcile(task_id=task, agent_id=agent or None) for task, _, agent in pairs]
            return calls.Reconcile(framework_id=me, tasks=tasks)
        case "message":
            return calls.Message(framework_id=me, agent_id=plain[0], executor_id=plain[1], data=plain[2].encode())
        case "shutdown":
            return calls.Shutdown(framework_id=me, agent_id=plain[0], executor_id=plain[1])
        case "heartbeat":
            return calls.SchedulerHeartbeat(framework_id=me)
        case "teardown":
            return calls.Teardown(framework_id=me)
        case _:
            return None


def _operation(record: list[str]) -> Operation:
    if record[0] != "group":
        executor = {"executor": _executor(record[2])} if len(record) > 2 else {}
        return Launch(tasks=[a_task(record[0], record[1], **executor)])
    executors = [_executor(word) for word in record[1:] if "=" not in word]
    bare: dict[str, Any] = {"command": None} if executors else {}
    tasks = [a_task(*word.split("=", 1), **bare) for word in record[1:] if "=" in word]
    return LaunchGroup(tasks=tasks, executor=executors[0] if executors else None)


def _executor(text: str) -> ExecutorInfo:
    executor_id, _, resources = text.partition("/")
    return an_executor(executor_id, resources)


def agent_message(verb: str, me: AgentID, queue: str, words: Words) -> FromAgent | Malformed:
    """A message of the agent ``me``."""
    plain, options = words.plain, words.options
    match verb:
        case "seek":
            return agents.AskForBeacon()
        case "register":
            return agents.RegisterAgent(agent=an_agent(options.get("name", queue), plain[0]))
        case "reregister":
            executors = [record[1:] for record in words.records if record[0] == "executor"]
            return agents.ReregisterAgent(
                agent_id=plain[0],
                agent=an_agent(options.get("name", queue), plain[1]),
                frameworks=list(_framework_records(words.records)),
                executors=[
                    agents.ExecutorRecord(framework_id=FrameworkID(owner), executor=_executor(text), role=ANY_ROLE)
                    for owner, text in executors
                ],
            )
        case "unregister":
            return agents.UnregisterAgent(agent_id=me)
        case "away":
            return agents.AgentAway(agent_id=me)
        case "alive":
            return agents.AgentHeartbeat(
                agent_id=me, executors=int(options["executors"]) if "executors" in options else None
            )
        case "status":
            update_id = int(plain[3]) if len(plain) > 3 else None
            return agents.StatusUpdate(
                agent_id=me,
                framework_id=plain[0],
                status=a_status(plain[1], TaskState[plain[2]], update_id=update_id, agent_id=me),
                latest_state=TaskState[options["latest"]] if "latest" in options else None,
            )
        case "exited":
            return agents.ExecutorExited(agent_id=me, framework_id=plain[0], executor_id=plain[1], status=0)
        case "talk":
            data = plain[2].encode()
            return agents.ExecutorToFramework(agent_id=me, framework_id=plain[0], executor_id=plain[1], data=data)
        case "garbled":
            return Malformed(reason=" ".join(plain))
        case _:
            raise ValueError(f"{verb!r} is no call and no message")


def _framework_records(records: list[list[str]]) -> Iterator[agents.FrameworkRecord]:
    for record in records:
        if record[0] != "executor":
            words = Words(record)
            owner, task_id, state, resources = words.plain
            sent = TaskState[words.options.get("sent", state)]
            task = TaskRecord(task=a_task(task_id, resources), role=ANY_ROLE, state=TaskState[state], status_state=sent)
            principal, timeout_s = words.options.get("principal", ""), float(words.options.get("timeout", 3600))
            info = a_framework(f"known as {owner}", principal=principal, failover_timeout_s=timeout_s)
            yield agents.FrameworkRecord(framework_id=owner, framework=info, tasks=[task])


def quotas(words: Words) -> dict[Role, Quota]:
    """Quotas of roles."""
    records = [Words(record) for record in words.records]
    return {Role(record.plain[0]): _quota(record.options) for record in (words, *records)}


def _quota(options: dict[str, Any]) -> Quota:
    guarantee, limit = (amounts_from(parse_amounts(options.get(kind, ""))) for kind in ("guarantee", "limit"))
    return Quota(guarantee, limit)
