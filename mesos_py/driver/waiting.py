"""What a script waits for: offers, and the ends of tasks. Shared by the loop's thread and the threads that wait."""

import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from mesos_py.errors import MesosError, UserError
from mesos_py.types.ids import TaskID
from mesos_py.types.offers import Offer
from mesos_py.types.tasks import TERMINAL, TaskState, TaskStatus

__all__ = ["Waiting"]

T = TypeVar("T")

_REMEMBERED = 100_000
"""Newest statuses kept for whoever may wait for them."""


class _OfferWish:
    def __init__(self, suits: Callable[[Offer], bool]) -> None:
        self.suits = suits
        self.offer: Offer | None = None


class Waiting:
    """A meeting place: the loop brings news, threads wait for them."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._changed = threading.Condition()
        self._wishes: list[_OfferWish] = []
        self._statuses: dict[TaskID, TaskStatus] = {}
        self._loop_thread: int | None = None
        self._over = False
        self._failure: BaseException | None = None

    # From the loop's thread

    def offers(self, offers: Iterable[Offer], idle: Callable[[], None]) -> list[Offer]:
        """Give offers to those who wait for them; the ones that nobody takes. ``idle`` if nobody waits any more."""
        self._loop_thread = threading.get_ident()
        rest = []
        with self._changed:
            for offer in offers:
                wish = next((wish for wish in self._wishes if wish.offer is None and wish.suits(offer)), None)
                if wish is None:
                    rest.append(offer)
                else:
                    wish.offer = offer
            self._changed.notify_all()
            if all(wish.offer is not None for wish in self._wishes):
                idle()  # with the lock held, as ``ask`` is: the last word is that of whoever is last
        return rest

    def status(self, status: TaskStatus) -> None:
        """A task's newest status."""
        with self._changed:
            self._statuses.pop(status.task_id, None)
            self._statuses[status.task_id] = status
            if len(self._statuses) > _REMEMBERED:
                for task_id in list(self._statuses)[: _REMEMBERED // 10]:
                    del self._statuses[task_id]
            self._changed.notify_all()

    def changed(self) -> None:
        """Something else that somebody may wait for."""
        self._loop_thread = threading.get_ident()
        with self._changed:
            self._changed.notify_all()

    def ended(self, failure: BaseException | None) -> None:
        """Nothing comes any more."""
        with self._changed:
            self._over, self._failure = True, failure
            self._changed.notify_all()

    # From any thread

    def launched(self, task_ids: Iterable[TaskID]) -> None:
        """Their statuses so far are of an earlier attempt."""
        with self._changed:
            for task_id in task_ids:
                self._statuses.pop(task_id, None)

    def wait_offer(self, suits: Callable[[Offer], bool], ask: Callable[[], None], timeout: float | None) -> Offer:
        """The next offer that suits; ``ask`` for offers once we are ready for them."""
        wish = _OfferWish(suits)
        with self._changed:
            self._wishes.append(wish)
            ask()
        try:
            return self._wait(lambda: wish.offer, timeout, "no offer that suits came")
        finally:
            with self._changed:
                self._wishes.remove(wish)

    def wait_status(self, task_id: TaskID, states: Collection[TaskState], timeout: float | None) -> TaskStatus:
        """The task's status once it is in one of the states, or at its end."""

        def reached() -> TaskStatus | None:
            status = self._statuses.get(task_id)
            return status if status is not None and (status.state in states or status.state in TERMINAL) else None

        return self._wait(reached, timeout, f"task {task_id} is in none of {', '.join(sorted(states))}")

    def wait_until(self, what: Callable[[], T | None], timeout: float | None, otherwise: str) -> T:
        """Whatever ``what`` gives once it is not None."""
        return self._wait(what, timeout, otherwise)

    def _wait(self, what: Callable[[], T | None], timeout: float | None, otherwise: str) -> T:
        if threading.get_ident() == self._loop_thread:
            raise UserError("callbacks may not wait: nothing can come while they do")
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while (found := what()) is None:
                if self._over:
                    raise MesosError(f"the framework has stopped: {otherwise}") from self._failure
                rest = None if deadline is None else deadline - time.monotonic()
                if rest is not None and rest <= 0:
                    raise TimeoutError(f"{otherwise} within {timeout:g} s")
                self._changed.wait(rest)
            return found
