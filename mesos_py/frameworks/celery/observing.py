"""Starts the observer of an application, reads what it says, and passes on whom to shut down."""

import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from mesos_py.errors import MesosError

__all__ = ["Application", "Failed", "Observation", "Observing", "Seen", "Unreachable"]

_PROGRAM = Path(__file__).with_name("observer.py")


class Application(Struct, frozen=True, tag="application", tag_field="type"):
    """It was imported."""

    queues: list[str]
    """Those that its workers serve unless told otherwise."""
    remote_control: bool
    broker: str
    """Without the password."""


class Failed(Struct, frozen=True, tag="failed", tag_field="type"):
    """It cannot be imported."""

    why: str


class Seen(Struct, frozen=True, tag="seen", tag_field="type"):
    """A look at its broker."""

    depths: dict[str, int]
    workers: dict[str, tuple[int, int]]
    """By node name: slots in use, tasks so far."""


class Unreachable(Struct, frozen=True, tag="unreachable", tag_field="type"):
    """Its broker cannot be looked at."""

    why: str


class Ended(Struct, frozen=True, tag="ended", tag_field="type"):
    """The observer itself is no more."""

    why: str


Observation = Application | Failed | Seen | Unreachable | Ended


class Observing:
    """One observer, from the making of this until ``close``."""

    def __init__(
        self,
        python: str,
        app: str,
        workdir: str,
        queues: Iterable[str],
        environment: dict[str, str],
        tell: Callable[[Observation], None],
    ) -> None:
        """``tell`` is called in a thread of ours. Raises MesosError if there is no such Python or directory."""
        self._tell = tell
        if not Path(workdir).is_dir():
            raise MesosError(f"there is no directory {workdir}")
        try:
            self._process = subprocess.Popen(
                [python, str(_PROGRAM), app, workdir, *queues],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
                start_new_session=True,  # Ctrl-C is for us
            )
        except OSError as error:
            raise MesosError(f"the Python {python} cannot be started: {error.strerror}") from error
        threading.Thread(target=self._read, name="mesos-celery-observer", daemon=True).start()

    def stop(self, nodes: Iterable[str]) -> None:
        """Have these workers shut down warmly; if the observer is gone, so is the order."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(list(nodes)).decode() + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        decode = msgspec.json.Decoder(Application | Failed | Seen | Unreachable).decode
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._tell(decode(line))
        self._tell(Ended(f"the observer ended with {self._process.wait()}"))
