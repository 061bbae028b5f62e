"""A framework with nothing but an AMQP client and JSON, as it could be written in any language.

It runs one command and prints what becomes of it. docs/protocol.md explains every message.

python examples/plain_amqp_framework.py amqp://guest:guest@localhost "echo hello"
"""

import contextlib
import json
import random
import sys
import time
import urllib.parse

import amqp

ENDED = {"FINISHED", "FAILED", "KILLED", "ERROR", "DROPPED", "GONE", "GONE_BY_OPERATOR"}


class PlainFramework:
    """One connection, one queue, one task."""

    def __init__(self, url, command):
        parts = urllib.parse.urlsplit(url)
        self.user = urllib.parse.unquote(parts.username or "guest")
        self.command = command
        self.framework_id = None
        self.subscribed = False
        self.epoch = 0
        self.heartbeat_s = 15.0
        self.launched = self.done = False
        self.heard_at = self.sent_at = time.monotonic()
        self.subscribe_at, self.attempt = 0.0, 0
        self.connection = amqp.Connection(
            host=f"{parts.hostname}:{parts.port or 5672}",
            userid=self.user,
            password=urllib.parse.unquote(parts.password or "guest"),
            virtual_host=urllib.parse.unquote(parts.path[1:]) or "/",
            heartbeat=30,
        )
        self.connection.connect()
        self.channel = self.connection.channel()
        principal = urllib.parse.quote(self.user, safe="").replace(".", "%2E")
        self.routing_key = f"framework.{principal}"
        self.queue = f"mesos.framework.{principal}.plain-{random.randrange(16**8):08x}"
        self.channel.exchange_declare("mesos.master", "topic", durable=False, auto_delete=False)
        self.channel.exchange_declare("mesos.beacon", "fanout", durable=False, auto_delete=False)
        self.channel.queue_declare(self.queue, exclusive=True, durable=False, auto_delete=False)
        self.channel.queue_bind(self.queue, "mesos.beacon")
        self.channel.basic_consume(self.queue, no_ack=True, callback=self.delivered)

    def send(self, type_, **fields):
        if self.framework_id is not None:
            fields["framework_id"] = self.framework_id
        body = json.dumps({"type": type_, **fields})
        proof = {"user_id": self.user, "reply_to": self.queue}
        message = amqp.Message(body, content_type="application/json", delivery_mode=1, **proof)
        self.channel.basic_publish(message, exchange="mesos.master", routing_key=self.routing_key)
        self.sent_at = time.monotonic()

    def delivered(self, message):
        """A body is one message or an array of them; an older epoch comes from a master that was deposed."""
        epoch = int(message.headers.get("epoch", 0))
        if epoch < self.epoch:
            return
        if epoch > self.epoch:
            self.epoch, self.subscribed, self.subscribe_at = epoch, False, 0.0
        body = json.loads(message.body)
        for event in body if isinstance(body, list) else [body]:
            handler = getattr(self, "on_" + event["type"].lower(), None)
            if event["type"] != "BEACON":
                self.heard_at = time.monotonic()
            if handler is not None:
                handler(event)

    def on_subscribed(self, event):
        self.framework_id, self.heartbeat_s = event["framework_id"], event["heartbeat_interval_s"]
        self.subscribed, self.attempt = True, 0
        print("subscribed as", self.framework_id)
        if self.launched:  # what a master says by itself is not repeated: ask
            self.send("RECONCILE", tasks=[{"task_id": "plain-1"}])

    def on_offers(self, event):
        for offer in event["offers"]:
            have = offer["resources"]
            if self.launched or have.get("cpus", 0) < 0.1 or have.get("mem", 0) < 32:
                self.send("DECLINE", offer_ids=[offer["offer_id"]], refuse_seconds=600)
                continue
            task = {"task_id": "plain-1", "resources": {"cpus": 0.1, "mem": 32}, "command": {"value": self.command}}
            launch = {"type": "LAUNCH", "tasks": [task]}
            self.send("ACCEPT", offer_ids=[offer["offer_id"]], operations=[launch])
            self.launched = True

    def on_update(self, event):
        status = event["status"]
        print(status["task_id"], status["state"], status.get("message", ""))
        if status.get("update_id") is not None:
            self.send(
                "ACKNOWLEDGE",
                agent_id=status["agent_id"],
                task_id=status["task_id"],
                update_id=status["update_id"],
            )
        if status["state"] == "DROPPED":  # an ordinary race, for example with a rescinded offer: take the next
            self.launched = False
            self.send("REVIVE")
        elif status["state"] in ENDED:
            self.done = True

    def on_error(self, event):
        print("refused:", event["reason"], event["message"])
        if event["reason"] == "NOT_SUBSCRIBED":
            self.subscribed = False
        elif event["reason"] == "FRAMEWORK_REMOVED":
            self.framework_id, self.subscribed, self.launched = None, False, False
        elif event.get("fatal"):
            sys.exit(1)

    def run(self):
        while not self.done:
            now = time.monotonic()
            if self.subscribed and now - self.heard_at > 5 * self.heartbeat_s:
                self.subscribed = False
            if not self.subscribed and now >= self.subscribe_at:
                self.send("SUBSCRIBE", framework={"name": "plain"})
                self.subscribe_at = now + min(30, 2**self.attempt) * random.uniform(0.5, 1)
                self.attempt += 1
            if self.subscribed and now - self.sent_at >= self.heartbeat_s:
                self.send("HEARTBEAT")
            self.connection.heartbeat_tick()  # that of AMQP
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=0.5)
        self.send("TEARDOWN")
        self.connection.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} BROKER-URL COMMAND")
    PlainFramework(sys.argv[1], sys.argv[2]).run()
