"""Commands about what the masters keep in ZooKeeper: it is saved, restored, and given to another user there."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from mesos_py.cli.command import command
from mesos_py.errors import ConfigError
from mesos_py.runtime.files import read_text

if TYPE_CHECKING:
    from mesos_py.adapters.zookeeper.archive import Archivist

__all__ = ["registry"]


@command()
@click.argument("verb", type=click.Choice(["save", "restore", "protect"]))
@click.argument("file", type=click.Path(), required=False)
@click.option(
    "--zookeeper",
    metavar="URL",
    envvar="MESOS_ZOOKEEPER",
    required=True,
    help="As the masters have it: zk://user:password@h1:2181/mesos.",
)
@click.option("--replace", is_flag=True, help="Restore also where there is a registry already.")
def registry(verb: str, file: str | None, zookeeper: str, replace: bool) -> None:
    """Save or restore what the masters keep in ZooKeeper: agents and their drains, quotas, weights, maintenance.

    Saving disturbs nobody. To restore, stop all masters first. `protect` gives all nodes to the user whom the URL
    names, and to nobody else; ?other=user:password at its end names another, while the password is changed.

    Examples:
      mesos registry save registry.json
      mesos registry restore registry.json
      mesos registry protect
    """
    from mesos_py.adapters.zookeeper.address import parse_address  # noqa: PLC0415  (slow)
    from mesos_py.adapters.zookeeper.archive import Archivist  # noqa: PLC0415  (slow)

    if (file is None) != (verb == "protect"):
        raise click.UsageError("protect takes no file" if file else f"say which file to {verb}")
    archivist = Archivist(parse_address(zookeeper))
    try:
        if verb == "protect":
            click.echo(f"{archivist.give()} nodes belong to whom the URL names")
        elif verb == "save":
            _save(archivist, str(file))
        else:
            _restore(archivist, str(file), replace)
    finally:
        archivist.close()


def _save(archivist: "Archivist", file: str) -> None:
    archive = archivist.take()
    beside = Path(f"{file}.new")
    try:
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(archive)))
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None
    click.echo(f"{file}: {len(archive.nodes)} nodes, of epoch {archive.epoch}")


def _restore(archivist: "Archivist", file: str, replace: bool) -> None:
    from mesos_py.adapters.zookeeper.archive import Archive  # noqa: PLC0415  (slow)

    try:
        archive = msgspec.json.decode(read_text(file), type=Archive)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{file} is no registry that was saved: {error}") from None
    if masters := archivist.masters():
        raise ConfigError(f"{masters} masters are running; stop all before their registry is restored")
    if not replace and not archivist.is_empty():
        raise ConfigError("there is a registry already; --replace writes over it")
    archivist.put(archive)
    click.echo(f"{len(archive.nodes)} nodes, of epoch {archive.epoch}, are restored from {file}")
