"""Logs in to the broker with a URL, and tries what it is asked to: a plain client of AMQP, with nothing of ours.

It reads ``{"url": URL, "attempts": [[WHAT, ARGUMENT, ...], ...]}``, and prints as JSON how each went: ``done``, or the
code of AMQP that refused it. If the login is refused, that code alone.
"""

import json
import ssl
import sys
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import amqp

ATTEMPTS: Final[dict[str, Callable[..., Any]]] = {
    "declare": lambda channel, queue: channel.queue_declare(queue, exclusive=True),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "read": lambda channel, queue: channel.basic_get(queue),
    "consume": lambda channel, queue: channel.basic_consume(queue),
    "bind": lambda channel, queue, exchange, key: channel.queue_bind(queue, exchange, key),
    "declare exchange": lambda channel, exchange: channel.exchange_declare(exchange, "topic"),
    "delete exchange": lambda channel, exchange: channel.exchange_delete(exchange),
    "send": lambda channel, exchange, key: channel.basic_publish_confirm(amqp.Message("forged"), exchange, key),
    "send as": lambda channel, user, exchange, key: channel.basic_publish_confirm(
        amqp.Message("forged", user_id=user), exchange, key
    ),
}


def login(url: str) -> amqp.Connection:
    """Raises amqp.AMQPError, or OSError where nobody speaks with us."""
    parts = urlsplit(url.strip())
    authority = parse_qs(parts.query)["cacertfile"][0]
    connection = amqp.Connection(
        f"{parts.hostname}:{parts.port}",
        userid=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        virtual_host=unquote(parts.path[1:]),
        ssl={"ca_certs": authority, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname},
        connect_timeout=120,
    )
    connection.connect()
    return connection


def outcome(connection: amqp.Connection, what: str, *arguments: str) -> str | int:
    """Of one attempt, in a channel of its own: a refusal ends the channel."""
    channel = connection.channel()
    try:
        ATTEMPTS[what](channel, *arguments)
    except amqp.AMQPError as refusal:
        return int(refusal.code)
    channel.close()
    return "done"


def main() -> None:
    """The command."""
    asked = json.load(sys.stdin)
    try:
        connection = login(asked["url"])
    except amqp.AMQPError as refusal:
        print(refusal.code)
        return
    print(json.dumps([outcome(connection, *attempt) for attempt in asked["attempts"]]))


if __name__ == "__main__":
    main()
