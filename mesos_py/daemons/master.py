"""A master process: leaderships, joined to broker, ZooKeeper and HTTP API."""

import time
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable

from mesos_py import __version__
from mesos_py.adapters.amqp import connect
from mesos_py.daemons.broker import BrokerListener
from mesos_py.daemons.candidate import CandidateDaemon
from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.gate import Gate
from mesos_py.daemons.leadership import Leadership, new_master_id
from mesos_py.daemons.registry import RegistryFile, RegistryStore
from mesos_py.daemons.service import Reread, private_dir, run
from mesos_py.errors import ConfigError
from mesos_py.master.core import Master
from mesos_py.master.effects import Answer
from mesos_py.master.events import OperatorCall
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.types.ids import Principal
from mesos_py.types.infos import MasterInfo
from mesos_py.web.leading import MasterView
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader
from mesos_py.web.server import WebServer

__all__ = ["MasterDaemon", "main"]


def main(config: MasterConfig, reread: Reread | None = None) -> int:
    """Run a master until it is told to stop; gives the exit code."""
    if config.zookeeper:
        return run(config, lambda loop: CandidateDaemon(config, loop), reread=reread)
    return run(config, lambda loop: MasterDaemon(config, loop), reread=reread)


class MasterDaemon:
    """A master without ZooKeeper: it leads from its start to its end."""

    def __init__(self, config: MasterConfig, loop: Loop, store: RegistryStore | None = None) -> None:
        """Read the registry and take the port; ``store`` is a file in the work directory unless given."""
        self.failure = ""
        self._loop = loop
        directory = private_dir(config.work_dir)
        self._gate = Gate(config)
        app = make_master_app(
            Reader(loop),
            lambda: self.core,
            self.operate,
            self._gate.access,
            masters=lambda: [MasterView(self.core.state.info.url, leads=True)],
            condition=self.condition,
            authenticate=self._gate.authenticate,
        )
        self._web = WebServer(app, config.http_host, config.http_port, self._gate.tls)
        url = config.advertise_url or self._web.bind()
        self._store = store or RegistryFile(directory / "registry", loop)
        try:
            registry, epoch = self._store.load(int(time.time()))
            master_id = new_master_id(epoch)
            self._transport = connect(config.broker, loop, name=f"mesos master {master_id}")
            info = MasterInfo(master_id=master_id, epoch=epoch, url=url, version=__version__)
            self._leadership = Leadership(
                config, loop, self._transport, self._store, registry, info, self._give_way, self._gate.acls
            )
        except ConfigError:
            self.abandon()
            raise
        self._broker = BrokerListener(loop, get_log(role="master", master_id=master_id), self._leadership)

    @property
    def core(self) -> Master:
        """Decides."""
        return self._leadership.core

    # Life

    def start(self) -> None:
        """Connect, and lead."""
        self._web.start()
        self._leadership.start()
        self._transport.start(self._broker)

    def stop(self, on_stopped: Callable[[], None]) -> None:
        """Send what waits, and go."""
        self._leadership.stop()
        self._web.stop()
        self._transport.stop(on_stopped)

    def abandon(self) -> None:
        """Give back what was taken; for one that is never started."""
        self._store.close()
        self._web.stop()

    def last_words(self) -> None:
        """Leave the story of what broke."""
        self._leadership.last_words()

    def condition(self) -> Condition:
        """Part of Daemon."""
        trouble = self._broker.trouble
        return Condition(not trouble, trouble or self._leadership.text())

    def reload(self, config: MasterConfig) -> None:
        """Part of Daemon."""
        self._gate.reload(config)
        self._leadership.use(self._gate.acls)

    def _give_way(self, who: str) -> None:
        if not self.failure:
            self.failure = f"another master leads on this broker: {who}"
            self.stop(self._loop.stop)

    # Operators

    def operate(
        self, call: OperatorCall, principal: Principal | None, loop: AbstractEventLoop, answer: "Future[Answer]"
    ) -> None:
        """Have the core do something for an operator; from any thread."""
        self._loop.post(lambda: self._leadership.operate(call, principal, loop, answer))
