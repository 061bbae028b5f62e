"""Two masters on one broker: the newer leads, the older says so and goes."""

import secrets

import pytest

from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.master import MasterDaemon
from mesos_py.daemons.registry import RegistryMemory
from mesos_py.runtime.loop import Loop

pytestmark = pytest.mark.integration


def test_the_older_of_two_masters_steps_down(tmp_path):
    loop = Loop()
    broker = f"memory://{secrets.token_hex(4)}"

    def master(name):
        config = MasterConfig(broker=broker, work_dir=str(tmp_path / name), http_port=0, log_level="error")
        return MasterDaemon(config, loop, store)

    store = RegistryMemory()
    older = master("older")
    older.start()
    for _ in range(20):
        loop.turn(0.01)
    newer = master("newer")
    assert newer.core.state.info.epoch > older.core.state.info.epoch
    newer.start()
    deadline = loop.clock() + 10
    while not older.failure and loop.clock() < deadline:
        loop.turn(0.05)
    assert newer.core.state.info.url in older.failure
    assert not newer.failure
    stopped = []
    newer.stop(lambda: stopped.append(True))
    while not stopped and loop.clock() < deadline:
        loop.turn(0.05)
    loop.close()
