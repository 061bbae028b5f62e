"""Single health checks: a command, an HTTP request or a connection; none of them ever holds up the loop."""

import contextlib
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from mesos_py.adapters.commands import Entry, script_of, stdin_of, why_not_runnable, words_inside
from mesos_py.adapters.isolators.launch import LaunchError
from mesos_py.adapters.processes import spawn
from mesos_py.agent.environment import argv_of
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.containers import ContainerSpec
from mesos_py.types.ids import ContainerID
from mesos_py.types.tasks import CommandInfo, HealthCheck

__all__ = ["HostHealthChecker"]

_HOST: Final = "127.0.0.1"
_MAX_REDIRECTS: Final = 10
_MOST_REQUESTS: Final = 4
"""Of one container at a time: what answers byte by byte keeps a thread for ever."""


class _Check:
    """One check under way; whoever settles it first answers."""

    def __init__(self, answer: Callable[[bool, str], None], timeout_s: float, deadline: float | None) -> None:
        self.answer = answer
        self.timeout_s = timeout_s
        self.deadline = deadline
        self.pid = 0
        self.pidfd = -1


class HostHealthChecker:
    """A HealthChecker that asks from this host's network, and runs commands inside the container."""

    def __init__(self, loop: Loop, entry: Callable[[ContainerID], Entry] = lambda _container_id: Entry()) -> None:
        """``entry`` says how to get into a container; by default nothing has to be entered."""
        self._loop = loop
        self._entry = entry
        self._checks: dict[_Check, None] = {}
        self._requests: Counter[ContainerID] = Counter()
        """Threads that ask, also those that nobody waits for any more."""
        self._null = -1

    def open(self) -> None:
        """Get ready. Raises OSError."""
        self._null = os.open(os.devnull, os.O_RDWR)
        self._loop.add(self)

    def close(self) -> None:
        """Stop all checks; they are not answered."""
        self._loop.remove(self)
        for check in self._checks:
            self._end_command(check)
        self._checks.clear()
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
        check = _Check(answer, timeout_s, self._loop.clock() + timeout_s if timeout_s > 0 else None)
        self._checks[check] = None
        if health_check.command is not None:
            self._start_command(check, health_check.command, spec, self._entry(container_id))
        elif health_check.http_port is not None:
            url = f"http://{_HOST}:{health_check.http_port}/{health_check.http_path.lstrip('/')}"
            self._in_thread(container_id, check, lambda: _see_http(url, timeout_s or None))
        else:
            port = health_check.tcp_port or 0
            self._in_thread(container_id, check, lambda: _see_tcp(port, timeout_s or None))

    def next_deadline(self) -> float | None:
        """Part of Resident."""
        return min((check.deadline for check in self._checks if check.deadline is not None), default=None)

    def run_due(self, now: float) -> None:
        """Part of Resident: give up on what takes too long."""
        for check in [c for c in self._checks if c.deadline is not None and c.deadline <= now]:
            self._end_command(check)
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
        self._loop.register(check.pidfd, READ, lambda _ready: self._command_ended(check))

    def _command_ended(self, check: _Check) -> None:
        info = self._end_command(check)
        if info is None:
            return
        if info.si_code == os.CLD_EXITED:
            self._settle(check, healthy=info.si_status == 0, seen=f"exited with status {info.si_status}")
        else:
            self._settle(check, healthy=False, seen=f"killed by {signal.Signals(info.si_status).name}")

    def _end_command(self, check: _Check) -> os.waitid_result | None:
        """Kill what is left of a check's command, and reap it."""
        if check.pidfd < 0:
            return None
        self._loop.unregister(check.pidfd)
        _kill_session(check.pid)
        info = os.waitid(os.P_PIDFD, check.pidfd, os.WEXITED)
        os.close(check.pidfd)
        check.pidfd = -1
        return info

    # Requests

    def _in_thread(self, container_id: ContainerID, check: _Check, see: Callable[[], tuple[bool, str]]) -> None:
        """A thread for each, so that a task that answers slowly delays no other's check."""
        if self._requests[container_id] >= _MOST_REQUESTS:
            why = f"{_MOST_REQUESTS} earlier checks are still being answered"
            self._loop.post(lambda: self._settle(check, healthy=False, seen=why))
            return
        self._requests[container_id] += 1

        def work() -> None:
            try:
                healthy, seen = see()
            except Exception as error:  # whatever it is, the check must get its answer
                healthy, seen = False, f"{type(error).__name__}: {error}"
            self._loop.post(lambda: self._answered(container_id, check, healthy=healthy, seen=seen))

        threading.Thread(target=work, name="health check", daemon=True).start()

    def _answered(self, container_id: ContainerID, check: _Check, *, healthy: bool, seen: str) -> None:
        self._requests[container_id] -= 1
        if not self._requests[container_id]:
            del self._requests[container_id]
        self._settle(check, healthy=healthy, seen=seen)


def _kill_session(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _see_http(url: str, timeout_s: float | None) -> tuple[bool, str]:
    try:
        with (
            httpx.Client(
                follow_redirects=True,
                max_redirects=_MAX_REDIRECTS,
                timeout=timeout_s,
                trust_env=False,  # no proxy stands between us and this host
                verify=False,  # noqa: S501 - whether it is healthy, not who it is
            ) as client,
            client.stream("GET", url) as response,
        ):
            status = response.status_code
    except httpx.HTTPError as error:
        return False, f"GET {url}: {str(error) or type(error).__name__}"
    return 200 <= status < 400, f"GET {url}: {status}"


def _see_tcp(port: int, timeout_s: float | None) -> tuple[bool, str]:
    try:
        socket.create_connection((_HOST, port), timeout_s).close()
    except OSError as error:
        return False, f"connect to port {port}: {error.strerror or error}"
    return True, f"connected to port {port}"
