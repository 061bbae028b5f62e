"""An agent's HTTP API: what runs here, and the files in the sandboxes."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

from anyio import sleep, to_thread
from litestar import Litestar, MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream

from mesos_py.agent.views import AgentView
from mesos_py.runtime.condition import Condition, always_ready
from mesos_py.types.containers import ContainerUsage
from mesos_py.types.ids import FrameworkID, Principal
from mesos_py.types.metrics import Metric
from mesos_py.types.tasks import LIVE
from mesos_py.web.access import Access, allow_all, asks
from mesos_py.web.app import Problem, health, make_app, may_fail, problem, version
from mesos_py.web.authentication import Authenticate, nobody
from mesos_py.web.containers import ContainerView, container_views
from mesos_py.web.encode import AcceptEncoding, whole
from mesos_py.web.files import (
    FileEntry,
    FileError,
    ForbiddenPathError,
    GrowingFile,
    NoSuchFileError,
    OpenFile,
    Sandboxes,
)
from mesos_py.web.metrics import metrics
from mesos_py.web.paging import Items, Limit, Offset, cut
from mesos_py.web.reader import BusyError, Reader

__all__ = ["OFFSET_HEADER", "SIZE_HEADER", "make_agent_app"]

OFFSET_HEADER: Final = "X-File-Offset"
SIZE_HEADER: Final = "X-File-Size"

_FOLLOW_S: Final = 0.25
_PIECE: Final = 64 * 1024
_MAX_LENGTH: Final = 1024 * 1024
_RAW: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""What a task wrote must not be taken for a page of ours."""

Path = Annotated[str, Parameter(description="Such as /frameworks/F/tasks/T/latest/stdout.")]
ReadOffset = Annotated[int, Parameter(description="Where to begin; -1 for the end.", ge=-1)]
Length = Annotated[int, Parameter(description="At most so many bytes.", ge=0, le=_MAX_LENGTH)]
Follow = Annotated[bool, Parameter(description="Go on until the task ends; length is ignored.")]
OfTask = Annotated[str, Parameter(description="With follow, in an executor's sandbox: until this task ends.")]


WhyNotRead = Callable[[Principal | None, str], str | None]


class FilePage(Items[FileEntry], frozen=True, kw_only=True):
    """What is in a directory."""


class ContainerPage(Items[ContainerView], frozen=True, kw_only=True):
    """Containers that run."""


def make_agent_app(
    reader: Reader,
    view: Callable[[], AgentView],
    work_dir: str,
    usage: Callable[[], Sequence[ContainerUsage]],
    access: Access = allow_all,
    condition: Callable[[], Condition] = always_ready,
    authenticate: Authenticate = nobody,
    why_not_read: WhyNotRead = lambda _principal, _owner: None,
    figures: Callable[[], Sequence[Metric]] = list,
) -> Litestar:
    """The ASGI application.

    Args:
        reader: asks the loop in which the agent lives.
        view: the core's view of itself; called in the loop's thread only.
        work_dir: where the sandboxes are, see :mod:`mesos_py.agent.paths`.
        usage: what each running container uses; called in the loop's thread only.
        access: who may do what.
        condition: how this process fares; called in the loop's thread only.
        authenticate: finds out who asks.
        why_not_read: why somebody may not read the sandboxes of a framework's principal.
        figures: what is worth monitoring; called in the loop's thread only.
    """
    site = _AgentSite(reader, view, Sandboxes(work_dir), usage, why_not_read)
    description = "What runs on this agent, and the files in its sandboxes."
    daemon = [*health(reader, condition), version(), metrics(reader, "mesos_agent", figures)]
    return make_app("mesos_py agent", description, [*daemon, *site.routes()], access, authenticate)


class _AgentSite:
    """The routes, and what they need."""

    def __init__(
        self,
        reader: Reader,
        view: Callable[[], AgentView],
        sandboxes: Sandboxes,
        usage: Callable[[], Sequence[ContainerUsage]],
        why_not_read: WhyNotRead,
    ) -> None:
        self._why_not_read = why_not_read
        self._reader = reader
        self._view = view
        self._sandboxes = sandboxes
        self._usage = usage

    def routes(self) -> list[HTTPRouteHandler]:
        """All of them."""
        state = {200: ResponseSpec(AgentView, description="The agent", generate_examples=False), **may_fail(503)}
        raw = {200: ResponseSpec(bytes, description="Bytes of the file", media_type="text/plain")}
        files: dict[str, Any] = {
            "tags": ["files"],
            "exception_handlers": {FileError: _file_problem},
            "before_request": self._check_reader,
        }
        failures = may_fail(400, 403, 404)
        return [
            get("/state", summary="The agent and all on it", tags=["agent"], responses=state)(self.state),
            get("/containers", summary="What containers use", tags=["agent"], responses=may_fail(400, 503))(
                self.containers
            ),
            get("/files/browse", summary="List a directory", **files, responses=failures, sync_to_thread=True)(
                self.browse
            ),
            get("/files/read", summary="Read part of a file", **files, responses=raw | failures)(self.read),
            get("/files/download", summary="Read a whole file", **files, responses=raw | failures, sync_to_thread=True)(
                self.download
            ),
        ]

    async def state(self, accept_encoding: AcceptEncoding = "") -> Response[bytes]:
        """Frameworks, executors, tasks and their sandboxes."""
        return await whole(self._reader, await self._reader.snapshot("state", self._view), accept_encoding)

    async def containers(self, limit: Limit = 100, offset: Offset = 0) -> ContainerPage:
        """Each container that runs, its tasks, and what it uses: a custom executor's tasks share one container."""
        snapshot = await self._reader.snapshot("containers", self._containers)
        return cut(ContainerPage, snapshot.value, offset, limit)

    def _containers(self) -> list[ContainerView]:
        """In the loop's thread."""
        return container_views(self._view(), self._usage(), time.time())

    def browse(self, path: Path = "/", limit: Limit = 1000, offset: Offset = 0) -> FilePage:
        """What is in a directory, by name."""
        return cut(FilePage, self._sandboxes.entries(path), offset, limit)

    async def read(
        self, path: Path, offset: ReadOffset = 0, length: Length = _PIECE, follow: Follow = False, task_id: OfTask = ""
    ) -> Response[bytes] | Stream:
        """The bytes as they are; two headers say where they begin and how large the file is.

        An offset of -1, or beyond the end, gives no bytes and so only the size. With ``follow`` the answer goes on
        with whatever is written, begins anew when the file is rotated, and ends when the task has ended.
        """
        if follow:
            growing = await to_thread.run_sync(lambda: GrowingFile(lambda: self._sandboxes.open(path), offset))
            headers = {**_RAW, OFFSET_HEADER: str(growing.offset)}
            return Stream(self._follow(growing, path, task_id), media_type=MediaType.TEXT, headers=headers)
        data, offset, size = await to_thread.run_sync(self._read, path, offset, length)
        headers = {**_RAW, OFFSET_HEADER: str(offset), SIZE_HEADER: str(size)}
        return Response(data, media_type=MediaType.TEXT, headers=headers)

    def download(self, path: Path) -> Stream:
        """The file as it is now, for keeping."""
        file = self._sandboxes.open(path)
        disposition = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
        headers = {**_RAW, "Content-Disposition": disposition, SIZE_HEADER: str(file.size)}
        return Stream(_whole(file), media_type="application/octet-stream", headers=headers)

    async def _check_reader(self, request: Request[Any, Any, Any]) -> None:
        """May this one look in there? Above the sandboxes and for a framework that is forgotten, the owner is empty."""
        view = (await self._reader.snapshot("state", self._view)).value
        for path in request.query_params.getall("path", ["/"]):  # of several, a handler is given the last
            parts = [part for part in path.split("/") if part not in ("", ".")]
            owner = view.owners.get(FrameworkID(parts[1]), "") if len(parts) > 1 else ""
            if why := self._why_not_read(asks.get(), owner):
                raise problem(403, why)

    def _read(self, path: str, offset: int, length: int) -> tuple[bytes, int, int]:
        file = self._sandboxes.open(path)
        try:
            size = file.size
            offset = size if offset < 0 else offset
            return file.read(offset, length), offset, size
        finally:
            file.close()

    async def _follow(self, growing: GrowingFile, path: str, task_id: str) -> AsyncIterator[bytes]:
        try:
            sandbox = self._sandboxes.sandbox(path)
            running = True
            while True:
                while data := await to_thread.run_sync(growing.next_piece):
                    yield data
                if not running:
                    return
                running = await self._is_running(sandbox, task_id)
                await sleep(_FOLLOW_S)
        finally:
            growing.close()

    async def _is_running(self, sandbox: str, task_id: str) -> bool:
        """True while the task, or without a task id anything in the sandbox, may write."""
        try:
            view = (await self._reader.snapshot("state", self._view)).value
        except BusyError:
            return True
        return sandbox in _writers(view, task_id)


def _writers(view: AgentView, task_id: str) -> Iterator[str]:
    """Sandboxes of all that lives, or of this task."""
    for framework in view.frameworks:
        for task in framework.tasks:
            if task.state in LIVE and task_id in ("", task.task_id):
                yield task.sandbox
        if not task_id:
            yield from (executor.sandbox for executor in framework.executors)


def _whole(file: OpenFile) -> Iterator[bytes]:
    """A file up to where it ends now."""
    try:
        offset, end = 0, file.size
        while offset < end and (data := file.read(offset, min(_PIECE, end - offset))):
            yield data
            offset += len(data)
    finally:
        file.close()


def _file_problem(_request: Request[Any, Any, Any], error: FileError) -> Response[Problem]:
    status_code = 403 if isinstance(error, ForbiddenPathError) else 404 if isinstance(error, NoSuchFileError) else 400
    return Response(Problem(str(error)), status_code=status_code)
