"""`make demo`: an embedded cluster, a real job through offers, and a check of its answer."""

import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mesos_py import TaskState
from mesos_py.daemons.config import LocalConfig
from mesos_py.daemons.local import LocalCluster, embedded
from mesos_py.errors import MesosError
from mesos_py.frameworks.wordcount import job
from mesos_py.frameworks.wordcount.framework import WordCount
from mesos_py.runtime.logs import set_up

AGENTS = 3
GROUPS = 24


def find_input() -> list[list[str]]:
    """Python's own source files on this machine, in groups of about equal size."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in root.rglob("*.py") if not {"site-packages", "dist-packages"} & set(file.parts)]
    files.sort(key=lambda file: (-file.stat().st_size, str(file)))
    groups: list[list[str]] = [[] for _ in range(GROUPS)]
    for number, file in enumerate(files):
        lap, place = divmod(number, GROUPS)
        groups[place if lap % 2 == 0 else GROUPS - 1 - place].append(str(file))
    return [group for group in groups if group]


def main() -> int:
    """Run the demonstration; 0 if the cluster's answer is right."""
    set_up("warning", "console")
    console = _console()
    groups = find_input()
    files = [file for group in groups for file in group]
    console.print(
        f"An embedded cluster of one master and {AGENTS} agents, and a framework that counts the words of "
        f"{len(files)} files in {len(groups)} tasks.\n",
        soft_wrap=True,
    )
    began = time.monotonic()
    work = run(groups, console)
    took = time.monotonic() - began
    if work.failure:
        console.print(f"[red]failed:[/] {work.failure}", soft_wrap=True)
        return 1
    console.print(top_words(work.counts))
    if work.counts != job.count(files):
        console.print("[red]The counts differ from a plain count of the same files.[/]")
        return 1
    console.print(
        f"[green]Checked:[/] {work.counts.total():,} words, {len(work.counts):,} different, exactly as a plain "
        f"count in one process gives. The cluster took {took:.1f} s.",
        soft_wrap=True,
    )
    return 0


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough for our tables."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    return console


def run(groups: list[list[str]], console: Console) -> WordCount:
    """Do the job, and show how it goes."""
    progress = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip
    with embedded(LocalConfig(agents=AGENTS, http_port=0, log_level="warning")) as cluster:
        with progress:
            bar = progress.add_task("counting", total=len(groups) + 1)

            def changed() -> None:
                done = sum(state == TaskState.FINISHED for state in work.states.values())
                progress.update(bar, completed=done, description="counting" if done < len(groups) else "adding up")

            work = WordCount(groups, changed)
            work.framework.run(cluster.broker)
        console.print(who_ran_what(work))
        console.print(offers_made(cluster))
    return work


def who_ran_what(work: WordCount) -> Table:
    """Tasks by agent."""
    table = Table("agent", "tasks", "which", title="Who ran what")
    hosts = sorted({placement.hostname for placement in work.placements.values()})
    for host in hosts:
        tasks = [task for task, placement in work.placements.items() if placement.hostname == host]
        table.add_row(host, str(len(tasks)), " ".join(tasks))
    return table


def offers_made(cluster: LocalCluster) -> Table:
    """What became of the offers, as the master counted them."""
    table = Table("framework", "offers made", "accepted", "declined", "rescinded", title="Offers")
    for framework in httpx.get(f"{cluster.url}/frameworks").raise_for_status().json()["items"]:
        counters = framework["counters"]
        made = (counters.get(f"offers_{what}", 0) for what in ("sent", "accepted", "declined", "rescinded"))
        table.add_row(framework["name"], *map(str, made))
    return table


def top_words(counts: Counter[str]) -> Table:
    """The words that occur most."""
    table = Table("word", "times", title="Top words")
    for word, times in counts.most_common(12):
        table.add_row(word, f"{times:,}")
    return table


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (MesosError, httpx.HTTPError) as error:
        sys.exit(f"demo: {error}")
