"""Commands that say how the cluster is shared between roles: quotas and weights."""

import math
from typing import Any

import click

from mesos_py.cli.client import Client, master_option
from mesos_py.cli.command import Group
from mesos_py.cli.complete import complete_role
from mesos_py.cli.tables import Column, show, show_json
from mesos_py.errors import UserError
from mesos_py.types.quota import parse_amounts

__all__ = ["quota", "weights"]

_json = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


class _Amounts(click.ParamType[dict[str, float]]):
    """Resources by name; a name may stand for none of it."""

    name = "resources"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        try:
            return parse_amounts(value)
        except UserError as error:
            self.fail(str(error), param, ctx)


class _Weight(click.ParamType[tuple[str, float]]):
    """A role and a number."""

    name = "weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        role, equals, text = str(value).rpartition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not equals or not math.isfinite(number):
            self.fail(f"{value!r} is not of the form ROLE=NUMBER", param, ctx)
        return role, number


# Quotas


@click.group(cls=Group)
def quota() -> None:
    """Say what roles are sure of and may not exceed.

    A quota is of a top-level role, and holds for it with all roles below it. Its guarantee is kept free for the role
    and offered to it first; its limit is never exceeded. MEM and disk are in MB.

    Examples:
      mesos quota set web --guarantee 'cpus:16;mem:65536' --limit 'cpus:64'
      mesos quota show
      mesos quota remove web
    """


@quota.command("set")
@click.argument("role", shell_complete=complete_role)
@click.option(
    "--guarantee", type=_Amounts(), metavar="RESOURCES", default="", help="Kept for it, such as cpus:4;mem:8192."
)
@click.option(
    "--limit", type=_Amounts(), metavar="RESOURCES", default="", help="The most it may have, such as cpus:8;gpus:0."
)
@click.option("--force", is_flag=True, help="Even if there is not so much, or the role uses more already.")
@master_option
def set_quota(role: str, guarantee: dict[str, float], limit: dict[str, float], force: bool, master: str) -> None:
    """Give a role a quota, in place of the one it had.

    Examples:
      mesos quota set web --guarantee 'cpus:16;mem:65536'
      mesos quota set batch --limit 'cpus:100;gpus:0'
    """
    if not guarantee and not limit:
        raise click.UsageError("give a --guarantee, a --limit or both", click.get_current_context())
    body = [{"role": role, "guarantee": guarantee, "limit": limit}]
    click.echo(Client(master).put("/quota", body, {"force": force})["message"])


@quota.command("show")
@click.argument("role", required=False, shell_complete=complete_role)
@_json
@master_option
def show_quota(role: str | None, as_json: bool, master: str) -> None:
    """Show the quotas, and how much of them is consumed.

    CONSUMED is what is offered to the role or in use, and what is reserved to it.

    Examples:
      mesos quota show
      mesos quota show web --json
    """
    roles = [
        {name: item[name] for name in ("role", "guarantee", "limit", "consumed")}
        for item in Client(master).items("/roles")
        if role in (None, item["role"]) and (item["guarantee"] or item["limit"])
    ]
    if as_json:
        show_json(roles)
        return
    columns = [
        Column("ROLE", lambda row: row["role"]),
        Column("RESOURCE", lambda row: row["resource"]),
        Column("GUARANTEE", lambda row: row["guarantee"], right=True),
        Column("CONSUMED", lambda row: row["consumed"], right=True),
        Column("LIMIT", lambda row: row["limit"], right=True),
    ]
    rows = [
        {"role": item["role"], "resource": name}
        | {
            kind: f"{item[kind][name]:.10g}" if name in item[kind] else ""
            for kind in ("guarantee", "consumed", "limit")
        }
        for item in roles
        for name in item["consumed"]
    ]
    show(columns, rows, "no role has a quota" if role is None else f"role {role} has no quota")


@quota.command("remove")
@click.argument("role", shell_complete=complete_role)
@master_option
def remove_quota(role: str, master: str) -> None:
    """Take a role's quota away.

    Examples:
      mesos quota remove web
    """
    click.echo(Client(master).delete("/quota", {"role": role})["message"])


# Weights


@click.group(cls=Group)
def weights() -> None:
    """Say how much roles weigh in fair sharing.

    A role of weight 2 gets twice as much as a sibling of weight 1, where both want it. Roles of which nothing is set
    weigh what the master's configuration says, or 1.

    Examples:
      mesos weights set web=2 batch=0.5
      mesos weights show
      mesos weights remove batch
    """


@weights.command("set")
@click.argument("weights", metavar="ROLE=NUMBER...", type=_Weight(), nargs=-1, required=True)
@master_option
def set_weights(weights: tuple[tuple[str, float], ...], master: str) -> None:
    """Weigh roles, all of them or none.

    Examples:
      mesos weights set web=2 batch=0.5
    """
    click.echo(Client(master).put("/weights", dict(weights))["message"])


@weights.command("show")
@_json
@master_option
def show_weights(as_json: bool, master: str) -> None:
    """Show the weights that were set; `mesos roles` has those of all roles.

    Examples:
      mesos weights show
    """
    found = Client(master).get("/weights")
    rows = [{"role": role, "weight": weight} for role, weight in found.items()]
    if as_json:
        show_json(rows)
        return
    columns = [
        Column("ROLE", lambda row: row["role"]),
        Column("WEIGHT", lambda row: f"{row['weight']:g}", right=True),
    ]
    show(columns, rows, "no weight was set")


@weights.command("remove")
@click.argument("roles", metavar="ROLE...", nargs=-1, required=True, shell_complete=complete_role)
@master_option
def remove_weights(roles: tuple[str, ...], master: str) -> None:
    """Weigh roles as configured again.

    Examples:
      mesos weights remove web batch
    """
    click.echo(Client(master).delete("/weights", {"role": list(roles)})["message"])
