"""The other end of sd_notify(3): a real datagram socket, as systemd listens on."""

import select
import socket


class Manager:
    """Collects what a service tells."""

    def __init__(self, path="") -> None:
        """``path`` of the socket; without one its name is abstract, as "@..." in the environment."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        name = self._socket.getsockname()
        self.address = name if isinstance(name, str) else "@" + name[1:].decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def receive(self, patience_s: float = 30.0) -> bytes:
        """The next datagram."""
        ready, _, _ = select.select([self._socket], [], [], patience_s)
        assert ready, "nothing was told"
        return self._socket.recv(1 << 18)

    def hear(self, patience_s: float = 30.0) -> dict[str, str]:
        """The next datagram, by variable."""
        return dict(line.split("=", 1) for line in self.receive(patience_s).decode().splitlines())

    def told(self) -> list[dict[str, str]]:
        """All that has come so far."""
        found = []
        while select.select([self._socket], [], [], 0)[0]:
            found.append(self.hear())
        return found
