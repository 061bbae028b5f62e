"""`mesos simulate SCENARIO`: runs an operator's scenario, and shows how its frameworks fared."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from mesos_py.cli.errors import CliError
from mesos_py.cli.plot import plot_on_terminal, save_plot, why_no_plot
from mesos_py.cli.tables import Column, show
from mesos_py.cli.words import duration, percent
from mesos_py.daemons.policies import make_allocator
from mesos_py.testing.traces.run import Report, Series, run_scenario
from mesos_py.testing.traces.scenario import read_scenario

__all__ = ["simulate_scenario"]

_NOTHING: Final = "-"


def simulate_scenario(path: Path, *, seed: int | None, as_json: bool, csv_file: Path | None, plot: Path | None) -> None:
    """Run it and print what became of it. Raises ConfigError for a scenario that cannot be used, and CliError."""
    if plot is not None and (why := why_no_plot(plot)):
        raise CliError(why)
    scenario = read_scenario(path)
    if seed is not None:
        scenario = msgspec.structs.replace(scenario, seed=seed)
    report = run_scenario(scenario, make_allocator, path.parent)
    if csv_file is not None:
        _write(csv_file, lambda: _write_csv(csv_file, report.series))
    if plot is not None:
        _write(plot, lambda: save_plot(plot, report.series, path.stem))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
        return
    _show(report)
    if sys.stdout.isatty():
        click.echo()
        click.echo(plot_on_terminal(report.series))


def _show(report: Report) -> None:
    done, tasks = sum(each.done for each in report.frameworks), sum(each.tasks for each in report.frameworks)
    used = ", ".join(f"{name} {percent(share)}" for name, share in report.utilisation.items())
    click.echo(f"{duration(report.simulated_s)} with policy {report.policy} and seed {report.seed}")
    click.echo(f"{done:,} of {tasks:,} tasks done; of the cluster were used: {used}")
    click.echo()
    columns = [
        Column("FRAMEWORK", lambda f: f["name"]),
        Column("ROLE", lambda f: f["role"]),
        Column("DONE", lambda f: f"{f['done']}/{f['tasks']}", right=True),
        Column("COMPLETION", _time("completion_s"), right=True),
        Column("WAIT", _time("wait_mean_s"), right=True),
        Column("WAIT P95", _time("wait_p95_s"), right=True),
        Column("FIRST OFFER", _time("first_offer_mean_s"), right=True),
        Column("FIRST OFFER P95", _time("first_offer_p95_s"), right=True),
        Column("SHARE", lambda f: _NOTHING if f["share_mean"] is None else percent(f["share_mean"]), right=True),
    ]
    show(columns, [msgspec.structs.asdict(each) for each in report.frameworks], "there are no frameworks")
    for each in report.frameworks:
        if each.fit_nowhere:
            click.echo(f"{each.name}: {each.fit_nowhere} tasks are larger than every agent", err=True)


def _time(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda framework: _NOTHING if framework[name] is None else duration(framework[name])


def _write(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror or error}") from None


def _write_csv(path: Path, series: Series) -> None:
    """One line for each point in time."""
    columns: dict[str, list[Any]] = {"time_s": series.time_s, **series.utilisation}
    for name, each in series.frameworks.items():
        columns |= {f"{name} share": each.share, f"{name} running": each.running, f"{name} waiting": each.waiting}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
