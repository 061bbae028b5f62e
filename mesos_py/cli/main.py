"""The `mesos` command. It starts fast: each command's module is imported when that command is asked for."""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Final

import click

from mesos_py.cli.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from mesos_py.errors import ConfigError, MesosError

__all__ = ["cli", "main"]

_COMMANDS: Final = {
    "batch": ("batch", "batch", "Run PBS job scripts and MPI programs."),
    "acl": ("access", "acl", "Check a file of rules of who may do what."),
    "agents": ("cluster", "agents", "Show the agents and what they have free."),
    "celery": ("celery", "celery", "Run as many workers of a Celery application as its queues need."),
    "completion": ("shell", "completion", "Print the completion script for a shell."),
    "frameworks": ("cluster", "frameworks", "Show the frameworks and what they use."),
    "hadoop": ("mapreduce", "hadoop", "Be the `hadoop` that tools for streaming jobs call."),
    "kill": ("operate", "kill", "Kill a task."),
    "agent": ("agent", "agent", "Run an agent: it offers this machine's resources and runs tasks."),
    "local": ("daemons", "local", "Run a whole cluster in one process, to try things out."),
    "logs": ("logs", "logs", "Print what a task wrote."),
    "maintenance": ("maintenance", "maintenance", "Plan maintenance, and take machines down and up."),
    "mapreduce": ("mapreduce", "mapreduce", "Run a MapReduce job, as Hadoop Streaming does."),
    "master": ("daemons", "master", "Run a master: it shares the cluster among frameworks."),
    "masters": ("cluster", "masters", "Show the masters, and which of them leads."),
    "offers": ("cluster", "offers", "Show the outstanding offers."),
    "password": ("access", "password", "Make a password or token for the HTTP API."),
    "quota": ("roles", "quota", "Say what roles are sure of and may not exceed."),
    "registry": ("registry", "registry", "Save or restore what the masters keep in ZooKeeper."),
    "roles": ("cluster", "roles", "Show the roles and their shares."),
    "run": ("run", "run", "Run a command on the cluster."),
    "simulate": ("simulate", "simulate", "Run a simulated cluster: your scenario, or faults."),
    "tasks": ("cluster", "tasks", "Show the tasks."),
    "teardown": ("operate", "teardown", "Remove a framework and all that it runs."),
    "weights": ("roles", "weights", "Say how much roles weigh in fair sharing."),
    "version": ("shell", "version", "Print the version."),
}
"""Name: module, attribute, and the first line of its help."""

_SECTIONS: Final = {
    "Run something": ("run", "tasks", "logs", "kill", "teardown"),
    "Run a framework": ("batch", "celery", "mapreduce", "hadoop"),
    "Look at the cluster": ("agents", "frameworks", "masters", "offers", "roles"),
    "Operate the cluster": ("maintenance", "registry"),
    "Share the cluster": ("quota", "weights"),
    "Be the cluster": ("local", "master", "agent"),
    "Keep it safe": ("acl", "password"),
    "Try the design": ("simulate",),
    "This command": ("completion", "version"),
}

_HELP: Final = """Share one cluster among many frameworks.

\b
Try it:
  mesos run --local -- echo hello       a cluster for one command
  mesos local                           a cluster to look at; then, elsewhere:
  mesos agents

\b
Take a node out of a cluster:
  mesos agent drain NODE --wait         end its tasks; and back: reactivate

Commands that look at a cluster ask its master at MESOS_MASTER or --master
(http://127.0.0.1:5050 by default). `mesos COMMAND --help` says more.
"""

_RANGE: Final = re.compile(r"is not a valid (integer|float)( range)?")
"""What click says of a word where a number is wanted."""

_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Commands(click.Group):
    """Knows its commands by name and imports them late."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for names in _SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"mesos_py.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, _COMMANDS[name][2]) for name in names], col_max=12)


@click.group(cls=_Commands, context_settings=_SETTINGS, no_args_is_help=False, invoke_without_command=True, help=_HELP)
@click.version_option(package_name="mesos_py", message="mesos_py %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The whole command."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command and exit."""
    sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    try:
        # not standalone: click would answer errors with several lines and our own with a traceback
        code = cli.main(args=args, prog_name="mesos", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.UsageError as error:
        return _complain(_usage(error), EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt) as stop:
        asked = isinstance(stop, click.Abort) and not isinstance(stop.__cause__, KeyboardInterrupt)
        return _complain("nothing was done", EXIT_FAILED) if asked else EXIT_INTERRUPTED
    except BrokenPipeError:
        _stop_writing()
        return EXIT_FAILED
    except ConfigError as error:
        return _complain(str(error), EXIT_CONFIG)
    except (MesosError, click.ClickException) as error:
        return _complain(error.format_message() if isinstance(error, click.ClickException) else str(error), EXIT_FAILED)
    except Exception as error:
        if os.environ.get("MESOS_DEBUG") == "1":
            raise
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _complain(f"internal error: {why} (MESOS_DEBUG=1 shows where)", EXIT_FAILED)
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    with contextlib.suppress(OSError):
        click.echo(f"mesos: {' '.join(text.split())}", err=True)
    return code


def _usage(error: click.UsageError) -> str:
    text = _RANGE.sub("is no number", error.format_message().rstrip("."))
    where = error.ctx.command_path if error.ctx is not None else "mesos"
    return f"{text[:1].lower()}{text[1:]} (see {where} --help)"


def _stop_writing() -> None:
    """Our reader has gone, as `head` does: let nothing complain about it when the interpreter ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
