"""Whether a cluster could ever run something, to say so at once instead of waiting for ever."""

import httpx

from mesos_py import Resources, TaskSpec
from mesos_py.runtime.login import http_options
from mesos_py.scheduler.toolkit import Place

__all__ = ["why_never", "without_password"]


def why_never(master_url: str, spec: TaskSpec) -> str:
    """Why no agent, even an empty one, could run this; empty if one could, or if that cannot be known."""
    try:
        answer = httpx.get(f"{master_url}/agents", params={"limit": 1000}, timeout=2.0, **http_options())
        agents = answer.raise_for_status().json()["items"]
    except (httpx.HTTPError, ValueError, KeyError):
        return ""
    if not agents:
        return "the cluster has no agents"
    totals = [Resources.from_wire(agent["resources"]) for agent in agents]
    for name, wanted in spec.task.resources.quantities().items():
        most = max(total.scalar(name) for total in totals)
        if most < wanted:
            unit = " MB of" if name in ("mem", "disk") else ""
            return f"no agent has {wanted / 1000:.10g}{unit} {name}; the most that one has is {most / 1000:.10g}"
    if not any(total.find(spec.task.resources) is not None for total in totals):
        return f"no agent has {spec.task.resources} together"
    alone = [constraint for constraint in spec.constraints if not constraint.looks_around]
    places = [Place(hostname=agent["hostname"], attributes=agent["attributes"]) for agent in agents]
    for constraint in alone:
        if not any(constraint.allows(place) for place in places):
            return f"no agent satisfies the constraint {constraint}"
    return ""


def without_password(url: str) -> str:
    """A broker's URL as it may be shown."""
    head, at, tail = url.rpartition("@")
    return f"{head.split(':')[0]}://{tail}" if at else url
