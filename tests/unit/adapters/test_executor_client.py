"""How an executor looks for its agent."""

from mesos_py.adapters.executor_client import ExecutorClient
from mesos_py.runtime.loop import Loop


class Nobody:
    def __init__(self):
        self.reasons = []

    def disconnected(self, reason):
        self.reasons.append(reason)


def test_an_executor_whose_agent_is_long_away_still_tries_twice_a_second(tmp_path):
    loop, listener = Loop(), Nobody()
    client = ExecutorClient(loop, str(tmp_path / "socket"))
    client.start(listener)
    try:
        now = 100.0
        for _ in range(20):
            client.run_due(now)
            assert now < client.next_deadline() <= now + 0.5
            now = client.next_deadline()
        assert listener.reasons == ["No such file or directory"]
    finally:
        client.stop()
        loop.close()
