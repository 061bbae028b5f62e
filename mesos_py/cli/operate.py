"""Commands that change something in a cluster."""

import click

from mesos_py.cli.client import Client, master_option, quoted
from mesos_py.cli.command import command
from mesos_py.cli.complete import complete_framework, complete_live_task

__all__ = ["kill", "teardown"]


@command()
@click.argument("task", shell_complete=complete_live_task)
@click.option("--framework", metavar="ID", help="Its framework; needed only where two have a task of this id.")
@master_option
def kill(task: str, framework: str | None, master: str) -> None:
    """Kill a task, as its framework would: TERM first, KILL after its grace period.

    Examples:
      mesos kill web-3
      mesos kill web-3 --framework M-F1
    """
    params = {"framework_id": framework} if framework else {}
    click.echo(Client(master).post(f"/tasks/{quoted(task)}/kill", params)["message"])


@command()
@click.argument("framework", metavar="FRAMEWORK_ID", shell_complete=complete_framework)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@master_option
def teardown(framework: str, yes: bool, master: str) -> None:
    """Remove a framework and all that it runs, for good.

    Examples:
      mesos teardown M-F1
      mesos teardown M-F1 --yes
    """
    if not yes:
        click.confirm(f"Kill every task of framework {framework}, and never let it come back?", abort=True, err=True)
    click.echo(Client(master).post(f"/frameworks/{quoted(framework)}/teardown")["message"])
