"""What a task writes is read to its end, though its agent goes away and comes back meanwhile."""

import contextlib
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from mesos_py.frameworks import output
from mesos_py.frameworks.output import OutputStreams


class Agent(ThreadingHTTPServer):
    """Answers what follows a file with the pieces it is given; "cut" breaks an answer off, "end" ends it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Follow)
        self.offsets = queue.Queue()
        self.pieces = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Follow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        asked = parse_qs(urlsplit(self.path).query)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if asked["path"][0].endswith("stderr"):
            self.wfile.write(b"0\r\n\r\n")
            return
        self.server.offsets.put(int(asked["offset"][0]))
        while (piece := self.server.pieces.get()) not in ("cut", "end"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if piece == "end":
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def agent():
    agent = Agent()
    yield agent
    agent.pieces.put("end")
    agent.shutdown()
    agent.server_close()


@contextlib.contextmanager
def following(agent):
    """Lines and complaints about a task that runs there."""
    lines, complaints = queue.Queue(), queue.Queue()
    streams = OutputStreams(
        lambda _task, _name, some: [lines.put(line) for line in some], lambda _task, why: complaints.put(why)
    )
    streams.start()
    streams.follow("F1", "t1", agent.url)
    yield lines, complaints
    streams.ended("t1")
    streams.finish(1.0)


@pytest.fixture
def impatient(monkeypatch):
    """What lasts for a minute lasts for no time."""
    monkeypatch.setattr(output, "_SHORT_S", 0.0)
    monkeypatch.setattr(output, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(output, "_AWAY_S", 0.2)


def test_an_agent_that_restarts_under_a_quiet_task_is_read_on_from_where_it_was(agent, impatient):
    with following(agent) as (lines, complaints):
        agent.pieces.put(b"one\ntw")
        assert agent.offsets.get(timeout=20) == 0
        assert lines.get(timeout=20) == "one"
        for _ in range(2):
            with pytest.raises(queue.Empty):
                lines.get(timeout=0.4)  # quiet for longer than an agent may be away
            agent.pieces.put("cut")
            assert agent.offsets.get(timeout=20) == 6
        agent.pieces.put(b"o\n")
        assert lines.get(timeout=20) == "two"
        agent.pieces.put("end")
    assert complaints.empty()


def test_an_agent_that_stays_away_is_complained_of(agent, impatient):
    with following(agent) as (lines, complaints):
        agent.pieces.put(b"one\n")
        assert lines.get(timeout=20) == "one"
        agent.shutdown()
        agent.server_close()
        agent.pieces.put("cut")
        assert "its stdout cannot be read" in complaints.get(timeout=20)
