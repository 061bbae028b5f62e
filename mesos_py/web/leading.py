"""Finds the core that leads, or tells the client where to ask instead."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from msgspec import Struct

from mesos_py.master.core import Master
from mesos_py.web.app import Problem

__all__ = ["Leading", "MasterView", "NotLeading", "elsewhere"]


class MasterView(Struct, frozen=True):
    """One of the masters, as another sees it."""

    url: str
    """Of its HTTP API."""
    leads: bool


class NotLeading(Exception):  # noqa: N818  (not an error)
    """This process does not lead; ``leader`` may."""

    def __init__(self, leader: str) -> None:
        super().__init__(leader)
        self.leader = leader


class Leading:
    """The core while this process leads; called in the loop's thread only."""

    def __init__(self, master: Callable[[], Master | None], leader_url: Callable[[], str]) -> None:
        self._master = master
        self._leader_url = leader_url

    def __call__(self) -> Master:
        """Raises NotLeading."""
        master = self._master()
        if master is None:
            raise NotLeading(self._leader_url())
        return master


def elsewhere(request: Request[Any, Any, Any], not_leading: NotLeading) -> Response[Problem]:
    """Sends the client to the leader, if one is known."""
    if not not_leading.leader:
        error = "this master does not lead, and does not know who does"
        return Response(Problem(error), status_code=503, headers={"Retry-After": "1"})
    query = f"?{request.url.query}" if request.url.query else ""
    path = request.scope["raw_path"].decode("ascii").partition("?")[0]
    there = f"{not_leading.leader.rstrip('/')}{path}{query}"
    return Response(Problem(f"this master does not lead; see {there}"), status_code=307, headers={"Location": there})
