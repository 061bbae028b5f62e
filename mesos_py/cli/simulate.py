"""`mesos simulate`: a whole cluster in one thread, under virtual time: how it shares, and what faults make of it."""

import re
from pathlib import Path
from typing import TextIO

import click

from mesos_py.cli.command import command
from mesos_py.cli.errors import EXIT_FAILED, CliError
from mesos_py.errors import UserError
from mesos_py.testing.simulation.explore import Outcome, run_seed
from mesos_py.testing.simulation.faults import Fault, read, write
from mesos_py.testing.simulation.shrink import shrink

__all__ = ["simulate"]

_STORY_LINES = 60


_FILE = click.Path(dir_okay=False, path_type=Path)


@command()
@click.argument("scenario", required=False, type=_FILE)
@click.option("--seed", type=int, metavar="N", help="Run this seed; with a scenario, instead of its own.")
@click.option("--seeds", metavar="A..B", help="Run the seeds from A to B, both included.")
@click.option("--faults", type=click.File(), metavar="FILE", help="With these faults, one JSON object a line.")
@click.option(
    "--story",
    type=click.IntRange(min=0),
    default=_STORY_LINES,
    show_default=True,
    metavar="N",
    help="Lines of story to show.",
)
@click.option("--shrink/--no-shrink", "shrinks", default=True, help="Look for the shortest failing list of faults.")
@click.option("--quiet", "-q", is_flag=True, help="Tell of failures, and how many there were.")
@click.option("--json", "as_json", is_flag=True, help="Of a scenario, print all as JSON.")
@click.option("--csv", "csv_file", type=_FILE, metavar="FILE", help="Of a scenario, write the time series.")
@click.option("--plot", type=_FILE, metavar="FILE", help="Of a scenario, draw the time series, as .png or .svg.")
def simulate(
    scenario: Path | None,
    seed: int | None,
    seeds: str | None,
    faults: TextIO | None,
    story: int,
    shrinks: bool,
    quiet: bool,
    as_json: bool,
    csv_file: Path | None,
    plot: Path | None,
) -> int:
    """Run a simulated cluster: your scenario, or faults.

    With SCENARIO, a TOML file that says agents, frameworks, tasks and policy: who waits how long, who gets how much,
    how much of the cluster is used. See docs/simulate-scenarios.md.

    Without: among faults that the seed draws, with every promise of the design checked after every step. A failure
    prints the promise that was broken, the shortest list of faults found that breaks it, and what happened last; the
    exit code is 1. The list can be put into a file and given back with --faults.

    The seed decides everything: the same one does the same again.

    Examples:
      mesos simulate examples/simulate/drf.toml
      mesos simulate mine.toml --json --plot mine.png
      mesos simulate --seed 7
      mesos simulate --seeds 1..1000
      mesos simulate --seed 7 --faults shortest.jsonl --story 300
    """
    if scenario is not None:
        if seeds is not None or faults is not None:
            raise click.UsageError("--seeds and --faults do not go with a scenario")
        # imported late: it is not needed for seeds, which run by the thousand
        from mesos_py.cli.scenario import simulate_scenario  # noqa: PLC0415

        simulate_scenario(scenario, seed=seed, as_json=as_json, csv_file=csv_file, plot=plot)
        return 0
    if as_json or csv_file is not None or plot is not None:
        raise click.UsageError("--json, --csv and --plot go with a scenario")
    wanted = None if faults is None else _read(faults)
    failures = events = 0
    chosen = _chosen(seed, seeds)
    for each in chosen:
        outcome = run_seed(each, wanted)
        events += outcome.events
        if outcome.failure:
            failures += 1
            _show_failure(outcome, story, shrinks=shrinks)
        elif not quiet:
            settled = f"all agreed {outcome.settled_s:.0f} s after the last of {len(outcome.faults)} faults"
            click.echo(f"seed {each}: {outcome.events:,} events, {settled}")
    if quiet:
        click.echo(f"{len(chosen):,} seeds, {events:,} events: {failures:,} failed")
    return EXIT_FAILED if failures else 0


def _chosen(seed: int | None, seeds: str | None) -> range:
    if (seed is None) == (seeds is None):
        raise click.UsageError("give a scenario, or either --seed or --seeds")
    if seed is not None:
        return range(seed, seed + 1)
    match = re.fullmatch(r"(\d+)\.\.(\d+)", seeds or "")
    if match is None or int(match[1]) > int(match[2]):
        raise click.UsageError(f"--seeds is like 1..100, not {seeds!r}")
    return range(int(match[1]), int(match[2]) + 1)


def _read(file: TextIO) -> list[Fault]:
    try:
        return read(file.read())
    except (UserError, UnicodeDecodeError) as error:
        raise CliError(f"{file.name}: {error}") from None


def _show_failure(outcome: Outcome, lines: int, *, shrinks: bool) -> None:
    click.echo(f"seed {outcome.seed}: BROKEN {outcome.failure}")
    if shrinks:
        shortest, runs = shrink(outcome)
        click.echo(f"of {len(outcome.faults)} faults these {len(shortest.faults)} suffice (found in {runs} runs):")
        outcome = shortest
    else:
        click.echo("faults:")
    click.echo(write(outcome.faults), nl=False)
    click.echo(f"so ends the story: {outcome.failure}")
    told = outcome.story.splitlines()
    for line in told[max(0, len(told) - lines) :]:
        click.echo(line)
