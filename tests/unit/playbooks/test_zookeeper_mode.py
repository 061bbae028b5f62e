"""The module zookeeper_mode against servers that answer as ZooKeeper does, or not at all."""

import contextlib
import json
import socketserver
import threading

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.support.ansible import load

module = load("library/zookeeper_mode")


@contextlib.contextmanager
def server(*answers):
    """Says one after the other, and the last again and again."""
    left = list(answers)

    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            assert self.request.recv(4) == b"srvr"
            self.request.sendall(left.pop(0) if len(left) > 1 else left[0])

    with socketserver.TCPServer(("127.0.0.1", 0), Answer) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1]
        listening.shutdown()


@pytest.fixture
def ask(capsys, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)

    def call(port, **given):
        with patch_module_args({"port": port} | given), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return call


@pytest.mark.parametrize("mode", ["leader", "follower", "standalone"])
def test_a_server_says_what_it_is(ask, mode):
    with server(b"Zookeeper version: 3.8.0\nMode: %s\nNode count: 5\n" % mode.encode()) as port:
        result = ask(port)
    assert (result["mode"], result["changed"]) == (mode, False)


def test_one_that_does_not_serve_has_no_mode(ask):
    with server(b"This ZooKeeper instance is not currently serving requests\n") as port:
        assert ask(port)["mode"] == ""
        failed = ask(port, timeout_s=0.05)
    assert failed["failed"]
    assert failed["msg"] == (
        "ZooKeeper does not serve after 0.05 s: This ZooKeeper instance is not currently serving requests"
    )


def test_it_is_waited_for(ask):
    with server(b"", b"not yet", b"Mode: follower\n") as port:
        assert ask(port, timeout_s=20)["mode"] == "follower"


def test_nobody_listens(ask):
    with server(b"") as port:
        pass
    assert "refused" in ask(port, timeout_s=0.01)["msg"]
