"""A standby's copy of the registry, whatever the order in which its session answers."""

import pytest

from mesos_py.adapters.zookeeper.copy import RegistryCopy
from mesos_py.adapters.zookeeper.paths import Paths
from mesos_py.adapters.zookeeper.session import Connection
from mesos_py.runtime.loop import Loop

ROLES = "/mesos/registry/roles"


class SlowSession:
    """Answers when the test wants it to."""

    connected = True
    paths = Paths("/mesos")

    def __init__(self):
        self.gets = []

    def listen(self, _listener):
        pass

    def create(self, path, _data, done):
        done(path, None)

    def children(self, _path, _changed, done):
        done(["roles"], None)

    def get(self, path, done, changed):
        assert path == ROLES
        self.gets.append((done, changed))


@pytest.fixture
def session():
    return SlowSession()


@pytest.fixture
def copy(session):
    loop = Loop()
    copy = RegistryCopy(session, loop)
    copy.stand_by()
    yield copy
    loop.close()


def test_an_answer_that_comes_after_the_news_of_a_change_is_not_kept(session, copy):
    """Whoever is elected now would lose the change, and write over it."""
    [(done, changed)] = session.gets
    changed()
    done((b"before the change", None), None)
    assert copy.take() == {}


def test_what_has_changed_is_read_again(session, copy):
    [(done, changed)] = session.gets
    changed()
    done((b"before the change", None), None)
    copy.run_due(copy.next_deadline())
    [_, (done, _)] = session.gets
    done((b"after it", None), None)
    assert copy.take() == {"roles": b"after it"}


def test_what_was_asked_over_an_earlier_connection_is_not_kept(session, copy):
    [(done, changed)] = session.gets
    copy.connection(Connection.CONNECTED)
    changed()
    done((b"who knows", None), None)
    [_, (done, _)] = session.gets
    done((b"now", None), None)
    assert copy.take() == {"roles": b"now"}
