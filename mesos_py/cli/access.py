"""Commands about who may do what: rules are tried before they hold, and credentials made."""

import secrets

import click

from mesos_py.cli.command import command
from mesos_py.daemons.acl_file import read_acl_file
from mesos_py.errors import ConfigError
from mesos_py.types.acls import OBJECTS, Action
from mesos_py.types.ids import Principal

__all__ = ["acl", "password"]


@command()
@click.argument("verb", type=click.Choice(["check"]))
@click.argument("file", type=click.Path())
@click.option("--principal", metavar="NAME", help="Who; by default somebody who has proven nothing.")
@click.option("--action", type=click.Choice([each.value for each in Action]), help="What.")
@click.option("--object", "on", metavar="NAME", default="", help="On what: a role, a user ... as the action wants it.")
def acl(verb: str, file: str, principal: str | None, action: str | None, on: str) -> int:  # noqa: ARG001
    """Check a file of rules of who may do what; with an action, say whether it is allowed (else exit code 1).

    Examples:
      mesos acl check /etc/mesos/acls.toml
      mesos acl check acls.toml --principal ci --action subscribe --object web
    """
    if action is None and (principal is not None or on):
        raise click.UsageError("say with --action what it is to be asked about")
    acls = read_acl_file(file)
    if action is None:
        click.echo(f"{file}: {len(acls.rules)} rules, else {acls.default}")
        return 0
    who = None if principal is None else Principal(principal)
    allowed = acls.allows(Action(action), who, on)
    rule = acls.deciding(Action(action), who, on)
    by = "no rule, so by default" if rule is None else f"rule {acls.rules.index(rule) + 1}"
    what = f"{action} on {OBJECTS[Action(action)]} {on!r}"
    click.echo(f"{'allowed' if allowed else 'denied'} by {by}: {principal or 'anybody'}, {what}")
    return 0 if allowed else 1


@command()
@click.argument("name")
@click.option("--token", is_flag=True, help="Make a token instead of asking for a password.")
def password(name: str, token: bool) -> None:
    """Make a password or token for the HTTP API: print a line for the file that http_credentials names.

    A token itself is printed on stderr, this once.

    Examples:
      mesos password alice >> /etc/mesos/credentials/http
      mesos password --token prometheus >> /etc/mesos/credentials/http
    """
    from mesos_py.web.authentication import hash_password, hash_token  # noqa: PLC0415  (slow)

    if not name or ":" in name:
        raise ConfigError("a name is not empty and holds no colon")
    if token:
        made = secrets.token_urlsafe(32)
        click.echo(f"token: {made}", err=True)
        click.echo(f"{name}:{hash_token(made)}")
        return
    given = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    click.echo(f"{name}:{hash_password(given)}")
