"""A Celery application for tests: every task leaves a line in a file, and a longer one says when it has begun."""

import os
import time

from celery import Celery

app = Celery("celery_app", broker=os.environ["CELERY_APP_BROKER"])
app.conf.update(
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=int(os.environ.get("CELERY_APP_PREFETCH", "4")),
    broker_connection_retry_on_startup=True,
    task_routes={"celery_app.heavy": {"queue": "heavy"}},
)


def _note(what: str, name: str) -> None:
    with open(f"{os.environ['CELERY_APP_NOTES']}/{what}", "a") as notes:
        notes.write(f"{name}\n")


def _do(name: str, seconds: float) -> None:
    if seconds:
        _note("begun", name)
        time.sleep(seconds)
    _note("done", name)


@app.task
def early(name: str, seconds: float = 0.0) -> None:
    """Acknowledged when it begins: at most once."""
    _do(name, seconds)


@app.task(acks_late=True)
def late(name: str, seconds: float = 0.0) -> None:
    """Acknowledged when it is done: at least once."""
    _do(name, seconds)


@app.task(acks_late=True)
def heavy(name: str) -> None:
    """Of another queue."""
    _note("done", name)
