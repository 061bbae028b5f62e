"""`mesos batch serve`: brings requests, offers and news to the core, writes its book down, and carries out its orders.

All of the core's work is done in the framework's loop; threads that serve commands hand theirs to it and wait.
"""

import contextlib
import os
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, assert_never, cast

import httpx
import msgspec
from msgspec import Struct

from mesos_py import Error, Framework, OfferFilter, Registered, Resources, TaskStatus
from mesos_py.errors import ConfigError, MesosError, UserError
from mesos_py.frameworks.batch.config import BatchConfig
from mesos_py.frameworks.batch.core import Batch
from mesos_py.frameworks.batch.events import (
    Account,
    Agent,
    AgentsSeen,
    Answer,
    Asked,
    Decline,
    Effect,
    Event,
    KillShare,
    Launch,
    OffersCame,
    OffersLost,
    Refuse,
    ShareChanged,
    Ticked,
    WantOffers,
)
from mesos_py.frameworks.batch.jobs import LEAST
from mesos_py.frameworks.batch.requests import JobRequest, Request
from mesos_py.frameworks.batch.store import Store
from mesos_py.frameworks.batch.tasks import Submission, task_of
from mesos_py.frameworks.batch.wire import Reply, peer, user_name
from mesos_py.runtime.login import http_options
from mesos_py.types.ids import AgentID

__all__ = ["Server", "ServerOptions"]

_FAILOVER_S: Final = 7 * 24 * 3600.0
_LOOK_S: Final = 5.0
"""How often to see what agents there are."""
_PAGE: Final = 1000
_REFUSE_S: Final = 1.0
_ANSWER_S: Final = 20.0
_TIDY_S: Final = 600.0


class ServerOptions(Struct, frozen=True, kw_only=True):
    """What `mesos batch serve` is asked to do."""

    broker: str
    work_dir: Path
    socket: Path
    name: str
    """The end of job ids; without a slash."""
    role: str = "*"
    operators: tuple[str, ...] = ()
    """Users who may touch the jobs of all, besides root and whoever runs the server."""
    python: str = ""
    config: BatchConfig = BatchConfig()


class _Commands(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, server: "Server", path: Path) -> None:
        self.batch = server
        super().__init__(str(path), _Command)


class _Command(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.connection.settimeout(_ANSWER_S)
        server = cast("_Commands", self.server).batch
        with contextlib.suppress(OSError):
            reply = server.answer(peer(self.connection), self.rfile.readline(1 << 20))
            self.wfile.write(msgspec.json.encode(reply) + b"\n")


class Server:
    """One batch server."""

    def __init__(self, options: ServerOptions) -> None:
        """``run`` does it. Raises ConfigError."""
        self._options = options
        self._store = Store(options.work_dir)
        book, refused = self._store.read()
        for why in refused:
            print(why, file=sys.stderr, flush=True)
        self._core = Batch(options.config, book, seed=secrets.token_hex(4))
        try:
            self._me = user_name(os.getuid())
        except KeyError:
            why = f"user {os.getuid()} has no name here, so no agent would know whose its jobs are"
            raise ConfigError(why) from None
        self._framework = Framework(
            f"batch {options.name}",
            roles=[options.role],
            filters={options.role: OfferFilter(least=LEAST)},
            failover_timeout_s=_FAILOVER_S,
            state_file=self._store.framework_file,
            refuse_seconds=_REFUSE_S,
            suppressed=True,
        )
        self._framework.on_registered(self._on_registered)
        self._framework.on_offers(lambda offers: self._handle(OffersCame(offers=offers)))
        self._framework.on_rescind(lambda offers: self._handle(OffersLost(offers=offers)))
        self._framework.on_update(self._on_update)
        self._framework.on_disconnected(lambda _reason: self._handle(OffersLost()))
        self._framework.on_error(self._on_error)
        self._alarm_at: float | None = None
        self._master_url = ""
        self._stop_looking = threading.Event()

    def run(self) -> None:
        """Until it is interrupted; jobs go on. Raises ConfigError, or whatever ended the framework."""
        commands = self._listen()
        threading.Thread(target=commands.serve_forever, name="commands", daemon=True).start()
        threading.Thread(target=self._look, name="agents", daemon=True).start()
        self._framework.call_later(0, self._tidy)
        try:
            self._framework.run(self._options.broker)
        except KeyboardInterrupt:
            pass  # the next process takes the jobs over
        finally:
            self._stop_looking.set()
            commands.shutdown()
            commands.server_close()
            self._options.socket.unlink(missing_ok=True)

    def _listen(self) -> _Commands:
        path = self._options.socket
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                with socket.socket(socket.AF_UNIX) as probe:
                    if probe.connect_ex(str(path)) == 0:
                        raise ConfigError(f"a batch server runs already at {path}")
                path.unlink()
            commands = _Commands(self, path)
            path.chmod(0o666)  # who may do what is decided by who connects
        except OSError as error:
            raise ConfigError(f"{path} cannot be listened at: {error.strerror or error}") from None
        return commands

    # Commands; in their threads

    def answer(self, uid: int, line: bytes) -> Reply:
        """To a request of this user."""
        try:
            user = user_name(uid)
            request = msgspec.json.decode(line, type=Request)
        except KeyError:
            return Reply(error=f"there is no user {uid} here")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Reply(error=f"the request is not understood: {error}")
        if isinstance(request, JobRequest) and os.getuid() not in (0, uid):
            return Reply(error=f"this batch server runs jobs of {self._me} only")
        asked = Asked(
            request=request, user=user, is_operator=uid in (0, os.getuid()) or user in self._options.operators
        )
        done: Future[Reply] = Future()
        self._framework.call_later(0, lambda: done.set_result(self._reply(asked)))
        try:
            return done.result(_ANSWER_S)
        except TimeoutError:
            return Reply(error="the batch server is busy; nothing is known of the request")

    def _reply(self, asked: Asked) -> Reply:
        for effect in self._handle(asked):
            match effect:
                case Answer():
                    return Reply(server=self._options.name, value=effect.value)
                case Refuse():
                    return Reply(server=self._options.name, error=effect.why)
                case _:
                    continue
        raise AssertionError("every request is answered")

    # The loop

    def _handle(self, event: Event) -> Sequence[Effect]:
        effects = self._core.handle(event, time.time())
        for effect in effects:
            if isinstance(effect, Answer) and effect.job is not None:
                request = cast("JobRequest", cast("Asked", event).request)
                kept = Submission(script=request.script, environment=request.environment, secret=secrets.token_hex(16))
                self._store.keep(effect.job.number, kept)
        self._store.write(self._core.book)
        for effect in effects:
            self._perform(effect)
        self._set_alarm()
        return effects

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Answer() | Refuse():
                pass  # whoever asked takes it
            case Launch():
                self._launch(effect)
            case Decline():
                self._framework.decline(effect.offers)
            case KillShare():
                self._framework.kill(effect.task_id)
            case WantOffers():
                self._framework.revive() if effect.wanted else self._framework.suppress()
            case Account():
                job_id = f"{effect.job_id}.{self._options.name}"
                self._store.account(effect.kind, job_id, effect.fields, time.time())
            case _:
                assert_never(effect)

    def _launch(self, order: Launch) -> None:
        tasks = []
        for job, share in order.shares:
            user = job.owner if os.getuid() == 0 and job.owner != self._me else ""
            submission = self._store.submission(job.number)
            tasks.append(task_of(job, share, submission, self._options.name, user, self._options.python))
        self._framework.launch(order.offers, tasks, refuse_seconds=0)

    def _set_alarm(self) -> None:
        """Tick when the core wants it; an alarm that is too early does no harm."""
        due = self._core.next_deadline()
        if due is not None and (self._alarm_at is None or due < self._alarm_at):
            self._alarm_at = due
            self._framework.call_later(max(0.0, due - time.time()) + 0.01, self._alarm)

    def _alarm(self) -> None:
        self._alarm_at = None
        self._handle(Ticked())

    def _tidy(self) -> None:
        self._handle(Ticked())
        self._store.forget(self._core.book)
        self._framework.call_later(_TIDY_S, self._tidy)

    # News

    def _on_registered(self, registered: Registered) -> None:
        self._master_url = registered.master.url
        self._framework.reconcile(self._core.live_tasks())

    def _on_update(self, status: TaskStatus) -> None:
        self._handle(ShareChanged(status=status))

    def _on_error(self, error: Error) -> None:
        why = f"the master refused {error.call or 'a call'}: {error.message}"
        if error.fatal:
            raise MesosError(why)
        print(why, file=sys.stderr, flush=True)

    def _look(self) -> None:
        """What agents there are, and what is used of them, the master tells by HTTP."""
        why_not = ""
        while not self._stop_looking.wait(_LOOK_S if self._core.agents else 0.2):
            if not self._master_url:
                continue
            try:
                seen = AgentsSeen(agents=_agents(self._master_url))
            except (httpx.HTTPError, ValueError, KeyError, UserError) as error:
                if why_not != (why_not := str(error)):
                    print(f"the master does not tell which agents there are: {why_not}", file=sys.stderr, flush=True)
                continue
            why_not = ""
            self._framework.call_later(0, self._handle, seen)


def _agents(master_url: str) -> dict[AgentID, Agent]:
    agents: dict[AgentID, Agent] = {}
    total = 1
    while len(agents) < total:
        page = {"limit": _PAGE, "offset": len(agents)}
        answer = httpx.get(f"{master_url}/agents", params=page, timeout=5.0, **http_options()).raise_for_status().json()
        total = answer["total"] if answer["items"] else 0
        for agent in answer["items"]:
            agents[AgentID(agent["agent_id"])] = Agent(
                hostname=agent["hostname"],
                resources=Resources.from_wire(agent["resources"]).flatten(),
                used=Resources.from_wire(agent["used"]).flatten(),
                is_usable=agent["connected"] and agent.get("mode", "ACTIVE") == "ACTIVE",
            )
    return agents
