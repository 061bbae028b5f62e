"""Virtual machines with Debian 12, systemd and pure cgroup v2: clusters of them, and one for the tests of isolation."""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from vm import checkpoint, suite
from vm.cluster import FAULTS, Cluster, console, find_cluster, wake
from vm.image import cache_directory
from vm.qmp import MonitorError
from vm.running import BootError
from vm.snapshot import find_snapshot

__all__ = ["main"]

_TREE: Final = Path(__file__).resolve().parents[2]
_PLACE: Final = _TREE / ".make" / "vm"
_LOOK: Final = (
    "systemctl --no-pager --failed; systemctl --no-pager status 'mesos-*' rabbitmq-server zookeeper | head -80; "
    "journalctl --no-pager -o short-monotonic -n 150 -u 'mesos-*' -u rabbitmq-server -u zookeeper"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 if there is no such machine or it does not come up, else what was run in it exits with."""
    options, words = _parser().parse_known_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        return _act(options, words)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (BootError, MonitorError, subprocess.CalledProcessError) as error:
        print(f"vm: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as missing:
        print(f"vm: {missing.filename} is not there", file=sys.stderr)
        return 1
    except KeyError as unknown:
        print(f"vm: there is no machine {unknown}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vm", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    test = commands.add_parser("test", help="run the tests of isolation in one; the rest goes to pytest")
    suite.arguments(test)
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--cluster", default="people", help="its name (%(default)s)")
        if name == "up":
            command.add_argument("--nodes", type=int, help="how many (1, or as many as were kept)")
            command.add_argument("--like", metavar="NAME", help="as the cluster of that name was kept, if it was")
        if name == "fault":
            command.add_argument("kind", choices=FAULTS)
        if name in {"fault", "ssh"}:
            command.add_argument("node")
    return parser


_COMMANDS: Final = {
    "up": "wake machines node1, node2, ...; prints an inventory for Ansible",
    "down": "end them, and leave nothing",
    "ssh": "log in to one, or run the words that follow",
    "save": "save all of them as they are now, beside them",
    "resume": "go back to what was saved",
    "keep": "save them where others can be woken like them when they are gone, as long as the tree stays as it is",
    "fault": "hurt one, or mend it",
    "log": "print what explains a failure: consoles, units that failed, and the journal of ours",
    "instances": "print Molecule's instance configuration",
}


def _act(options: argparse.Namespace, words: list[str]) -> int:
    if options.command == "test":
        return suite.run(options, words)
    directory = _PLACE / options.cluster
    if options.command == "up":
        return _up(directory, options.nodes, options.like)
    cluster = find_cluster(directory)
    if cluster is None:
        print(f"vm: no machines are up as {options.cluster}", file=sys.stderr)
        return 0 if options.command == "down" else 1
    match options.command:
        case "down":
            cluster.down()
        case "ssh":
            return subprocess.run([*cluster.guest(options.node).ssh, *words], check=False).returncode
        case "fault":
            FAULTS[options.kind](cluster.machines[options.node])
        case "save":
            checkpoint.save(cluster, directory / "saved")
        case "resume":
            checkpoint.resume(cluster, directory / "saved")
        case "keep":
            _image, snapshot = find_snapshot(cache_directory())
            checkpoint.keep(cluster, checkpoint.kept_directory(cache_directory(), options.cluster, _TREE, snapshot))
        case "log":
            _log(cluster)
        case "instances":
            print(json.dumps(cluster.instances()))
    return 0


def _up(directory: Path, nodes: int | None, like: str | None) -> int:
    image, saved = find_snapshot(cache_directory())
    kept = like and checkpoint.kept_directory(cache_directory(), like, _TREE, saved)
    if kept and kept.is_dir():
        cluster = checkpoint.wake_kept(directory, image, kept, nodes)
        (directory / "woken").touch()  # whoever makes clusters of machines need not do so
    else:
        cluster = wake(directory, image, {f"node{number}": saved for number in range(1, (nodes or 1) + 1)})
    inventory = json.dumps(cluster.inventory(), indent=2)
    (directory / "inventory.json").write_text(inventory, encoding="utf-8")
    print(inventory)
    return 0


def _log(cluster: Cluster) -> None:
    for name, machine in cluster.machines.items():
        print(f"===== {name}: console\n{console(machine)}\n===== {name}: units and journal", flush=True)
        cluster.guest(name).run(_LOOK, timeout_s=120.0)


def _stop(number: int, _frame: object) -> NoReturn:
    """So that a machine which is ours alone is ended on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
