"""Whose turn it is: the order in which waiting jobs are planned, and which of them may run at all.

By priority of queue and job first; then the user who has used least lately goes first, and each one's own jobs go in
the order in which they came. What is planned for a user counts as used for the next turn, so that users take turns.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from mesos_py.frameworks.batch.jobs import Book, Job, JobState, Queue
from mesos_py.frameworks.batch.requests import Condition, Dependency

__all__ = ["HALF_LIFE_S", "charge", "eligible", "in_turn", "is_met", "jobs_of"]

HALF_LIFE_S: Final = 24 * 3600.0
"""Use counts for half after a day."""


def charge(book: Book, user: str, core_seconds: float, now: float) -> None:
    """A user has used so much; all earlier use fades."""
    fading = 0.5 ** (max(0.0, now - book.usage_at) / HALF_LIFE_S)
    book.usage = {name: used * fading for name, used in book.usage.items() if used * fading > 1.0}
    book.usage_at = now
    book.usage[user] = book.usage.get(user, 0.0) + core_seconds


def in_turn(jobs: Iterable[Job], book: Book, queues: Mapping[str, Queue], now: float) -> list[Job]:
    """The same jobs, the first first."""
    levels: dict[tuple[int, int], dict[str, deque[Job]]] = {}
    for job in jobs:
        level = -queues[job.queue].priority if job.queue in queues else 0, -job.priority
        levels.setdefault(level, {}).setdefault(job.owner, deque()).append(job)
    used: defaultdict[str, float] = defaultdict(float, book.usage)
    for job in book.jobs.values():
        if job.is_on_nodes and job.started is not None:
            used[job.owner] += job.nodes * job.ppn * max(0.0, now - job.started)
    order = []
    for level in sorted(levels):
        of_users = levels[level]
        while of_users:
            user = min(of_users, key=lambda name: (used[name], of_users[name][0].submitted))
            job = of_users[user].popleft()
            used[user] += job.nodes * job.ppn * job.walltime_s
            order.append(job)
            if not of_users[user]:
                del of_users[user]
    return order


def eligible(book: Book, queues: Mapping[str, Queue], now: float) -> list[Job]:
    """Jobs that may start as far as holds, limits and rests go, in the order in which they came."""
    in_queue: Counter[str] = Counter()
    of_user: Counter[tuple[str, str]] = Counter()
    of_array: Counter[int] = Counter()

    def count(job: Job) -> None:
        in_queue[job.queue] += 1
        of_user[job.queue, job.owner] += 1
        of_array[job.number] += 1

    for job in book.jobs.values():
        if job.is_on_nodes:
            count(job)
    result = []
    for job in book.jobs.values():
        if job.state is not JobState.QUEUED or job.rests_until > now:
            continue
        queue = queues.get(job.queue, Queue())
        if (
            _has_room(in_queue[job.queue], queue.max_running)
            and _has_room(of_user[job.queue, job.owner], queue.max_user_running)
            and _has_room(of_array[job.number], job.slots)
        ):
            count(job)
            result.append(job)
    return result


def _has_room(count: int, limit: int) -> bool:
    return not limit or count < limit


def jobs_of(book: Book, name: str) -> list[Job]:
    """Those that ``12``, ``12[3]`` or ``12[]`` names; none if there are none."""
    if name.endswith("[]"):
        number = int(name[:-2])
        return [job for job in book.jobs.values() if job.number == number and job.index is not None]
    job = book.jobs.get(name)
    return [job] if job is not None else []


def is_met(dependency: Dependency, book: Book) -> bool | None:
    """Whether a dependency is met; None if it never will be. Jobs that are forgotten have ended well or badly."""
    jobs = jobs_of(book, dependency.job)
    match dependency.condition:
        case Condition.AFTER:
            return all(job.started is not None or job.is_over for job in jobs)
        case Condition.AFTER_ANY:
            return all(job.is_over for job in jobs)
        case Condition.AFTER_OK:
            if not jobs or any(job.is_over and job.exit_status != 0 for job in jobs):
                return None
            return all(job.is_over for job in jobs)
        case Condition.AFTER_NOT_OK:
            if not jobs or any(job.is_over and job.exit_status == 0 for job in jobs):
                return None
            return all(job.is_over for job in jobs)
