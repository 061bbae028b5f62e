"""`mesos agent` runs an agent; the commands below it have one of a cluster emptied, spared or forgotten."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from mesos_py.cli.client import KNOWN_AGENTS, BusyError, Client, UnreachableError, master_option, quoted
from mesos_py.cli.command import Group
from mesos_py.cli.complete import complete_agent
from mesos_py.cli.daemons import daemon
from mesos_py.cli.errors import CliError
from mesos_py.cli.words import span
from mesos_py.daemons.config import AgentConfig

__all__ = ["agent"]

_LOOK_S: Final = 0.5
"""Between two looks at how far an agent is."""

F = TypeVar("F", bound=Callable[..., Any])
Progress = Mapping[str, Any]

agent = daemon("agent", AgentConfig, Group, invoke_without_command=True, subcommand_metavar="[COMMAND]")


def _of_node(function: F) -> F:
    """What every command about an agent is told."""
    return click.argument("node", shell_complete=complete_agent)(master_option(function))


def _seconds(name: str, text: str) -> Callable[[F], F]:
    return click.option(name, type=click.FloatRange(min=0), metavar="SECONDS", help=text)


@agent.command()
@_of_node
@_seconds("--max-grace-period", "No task gets longer than this to end; a shorter grace of its own holds.")
@_seconds("--deadline", "After so long, what is left is killed without grace.")
@click.option("--mark-gone", is_flag=True, help="Once it is empty, declare it gone for ever.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask, with --mark-gone.")
@click.option("--wait", is_flag=True, help="Show what is left, and return when nothing is.")
@_seconds("--timeout", "Wait no longer than this, and fail; the agent is drained on.")
def drain(
    node: str,
    master: str,
    max_grace_period: float | None,
    deadline: float | None,
    mark_gone: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Empty an agent: offer it no more and end all that runs there.

    NODE is the agent's id, name or host name. Each task has its grace period to end, and its framework is told why,
    so that it runs it elsewhere. Asked again, the newest wishes hold. `mesos agent reactivate` takes a drained agent
    back.

    Examples:
      mesos agent drain node7 --wait
      mesos agent drain node7 --max-grace-period 30 --deadline 600 --wait --timeout 900
      mesos agent drain node7 --mark-gone
    """
    client = Client(master)
    agent_id = _find(client, node)
    if mark_gone and not yes:
        click.confirm(f"Drain agent {agent_id}, and never let it come back?", abort=True, err=True)
    wishes = {
        "max_grace_period_s": max_grace_period,
        "deadline_s": deadline,
        "mark_gone": "true" if mark_gone else None,
    }
    given = {name: str(wish) for name, wish in wishes.items() if wish is not None}
    click.echo(client.post(f"/agents/{quoted(agent_id)}/drain", given)["message"])
    if wait or timeout is not None:
        click.echo(_wait(client, agent_id, timeout))


@agent.command()
@_of_node
def deactivate(node: str, master: str) -> None:
    """Offer an agent no more; what runs there runs on.

    Examples:
      mesos agent deactivate node7
      mesos agent reactivate node7
    """
    _post(master, node, "deactivate")


@agent.command()
@_of_node
def reactivate(node: str, master: str) -> None:
    """Offer an agent again that was deactivated or drained.

    Examples:
      mesos agent reactivate node7
    """
    _post(master, node, "reactivate")


@agent.command()
@_of_node
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def gone(node: str, master: str, yes: bool) -> None:
    """Declare that an agent will never be back, such as after its disk has burnt.

    Its tasks are GONE_BY_OPERATOR at once, so that frameworks start others. Should it come back all the same, it is
    sent away and ends what it runs. This cannot be taken back.

    Examples:
      mesos agent gone node7
      mesos agent gone M1-A7 --yes
    """
    client = Client(master)
    agent_id = _find(client, node)
    if not yes:
        click.confirm(
            f"Give up agent {agent_id} with all that it runs, and never let it come back?", abort=True, err=True
        )
    click.echo(client.post(f"/agents/{quoted(agent_id)}/gone")["message"])


def _post(master: str, node: str, verb: str) -> None:
    client = Client(master)
    click.echo(client.post(f"/agents/{quoted(_find(client, node))}/{verb}")["message"])


def _find(client: Client, node: str) -> str:
    """The id of the agent that is meant: what is there comes before what is lost. Raises CliError."""
    called = list(client.items("/agents", {"node": node, **KNOWN_AGENTS}))
    found = [a["agent_id"] for a in called if a["status"] != "unreachable"] or [a["agent_id"] for a in called]
    if len(found) > 1 and node not in found:
        raise CliError(f"several agents are called {node}: {', '.join(found)}; give the id of one")
    if not found:
        client.get(f"/agents/{quoted(node)}/drain")  # says so if it is not known either
    return node if node in found or not found else str(found[0])


def _wait(client: Client, agent_id: str, timeout: float | None) -> str:
    """Say what is left whenever that changes, until nothing is; gives the last word."""
    end = None if timeout is None else time.monotonic() + timeout
    said = ""
    while True:
        progress, text = _look(client, agent_id)
        if progress is not None and (done := _outcome(agent_id, progress)):
            return done
        if text != said:
            click.echo(f"mesos: {text}", err=True)
            said = text
        if end is not None and time.monotonic() >= end:
            raise CliError(f"agent {agent_id} is not drained after {span(timeout or 0)}; it is drained on")
        time.sleep(_LOOK_S if end is None else max(0.0, min(_LOOK_S, end - time.monotonic())))


def _look(client: Client, agent_id: str) -> tuple[Progress | None, str]:
    """How far it is, in words too; a master that cannot tell may be able to a moment later."""
    try:
        progress = client.get(f"/agents/{quoted(agent_id)}/drain")
        return progress, _left(progress)
    except (BusyError, UnreachableError) as error:
        return None, f"{error}; asking again"


def _outcome(agent_id: str, progress: Progress) -> str:
    """How it ended; nothing if it has not yet."""
    if progress["status"] == "gone":
        return f"agent {agent_id} is gone"
    if progress["mode"] == "DRAINED":
        return f"agent {agent_id} is drained"
    if progress["mode"] != "DRAINING":
        raise CliError(f"agent {agent_id} is {progress['mode']}: somebody has decided otherwise")
    return ""


def _left(progress: Progress) -> str:
    if progress["status"] != "connected":
        return f"the agent is {progress['status']}; it is drained when it is back"
    parts = [
        (progress["tasks"], "task runs", "tasks run"),
        (progress["unacknowledged"], "task's end is not acknowledged", "tasks' ends are not acknowledged"),
        (progress["executors"], "executor runs", "executors run"),
    ]
    left = [f"{count} {one if count == 1 else many}" for count, one, many in parts if count]
    return ", ".join(left) or "nothing is left"
