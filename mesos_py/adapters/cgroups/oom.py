"""Noticing at once that a container is out of memory: the kernel's events, behind one descriptor in the loop."""

import contextlib
import select
from collections.abc import Callable

from mesos_py.adapters.cgroups.base import OomSource
from mesos_py.runtime.loop import READ, Loop
from mesos_py.types.ids import ContainerID

__all__ = ["OomWatch"]


class OomWatch:
    """Watches many containers; lives in the loop's thread."""

    def __init__(self) -> None:
        """``open`` begins."""
        self._sources: dict[ContainerID, OomSource] = {}
        self._watched: dict[int, ContainerID] = {}
        self._epoll: select.epoll | None = None

    def open(self, loop: Loop, told: Callable[[ContainerID], None]) -> None:
        """Call ``told`` for every event from now on. Raises OSError."""
        self._epoll = epoll = select.epoll()
        self._loop = loop
        self._told = told
        loop.register(epoll.fileno(), READ, lambda _ready: self._look())

    def close(self) -> None:
        """Watch nothing any more."""
        for container_id in list(self._sources):
            self.remove(container_id)
        if self._epoll is not None:
            self._loop.unregister(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def add(self, container_id: ContainerID, source: OomSource) -> None:
        """Watch one more; the source is closed when it is removed. Raises OSError."""
        self.remove(container_id)
        self._sources[container_id] = source
        if self._epoll is not None:
            self._epoll.register(source.fd, source.events)
            self._watched[source.fd] = container_id

    def remove(self, container_id: ContainerID) -> None:
        """Watch it no more. Safe to repeat."""
        source = self._sources.pop(container_id, None)
        if source is not None:
            self._forget(source)
            source.close()

    def pending(self, container_id: ContainerID) -> bool:
        """Whether there is an event that nobody was told of yet; it is not told any more."""
        source = self._sources.get(container_id)
        with contextlib.suppress(OSError):
            return source is not None and source.take()
        return False

    def _look(self) -> None:
        if self._epoll is None:
            return
        for fd, _events in self._epoll.poll(0):
            container_id = self._watched.get(fd)
            if container_id is None:
                continue
            source = self._sources[container_id]
            try:
                told = source.take()
            except OSError:  # its cgroup is gone, which is told without end
                self._forget(source)
                continue
            if told:
                self._told(container_id)

    def _forget(self, source: OomSource) -> None:
        if self._watched.pop(source.fd, None) is not None and self._epoll is not None:
            self._epoll.unregister(source.fd)
