"""What the nodes of a job say to each other: over real sockets."""

import socket
import threading

import pytest

from mesos_py.frameworks.batch import control

SECRET = "s" * 32


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answering(listener, answer):
    """What the other end was asked; it answers with these bytes and is gone."""
    asked = []

    def serve():
        connection, _ = listener.accept()
        with connection:
            asked.append(control.accept(connection, SECRET))
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, asked


def frame(kind, data):
    return control.HEADER.pack(kind, len(data)) + data


def test_a_process_that_ends_before_its_start_is_read(listener):
    # the answer and all frames in one piece
    said = b"OK\n" + frame(control.STDOUT, b"a\nb") + frame(control.EXIT, b"\x07")
    thread, asked = answering(listener, said)
    with control.connect("127.0.0.1", listener.getsockname()[1], SECRET, {"do": "run"}) as connection:
        thread.join()
        frames = [control.read_frame(connection) for _ in range(3)]
    assert asked == [{"do": "run"}]
    assert frames == [(control.STDOUT, b"a\nb"), (control.EXIT, b"\x07"), None]


@pytest.mark.parametrize(
    ("answer", "why"), [(b"", "the node has hung up"), (b"not today\n", "not today"), (b"OK", "the node has hung up")]
)
def test_a_node_that_will_not(listener, answer, why):
    thread, _ = answering(listener, answer)
    with pytest.raises(control.ControlError, match=why):
        control.connect("127.0.0.1", listener.getsockname()[1], SECRET, {"do": "run"})
    thread.join()


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"no json\n",
        b"[1]\n",
        b"null\n",
        b'{"mac": 1, "body": 2}\n',
        b'{"mac": "0", "body": "{}"}\n',
        b"\xff\xfe\n",
        b"{" * 5000,
    ],
)
def test_a_stranger_is_refused(listener, line):
    thread, asked = answering(listener, b"")
    with socket.create_connection(listener.getsockname()) as stranger:
        assert stranger.recv(64)
        stranger.sendall(line)
        stranger.shutdown(socket.SHUT_WR)
        thread.join()
    assert asked == [None]
