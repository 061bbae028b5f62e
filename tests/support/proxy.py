"""A TCP proxy on loopback that can misbehave: fall silent, stop reading, cut, or put bytes into the stream."""

import contextlib
import selectors
import socket
import threading


class Proxy:
    """Forwards connections to ``target``, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._frozen = threading.Event()
        self._parted = threading.Event()
        self._closing = False
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, lambda: self._woken.recv(100))
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def freeze(self) -> None:
        """Read and write nothing more; connections stay open."""
        self._frozen.set()
        self._wake.send(b"x")

    def thaw(self) -> None:
        self._frozen.clear()
        self._wake.send(b"x")

    def inject(self, data: bytes) -> None:
        """Send this to every client, between whatever else is on its way."""
        with self._lock:
            for client, _server in self._pairs:
                client.sendall(data)

    def cut(self) -> None:
        """Close all connections."""
        with self._lock:
            for sock in (sock for pair in self._pairs for sock in pair):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def part(self) -> None:
        """Close all connections, and let nobody through until ``join``."""
        self._parted.set()
        self.cut()

    def join(self) -> None:
        self._parted.clear()

    def close(self) -> None:
        self._closing = True
        self._wake.send(b"x")
        self._thread.join()
        for sock in (self._listener, self._wake, self._woken, *(sock for pair in self._pairs for sock in pair)):
            sock.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._closing:
            if self._frozen.is_set():
                self._woken.recv(100)
                continue
            for key, _ready in self._selector.select():
                key.data()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._parted.is_set():
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        with self._lock:
            self._pairs.append((client, server))
        for source, sink in ((client, server), (server, client)):
            self._selector.register(source, selectors.EVENT_READ, lambda s=source, t=sink: self._forward(s, t))

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = source.recv(65536)
            with self._lock:
                sink.sendall(data)
        if not data:
            with self._lock:
                self._pairs = [pair for pair in self._pairs if source not in pair]
            for sock in (source, sink):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(sock)
                sock.close()
