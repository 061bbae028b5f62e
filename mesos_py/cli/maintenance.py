"""`mesos maintenance` plans the maintenance of machines, and takes them down and up."""

import json
import math
import sys
import time
import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from msgspec import Struct

from mesos_py.cli.client import Client, master_option
from mesos_py.cli.command import Group
from mesos_py.cli.errors import CliError
from mesos_py.cli.tables import Column, show, show_json
from mesos_py.cli.words import span

__all__ = ["maintenance"]

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_HELP = """Plan maintenance, and take machines down and up.

    Frameworks learn of a plan by the offers they get and are asked whether they can do without; nothing happens by
    the clock alone. A machine is named by the host name of its agents.

    Examples:
      mesos maintenance schedule plan.toml
      mesos maintenance status
      mesos agent drain node7 --wait
      mesos maintenance down node7
      mesos maintenance up node7
    """


class _Window(Struct, forbid_unknown_fields=True):
    """A window as people write it."""

    hosts: list[str]
    start: datetime | float | int
    duration: str | float | int | None = None


class _Plan(Struct, forbid_unknown_fields=True):
    windows: list[_Window] = []


maintenance = Group("maintenance", help=_HELP)


@maintenance.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--clear", is_flag=True, help="Plan nothing any more.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON, fit to be changed and given back.")
@master_option
def schedule(file: str | None, clear: bool, as_json: bool, master: str) -> None:
    """Show what is planned, or put the plan in FILE (TOML or JSON; - for stdin) in its place.

    A window has hosts, a start (a time with its zone, or seconds since 1970) and perhaps a duration (90m, 2h, or
    seconds); without one it lasts until further notice.

    A plan:
      [[windows]]
      hosts = ["node7", "node8"]
      start = 2026-12-01T22:00:00+01:00
      duration = "2h"

    Examples:
      mesos maintenance schedule
      mesos maintenance schedule plan.toml
      mesos maintenance schedule --clear
    """
    if clear and file:
        raise click.UsageError("--clear goes without a file")
    client = Client(master)
    if file or clear:
        windows = [] if file is None else _read(file)
        click.echo(client.put("/maintenance/schedule", {"windows": windows})["message"])
        return
    windows = client.get("/maintenance/schedule")["windows"]
    if as_json:
        click.echo(json.dumps({"windows": [_for_people(window) for window in windows]}, indent=2))
        return
    columns = [
        Column("START", lambda w: _when(w["start"])),
        Column("DURATION", lambda w: _duration(w.get("duration_s")), right=True),
        Column("HOSTS", lambda w: ",".join(w["hosts"])),
    ]
    show(columns, windows, "no maintenance is planned")


@maintenance.command()
@click.option("--json", "as_json", is_flag=True, help="All fields, as JSON.")
@master_option
def status(as_json: bool, master: str) -> None:
    """Show the machines that are scheduled or down, and what frameworks say.

    ANSWERS has each framework that was asked, with - while it has not answered.

    Examples:
      mesos maintenance status
      mesos maintenance status --json | jq -r '.[] | select(.state == "DOWN") | .host'
    """
    machines = Client(master).get("/maintenance/status")["machines"]
    if as_json:
        show_json(machines)
        return
    columns = [
        Column("HOST", lambda m: m["host"]),
        Column("STATE", lambda m: m["state"], state=True),
        Column("START", lambda m: _when(m["start"])),
        Column("DURATION", lambda m: _duration(m["duration_s"]), right=True),
        Column("TASKS", lambda m: str(m["tasks"]), right=True),
        Column("ANSWERS", lambda m: "; ".join(map(_answer, m["answers"]))),
    ]
    show(columns, machines, "no machine is scheduled or down")


@maintenance.command()
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@master_option
def down(hosts: tuple[str, ...], yes: bool, master: str) -> None:
    """Take scheduled machines down: their agents are sent away with all that runs there.

    Drain them first, if what runs there is to end in its own time.

    Examples:
      mesos maintenance down node7 node8
    """
    client = Client(master)
    running = sum(m["tasks"] for m in client.get("/maintenance/status")["machines"] if m["host"] in hosts)
    if running and not yes:
        question = f"Kill the {running} task{'' if running == 1 else 's'} that run there, without grace?"
        click.confirm(question, abort=True, err=True)
    click.echo(client.post("/maintenance/down", {"host": list(hosts)})["message"])


@maintenance.command()
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@master_option
def up(hosts: tuple[str, ...], master: str) -> None:
    """Bring machines up again: their agents may come back, and they are no longer scheduled.

    Examples:
      mesos maintenance up node7 node8
    """
    click.echo(Client(master).post("/maintenance/up", {"host": list(hosts)})["message"])


def _read(file: str) -> list[dict[str, Any]]:
    """The windows of a file, as the master takes them."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        plan = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        windows = msgspec.convert(plan, _Plan).windows
    except OSError as error:
        raise CliError(f"cannot read {file}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, msgspec.ValidationError) as error:
        raise CliError(f"{file} is no maintenance plan: {error}") from None
    return [_for_master(window) for window in windows]


def _for_master(window: _Window) -> dict[str, Any]:
    start = window.start
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise CliError(f"the start {start.isoformat()} does not say its time zone; write it with Z or +01:00")
        start = start.timestamp()
    if not math.isfinite(start):
        raise CliError(f"the start {start} is no time")
    wanted: dict[str, Any] = {"hosts": window.hosts, "start": start}
    if window.duration is not None:
        wanted["duration_s"] = _seconds(window.duration)
    return wanted


def _seconds(duration: str | float) -> float:
    number, unit = (duration[:-1], duration[-1:]) if isinstance(duration, str) else (duration, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise CliError(f"the duration {duration!r} is none such as 90m, 2h or 1d")
    return seconds


def _for_people(window: dict[str, Any]) -> dict[str, Any]:
    shown = {"hosts": window["hosts"], "start": _when(window["start"])}
    return shown | ({"duration": window["duration_s"]} if "duration_s" in window else {})


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _duration(seconds: float | None) -> str:
    """As it was written, not as people round it."""
    if seconds is None:
        return ""
    unit = next((unit for unit, length in reversed(_UNITS.items()) if seconds and seconds % length == 0), "s")
    return f"{seconds / _UNITS[unit]:g}{unit}"


def _answer(answer: dict[str, Any]) -> str:
    said = {"ACCEPTED": "yes", "DECLINED": "no"}.get(answer["answer"], "-")
    reason = f" ({answer['reason']})" if answer["reason"] else ""
    since = f" {span(max(0.0, time.time() - answer['time']))} ago" if answer["time"] is not None else ""
    return f"{answer['framework_name']}: {said}{since}{reason}"
