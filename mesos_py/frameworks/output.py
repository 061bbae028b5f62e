"""Streams what tasks write, from their agents' HTTP APIs, line by line as it comes."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Literal

import httpx

from mesos_py.types.ids import FrameworkID, TaskID

__all__ = ["OutputStreams", "StreamName"]

StreamName = Literal["stdout", "stderr"]

_ATTEMPTS = 5
_PATIENCE_S = 0.3


class OutputStreams:
    """Follows any number of tasks in one thread of its own."""

    def __init__(
        self, write: Callable[[TaskID, StreamName, str], None], complain: Callable[[TaskID, str], None]
    ) -> None:
        """``write(task, stream, line)`` gets every line, ``complain(task, why)`` what cannot be read; any thread."""
        self._write = write
        self._complain = complain
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="output", daemon=True)
        self._client: httpx.AsyncClient | None = None
        self._following: list[Future[None]] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def follow(self, framework_id: FrameworkID, task_id: TaskID, agent_url: str) -> None:
        """Write what the task writes, until it has ended."""
        for name in ("stdout", "stderr"):
            path = f"/frameworks/{framework_id}/tasks/{task_id}/latest/{name}"
            stream: StreamName = "stdout" if name == "stdout" else "stderr"
            work = self._follow(task_id, stream, f"{agent_url}/files/read", path)
            self._following.append(asyncio.run_coroutine_threadsafe(work, self._loop))

    def finish(self, timeout: float) -> None:
        """Wait (seconds) for what ended tasks have written, then stop."""
        wait(self._following, timeout)
        for future in self._following:
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

    async def _follow(self, task_id: TaskID, name: StreamName, url: str, path: str) -> None:
        if self._client is None:
            # no proxy may stand between us and our own agents; a quiet task sends nothing for long
            limits = httpx.Limits(max_connections=None)
            self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=None), limits=limits, trust_env=False)
        why = ""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._client.stream("GET", url, params={"path": path, "follow": "true"}) as answer:
                    if answer.status_code == httpx.codes.OK:
                        async for line in answer.aiter_lines():
                            self._write(task_id, name, line)
                        return
                    why = f"{answer.status_code} {answer.reason_phrase}"
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
            await asyncio.sleep(_PATIENCE_S * attempt)  # the sandbox may be a moment behind the news of it
        self._complain(task_id, f"its {name} cannot be read at {url}: {why}")
