"""Gathers for a benchmark what many processes say, and the leader's beacons, in the order in which it comes in.

News is a dict with ``at``, in seconds since the epoch, ``what``, and more.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.messages.beacon import Beacon
from mesos_py.messages.codec import AGENT_ORDERS
from mesos_py.runtime.loop import Loop

News = dict[str, Any]


class Newsroom:
    """Listens to the broker in a thread, and to each process in one more."""

    def __init__(self, broker: str) -> None:
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._loop = Loop()
        self._transport = connect(broker, self._loop, name="newsroom")
        self._transport.subscribe(topology.agent_queue(self._transport.principal, "newsroom"))
        self._transport.start(self)
        self._thread = threading.Thread(target=self._loop.run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._loop.post(lambda: self._transport.stop(self._loop.stop))
        self._thread.join()

    def read(self, child: subprocess.Popen[str], news_of: Callable[[News], News | None] = lambda line: line) -> None:
        """Take in every line of JSON that a child prints; ``news_of`` makes news of it, or None."""

        def take() -> None:
            assert child.stdout is not None
            for line in child.stdout:
                if not line.startswith("{"):
                    print(line, end="", file=sys.stderr)
                elif (news := news_of(json.loads(line))) is not None:
                    self._news.put(news)

        threading.Thread(target=take, daemon=True).start()

    def next(self, patience_s: float) -> News:
        """Raises queue.Empty, and RuntimeError if something is broken."""
        news = self._news.get(timeout=patience_s)
        if news["what"] == "broken":
            raise RuntimeError(news["why"])
        return news

    def catch_up(self) -> int:
        """Drop what has come in; gives the newest epoch in it."""
        epoch = 0
        while not self._news.empty():
            epoch = max(epoch, self.next(1.0).get("epoch", 0))
        return epoch

    # Listener

    def connected(self) -> None:
        pass

    def disconnected(self, reason: str) -> None:
        raise RuntimeError(reason)

    def undeliverable(self, address) -> None:
        pass

    def delivered(self, deliveries) -> None:
        for delivery in deliveries:
            for message in AGENT_ORDERS.decode(delivery.body, delivery.content_type):
                if isinstance(message, Beacon):
                    self._news.put({"at": time.time(), "what": "leads", "epoch": message.master.epoch})


def of_agents_log(line: News) -> News | None:
    """News from the log of an agent process, which is one of few."""
    if line["event"] != "registered again":
        return None
    at = datetime.fromisoformat(line["timestamp"]).timestamp()
    return {"at": at, "what": "all are back", "who": line["agent_id"]}
