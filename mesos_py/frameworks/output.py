"""Streams what tasks write, from their agents' HTTP APIs, line by line as it comes.

To follow a file costs its agent something for as long as it lasts, and most tasks are short. So a task is followed only
once it has run for a moment; what has ended by then is read in one go.
"""

import asyncio
import codecs
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, wait
from typing import Final, Literal

import httpx

from mesos_py.runtime.login import http_options
from mesos_py.types.ids import FrameworkID, TaskID

__all__ = ["OutputStreams", "StreamName"]

StreamName = Literal["stdout", "stderr"]

_SHORT_S: Final = 0.5
"""A task that ends sooner is not followed."""
_AT_ONCE: Final = 8
"""Files that are read at the same time; followed ones do not count."""
_ATTEMPTS: Final = 5
_AWAY_S: Final = 60.0
"""How long an agent may be away: it may be restarted while its tasks run."""
_PATIENCE_S: Final = 0.3
_PIECE: Final = 1 << 20


class OutputStreams:
    """Reads the output of any number of tasks in one thread of its own."""

    def __init__(
        self, write: Callable[[TaskID, StreamName, Sequence[str]], None], complain: Callable[[TaskID, str], None]
    ) -> None:
        """``write(task, stream, lines)`` gets every line, ``complain(task, why)`` what cannot be read; any thread."""
        self._write = write
        self._complain = complain
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="output", daemon=True)
        self._client: httpx.AsyncClient | None = None
        self._ended: dict[TaskID, asyncio.Event] = {}
        self._work: dict[Future[None], TaskID] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._pieces = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def follow(self, framework_id: FrameworkID, task_id: TaskID, agent_url: str) -> None:
        """Write what the task writes, until it has ended."""
        ended = self._ended[task_id] = asyncio.Event()
        names: tuple[StreamName, ...] = ("stdout", "stderr")
        for name in names:
            path = f"/frameworks/{framework_id}/tasks/{task_id}/latest/{name}"
            file = _File(task_id, name, f"{agent_url}/files/read", path)
            self._work[asyncio.run_coroutine_threadsafe(self._copy(file, ended), self._loop)] = task_id

    def ended(self, task_id: TaskID) -> None:
        """The task writes no more; unknown ones are ignored."""
        if ended := self._ended.pop(task_id, None):
            self._loop.call_soon_threadsafe(ended.set)

    def finish(self, patience_s: float) -> None:
        """Wait for what has been written, until nothing has come for ``patience_s``; then stop."""
        pieces, left = -1, set(self._work)
        while left and patience_s and self._pieces != pieces:
            pieces = self._pieces
            left = wait(left, patience_s).not_done
        if patience_s:
            for task_id in sorted({self._work[future] for future in left}):
                self._complain(task_id, "its output could not be read to the end")
        for future in left:
            future.cancel()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    # One file

    async def _copy(self, file: "_File", ended: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(_SHORT_S):
                await ended.wait()
        except TimeoutError:
            await self._try(file, self._follow)
        else:
            async with self._turn:
                await self._try(file, self._read)
        if rest := file.rest():
            self._write(file.task_id, file.name, rest)

    async def _try(self, file: "_File", how: Callable[["_File", httpx.AsyncClient], Awaitable[None]]) -> None:
        """A few times; each begins where the last one ended."""
        if self._client is None:
            # no proxy may stand between us and our own agents; a quiet task sends nothing for long
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE)
            self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=None), limits=limits, **http_options())
        why, refusals, file.heard_at = "", 0, time.monotonic()
        while refusals < _ATTEMPTS and time.monotonic() - file.heard_at < _AWAY_S:
            try:
                await how(file, self._client)
            except httpx.HTTPStatusError as error:
                refusals += 1
                why = f"{error.response.status_code} {error.response.reason_phrase}"
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
            else:
                return
            await asyncio.sleep(_PATIENCE_S * max(1, refusals))  # the sandbox may be a moment behind the news of it
        self._complain(file.task_id, f"its {file.name} cannot be read at {file.url}: {why}")

    async def _follow(self, file: "_File", client: httpx.AsyncClient) -> None:
        asked = {"path": file.path, "offset": str(file.offset), "follow": "true"}
        async with client.stream("GET", file.url, params=asked) as answer:
            answer.raise_for_status()
            try:
                async for piece in answer.aiter_bytes():
                    self._take(file, piece)
            finally:
                file.heard_at = time.monotonic()  # it was there until now, however quiet the task has been

    async def _read(self, file: "_File", client: httpx.AsyncClient) -> None:
        while True:
            asked = {"path": file.path, "offset": str(file.offset), "length": str(_PIECE)}
            answer = (await client.get(file.url, params=asked)).raise_for_status()
            self._take(file, answer.content)
            if not answer.content or file.offset >= int(answer.headers.get("X-File-Size", 0)):
                return

    def _take(self, file: "_File", piece: bytes) -> None:
        self._pieces += 1
        file.heard_at = time.monotonic()
        if lines := file.lines(piece):
            self._write(file.task_id, file.name, lines)


class _File:
    """One stream of one task, and how far it has been read."""

    def __init__(self, task_id: TaskID, name: StreamName, url: str, path: str) -> None:
        self.task_id = task_id
        self.name = name
        self.url = url
        self.path = path
        self.offset = 0
        self.heard_at = 0.0
        """When its agent was last there to be heard (monotonic)."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def lines(self, piece: bytes) -> list[str]:
        """The lines that this piece completes."""
        self.offset += len(piece)
        *whole, self._begun = (self._begun + self._decoder.decode(piece)).split("\n")
        return [line.removesuffix("\r") for line in whole]

    def rest(self) -> list[str]:
        """A last line that does not end."""
        rest = self._begun + self._decoder.decode(b"", final=True)
        self._begun = ""
        return [rest] if rest else []
