"""What tasks use, asked of the agents on which they run, all at the same time."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

import click

from mesos_py.cli.client import Client
from mesos_py.cli.errors import CliError
from mesos_py.cli.tables import Column, Item, show
from mesos_py.cli.words import cpus, duration, of, size
from mesos_py.types.tasks import LIVE

__all__ = ["add_containers", "show_usage"]

_TIMEOUT_S: Final = 5.0
_AT_ONCE: Final = 32
_BETWEEN_S: Final = 1.0
"""How long the processes are watched for what they use at present."""

_NOWHERE: Final = "its agent is not known any more, or has no HTTP API"


def add_containers(tasks: Sequence[Item]) -> None:
    """Give each task its ``container`` as its agent tells of it, with ``cpus`` used at present; None if unknown.

    Why a living task has none is said on stderr, once for each agent.
    """
    hosts = {task["agent_url"]: task["hostname"] for task in tasks if task["state"] in LIVE}
    hosts.pop("", None)
    answers = _ask(hosts)
    earlier = dict(_containers(answers))
    if earlier:
        time.sleep(_BETWEEN_S)
        answers = _ask(hosts)
    found: dict[tuple[str, str, str], Item] = {}
    for (url, container_id), container in _containers(answers):
        container["cpus"] = _cpus_between(earlier.get((url, container_id)), container)
        found |= {(url, container["framework_id"], task_id): container for task_id in container["task_ids"]}
    for task in tasks:
        task["container"] = found.get((task["agent_url"], task["framework_id"], task["task_id"]))
    _say_why_not(tasks, answers)


def show_usage(tasks: Sequence[Item], nothing: str) -> None:
    """A table; a custom executor, whose tasks share its container, has a line of its own above the first of them."""
    columns = [
        Column("TASK", lambda t: t["task_id"]),
        Column("STATE", lambda t: t["state"], state=True),
        Column("FRAMEWORK", lambda t: t["framework_name"]),
        Column("HOST", lambda t: t["hostname"]),
        Column("CPUS", _cell(_cpus_now, unknown="-"), right=True),
        Column("CPU TIME", _cell(_figure("cpu_s", duration), unknown="-"), right=True),
        Column("THROTTLED", _cell(_figure("throttled_s", duration)), right=True),
        Column("MEM", _cell(_memory, unknown="-"), right=True),
        Column("PEAK", _cell(_figure("memory_peak_bytes", size)), right=True),
        Column("PROCS", _cell(_figure("processes", str), unknown="-"), right=True),
        Column("READ", _cell(_figure("io_read_bytes", size)), right=True),
        Column("WRITTEN", _cell(_figure("io_written_bytes", size)), right=True),
        Column("DISK", _cell(_figure("disk_bytes", size)), right=True),
    ]
    show(columns, list(_with_executors(tasks)), nothing)


# Asking


Answer = list[Item] | CliError


def _ask(hosts: Mapping[str, str]) -> dict[str, Answer]:
    """What each agent says runs there, or why it says nothing; ``hosts`` are their names by URL."""
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        return dict(zip(hosts, workers.map(_ask_one, hosts.keys(), hosts.values()), strict=True))


def _ask_one(url: str, host: str) -> Answer:
    try:
        with closing(Client(url, f"the agent on {host}", timeout_s=_TIMEOUT_S)) as agent:
            return list(agent.items("/containers"))
    except CliError as error:
        return error


def _containers(answers: Mapping[str, Answer]) -> Iterator[tuple[tuple[str, str], Item]]:
    """All that were told of, by the URL of their agent and their id."""
    for url, answer in answers.items():
        if isinstance(answer, list):
            yield from (((url, container["container_id"]), container) for container in answer)


def _cpus_between(before: Item | None, after: Item) -> float | None:
    if before is None or "cpu_s" not in before["usage"] or "cpu_s" not in after["usage"]:
        return None
    took_s: float = after["measured"] - before["measured"]
    if took_s <= 0:  # a busy agent gives the same figures for a while
        return None
    used_s: float = after["usage"]["cpu_s"] - before["usage"]["cpu_s"]
    return max(0.0, used_s / took_s)


def _say_why_not(tasks: Sequence[Item], answers: Mapping[str, Answer]) -> None:
    reasons: Counter[str] = Counter()
    for task in tasks:
        answer = answers.get(task["agent_url"], CliError(_NOWHERE))
        if task["state"] in LIVE and isinstance(answer, CliError):
            reasons[str(answer)] += 1
    for reason, count in reasons.items():
        click.echo(f"no figures of {count} task{'s' * (count > 1)}: {reason}", err=True)


# Showing


def _with_executors(tasks: Sequence[Item]) -> Iterator[Item]:
    shown: set[str] = set()
    for task in tasks:
        container = task["container"]
        if container is None or container["executor_id"] is None:
            yield task
            continue
        if container["container_id"] not in shown:
            shown.add(container["container_id"])
            yield {**task, "task_id": f"executor {container['executor_id']}", "state": ""}
        yield {**task, "container": {}}


def _cell(text: Callable[[Item], str], unknown: str = "") -> Callable[[Item], str]:
    """Nothing for a task that shares a container, which was shown before."""

    def cell(task: Item) -> str:
        container = task["container"]
        if container is None:
            return unknown
        return text(container) or unknown if container else ""

    return cell


def _figure(name: str, text: Callable[[Any], str]) -> Callable[[Item], str]:
    def figure(container: Item) -> str:
        value = container["usage"].get(name)
        return "" if value is None else text(value)

    return figure


def _cpus_now(container: Item) -> str:
    """Used at present of what was asked for."""
    used = container["cpus"]
    return "" if used is None else of(f"{used:.2f}", cpus(container["resources"]))


def _memory(container: Item) -> str:
    usage = container["usage"]
    if "memory_bytes" not in usage:
        return ""
    used = size(usage["memory_bytes"])
    return of(used, size(usage["memory_limit_bytes"])) if "memory_limit_bytes" in usage else used
