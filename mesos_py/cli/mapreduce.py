"""`mesos mapreduce` and `mesos hadoop`: our options, then words that are Hadoop's."""

import sys
from collections.abc import Callable
from typing import Any, Final

import click

from mesos_py.cli.command import Command, command
from mesos_py.daemons.config import DaemonConfig
from mesos_py.errors import UserError
from mesos_py.runtime.credentials import read_credential
from mesos_py.types.roles import ANY_ROLE, why_not_a_role

__all__ = ["hadoop", "mapreduce"]

_LOCAL_AGENTS: Final = 2
_VERSION: Final = "Hadoop 2.10.0 (mesos_py)"
"""Whose commands and properties these are."""


class _HadoopsWords(Command):
    """Takes our options up to the first word that is Hadoop's: it begins with one dash, or with none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = 0
        while at < len(args) and (args[at].startswith("--") or args[at] == "-h"):
            if args[at] == "--local":
                follows = args[at + 1] if at + 1 < len(args) else ""
                if not follows.isdigit():
                    args = [*args[:at], f"--local={_LOCAL_AGENTS}", *args[at + 1 :]]
            at += 1 if "=" in args[at] or args[at] in ("--help", "-h", "--") else 2
        return super().parse_args(ctx, args if "--" in args[:at] else [*args[:at], "--", *args[at:]])


def _options(function: Callable[..., int]) -> Callable[..., int]:
    for option in reversed(
        (
            click.option("--local", "local_agents", type=click.IntRange(1, 1000), metavar="[N]",
                         help=f"Make a cluster of N agents just for this.  [default: {_LOCAL_AGENTS}]"),
            click.option("--broker", envvar="MESOS_BROKER", show_envvar=True, metavar="URL",
                         help="The cluster's AMQP broker."),
            click.option("--role", default=ANY_ROLE, show_default=True, help="Whose share it uses."),
            click.option("--python", default=sys.executable, metavar="PATH",
                         help="On the agents: a Python that has mesos_py.  [default: this one's path]"),
            click.option("--address", default="", metavar="IP",
                         help="Of this host, as agents reach it.  [default: that on the way to the broker]"),
            click.argument("words", nargs=-1, type=click.UNPROCESSED),
        )
    ):  # fmt: skip
        function = option(function)
    return function


@command(cls=_HadoopsWords)
@_options
def mapreduce(words: tuple[str, ...], **options: Any) -> int:
    """Run a MapReduce job, as Hadoop Streaming does.

    Its programs are any that read lines and write lines. The words after our options are those of Hadoop Streaming:
    -input -output -mapper -combiner -reducer -file -files -archives -cmdenv -numReduceTasks -partitioner -inputformat
    -D NAME=VALUE.

    Examples:
      mesos mapreduce --local -input /etc/services -output counts -mapper 'cut -f1' -reducer 'uniq -c'
      mesos mapreduce -input 'logs/*.gz' -output hits -file map.py -mapper map.py -reducer NONE
    """
    from mesos_py.frameworks.mapreduce import command as run  # noqa: PLC0415  (slow, and not needed for --help)

    if not words:
        raise click.UsageError("there is no job: -input, -output and -mapper are needed")
    return run.mapreduce(words, _read(options))


@command(cls=_HadoopsWords)
@_options
def hadoop(words: tuple[str, ...], **options: Any) -> int:
    """Be the `hadoop` that tools for streaming jobs call: jar, fs, version.

    Files under hdfs:// are in $MESOS_STORE. What a jar is given must be a streaming job; the jar itself is not read.

    Examples:
      mesos hadoop fs -put access.log /logs/access.log
      mesos hadoop --local jar streaming.jar -input /logs -output /hits -mapper 'cut -f1' -reducer 'uniq -c'
      python3 job.py -r hadoop --hadoop-bin 'mesos hadoop' --hadoop-streaming-jar streaming.jar input.txt
    """
    match list(words):
        case ["version"]:
            click.echo(_VERSION)
            return 0
        case ["fs" | "dfs", *rest]:
            from mesos_py.frameworks.mapreduce.store import run_fs  # noqa: PLC0415

            return run_fs(rest)
        case ["jar", jar, *rest]:
            from mesos_py.frameworks.mapreduce.command import run_jar  # noqa: PLC0415

            return run_jar(jar, rest, _read(options))
        case _:
            raise click.UsageError("there are: version, fs -COMMAND..., jar STREAMING.jar ...")


def _read(options: dict[str, Any]) -> Any:
    from mesos_py.frameworks.mapreduce.command import MapReduceOptions  # noqa: PLC0415
    from mesos_py.frameworks.mapreduce.framework import Settings  # noqa: PLC0415

    if why := why_not_a_role(options["role"]):
        raise UserError(why)
    local = options.pop("local_agents") or 0
    broker = options.pop("broker") or read_credential("broker") or DaemonConfig().broker
    return MapReduceOptions(settings=Settings(broker=broker, **options), local_agents=local)
