"""What running any daemon takes: logs, signals, a loop, and the last words of one that broke."""

import errno
import fcntl
import gc
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from mesos_py.adapters.systemd import ServiceManager
from mesos_py.daemons.config import DaemonConfig
from mesos_py.daemons.narrator import Narrator
from mesos_py.daemons.reporting import Reporter
from mesos_py.errors import ConfigError
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.logs import Log, get_log, is_logged, set_level, set_up
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.standing import Standing
from mesos_py.runtime.story import Story

__all__ = [
    "EXIT_BROKEN",
    "EXIT_CONFIG",
    "Daemon",
    "claim",
    "logged",
    "private_dir",
    "run",
    "spare_the_collector",
    "story_file",
    "watcher",
]

EXIT_BROKEN = 70
"""We broke our own rules (sysexits.h EX_SOFTWARE)."""
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG)."""

Watch = Callable[[Any, Sequence[Any], float], None]


class Daemon(Protocol):
    """Something that lives in a loop until told to stop."""

    @property
    def failure(self) -> str:
        """Why it stopped by itself; empty if it was told to."""

    def start(self) -> None:
        """Begin."""

    def condition(self) -> Condition:
        """How it fares at this moment."""

    def reload(self, config: Any) -> None:
        """Go by a new configuration of its kind, in what can be changed now.

        Raises ConfigError, and then nothing is changed.
        """

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Hand over what there is and end; then call ``on_stopped``."""

    def last_words(self) -> None:
        """Something broke: leave what explains it."""


D = TypeVar("D", bound=Daemon)
Stop = Callable[[D, Callable[[], None]], None]
"""A way for a daemon to end, as ``Daemon.stop``."""
Reread = Callable[[], DaemonConfig]
"""Reads the configuration anew, from where it came. Raises ConfigError."""


def run(
    config: DaemonConfig,
    make: Callable[[Loop], D],
    others: Mapping[signal.Signals, Stop[D]] | None = None,
    reread: Reread | None = None,
) -> int:
    """Run a daemon in this thread until a signal or its own end; gives the exit code.

    TERM and INT stop it; ``others`` says what further signals do instead. HUP has it go by the configuration that
    ``reread`` gives, as far as that can be changed while it runs.
    """
    stops: dict[signal.Signals, Stop[D]] = {signal.SIGTERM: _stop, signal.SIGINT: _stop, **(others or {})}
    set_up(config.log_level, config.log_format)
    log = get_log()
    manager = ServiceManager(os.environ)
    loop = Loop()
    handlers: dict[signal.Signals, Any] = {}
    daemon: D | None = None
    try:
        daemon = make(loop)
        reporter = Reporter(loop, manager, daemon.condition)
        act = _Acts(daemon, loop, reporter, stops, reread).on

        def signalled(number: int, _frame: object) -> None:
            # it may have come in the middle of anything, a line of the log included: leave the rest to the loop
            loop.post(lambda: act(signal.Signals(number)))

        signal.set_wakeup_fd(loop.wakeup_fd, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, signalled) for number in (*stops, signal.SIGHUP)}
        reporter.start()
        daemon.start()
        spare_the_collector()
        loop.run()
    except ConfigError:
        raise
    except Exception:
        log.exception("broken", exit_code=EXIT_BROKEN)
        if daemon is not None:
            daemon.last_words()
        return EXIT_BROKEN
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        loop.close()
        manager.close()
    if daemon.failure:
        log.error("stopped", why=daemon.failure)
        return 1
    return 0


class _Acts(Generic[D]):
    """What signals have a daemon do."""

    def __init__(
        self,
        daemon: D,
        loop: Loop,
        reporter: Reporter,
        stops: Mapping[signal.Signals, Stop[D]],
        reread: Reread | None,
    ) -> None:
        self._daemon = daemon
        self._loop = loop
        self._reporter = reporter
        self._stops = stops
        self._reread = reread
        self._stopping = False
        self._log = get_log()

    def on(self, number: signal.Signals) -> None:
        """Do what it stands for."""
        if self._stopping:
            self._log.info("stopping already", signal=number.name)
        elif number is signal.SIGHUP:
            self._reload()
        else:
            self._stopping = True
            self._log.info("stopping", signal=number.name)
            self._reporter.stopping(f"stopping after {number.name}")
            self._stops[number](self._daemon, self._loop.stop)

    def _reload(self) -> None:
        """Go by the new configuration, or if it cannot be used by the old one."""
        self._reporter.reloading()
        try:
            if self._reread is not None:
                new = self._reread()
                self._daemon.reload(new)
                set_level(new.log_level)
        except ConfigError as error:
            self._log.error("not reloaded", why=str(error))
        else:
            self._log.info("reloaded")
        self._reporter.reloaded()


def _stop(daemon: Daemon, on_stopped: Callable[[], None]) -> None:
    daemon.stop(on_stopped)


def spare_the_collector() -> None:
    """Let the garbage collector pass over what is there for good, and come seldom.

    Values are ``gc=False`` Structs and state is freed by reference counts; the collector only has rare cycles to find,
    and each of its full passes would walk every task there is.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def watcher(story: Story, **ids: object) -> Watch:
    """Who watches a core: its story always, the narrator while the log's level wants it."""
    narrator = Narrator(get_log(**ids))

    def watch(event: Any, effects: Sequence[Any], now: float) -> None:
        if is_logged("info"):
            narrator.watch(event, effects, now)
        story.watch(event, effects, now)

    return watch


def logged(loop: Loop, log: Log, *, well: bool = False) -> Standing:
    """How something stands, told to the log."""

    def tell(what: str, why: str) -> None:
        if why:
            log.warning(what, why=why)
        else:
            log.info(what)

    return Standing(loop, tell, well=well)


def private_dir(path: str, mode: int = 0o700) -> Path:
    """Make a directory; one that is there stays as it is. Raises ConfigError.

    Mode 0711 lets other users pass to what is theirs below it, and not look around: an agent's tasks need that.
    """
    directory = Path(path)
    missing = [part for part in (directory, *directory.parents) if not part.exists()]
    try:
        for part in reversed(missing):
            part.mkdir(exist_ok=True)
            part.chmod(mode if part is directory else 0o755)  # whatever the umask is
        if not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise ConfigError(f"cannot make the directory {path}: {error.strerror}") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write to the directory {path}")
    return directory


def claim(directory: Path) -> Callable[[], None]:
    """Make sure that no other process uses this directory; gives what ends the claim. Raises ConfigError.

    The claim ends with the process in any case.
    """
    try:
        fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot use the directory {directory}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        why = "another process uses it" if isinstance(error, BlockingIOError) else error.strerror
        raise ConfigError(f"cannot use the directory {directory}: {why}") from None
    return lambda: os.close(fd)


def story_file(directory: Path, role: str) -> Path:
    """Where the story of a broken core goes."""
    return directory / f"story-{role}-{time.strftime('%Y%m%dT%H%M%S')}.txt"
