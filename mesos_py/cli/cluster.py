"""Commands that show what a cluster is and does."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeVar

import click

from mesos_py.cli.client import KNOWN_AGENTS, Client, master_option
from mesos_py.cli.command import command
from mesos_py.cli.tables import Column, show, show_json
from mesos_py.cli.usage import add_containers, show_usage
from mesos_py.cli.words import ago, amounts, attributes, cpus, megabytes, of, percent, scalar, span
from mesos_py.types.tasks import LIVE, TaskState

__all__ = ["agents", "frameworks", "masters", "offers", "roles", "tasks"]

F = TypeVar("F", bound=Callable[..., Any])


class _State(click.Choice[TaskState]):
    """A state, refused in the words in which states are shown."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002  (click's)
        return f"{value!r} is none of {', '.join(self.choices)}"


_ACTIVE = [state for state in TaskState if state in LIVE or state is TaskState.UNREACHABLE]


def _listing(command: F) -> F:
    """The options that every list has."""
    command = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Show at most so many.")(command)
    command = click.option("--json", "as_json", is_flag=True, help="Print all fields as a JSON array.")(command)
    return master_option(command)


def _print(items: list[dict[str, Any]], columns: Sequence[Column], nothing: str, *, as_json: bool) -> None:
    if as_json:
        show_json(items)
    else:
        show(columns, items, nothing)


def _used(name: str, text: Callable[..., str]) -> Callable[[dict[str, Any]], str]:
    """Used of all there is; nothing if there is none."""

    def cell(agent: dict[str, Any]) -> str:
        if not scalar(agent["resources"], name):
            return ""
        return of(text(agent["used"], name), text(agent["resources"], name))

    return cell


@command()
@_listing
def agents(master: str, limit: int | None, as_json: bool) -> None:
    """Show the agents and what they have free; also those that were given up, with the tasks that may run there.

    CPUS, MEM, DISK and GPUS are used/total; what is offered at this moment counts as free. MODE says of an agent
    that is not offered why: an operator has it DRAINING, DRAINED or DEACTIVATED.

    Examples:
      mesos agents
      mesos agents --json | jq -r '.[] | select(.connected | not) | .hostname'
    """
    columns = [
        Column("AGENT", lambda a: a["agent_id"]),
        Column("HOST", lambda a: a["hostname"]),
        Column("STATE", lambda a: a["status"], state=True),
        Column("MODE", lambda a: "" if a["mode"] == "ACTIVE" else a["mode"], state=True),
        Column("TASKS", lambda a: str(a["tasks"]), right=True),
        Column("CPUS", _used("cpus", cpus), right=True),
        Column("MEM", _used("mem", megabytes), right=True),
        Column("DISK", _used("disk", megabytes), right=True),
        Column("GPUS", _used("gpus", cpus), right=True),
        Column("SINCE", lambda a: ago(a["unreachable"] or a["registered"]), right=True),
        Column("ATTRIBUTES", lambda a: attributes(a["attributes"])),
    ]
    items = list(Client(master).items("/agents", KNOWN_AGENTS, limit=limit))
    _print(items, columns, "no agent is registered", as_json=as_json)


@command()
@_listing
def frameworks(master: str, limit: int | None, as_json: bool) -> None:
    """Show the frameworks and what they use.

    TASKS are those that live, ENDED those remembered of the rest.

    Examples:
      mesos frameworks
      mesos frameworks --json | jq '.[] | {name, used}'
    """
    columns = [
        Column("FRAMEWORK", lambda f: f["framework_id"]),
        Column("NAME", lambda f: f["name"]),
        Column("STATUS", lambda f: f["status"], state=True),
        Column("ROLES", lambda f: ",".join(f["roles"])),
        Column("TASKS", lambda f: str(f["tasks"]), right=True),
        Column("ENDED", lambda f: str(f["completed"]), right=True),
        Column("OFFERS", lambda f: str(f["offers"]), right=True),
        Column("CPUS", lambda f: cpus(f["used"]), right=True),
        Column("MEM", lambda f: megabytes(f["used"]), right=True),
        Column("SINCE", lambda f: ago(f["registered"]), right=True),
    ]
    items = list(Client(master).items("/frameworks", limit=limit))
    _print(items, columns, "no framework has subscribed", as_json=as_json)


@command()
@click.option("--all", "-a", "show_all", is_flag=True, help="Ended tasks too.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=_State(list(TaskState), case_sensitive=False),
    metavar="STATE",
    help="Only tasks in this state, such as FAILED; may be given several times.",
)
@click.option("--framework", metavar="NAME_OR_ID", help="Only tasks of this framework.")
@click.option("--usage", is_flag=True, help="What they use, as their agents measure it for a second.")
@_listing
def tasks(
    master: str,
    show_all: bool,
    states: tuple[str, ...],
    framework: str | None,
    usage: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show the tasks: those that live, unless told otherwise.

    With --usage, CPUS is used now/asked for and MEM used/limit. Tasks of a custom executor share its container: the
    figures of all of them are in the executor's line. A dash stands where nobody could tell.

    Examples:
      mesos tasks
      mesos tasks --usage
      mesos tasks --all --framework shop
      mesos tasks --state FAILED --json | jq -r '.[].message'
    """
    columns = [
        Column("TASK", lambda t: t["task_id"]),
        Column("STATE", lambda t: t["state"], state=True),
        Column("FRAMEWORK", lambda t: t["framework_name"]),
        Column("HOST", lambda t: t["hostname"]),
        Column("CPUS", lambda t: cpus(t["resources"]), right=True),
        Column("MEM", lambda t: megabytes(t["resources"]), right=True),
        Column("AGE", lambda t: ago(t["started"]), right=True),
        Column("EXIT", lambda t: "" if t["exit_code"] is None else str(t["exit_code"]), right=True),
        Column("MESSAGE", lambda t: t["message"]),
    ]
    wanted = list(states) or ([] if show_all else [str(state) for state in _ACTIVE])
    params = {"state": wanted} if wanted else {}
    found = Client(master).items("/tasks", params, limit=limit if framework is None else None)
    fitting = (task for task in found if framework in (None, task["framework_id"], task["framework_name"]))
    items = list(islice(fitting, limit))
    nothing = "no such task" if show_all or states or framework else "no task is running; --all shows those that ended"
    if usage:
        add_containers(items)
        if not as_json:
            show_usage(items, nothing)
            return
    _print(items, columns, nothing, as_json=as_json)


@command()
@click.option("--json", "as_json", is_flag=True, help="Print all fields as a JSON array.")
@master_option
def masters(master: str, as_json: bool) -> None:
    """Show the masters, and which of them leads.

    Any of them can be asked. They stand in the order in which they would lead.

    Examples:
      mesos masters
      mesos masters --json | jq -r '.[] | select(.leads) | .url'
    """
    columns = [
        Column("MASTER", lambda m: m["url"]),
        Column("STATE", lambda m: "leader" if m["leads"] else "standby", state=True),
    ]
    _print(Client(master).get("/masters")["masters"], columns, "no master is known", as_json=as_json)


@command()
@_listing
def offers(master: str, limit: int | None, as_json: bool) -> None:
    """Show the outstanding offers: what frameworks are being asked about.

    Examples:
      mesos offers
      mesos offers --limit 20
    """
    columns = [
        Column("OFFER", lambda o: o["offer_id"]),
        Column("FRAMEWORK", lambda o: o["framework_name"]),
        Column("HOST", lambda o: o["hostname"]),
        Column("ROLE", lambda o: o["role"]),
        Column("CPUS", lambda o: cpus(o["resources"]), right=True),
        Column("MEM", lambda o: megabytes(o["resources"]), right=True),
        Column("DISK", lambda o: megabytes(o["resources"], "disk"), right=True),
        Column("LAPSES", lambda o: span(max(0.0, o["expires"] - time.time())), right=True),
    ]
    items = list(Client(master).items("/offers", limit=limit))
    _print(items, columns, "no offer is outstanding", as_json=as_json)


@command()
@_listing
def roles(master: str, limit: int | None, as_json: bool) -> None:
    """Show the roles and their shares, next to be offered first.

    SHARE is the dominant share: the largest fraction of any one resource that a role holds. GUARANTEE and LIMIT are
    those of its quota, which `mesos quota` sets.

    Examples:
      mesos roles
      mesos roles --json
    """
    columns = [
        Column("ROLE", lambda r: r["role"]),
        Column("WEIGHT", lambda r: f"{r['weight']:g}", right=True),
        Column("SHARE", lambda r: percent(r["dominant_share"]), right=True),
        Column("FRAMEWORKS", lambda r: str(r["frameworks"]), right=True),
        Column("CPUS", lambda r: cpus(r["allocated"]), right=True),
        Column("MEM", lambda r: megabytes(r["allocated"]), right=True),
        Column("GUARANTEE", lambda r: amounts(r["guarantee"])),
        Column("LIMIT", lambda r: amounts(r["limit"])),
    ]
    items = list(Client(master).items("/roles", limit=limit))
    _print(items, columns, "no role is in use", as_json=as_json)
