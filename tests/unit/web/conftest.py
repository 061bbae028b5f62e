import pytest
from litestar.testing import TestClient

from mesos_py.types.tasks import TaskState
from mesos_py.web.master import make_master_app
from mesos_py.web.reader import Reader
from tests.unit.web.cluster import Cluster, turning


@pytest.fixture
def loop():
    with turning() as loop:
        yield loop


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def client(loop, cluster):
    app = make_master_app(Reader(loop), lambda: cluster.master, lambda *call: cluster.operate(loop, *call))
    with TestClient(app) as client:
        yield client


@pytest.fixture
def busy(cluster):
    """Three tasks of one framework: one staging, one running, one finished."""
    cluster.add_agent()
    framework_id = cluster.add_framework()
    cluster.launch(framework_id, "a", "b", "c")
    cluster.update(framework_id, "b", TaskState.RUNNING)
    cluster.update(framework_id, "c", TaskState.FINISHED)
    return framework_id
