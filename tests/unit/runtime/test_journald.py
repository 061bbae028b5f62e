"""systemd's journal gets each line of the log with its fields."""

import io
import os

import pytest
import structlog

from mesos_py.runtime.journald import JournalLogger, entry_of, is_journal
from mesos_py.runtime.logs import get_log, set_up
from tests.support.systemd import Manager


@pytest.fixture
def journal(tmp_path):
    with Manager(tmp_path / "journal") as manager:
        yield manager


def fields_of(datagram):
    """As the journal reads it: NAME=value, or NAME, its length in eight bytes, and the value with all its lines."""
    found = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


def test_a_line_becomes_an_entry():
    entry = entry_of({"event": "task ended", "level": "warning", "timestamp": "now", "task_id": "t1", "message": "a b"})
    assert entry == {
        "MESSAGE": 'task ended task_id=t1 message="a b"',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "mesos",
        "MESOS_TASK_ID": "t1",
        "MESOS_MESSAGE": "a b",
    }


def test_a_traceback_stands_below_its_line():
    assert entry_of({"event": "broken", "level": "error", "exception": "Traceback\n..."})["MESSAGE"] == (
        "broken\nTraceback\n..."
    )


def test_whatever_is_logged_arrives(journal, tmp_path):
    logger = JournalLogger(io.StringIO(), str(tmp_path / "journal"))
    logger.warning(entry_of({"event": "two\nlines", "level": "info", "x": "☃", "wéird name": 1}))
    assert fields_of(journal.receive()) == {
        "MESSAGE": "two\nlines x=☃ wéird name=1",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "mesos",
        "MESOS_X": "☃",
        "MESOS_W_IRD_NAME": "1",
    }
    logger.error(entry_of({"event": "x" * 1_000_000}))
    assert len(fields_of(journal.receive())["MESSAGE"]) == 48 * 1024


def test_without_a_journal_the_line_is_not_lost(tmp_path):
    stream = io.StringIO()
    JournalLogger(stream, str(tmp_path / "nobody")).info(entry_of({"event": "broken", "level": "error"}))
    assert stream.getvalue() == "<3>broken\n"


def test_the_journal_is_known_by_the_file_behind_the_stream(tmp_path):
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert is_journal(stream, f"{status.st_dev}:{status.st_ino}")
        assert not is_journal(stream, f"{status.st_dev}:{status.st_ino + 1}")
        assert not is_journal(stream, "")
    assert not is_journal(io.StringIO(), "1:2")


def test_a_log_whose_stream_leads_to_the_journal_goes_there(journal, tmp_path, monkeypatch):
    monkeypatch.setattr("mesos_py.runtime.journald._SOCKET", str(tmp_path / "journal"))
    with (tmp_path / "stream").open("w+") as stream:
        status = os.fstat(stream.fileno())
        set_up("info", "auto", stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        get_log(role="agent").info("told", task_id="t1")
        get_log().exception("broken")
        structlog.reset_defaults()
        assert fields_of(journal.receive()).items() >= {"MESSAGE": "told role=agent task_id=t1"}.items()
        assert fields_of(journal.receive())["PRIORITY"] == "3"
        stream.seek(0)
        assert stream.read() == ""
