"""Commands about the command itself."""

import platform

import click
from click.shell_completion import get_completion_class

import mesos_py
from mesos_py.cli.command import command
from mesos_py.cli.main import cli

__all__ = ["completion", "version"]


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    Examples:
      eval "$(mesos completion bash)"                                 in ~/.bashrc
      eval "$(mesos completion zsh)"                                  in ~/.zshrc
      mesos completion fish > ~/.config/fish/completions/mesos.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "mesos", "_MESOS_COMPLETE").source())


@command()
def version() -> None:
    """Print the version."""
    click.echo(f"mesos_py {mesos_py.__version__}, Python {platform.python_version()}")
