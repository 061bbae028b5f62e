"""Looks at a Celery application's broker for `mesos celery`, in a process and a Python of the application's own.

``python observer.py APP WORKDIR [QUEUE...]`` prints a line of JSON for each thing it sees, and tells workers to shut
down that are named in lines of JSON on its input. It needs nothing but Celery, and ends with its input.

- ``{"type": "application", "queues", "remote_control", "broker"}`` when the application was imported;
- ``{"type": "failed", "why"}`` if it cannot be, and nothing more;
- ``{"type": "seen", "depths": {queue: tasks}, "workers": {node: [busy, processed]}}`` every second, ``workers`` being
  those that were heard since the line before;
- ``{"type": "unreachable", "why"}`` whenever the broker is not reached.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any

__all__ = ["main"]

_EVERY_S = 1.0
_OTHERS_TURN_S = 1.0
_NOT_FOUND = 404


class Observer:
    """One application, its queues and its workers."""

    def __init__(self, app: Any, queues: list[str], say: Callable[[dict[str, Any]], None]) -> None:
        self._app = app
        self._queues = queues
        self._say = say
        self._workers: dict[str, list[int]] = {}
        self.stops: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        """Nodes to shut down; put from another thread."""

    def run(self) -> None:
        """Until the process ends: over one connection, and over the next when that breaks."""
        while True:
            connection = self._app.connection_for_read()
            try:
                connection.connect()
                self._watch(connection)
            except (*connection.recoverable_connection_errors, *connection.recoverable_channel_errors, OSError) as why:
                self._say({"type": "unreachable", "why": f"{connection.as_uri()}: {why or type(why).__name__}"})
            finally:
                with contextlib.suppress(Exception):
                    connection.release()
            time.sleep(_OTHERS_TURN_S)

    def _watch(self, connection: Any) -> None:
        from kombu.messaging import Consumer  # noqa: PLC0415  (the application's)

        handlers = dict.fromkeys(("worker-online", "worker-heartbeat", "worker-offline"), self._heard)
        receiver = self._app.events.Receiver(connection, handlers=handlers, routing_key="worker.#")
        channel = connection.channel()
        (consumer,) = receiver.get_consumers(partial(Consumer, channel), channel)
        with consumer:
            receiver.wakeup_workers(channel=channel)
            while True:
                depths = {name: depth for name in self._queues for depth in self._depth(connection, name)}
                self._say({"type": "seen", "depths": depths, "workers": self._workers})
                self._workers = {}
                self._drain(connection, time.monotonic() + _EVERY_S)
                self._stop(connection)

    def _depth(self, connection: Any, name: str) -> Iterator[int]:
        known = self._app.amqp.queues
        with connection.channel() as channel:  # of its own: to ask for a queue that is not there closes it
            try:
                yield int(channel.queue_declare(queue=known[name].name if name in known else name, passive=True)[1])
            except connection.channel_errors as error:
                if getattr(error, "reply_code", _NOT_FOUND) != _NOT_FOUND:
                    raise
                yield 0  # it comes with the first task

    def _heard(self, event: dict[str, Any]) -> None:
        if event["type"] == "worker-offline":
            self._workers.pop(event["hostname"], None)
        else:
            self._workers[event["hostname"]] = [int(event.get("active") or 0), int(event.get("processed") or 0)]

    def _drain(self, connection: Any, until: float) -> None:
        while (rest := until - time.monotonic()) > 0:
            with contextlib.suppress(socket.timeout):
                connection.drain_events(timeout=rest)

    def _stop(self, connection: Any) -> None:
        while True:
            try:
                nodes = self.stops.get_nowait()
            except queue.Empty:
                return
            self._app.control.shutdown(destination=nodes, connection=connection)


def main(arguments: list[str], lines: IO[str], out: IO[str]) -> int:
    """Observe until the input ends."""

    def say(what: dict[str, Any]) -> None:
        try:
            out.write(json.dumps(what) + "\n")
            out.flush()
        except BrokenPipeError:
            os._exit(0)  # whoever wanted to know is gone

    name, workdir, *queues = arguments
    try:
        os.chdir(workdir)
        sys.path[0] = os.getcwd()
        from celery.app.utils import find_app  # noqa: PLC0415

        app = find_app(name)
        known = list(app.amqp.queues)
    except (Exception, SystemExit) as error:
        say({"type": "failed", "why": f"{type(error).__name__}: {error}"})
        return 1
    with contextlib.closing(app.connection_for_read()) as connection:
        broker = connection.as_uri()
    control = bool(app.conf.worker_enable_remote_control)
    say({"type": "application", "queues": known, "remote_control": control, "broker": broker})
    observer = Observer(app, queues or known, say)
    threading.Thread(target=observer.run, daemon=True).start()
    for line in lines:
        observer.stops.put(json.loads(line))
    return 0


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the application prints is not for whoever reads us
    code = main(sys.argv[1:], sys.stdin, pipe)
    with contextlib.suppress(BrokenPipeError):
        pipe.flush()
    os._exit(code)
