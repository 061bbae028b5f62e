"""Has the core do what an operator asks, and waits for its answer."""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from mesos_py.master.effects import Answer, Outcome
from mesos_py.master.events import OperatorCall
from mesos_py.types.ids import Principal
from mesos_py.web.access import asks
from mesos_py.web.app import problem
from mesos_py.web.leading import Leading
from mesos_py.web.reader import BusyError, Reader

__all__ = ["Asker", "Done", "Operate"]

Operate = Callable[[OperatorCall, Principal | None, AbstractEventLoop, "Future[Answer]"], None]
"""Has the core do it for whoever asks and sets the future, from any thread."""

_TIMEOUT_S: Final = 10.0

_STATUS: Final = {
    Outcome.INVALID: 400,
    Outcome.FORBIDDEN: 403,
    Outcome.UNKNOWN: 404,
    Outcome.CONFLICT: 409,
    Outcome.BUSY: 503,
}


class Done(Struct, frozen=True):
    """What was done."""

    message: str


class Asker:
    """Asks the core that leads."""

    def __init__(self, reader: Reader, leading: Leading, operate: Operate) -> None:
        self._reader = reader
        self._leading = leading
        self._operate = operate

    async def do(self, call: OperatorCall) -> Done:
        """What was done. Raises NotLeading, BusyError, and the HTTP error that says why not."""
        await self._reader.read(self._leading)
        asking = asyncio.get_running_loop()
        future: Future[Answer] = asking.create_future()
        self._operate(call, asks.get(), asking, future)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await future
        except TimeoutError:
            raise BusyError("the master did not answer in time; see what happened before you try again") from None
        self._reader.void()
        if answer.outcome is not Outcome.DONE:
            raise problem(_STATUS[answer.outcome], answer.message)
        return Done(answer.message)
