"""`mesos run`: from words to RunOptions; mesos_py.frameworks.run does the rest."""

import math
from collections.abc import Sequence
from typing import Any, Final

import click
from click.core import ParameterSource
from msgspec import structs

from mesos_py.cli.command import Command, command
from mesos_py.cli.params import CPUS, LOCATION, NAME, ROLE, SIZE, VARIABLE, Parsed, parse_cpus, parse_size
from mesos_py.daemons.config import DaemonConfig
from mesos_py.errors import UserError
from mesos_py.frameworks.run_options import RunOptions
from mesos_py.runtime.credentials import read_credential
from mesos_py.scheduler.toolkit import Constraint, parse_constraint
from mesos_py.types.host import (
    Limit,
    RLimit,
    Volume,
    parse_rlimit,
    parse_volume,
    why_not_limits,
    why_not_rlimits,
    why_not_volumes,
)
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ANY_ROLE
from mesos_py.types.tasks import URI, CommandInfo

__all__ = ["run"]

_LOCAL_AGENTS: Final = 2


def _cpus_limit(text: str) -> float:
    return math.inf if text == "inf" else parse_cpus(text)


def _mem_limit(text: str) -> float:
    return math.inf if text == "inf" else parse_size(text)


def _rlimit(text: str) -> tuple[str, RLimit]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text!r} is not NAME=SOFT:HARD such as nofile=1024:4096")
    limit = parse_rlimit(value)
    if why := why_not_rlimits({name: limit}):
        raise UserError(why)
    return name, limit


def _command(
    words: Sequence[str],
    variables: Sequence[tuple[str, str]],
    uris: Sequence[URI],
    rlimits: Sequence[tuple[str, RLimit]],
    volumes: Sequence[Volume],
) -> CommandInfo:
    is_line = len(words) == 1 and len(words[0].split()) > 1
    return CommandInfo(
        value=words[0] if is_line else "",
        argv=[] if is_line else list(words),
        environment=dict(variables),
        uris=list(uris),
        rlimits=dict(rlimits),
        volumes=list(volumes),
    )


class _RunCommand(Command):
    """Gives --local a number where none follows, so that it never swallows the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {name for param in self.params if getattr(param, "is_flag", False) for name in param.opts}
        flags |= set(ctx.help_option_names)
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] != "--":
            if args[at] == "--local":
                follows = args[at + 1] if at + 1 < len(args) else ""
                if not follows.isdigit():
                    args = [*args[:at], f"--local={_LOCAL_AGENTS}", *args[at + 1 :]]
            at += 1 if "=" in args[at] or args[at] in flags else 2
        return super().parse_args(ctx, args)


@command(cls=_RunCommand, context_settings={"allow_interspersed_args": False})
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--name", type=NAME, help="Name of the job.  [default: the command's]")
@click.option(
    "--instances", type=click.IntRange(1, 100_000), default=1, show_default=True, metavar="N", help="How many."
)
@click.option("--cpus", type=CPUS, default="1", show_default=True, metavar="N", help="Of each.")
@click.option("--mem", type=SIZE, default="128", show_default=True, help="Of each, in MB; 2GB works.")
@click.option("--disk", type=SIZE, help="Of each, in MB; 2GB works.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, metavar="N", help="Of each.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", type=VARIABLE, help="Variable.")
@click.option("--uri", multiple=True, metavar="URI", type=LOCATION, help="Fetched into the sandbox first.")
@click.option(
    "--volume",
    multiple=True,
    metavar="HOST:PATH[:rw]",
    type=Parsed("volume", parse_volume),
    help="File or directory of the agent's host, mounted at PATH of the sandbox, to read unless rw is said.",
)
@click.option(
    "--rlimit",
    multiple=True,
    metavar="NAME=SOFT:HARD",
    type=Parsed("rlimit", _rlimit),
    help="Such as nofile=1024:4096.",
)
@click.option("--user", metavar="NAME", default="", help="User of the agent's host to run as.  [default: the agent's]")
@click.option("--cpus-limit", type=Parsed("number", _cpus_limit), metavar="N", help="What each may burst to, or inf.")
@click.option("--mem-limit", type=Parsed("size", _mem_limit), metavar="SIZE", help="What each may burst to, or inf.")
@click.option("--role", type=ROLE, default=ANY_ROLE, show_default=True, help="Whose share it uses.")
@click.option(
    "--constraint",
    multiple=True,
    metavar="FIELD:OPERATOR[:VALUE]",
    type=Parsed("constraint", parse_constraint),
    help="Only agents like this: rack:IS:r1, zone:LIKE:eu-.*, @hostname:UNIQUE, rack:MAX_PER:2.",
)
@click.option(
    "--kill-after",
    "kill_after_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Kill what runs for longer.",
)
@click.option(
    "--max-retries",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Starts after failures.",
)
@click.option(
    "--local",
    "local_agents",
    type=click.IntRange(1, 1000),
    metavar="[N]",
    help=f"Make a cluster of N agents just for this.  [default: {_LOCAL_AGENTS}]",
)
@click.option("--broker", envvar="MESOS_BROKER", show_envvar=True, metavar="URL", help="The cluster's AMQP broker.")
@click.option("--json", "as_json", is_flag=True, help="Print each change as a line of JSON.")
def run(
    words: tuple[str, ...],
    name: str | None,
    cpus: float,
    mem: float,
    disk: float | None,
    gpus: int,
    env: tuple[tuple[str, str], ...],
    uri: tuple[URI, ...],
    volume: tuple[Volume, ...],
    rlimit: tuple[tuple[str, RLimit], ...],
    user: str,
    cpus_limit: float | None,
    mem_limit: float | None,
    local_agents: int | None,
    broker: str | None,
    constraint: tuple[Constraint, ...],
    as_json: bool,
    **rest: Any,
) -> int:
    """Run a command on the cluster, print its output, and exit as it did.

    A single word with spaces is a shell line; otherwise the words are passed on as they are, without a shell.

    Examples:
      mesos run --local -- echo hello
      mesos run --instances 10 --mem 1GB -- python3 -c 'print("hi")'
      mesos run --uri https://example.org/job.tgz --constraint rack:IS:r1 'cd job && ./start | tee log'
    """
    context = click.get_current_context()
    if not words[0].strip():
        raise click.UsageError("the command is empty", context)
    if local_agents and context.get_parameter_source("broker") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--local makes a cluster of its own, which has no --broker", context)
    if why := why_not_volumes(volume):
        raise click.UsageError(why, context)
    resources = Resources.of(cpus=cpus, mem=mem, disk=disk or 0, gpus=gpus)
    limits: dict[str, Limit] = {
        name: limit for name, limit in (("cpus", cpus_limit), ("mem", mem_limit)) if limit is not None
    }
    if why := why_not_limits(limits, resources):
        raise click.UsageError(why, context)
    options = RunOptions(
        command=structs.replace(_command(words, env, uri, rlimit, volume), user=user),
        resources=resources,
        limits=limits,
        name=name or words[0].split()[0].rpartition("/")[2][:50] or "run",
        constraints=constraint,
        local_agents=local_agents or 0,
        broker="" if local_agents else broker or read_credential("broker") or DaemonConfig().broker,
        json=as_json,
        **rest,
    )
    from mesos_py.frameworks.run import run_command  # noqa: PLC0415  (slow, and not needed for --help)

    return run_command(options)
