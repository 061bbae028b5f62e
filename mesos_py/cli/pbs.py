"""`qsub`, `qstat`, `qdel`, `qhold`, `qrls` and `pbsnodes`: PBS's commands, as its users know them.

Each is a program of its own, and also a command of `mesos batch`. They ask the server on its socket, and end with 0, 1
if it refuses, or 2 if what they were given makes no sense.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mesos_py.cli.command import Command
from mesos_py.errors import UserError
from mesos_py.frameworks.batch.amounts import format_time
from mesos_py.frameworks.batch.requests import (
    Delete,
    Hold,
    JobRequest,
    ListJobs,
    ListNodes,
    Release,
    Request,
    parse_job_id,
)
from mesos_py.frameworks.batch.wire import ask, default_socket

__all__ = ["COMMANDS", "pbsnodes", "qdel", "qhold", "qrls", "qstat", "qsub"]

_AS_TYPED = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}
"""qsub's options are read with the directives; -h is one of them."""


def _jobs(words: Sequence[str]) -> list[str]:
    """As the server names them."""
    names = []
    for word in words:
        try:
            number, index, is_array = parse_job_id(word)
        except UserError as error:
            raise click.UsageError(str(error)) from None
        names.append(f"{number}[]" if is_array else str(number) if index is None else f"{number}[{index}]")
    return names


@click.command("qsub", cls=Command, context_settings=_AS_TYPED)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]... [SCRIPT]")
def _qsub(words: tuple[str, ...]) -> int:
    """Submit a job script, or standard input, and print the job's id.

    Options are those of PBS, and may also be in the script, in lines that begin with #PBS:
      -l nodes=N:ppn=P,walltime=HH:MM:SS,mem=SIZE   what it needs (also procs=, pmem=)
      -N NAME  -q QUEUE  -p PRIORITY  -A ACCOUNT  -h  -r y|n  -S SHELL  -d DIRECTORY
      -o PATH  -e PATH  -j oe|eo                     where its output goes
      -t 1-10%2                                      an array of jobs, two at once
      -W depend=afterok:12,afterany:13[]             after which jobs it may start
      -v NAME[=VALUE],...  -V                        variables of ours that it gets
    """
    from mesos_py.frameworks.batch.directives import parse_submission, split_words  # noqa: PLC0415

    try:
        options, rest = split_words(words)
        if len(rest) > 1:
            raise UserError(f"one script at a time: {' '.join(rest)}")
        script, name = _script(rest[0] if rest else "-")
        environ = dict(os.environ)
        request, notes = parse_submission(script, options, name=name, environ=environ, work_dir=str(Path.cwd()))
    except UserError as error:
        raise click.UsageError(str(error)) from None
    for note in notes:
        click.echo(f"qsub: {note}", err=True)
    click.echo(_submit(request))
    return 0


def _script(path: str) -> tuple[str, str]:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode(), "STDIN" if path == "-" else Path(path).name
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text") from None


def _submit(request: JobRequest) -> str:
    reply = ask(default_socket(), request)
    return f"{reply.value}.{reply.server}"


def _on_jobs(name: str, order: Callable[[list[str]], Request], text: str) -> click.Command:
    @click.command(name, cls=Command, help=text)
    @click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
    def run(jobs: tuple[str, ...]) -> int:
        ask(default_socket(), order(_jobs(jobs)))
        return 0

    return run


_qdel = _on_jobs("qdel", lambda jobs: Delete(jobs=jobs), "End jobs, or take them out of their queue.")
_qhold = _on_jobs("qhold", lambda jobs: Hold(jobs=jobs), "Keep jobs that wait from being started.")
_qrls = _on_jobs("qrls", lambda jobs: Release(jobs=jobs), "Let held jobs be started after all.")


@click.command("qstat", cls=Command)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("-f", "full", is_flag=True, help="All that is known of each.")
@click.option("-n", "nodes", is_flag=True, help="Where each runs.")
@click.option("-u", "user", metavar="USER", help="Jobs of this user only.")
@click.option("-x", "ended", is_flag=True, help="Also jobs that have ended.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _qstat(jobs: tuple[str, ...], full: bool, nodes: bool, user: str | None, ended: bool, as_json: bool) -> int:
    """Show jobs: Q waits, H is held, R runs, E is being cleared away, C has ended."""
    reply = ask(default_socket(), ListJobs(jobs=_jobs(jobs)))
    found = [
        job
        for job in reply.value
        if (user is None or job["owner"] == user) and (jobs or ended or full or job["state"] != "C")
    ]
    if as_json:
        import json  # noqa: PLC0415

        click.echo(json.dumps([job | {"server": reply.server} for job in found]))
    elif full:
        click.echo("\n".join(_full(job, reply.server) for job in found), nl=bool(found))
    elif found:
        _table(found, reply.server, nodes=nodes)
    return 0


def _table(jobs: Sequence[dict[str, Any]], server: str, *, nodes: bool) -> None:
    click.echo(f"{'Job ID':20} {'Name':16} {'User':12} {'Nodes':>9} {'Time Use':>9} S {'Queue':10}")
    for job in jobs:
        size = f"{job['nodes']}:{job['ppn']}"
        click.echo(
            f"{job['job_id'] + '.' + server:20.40} {job['name']:16.16} {job['owner']:12.12} {size:>9} "
            f"{format_time(job['used_s']):>9} {job['state']} {job['queue']:10.10}".rstrip()
        )
        if nodes and job["exec_host"]:
            click.echo(f"    {job['exec_host']}")


def _full(job: dict[str, Any], server: str) -> str:
    lines = {
        "Job_Name": job["name"],
        "Job_Owner": job["owner"],
        "job_state": job["state"],
        "queue": job["queue"],
        "exec_host": job["exec_host"],
        "Resource_List.nodes": f"{job['nodes']}:ppn={job['ppn']}",
        "Resource_List.mem": f"{job['mem_mb']}mb",
        "Resource_List.walltime": format_time(job["walltime_s"]),
        "resources_used.walltime": format_time(job["used_s"]) if job["started"] is not None else "",
        "qtime": _date(job["submitted"]),
        "start_time": _date(job["started"]),
        "comp_time": _date(job["ended"]),
        "expected_start": _date(job["expected"]),
        "depend": job["depend"],
        "exit_status": job["exit_status"],
        "comment": job["comment"],
        "init_work_dir": job["work_dir"],
        "tasks": " ".join(job["tasks"]),
    }
    shown = [f"    {name} = {value}" for name, value in lines.items() if value not in ("", None)]
    return "\n".join([f"Job Id: {job['job_id']}.{server}", *shown, ""])


def _date(when: float | None) -> str:
    return "" if when is None else time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(when))


@click.command("pbsnodes", cls=Command)
@click.option("-a", "everything", is_flag=True, help="All nodes, as without it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _pbsnodes(everything: bool, as_json: bool) -> int:
    """Show the nodes, what they have, and what jobs run on them."""
    del everything
    reply = ask(default_socket(), ListNodes())
    if as_json:
        import json  # noqa: PLC0415

        click.echo(json.dumps(reply.value))
        return 0
    for node in reply.value:
        click.echo(node["hostname"])
        click.echo(f"    state = {node['state']}")
        click.echo(f"    np = {node['cpus']:g}")
        if node["jobs"]:
            click.echo(f"    jobs = {', '.join(node['jobs'])}")
        status = f"cpus={node['used_cpus']:g}/{node['cpus']:g},mem={node['used_mem']:g}mb/{node['mem']:g}mb"
        click.echo(f"    status = {status},agent={node['agent_id']}\n")
    return 0


COMMANDS = (_qsub, _qstat, _qdel, _qhold, _qrls, _pbsnodes)


def _program(name: str) -> Callable[[], None]:
    def run() -> None:
        from mesos_py.cli.main import main  # noqa: PLC0415  (it imports us)

        main(["batch", name, *sys.argv[1:]])

    return run


qsub, qstat, qdel, qhold, qrls, pbsnodes = (_program(str(command.name)) for command in COMMANDS)
