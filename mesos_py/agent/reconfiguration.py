"""Whether an agent that was configured otherwise may go on under what runs on it.

================  ===================================================================================================
``equal``         nothing may have changed
``additive``      resources and attributes may have been added
``reconfigure``   anything may have changed, as long as what runs fits into the resources
================  ===================================================================================================
"""

from typing import Final

from mesos_py.types.attributes import format_attributes
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import Resources

__all__ = ["ADDITIVE", "EQUAL", "RECONFIGURE", "why_not_reconfigured"]

EQUAL: Final = "equal"
ADDITIVE: Final = "additive"
RECONFIGURE: Final = "reconfigure"


def why_not_reconfigured(policy: str, before: AgentInfo, now: AgentInfo, used: Resources) -> str | None:
    """Why it may not, with the ways out, or None. ``used`` is what live tasks and executors hold, unreserved."""
    if policy == RECONFIGURE:
        return _why_not_room(now.resources, used)
    changes = _changes(before, now, additions_count=policy == EQUAL)
    if changes:
        return (
            f"{'; '.join(changes)}. Configure it as before, start once with --reconfiguration-policy reconfigure to "
            f"take the change on under the running tasks, or with --recover cleanup to end them"
        )
    return _why_not_room(now.resources, used)


def _why_not_room(resources: Resources, used: Resources) -> str | None:
    if not used or resources.flatten().contains(used):
        return None
    return (
        f"running tasks use {used}, and the agent is configured with {resources}. Configure it with enough for them, "
        f"start once with --recover cleanup to end them, or wait until they have ended"
    )


def _changes(before: AgentInfo, now: AgentInfo, *, additions_count: bool) -> list[str]:
    """What changed, in words."""
    changes = []
    for what, old, new in (("name", before.name, now.name), ("hostname", before.hostname, now.hostname)):
        if old != new:
            changes.append(f"the {what} was {old}, now it is {new}")
    if before.url != now.url:
        changes.append(f"the URL was {before.url}, now it is {now.url}")
    fits = not additions_count and now.resources.contains(before.resources)
    if before.resources != now.resources and not fits:
        changes.append(f"the resources were {before.resources}, now they are {now.resources}")
    fits = not additions_count and all(now.attributes.get(name) == value for name, value in before.attributes.items())
    if before.attributes != now.attributes and not fits:
        old_text, new_text = format_attributes(before.attributes), format_attributes(now.attributes)
        changes.append(f"the attributes were {old_text or 'none'}, now they are {new_text or 'none'}")
    return changes
