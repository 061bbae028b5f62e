"""What became of the containers of an earlier agent process, from the logs of its launchers.

A log is read when nobody can begin a container of it any more: what has not begun then never will. A launcher that
does not come to that point within seconds is killed, and with it whatever it was setting up.

Logs are not synced: what was noted just before the host lost its power may be gone. So in another boot than that of the
last agent nobody can say of a container that it never began, and that is noted before anything is begun.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mesos_py.adapters.container import exit_of
from mesos_py.adapters.journal import sync_directory
from mesos_py.adapters.runlog import Run, RunLog, boot_id, run_logs
from mesos_py.types.containers import ContainerExit, ContainerFate, ContainerLives, NeverBegan
from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import Reason

__all__ = ["Reattachment", "reattach"]

_PATIENCE_S: Final = 5.0
_LOOK_S: Final = 0.002
_BOOT: Final = "boot"
"""The file that says in which boot an agent was here last."""
_REBOOTED: Final = "the host was restarted while it ran"


class Reattachment:
    """What was found."""

    def __init__(self) -> None:
        self.logs: list[RunLog] = []
        self.fates: dict[ContainerID, ContainerFate] = {}
        """Of those that were asked for."""
        self.ended: dict[ContainerID, RunLog] = {}
        """Where it stands how those ended that were asked for."""
        self.living: dict[ContainerID, tuple[RunLog, Run]] = {}
        """All whose first process runs, or ended just now; also those that nobody asked for."""


def reattach(directory: Path, wanted: Iterable[ContainerID]) -> Reattachment:
    """Read all logs in ``directory``. Waits for launchers that are just starting something. Raises OSError."""
    wanted = list(wanted)
    found = Reattachment()
    runs: dict[ContainerID, tuple[RunLog, Run]] = {}
    for log in run_logs(directory):
        _wait_until_final(log)
        _read(log, found, runs)
    if (boot := _boot_before(directory)) != boot_id():
        if boot and (lost := [container_id for container_id in wanted if container_id not in runs]):
            _read(_note_lost(directory, lost, boot), found, runs)
        _write_durably(directory / _BOOT, boot_id())
    found.living = {cid: (log, run) for cid, (log, run) in runs.items() if log.may_live(run)}
    for container_id in wanted:
        log_and_run = runs.get(container_id)
        found.fates[container_id] = NeverBegan() if log_and_run is None else _fate_of(*log_and_run)
        if log_and_run is not None and not isinstance(found.fates[container_id], ContainerLives):
            found.ended[container_id] = log_and_run[0]
    return found


def _read(log: RunLog, found: Reattachment, runs: dict[ContainerID, tuple[RunLog, Run]]) -> None:
    log.read_on()
    found.logs.append(log)
    for container_id, run in log.runs.items():
        runs[container_id] = log, run


def _boot_before(directory: Path) -> str:
    """In which boot an agent was here last; empty if nobody knows."""
    try:
        return (directory / _BOOT).read_text().strip()
    except FileNotFoundError:
        return ""


def _note_lost(directory: Path, lost: Sequence[ContainerID], boot: str) -> RunLog:
    """The log of a launcher that began all these in an earlier boot."""
    path = directory / f"{time.time_ns()}-{_BOOT}.log"
    _write_durably(
        path, "".join([f"launcher 0 0 {boot}\n", *(f"begins {container_id} {{}}\n" for container_id in lost)])
    )
    return RunLog(path)


def _write_durably(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    for directory in (path.parent, path.parent.parent):  # it may have been made just now
        sync_directory(directory)


def _fate_of(log: RunLog, run: Run) -> ContainerFate:
    if run.ended is None and run.failed is None and log.may_live(run):
        return ContainerLives(run.pid)
    if run.ended is None and run.failed is None and not log.is_of_this_boot:
        return ContainerExit(reason=Reason.AGENT_RESTARTED, message=_REBOOTED)
    return exit_of(run, was_killed=False)


def _wait_until_final(log: RunLog) -> None:
    for is_last in (False, True):
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if log.is_final():
                return
            time.sleep(_LOOK_S)
        log.read_on()
        if not is_last and log.launcher_lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(log.launcher_pid, signal.SIGKILL)
    # What still holds the lock waits for a device and dies of its launcher's end before it begins.
