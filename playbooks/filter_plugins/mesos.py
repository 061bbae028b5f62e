"""Decides what the broker lets each user do, whom a host asks first, and how secrets and settings are written down."""

import base64
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

__all__ = [
    "FilterModule",
    "mesos_environment",
    "mesos_http_line",
    "mesos_ipv4",
    "mesos_nearest",
    "mesos_quoted",
    "mesos_secret",
    "mesos_variables",
    "rabbitmq_definitions",
    "rabbitmq_hash",
]

_SHORTEST_SECRET: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_NOTHING: Final = "^$"
_FRAMEWORK_QUEUES: Final = {"max-length": 10_000, "max-length-bytes": 67_108_864}


def mesos_secret(secret: str, *purpose: str) -> str:
    """A password for one purpose, such as "broker", "agent-n1": who knows it learns nothing of the secret."""
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(f"mesos_cluster_secret is too short: it needs {_SHORTEST_SECRET} characters at least")
    return hmac.new(secret.encode(), "\0".join(purpose).encode(), hashlib.sha256).hexdigest()[:48]


def mesos_http_line(principal: str, secret: str) -> str:
    """The line of ``http_credentials`` for whoever has the principal's derived token."""
    return f"{principal}:sha256:{hashlib.sha256(mesos_secret(secret, 'http', principal).encode()).hexdigest()}"


def mesos_nearest(hosts: Sequence[str], host: str) -> list[str]:
    """A service's hosts as this host tries them: itself first, then others in an order of its own, to spread them."""
    return sorted(hosts, key=lambda other: (other != host, hashlib.sha256(f"{host} {other}".encode()).digest()))


def mesos_ipv4(host: str) -> str:
    """The address that others reach it at, as the controller resolves its name; empty if there is none.

    What a host calls itself is often an address of its own loopback (Debian: 127.0.1.1), which others do not reach.
    """
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)}
    except OSError:
        return ""
    return min((address for address in found if address == host or not address.startswith("127.")), default="")


def mesos_quoted(text: str) -> str:
    """As it stands in a part of a URL: Jinja's own ``urlencode`` leaves slashes, which end a password."""
    return quote(text, safe="")


def rabbitmq_hash(password: str, user: str) -> str:
    """As RabbitMQ keeps a password: salt, and the SHA-256 of both. The salt is the user's, so that it stays."""
    salt = hashlib.sha256(user.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def mesos_variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """A configuration as the variables of the environment that mean it; what is None or empty is left out."""
    variables = {}
    for key in sorted(settings):
        value = settings[key]
        if value is None or value in ("", {}, []):
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, Mapping):
            value = ",".join(f"{name}={value[name]}" for name in sorted(value))
        variables[f"MESOS_{key.upper()}"] = str(value)
    return variables


def mesos_environment(variables: Mapping[str, str]) -> str:
    """Variables as lines of an EnvironmentFile of systemd."""
    return "".join(f"{name}={json.dumps(variables[name], ensure_ascii=False)}\n" for name in variables)


def rabbitmq_definitions(
    secret: str,
    vhost: str,
    master: str,
    agents: Sequence[str],
    frameworks: Sequence[str],
    passwords: Mapping[str, str],
    vhost_limits: Mapping[str, int],
    user_limits: Mapping[str, int],
) -> dict[str, Any]:
    """What the broker is to know: who there is and what he may do, limits, and a policy for their queues.

    Limits are RabbitMQ's, by name: of the virtual host, and of each user but the masters'.
    """
    kinds = [(master, "master"), *((name, "agent") for name in agents), *((name, "framework") for name in frameworks)]
    names = [name for name, _ in kinds]
    if wrong := sorted({name for name in names if names.count(name) > 1 or not _NAME.fullmatch(name)}):
        raise ValueError(f"users of the broker must differ, and hold letters, digits, . _ - only: {', '.join(wrong)}")
    users, permissions, topics = [], [], []
    for name, kind in kinds:
        password = passwords.get(name) or mesos_secret(secret, "broker", name)
        users.append(
            {
                "name": name,
                "password_hash": rabbitmq_hash(password, name),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
                "limits": {} if kind == "master" else dict(user_limits),
            }
        )
        permissions.append({"user": name, "vhost": vhost} | _permissions(kind, name))
        topics.append({"user": name, "vhost": vhost, "exchange": "mesos.master"} | _topics(kind, name))
    policy = {"vhost": vhost, "name": "frameworks", "pattern": r"^mesos\.framework\.", "apply-to": "queues"}
    limits = {"component": "vhost-limits", "name": "limits", "vhost": vhost}
    return {
        "vhosts": [{"name": vhost}],
        "users": users,
        "permissions": permissions,
        "topic_permissions": topics,
        "policies": [policy | {"priority": 0, "definition": dict(_FRAMEWORK_QUEUES)}],
        "parameters": [limits | {"value": dict(vhost_limits)}],
    }


def _permissions(kind: str, name: str) -> dict[str, str]:
    """What a user may declare and delete, write to, and read: patterns of names of queues and exchanges."""
    if kind == "master":
        ours = r"^mesos\.(master|beacon)(\..*)?$"
        return {"configure": ours, "write": rf"^amq\.default$|{ours}", "read": ours}
    mine = rf"^mesos\.{kind}\.{re.escape(_word(name))}\..*$"
    return {"configure": mine, "write": rf"{mine}|^mesos\.master$", "read": rf"{mine}|^mesos\.beacon$"}


def _topics(kind: str, name: str) -> dict[str, str]:
    """With which routing keys a user may write to ``mesos.master``, and bind queues to it."""
    if kind == "master":
        return {"write": ".*", "read": ".*"}
    return {"write": rf"^{kind}\.{re.escape(_word(name))}$", "read": _NOTHING}


def _word(name: str) -> str:
    """A principal as it stands in names of queues, where dots separate words."""
    return quote(name, safe="").replace(".", "%2E")


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "mesos_environment": mesos_environment,
            "mesos_http_line": mesos_http_line,
            "mesos_ipv4": mesos_ipv4,
            "mesos_nearest": mesos_nearest,
            "mesos_quoted": mesos_quoted,
            "mesos_secret": mesos_secret,
            "mesos_variables": mesos_variables,
            "rabbitmq_definitions": rabbitmq_definitions,
            "rabbitmq_hash": rabbitmq_hash,
        }
