import os

import pytest

from mesos_py.adapters.processes import ProcessRow, ProcessTable, read_processes, start_time


def table(*rows):
    return ProcessTable([ProcessRow(pid, parent, session, gone) for pid, parent, session, gone in rows])


LEADER = (10, 1, 10, False)


@pytest.mark.parametrize(
    ("rows", "family"),
    [
        ([], []),
        ([(11, 10, 10, False), (12, 11, 10, False)], [11, 12]),
        ([(11, 1, 10, False)], [11]),  # an orphan of the session
        ([(11, 10, 11, False), (12, 11, 11, False)], [11, 12]),  # a session of its own
        ([(11, 10, 11, False), (12, 1, 11, False)], [11, 12]),  # and an orphan of that
        ([(11, 10, 11, False), (12, 1, 11, False), (13, 12, 13, False)], [11, 12, 13]),
        ([(11, 10, 10, True), (12, 1, 10, False)], [12]),  # what is gone needs no signal
        ([(20, 1, 20, False), (21, 20, 20, False)], []),
    ],
)
def test_families(rows, family):
    assert sorted(table(LEADER, (1, 0, 1, False), *rows).family(10)) == family


def test_a_family_is_found_without_its_leader():
    assert table((11, 1, 10, False)).family(10) == [11]


def test_the_own_process_is_listed():
    rows = {row.pid: row for row in read_processes()}
    me = rows[os.getpid()]
    assert (me.parent, me.session, me.gone) == (os.getppid(), os.getsid(0), False)


def test_the_start_time_tells_processes_apart():
    assert start_time(os.getpid()) == start_time(os.getpid()) > 0
    with pytest.raises(OSError, match="4194999"):
        start_time(4194999)
