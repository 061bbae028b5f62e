"""`mesos batch`: the server of the batch system, and its commands under their names in PBS."""

import os
import socket
from pathlib import Path
from typing import Any

import click

from mesos_py.cli.command import Group
from mesos_py.cli.pbs import COMMANDS
from mesos_py.daemons.config import DaemonConfig
from mesos_py.frameworks.batch.wire import default_socket
from mesos_py.runtime.credentials import read_credential

__all__ = ["batch"]


@click.group(cls=Group)
def batch() -> None:
    """Run PBS job scripts and MPI programs.

    Examples:
      mesos batch serve
      qsub -l nodes=2:ppn=4,walltime=1:00:00 job.sh
      qstat
    """


@batch.command()
@click.option("--broker", envvar="MESOS_BROKER", show_envvar=True, metavar="URL", help="The cluster's AMQP broker.")
@click.option("--work-dir", type=click.Path(path_type=Path), help="For its state.  [default: ~/.mesos-batch]")
@click.option(
    "--socket", "socket_path", type=click.Path(path_type=Path), help="Where commands come.  [default: WORK_DIR/socket]"
)
@click.option("--name", metavar="NAME", help="End of job ids.  [default: this host's name]")
@click.option("--queues", type=click.Path(path_type=Path), metavar="FILE", help="TOML file of the queues.")
@click.option("--role", default="*", show_default=True, help="Whose share it uses.")
@click.option("--operator", "operators", multiple=True, metavar="USER", help="May touch the jobs of all.")
@click.option("--python", default="", metavar="PATH", help="Python with mesos_py on the agents.  [default: ours]")
def serve(
    broker: str | None,
    work_dir: Path | None,
    socket_path: Path | None,
    name: str | None,
    queues: Path | None,
    operators: tuple[str, ...],
    **rest: Any,
) -> int:
    """Run the batch server, until it is interrupted; jobs go on, and the next one takes them over.

    Examples:
      mesos batch serve
      mesos batch serve --work-dir /var/lib/mesos-batch --socket /run/mesos-batch/socket
      mesos batch serve --queues queues.toml --role hpc --operator ann
    """
    from mesos_py.frameworks.batch.config import BatchConfig, read_queues  # noqa: PLC0415  (as those of run)
    from mesos_py.frameworks.batch.server import Server, ServerOptions  # noqa: PLC0415
    from mesos_py.runtime.logs import set_up  # noqa: PLC0415

    set_up("warning", "console")
    given = os.environ.get("MESOS_BATCH_SOCKET")
    directory = (work_dir or Path.home() / ".mesos-batch").absolute()
    path = socket_path or (Path(given) if given else directory / "socket")
    options = ServerOptions(
        broker=broker or read_credential("broker") or DaemonConfig().broker,
        work_dir=directory,
        socket=path.absolute(),
        name=(name or socket.gethostname()).partition(".")[0].replace("/", "-"),
        operators=operators,
        config=read_queues(str(queues)) if queues is not None else BatchConfig(),
        **rest,
    )
    server = Server(options)
    hint = "" if path.absolute() == default_socket() else f"; MESOS_BATCH_SOCKET={path.absolute()} for its commands"
    click.echo(f"batch server {options.name} listens at {options.socket}{hint}", err=True)
    server.run()
    return 0


for command in COMMANDS:
    batch.add_command(command)
