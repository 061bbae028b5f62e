"""Single health checks: a command, an HTTP request or a connection; none of them ever holds up the loop."""

import contextlib
import os
import select
import signal
import socket
import string
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from mesos_py.adapters.commands import Entry, script_of, stdin_of, why_not_runnable, words_inside
from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.adapters.isolators.user import other_user
from mesos_py.adapters.processes import spawn
from mesos_py.agent.environment import argv_of
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.containers import ContainerSpec, signal_name
from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import CommandInfo, HealthCheck

__all__ = ["HostHealthChecker"]

_HOST: Final = "127.0.0.1"
_MAX_REDIRECTS: Final = 10
_MOST: Final = 4
"""Checks of one container at a time: a command may stand still in the kernel, also after it was killed."""
_LONGEST_S: Final = 3600.0
"""For a request that may take as long as it likes."""
_FAREWELL_S: Final = 0.5
_SAFE: Final = string.punctuation


class _Check:
    """One check under way; whoever settles it first answers."""

    def __init__(
        self,
        container_id: ContainerID,
        answer: Callable[[bool, str], None],
        timeout_s: float,
        deadline: float | None,
    ) -> None:
        self.answer = answer
        self.timeout_s = timeout_s
        self.deadline = deadline
        self.container_id = container_id
        self.pid = 0
        self.pidfd = -1


class HostHealthChecker:
    """A HealthChecker that asks from this host's network, and runs commands inside the container."""

    def __init__(
        self,
        loop: Loop,
        entry: Callable[[ContainerID], Entry] = lambda _container_id: Entry(),
        uids: Sequence[range] = (),
    ) -> None:
        """``entry`` says how to get into a container; by default nothing has to be entered.

        Commands that name a user of their own may run as those with these ids, and as the agent's own.
        """
        self._loop = loop
        self._entry = entry
        self._uids = uids
        self._checks: dict[_Check, None] = {}
        self._commands: dict[_Check, None] = {}
        """Those that have not ended, also if nobody waits for them any more."""
        self._under_way: Counter[ContainerID] = Counter()
        """Commands, and threads that ask, likewise."""
        self._null = -1

    def open(self) -> None:
        """Get ready. Raises OSError."""
        self._null = os.open(os.devnull, os.O_RDWR)
        self._loop.add(self)

    def close(self) -> None:
        """Stop all checks; they are not answered."""
        self._loop.remove(self)
        self._checks.clear()
        for check in self._commands:
            _kill_session(check.pid)
        until = time.monotonic() + _FAREWELL_S
        for check in list(self._commands):
            _wait(check.pidfd, until - time.monotonic())
            self._reap(check)
        os.close(self._null)

    def check(
        self,
        container_id: ContainerID,
        health_check: HealthCheck,
        spec: ContainerSpec,
        answer: Callable[[bool, str], None],
    ) -> None:
        """Part of HealthChecker."""
        timeout_s = health_check.timeout_s
        check = _Check(container_id, answer, timeout_s, self._loop.clock() + timeout_s if timeout_s > 0 else None)
        self._checks[check] = None
        if self._under_way[container_id] >= _MOST:
            why = f"{_MOST} earlier checks have not ended"
            self._loop.post(lambda: self._settle(check, healthy=False, seen=why))
        elif health_check.command is not None:
            self._start_command(check, health_check.command, spec, self._entry(container_id))
        elif health_check.http_port is not None:
            url = f"http://{_HOST}:{health_check.http_port}/{health_check.http_path.lstrip('/')}"
            self._in_thread(check, lambda: _see_http(url, timeout_s or _LONGEST_S))
        else:
            port = health_check.tcp_port or 0
            self._in_thread(check, lambda: _see_tcp(port, timeout_s or _LONGEST_S))

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return min((check.deadline for check in self._checks if check.deadline is not None), default=None)

    def run_due(self, now: float) -> None:
        """Part of Resident: give up on what takes too long."""
        for check in [c for c in self._checks if c.deadline is not None and c.deadline <= now]:
            if check in self._commands:
                _kill_session(check.pid)
            self._settle(check, healthy=False, seen=f"no result within {check.timeout_s:g} s")

    def _settle(self, check: _Check, *, healthy: bool, seen: str) -> None:
        if check in self._checks:
            del self._checks[check]
            check.answer(healthy, seen)

    # Commands

    def _start_command(self, check: _Check, command: CommandInfo, spec: ContainerSpec, entry: Entry) -> None:
        spec = msgspec.structs.replace(
            spec,
            argv=argv_of(command),
            environment=spec.environment | command.environment,
            user=command.user or spec.user,
        )
        try:
            if command.user:
                other_user(spec, self._uids, os.geteuid())
            self._spawn(check, spec, entry)
        except (LaunchError, OSError, ValueError) as error:
            why = f"the check could not be started: {error}"
            self._loop.post(lambda: self._settle(check, healthy=False, seen=why))

    def _spawn(self, check: _Check, spec: ContainerSpec, entry: Entry) -> None:
        if why := why_not_runnable(spec):
            raise LaunchError(why)
        words = words_inside(entry, spec.sandbox, spec.user, spec.argv)
        with stdin_of(script_of(spec.environment)) as stdin:
            check.pid = spawn(words, {}, (stdin, self._null, self._null))
        try:
            check.pidfd = os.pidfd_open(check.pid)
        except OSError:
            _kill_session(check.pid)
            os.waitpid(check.pid, 0)
            raise
        self._commands[check] = None
        self._under_way[check.container_id] += 1
        self._loop.register(check.pidfd, READ, lambda _ready: self._command_ended(check))

    def _command_ended(self, check: _Check) -> None:
        """Kill what is left of it besides its first process."""
        _kill_session(check.pid)
        info = self._reap(check)
        if info is None:
            return
        if info.si_code == os.CLD_EXITED:
            self._settle(check, healthy=info.si_status == 0, seen=f"exited with status {info.si_status}")
        else:
            self._settle(check, healthy=False, seen=f"killed by {signal_name(info.si_status)}")

    def _reap(self, check: _Check) -> os.waitid_result | None:
        """Forget a command; gives how it ended, if it has."""
        self._loop.unregister(check.pidfd)
        info = os.waitid(os.P_PIDFD, check.pidfd, os.WEXITED | os.WNOHANG)
        os.close(check.pidfd)
        del self._commands[check]
        self._has_ended(check.container_id)
        return info

    def _has_ended(self, container_id: ContainerID) -> None:
        self._under_way[container_id] -= 1
        if not self._under_way[container_id]:
            del self._under_way[container_id]

    # Requests

    def _in_thread(self, check: _Check, see: Callable[[], tuple[bool, str]]) -> None:
        """A thread for each, so that a task that answers slowly delays no other's check."""
        self._under_way[check.container_id] += 1

        def work() -> None:
            try:
                healthy, seen = see()
            except Exception as error:  # whatever it is, the check must get its answer
                healthy, seen = False, f"{type(error).__name__}: {error}"
            self._loop.post(lambda: self._answered(check, healthy=healthy, seen=seen))

        threading.Thread(target=work, name="health check", daemon=True).start()

    def _answered(self, check: _Check, *, healthy: bool, seen: str) -> None:
        self._has_ended(check.container_id)
        self._settle(check, healthy=healthy, seen=seen)


def _kill_session(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _wait(pidfd: int, timeout_s: float) -> None:
    """Until a process has ended, or the time is over."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(max(timeout_s, 0.0) * 1000.0)


class _Hurried(socket.socket):
    """A connection that is over at its end, however slowly the other side speaks."""

    def __init__(self, port: int, end: float) -> None:
        """``end`` on the monotonic clock. Raises OSError."""
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._end = end
        try:
            self._hurry()
            self.connect((_HOST, port))
        except OSError:
            self.close()
            raise

    def recv_into(self, *buffer: Any) -> int:
        """As that of any socket."""
        self._hurry()
        return super().recv_into(*buffer)

    def _hurry(self) -> None:
        self.settimeout(max(self._end - time.monotonic(), 0.001))


def _see_http(url: str, timeout_s: float) -> tuple[bool, str]:
    try:
        status = _status_of(url, time.monotonic() + timeout_s)
    except (OSError, HTTPException) as error:
        return False, f"GET {url}: {str(error) or type(error).__name__}"
    return 200 <= status < 400, f"GET {url}: {status}"


def _status_of(url: str, end: float) -> int:
    """What is answered at last; a redirect that leads away from this host is an answer, too. Raises what sockets do."""
    status = 0
    for _ in range(_MAX_REDIRECTS + 1):
        status, location = _get(url, end)
        url = urljoin(url, location)
        parts = urlsplit(url)
        if not (300 <= status < 400 and location and parts.scheme == "http" and parts.hostname in (_HOST, "localhost")):
            return status
    raise HTTPException(f"more than {_MAX_REDIRECTS} redirects")


def _get(url: str, end: float) -> tuple[int, str]:
    """The status, and where it leads to."""
    parts = urlsplit(url)
    connection = HTTPConnection(_HOST, parts.port or 80)
    connection.sock = _Hurried(connection.port, end)
    try:
        connection.request("GET", quote(parts._replace(scheme="", netloc="", fragment="").geturl(), safe=_SAFE) or "/")
        response = connection.getresponse()
        return response.status, response.headers.get("Location", "")
    finally:
        connection.close()


def _see_tcp(port: int, timeout_s: float) -> tuple[bool, str]:
    try:
        socket.create_connection((_HOST, port), timeout_s).close()
    except OSError as error:
        return False, f"connect to port {port}: {error.strerror or error}"
    return True, f"connected to port {port}"
