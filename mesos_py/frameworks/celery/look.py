"""One look at a Celery application, for `mesos celery status`."""

import queue
import time
from collections.abc import Sequence

from mesos_py.errors import MesosError
from mesos_py.frameworks.celery.observing import Application, Ended, Failed, Observation, Observing, Seen, Unreachable
from mesos_py.types.ids import TaskID

__all__ = ["look"]

_PATIENCE_S = 15.0
"""For the application to be imported and its broker to be reached."""
_WORKERS_S = 3.0
"""For the workers to say how they are, which they do every two seconds."""


def look(python: str, app: str, workdir: str, queues: Sequence[str], environment: dict[str, str], workers: int) -> Seen:
    """Wait until that many workers were heard, or have had the time; by task id. Raises MesosError."""
    news: queue.SimpleQueue[Observation] = queue.SimpleQueue()
    observing = Observing(python, app, workdir, queues, environment, news.put)
    heard: dict[str, tuple[int, int]] = {}
    deadline = time.monotonic() + _PATIENCE_S
    began = 0.0
    try:
        while True:
            match news.get(timeout=max(0.0, deadline - time.monotonic())):
                case Failed(why=why):
                    raise MesosError(f"the application {app} cannot be imported: {why}")
                case Unreachable(why=why) | Ended(why=why):
                    raise MesosError(f"the application's broker is not reached: {why}")
                case Application():
                    pass
                case Seen() as seen:
                    began = began or time.monotonic()
                    heard |= {TaskID(node.partition("@")[0]): figures for node, figures in seen.workers.items()}
                    if len(heard) >= workers or time.monotonic() > began + _WORKERS_S:
                        return Seen(depths=seen.depths, workers=heard)
    except queue.Empty:
        raise MesosError(f"the application's broker does not answer within {_PATIENCE_S:g} s") from None
    finally:
        observing.close()
