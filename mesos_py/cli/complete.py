"""What the shell offers to complete, asked of the master; if it does not answer soon, nothing."""

from typing import Any

import click

from mesos_py.cli.client import DEFAULT_MASTER, Client
from mesos_py.errors import MesosError
from mesos_py.types.tasks import LIVE

__all__ = ["complete_agent", "complete_framework", "complete_live_task", "complete_role", "complete_task"]

_TIMEOUT_S = 1.0


def complete_task(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of tasks."""
    return _ids(ctx, "/tasks", "task_id", incomplete, {})


def complete_live_task(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of tasks that run."""
    return _ids(ctx, "/tasks", "task_id", incomplete, {"state": [str(state) for state in LIVE]})


def complete_role(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of roles."""
    return _ids(ctx, "/roles", "role", incomplete, {})


def complete_agent(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of agents."""
    return _ids(ctx, "/agents", "name", incomplete, {})


def complete_framework(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of frameworks."""
    return _ids(ctx, "/frameworks", "framework_id", incomplete, {})


def _ids(ctx: click.Context, path: str, key: str, incomplete: str, params: dict[str, Any]) -> list[str]:
    try:
        client = Client(ctx.params.get("master") or DEFAULT_MASTER, timeout_s=_TIMEOUT_S)
        return [item[key] for item in client.items(path, params, limit=1000) if item[key].startswith(incomplete)]
    except (MesosError, KeyError, TypeError):
        return []
