"""Any message in one short line, for people who compare what happened with what should have happened.

>>> from mesos_py.messages.scheduler import Decline
>>> brief(Decline(framework_id="F1", offer_ids=["O1", "O2"]))
'DECLINE F1 offer_ids=O1,O2'
"""

from enum import Enum
from typing import Any, Final

import msgspec

from mesos_py.types.infos import FrameworkInfo, MasterInfo
from mesos_py.types.maintenance import Unavailability, Window
from mesos_py.types.offers import InverseOffer, Launch, LaunchGroup, Offer
from mesos_py.types.quota import Quota, amounts_to_wire
from mesos_py.types.tasks import ExecutorInfo, TaskInfo, TaskStatus

__all__ = ["brief"]

_UNNAMED = ("agent_id", "framework_id", "offers", "operations", "status", "task_id")
"""Fields that are recognised by their values."""

_NOTHING: Final[tuple[object, ...]] = (None, "", b"", [], {}, (), False)


def brief(value: Any) -> str:
    """The value without what goes without saying."""
    match value:
        case TaskStatus():
            return _status(value)
        case Offer() | InverseOffer() | Unavailability() | Window():
            return _of_offers(value)
        case TaskInfo():
            executor = f" by {brief(value.executor)}" if value.executor else ""
            return f"{value.task_id}({value.resources}{executor})"
        case Launch():
            return ",".join(map(brief, value.tasks))
        case LaunchGroup():
            executor = f" by {brief(value.executor)}" if value.executor else ""
            return f"group({','.join(map(brief, value.tasks))}{executor})"
        case ExecutorInfo():
            return f"{value.executor_id}[{value.resources}]" if value.resources else value.executor_id
        case FrameworkInfo():
            return value.name
        case MasterInfo():
            return f"{value.master_id}@{value.epoch}"
        case Quota():
            amounts = {"guarantee": value.guarantee, "limit": value.limit}
            return (
                " ".join(f"{kind} {brief(amounts_to_wire(each))}" for kind, each in amounts.items() if each)
                or "nothing"
            )
        case dict():
            return ";".join(f"{key}:{brief(item)}" for key, item in value.items())
        case list() | tuple():
            return ",".join(map(brief, value))
        case msgspec.Struct():
            return _struct(value)
        case _:
            return _word(value)


def _word(value: Any) -> str:
    match value:
        case float():
            return f"{value:g}"
        case Enum():
            return value.name
        case _:
            return str(value)


def _of_offers(value: Offer | InverseOffer | Unavailability | Window) -> str:
    match value:
        case Offer():
            executors = f" with {','.join(value.executor_ids)}" if value.executor_ids else ""
            until = f" {brief(value.unavailability)}" if value.unavailability is not None else ""
            return f"{value.offer_id}({value.agent_id} {value.role} {value.resources}{executors}{until})"
        case InverseOffer():
            return f"{value.offer_id}({value.agent_id} {brief(value.unavailability)})"
        case Unavailability():
            return f"out@{value.start:g}" + ("" if value.duration_s is None else f"+{value.duration_s:g}")
        case Window():
            out = Unavailability(start=value.start, duration_s=value.duration_s)
            return f"{'+'.join(value.hosts)}:{brief(out)}"


def _struct(value: msgspec.Struct) -> str:
    config = value.__struct_config__
    words = [str(config.tag) if config.tag else type(value).__name__]
    for field in msgspec.structs.fields(value):
        content = getattr(value, field.name)
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if content in _NOTHING or content == default:
            continue
        text = brief(content)
        words.append(
            text if field.name in _UNNAMED else f"{field.name}={text!r}" if " " in text else f"{field.name}={text}"
        )
    return " ".join(words)


def _status(status: TaskStatus) -> str:
    words = [f"{status.task_id}:{status.state}"]
    if status.update_id is not None:
        words.append(f"#{status.update_id}")
    words.append(f"({status.source}{'/' + status.reason if status.reason else ''})")
    if status.agent_id is not None:
        words.append(f"on {status.agent_id}")
    if status.unreachable_time is not None:
        words.append(f"since {status.unreachable_time:g}")
    if status.message:
        words.append(repr(status.message))
    return " ".join(words)
