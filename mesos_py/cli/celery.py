"""`mesos celery`: from words to CeleryOptions; mesos_py.frameworks.celery does the rest."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct, structs

from mesos_py.cli import words
from mesos_py.cli.client import Client, master_option
from mesos_py.cli.command import Group
from mesos_py.cli.params import CPUS, LOCATION, NAME, ROLE, SIZE, VARIABLE, Parsed, parse_cpus, parse_size
from mesos_py.cli.tables import Column, show, show_json
from mesos_py.daemons.config import DaemonConfig
from mesos_py.errors import UserError
from mesos_py.frameworks.celery.options import CeleryOptions
from mesos_py.frameworks.celery.scaling import Fleet
from mesos_py.runtime.credentials import read_credential
from mesos_py.types.roles import ANY_ROLE
from mesos_py.types.tasks import URI

__all__ = ["celery"]


class _Queues(Struct, frozen=True):
    """One --queues: names, and what its workers have otherwise than the others."""

    names: tuple[str, ...]
    shape: dict[str, float]


_KEYS: Final = {"cpus": ("cpus", parse_cpus), "mem": ("mem", parse_size)} | {
    word: (field, int) for word, field in (("concurrency", "slots"), ("min", "least"), ("max", "most"))
}
"""Word of --queues: field of Fleet, and how it is read."""


def _queues(text: str) -> _Queues:
    names, _, rest = text.partition(":")
    queues = tuple(name.strip() for name in names.split(","))
    if not all(queues) or len(set(queues)) != len(queues):
        raise UserError(f"{names!r} are not names of queues with commas")
    shape: dict[str, float] = {}
    for pair in rest.split(",") if rest else ():
        key, _, value = pair.partition("=")
        if key not in _KEYS:
            raise UserError(f"{pair!r} is none of cpus=N, mem=SIZE, concurrency=N, min=N, max=N")
        field, parse = _KEYS[key]
        try:
            shape[field] = parse(value)
        except UserError:
            raise
        except ValueError:
            raise UserError(f"{pair!r}: {value!r} is not a number") from None
    return _Queues(queues, shape)


def _fleets(given: Sequence[_Queues], default: Fleet, concurrency: int | None) -> tuple[Fleet, ...]:
    """Raises UserError for what cannot be."""
    fleets = [structs.replace(default, queues=one.names, **one.shape) for one in given] or [default]
    shapes = [one.shape for one in given] or [{}]
    for number, (fleet, shape) in enumerate(zip(fleets, shapes, strict=True)):
        if "slots" not in shape:
            fleets[number] = structs.replace(fleet, slots=concurrency or max(1, int(fleet.cpus)))
    for fleet in fleets:
        whose = f" of {fleet.name}" if fleet.name else ""
        if fleet.least > fleet.most:
            raise UserError(f"at least {fleet.least} workers{whose} (min) are more than at most {fleet.most} (max)")
        if fleet.slots < 1 or fleet.least < 0:
            raise UserError(f"concurrency{whose} is at least 1, and min at least 0")
    names = [name for fleet in fleets for name in fleet.queues]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"the queue {twice[0]} is given twice")
    return tuple(fleets)


@click.group(cls=Group, invoke_without_command=True)
@click.option("-A", "--app", metavar="APP", help="The application, as for Celery's -A.")
@click.option(
    "--queues",
    "-Q",
    multiple=True,
    metavar="NAMES[:KEY=VALUE,...]",
    type=Parsed("queues", _queues),
    help="Queues served by the same workers, such as a,b or big:cpus=4,mem=8GB,concurrency=1,max=3. May be given "
    "several times.  [default: those that the application's workers serve]",
)
@click.option("--min", "least", type=click.IntRange(min=0), default=0, show_default=True, help="Workers at least.")
@click.option("--max", "most", type=click.IntRange(min=1), default=50, show_default=True, help="Workers at most.")
@click.option("--cpus", type=CPUS, default="1", show_default=True, metavar="N", help="Of each worker.")
@click.option("--mem", type=SIZE, default="256", show_default=True, help="Of each worker, in MB; 2GB works.")
@click.option(
    "--concurrency",
    "-c",
    type=click.IntRange(min=1),
    metavar="N",
    help="Celery tasks that a worker runs at once.  [default: its cpus]",
)
@click.option(
    "--linger",
    "linger_s",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="A worker that is not needed for so long is shut down.",
)
@click.option("--app-broker", metavar="URL", help="The application's broker.  [default: as it is configured]")
@click.option(
    "--workdir", metavar="DIR", help="Where the application is, here and on agents.  [default: this directory]"
)
@click.option(
    "--python", default=sys.executable, metavar="PATH", help="With Celery, here and on agents.  [default: this one]"
)
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", type=VARIABLE, help="Variable of the workers.")
@click.option(
    "--uri",
    multiple=True,
    metavar="URI",
    type=LOCATION,
    help="Fetched into each worker's sandbox; the application is looked for there, then, instead of in --workdir.",
)
@click.option("--user", metavar="NAME", default="", help="User of the agents' hosts to run as.  [default: the agent's]")
@click.option("--worker-options", default="", metavar="WORDS", help="More for `celery worker`, such as '-P threads'.")
@click.option("--name", type=NAME, default="celery", show_default=True, help="Of the framework.")
@click.option("--role", type=ROLE, default=ANY_ROLE, show_default=True, help="Whose share it uses.")
@click.option(
    "--state-file",
    default="",
    metavar="PLACE",
    help="A file or zk://host:port/path: with it the workers outlive this command, and the next one takes them over.",
)
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Until a worker is ended by force, after it was killed or its agent drained.",
)
@click.option("--broker", envvar="MESOS_BROKER", show_envvar=True, metavar="URL", help="The cluster's AMQP broker.")
def celery(
    app: str | None,
    queues: tuple[_Queues, ...],
    least: int,
    most: int,
    cpus: float,
    mem: float,
    concurrency: int | None,
    app_broker: str | None,
    workdir: str | None,
    env: tuple[tuple[str, str], ...],
    uri: tuple[URI, ...],
    worker_options: str,
    broker: str | None,
    **rest: Any,
) -> int:
    """Run as many workers of a Celery application as its queues need.

    It looks at the queues every second: workers are started for what waits, and shut down (warmly: they finish what
    they have begun) when they are not needed any more. The application is not changed, and its broker need not be the
    cluster's.

    Ctrl-C shuts all workers down and waits for them. With --state-file, TERM leaves them for the next process.

    Examples:
      mesos celery -A proj --max 20 --mem 512
      mesos celery -A proj --queues default,mail --queues images:cpus=4,mem=4GB,max=5
      mesos celery status
    """
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return 0
    if not app:
        raise click.UsageError("which application? Give -A, as to celery itself", context)
    try:
        fleet = Fleet(queues=(), cpus=cpus, mem=mem, least=least, most=most)
        fleets = _fleets(queues, fleet, concurrency)
        more = tuple(shlex.split(worker_options))
    except ValueError as error:
        raise click.UsageError(str(error), context) from error
    environment = dict(env) | ({"CELERY_BROKER_URL": app_broker} if app_broker else {})
    options = CeleryOptions(
        app=app,
        broker=broker or read_credential("broker") or DaemonConfig().broker,
        fleets=fleets,
        workdir=str(Path(workdir or os.curdir).absolute()),
        in_sandbox=bool(uri),
        environment=environment,
        uris=uri,
        worker_options=more,
        **rest,
    )
    from mesos_py.frameworks.celery.framework import run_celery  # noqa: PLC0415  (slow, and not needed for --help)

    return run_celery(options)


@celery.command()
@click.option("-A", "--app", metavar="APP", help="The application, to see what its workers do and what waits.")
@click.option("--app-broker", metavar="URL", help="The application's broker.  [default: as it is configured]")
@click.option("--workdir", default=".", metavar="DIR", help="Where the application is.  [default: this directory]")
@click.option("--python", default=sys.executable, metavar="PATH", help="With Celery.  [default: this one]")
@click.option("--name", default="celery", show_default=True, help="Of the framework.")
@click.option("--json", "as_json", is_flag=True, help="Print all fields as a JSON array.")
@master_option
def status(
    app: str | None, app_broker: str | None, workdir: str, python: str, name: str, as_json: bool, master: str
) -> None:
    """Show the workers, and with -A what they do and what waits.

    BUSY is how many tasks a worker runs now, DONE how many it has run.

    Examples:
      mesos celery status
      mesos celery status -A proj
    """
    from mesos_py.frameworks.celery.look import look  # noqa: PLC0415  (slow)

    found = Client(master).items("/tasks", {"state": ["STAGING", "STARTING", "RUNNING", "KILLING", "UNREACHABLE"]})
    workers = [task for task in found if task["framework_name"] == name]
    queues = sorted({queue for task in workers for queue in task["name"].split(",")})
    environment = dict(os.environ) | ({"CELERY_BROKER_URL": app_broker} if app_broker else {})
    seen = look(python, app, str(Path(workdir).absolute()), queues, environment, len(workers)) if app else None
    for task in workers:
        task["busy"], task["processed"] = seen.workers.get(task["task_id"], (None, None)) if seen else (None, None)
    if as_json:
        show_json(workers)
        return
    columns = [
        Column("WORKER", lambda t: t["task_id"]),
        Column("STATE", lambda t: t["state"], state=True),
        Column("QUEUES", lambda t: t["name"]),
        Column("HOST", lambda t: t["hostname"]),
        Column("CPUS", lambda t: words.cpus(t["resources"]), right=True),
        Column("MEM", lambda t: words.megabytes(t["resources"]), right=True),
        Column("BUSY", lambda t: _number(t["busy"]), right=True),
        Column("DONE", lambda t: _number(t["processed"]), right=True),
        Column("AGE", lambda t: words.ago(t["started"]), right=True),
    ]
    show(columns, workers, f"no worker of {name} is running")
    for queue, depth in sorted(seen.depths.items()) if seen else ():
        click.echo(f"{queue}: {depth} waiting")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
