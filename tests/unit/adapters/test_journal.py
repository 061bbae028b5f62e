import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.adapters import journal as module
from mesos_py.adapters.journal import FileJournal, MemoryJournal, read_journal, rewrite_journal
from mesos_py.errors import ConfigError, MesosError
from mesos_py.runtime.loop import Loop
from tests.unit.adapters.containers_support import turn_until


@pytest.fixture(name="loop")
def _loop():
    loop = Loop()
    yield loop
    loop.close()


class Written:
    """A journal and what it has confirmed."""

    def __init__(self, loop, path):
        self.loop, self.confirmed, self.errors = loop, [], []
        self.journal = FileJournal(path, loop, self.confirmed.append, self.errors.append)

    def until(self, serial):
        turn_until(self.loop, lambda: self.confirmed and self.confirmed[-1] >= serial)


def test_no_file_holds_nothing(tmp_path):
    assert read_journal(tmp_path / "none") == ([], 0)


def test_records_are_read_in_order(loop, tmp_path):
    written = Written(loop, tmp_path / "deep" / "journal")
    records = [b"", b"one", b"two" * 1000, b"\xd5MJ\xa3", b"\0" * 20]
    for serial, record in enumerate(records):
        written.journal.append(serial, record)
    written.until(len(records) - 1)
    written.journal.close()
    assert read_journal(tmp_path / "deep" / "journal") == (records, 0)
    assert written.confirmed == sorted(written.confirmed)


def test_many_are_synced_together(loop, tmp_path, monkeypatch):
    syncs = []
    sync = os.fdatasync
    monkeypatch.setattr(module.os, "fdatasync", lambda fd: (syncs.append(fd), sync(fd)))
    written = Written(loop, tmp_path / "journal")
    for serial in range(5000):
        written.journal.append(serial, b"x" * 50)
    written.until(4999)
    written.journal.close()
    assert len(syncs) < 1000
    assert len(read_journal(tmp_path / "journal")[0]) == 5000


def test_what_was_on_disk_stays(loop, tmp_path):
    for serial in range(3):
        written = Written(loop, tmp_path / "journal")
        written.journal.append(serial, f"{serial}".encode())
        written.journal.close()
    assert read_journal(tmp_path / "journal") == ([b"0", b"1", b"2"], 0)


def test_close_writes_what_waits(loop, tmp_path):
    written = Written(loop, tmp_path / "journal")
    for serial in range(100):
        written.journal.append(serial, b"x")
    written.journal.close()
    written.until(99)
    assert len(read_journal(tmp_path / "journal")[0]) == 100


@given(data=st.data(), records=st.lists(st.binary(max_size=40), max_size=6))
def test_any_torn_tail_loses_only_what_is_torn(tmp_path_factory, data, records):
    path = tmp_path_factory.mktemp("j") / "journal"
    rewrite_journal(path, records)
    text = path.read_bytes()
    cut = data.draw(st.integers(0, len(text)))
    path.write_bytes(text[:cut])
    read, corrupt = read_journal(path)
    assert read == records[: len(read)]
    assert corrupt == 0
    sizes = [12 + len(record) for record in records]
    whole = sum(8 + sum(sizes[: n + 1]) <= cut for n in range(len(sizes)))
    assert len(read) == whole


@given(data=st.data(), records=st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_a_flipped_byte_spoils_one_record_at_most(tmp_path_factory, data, records):
    path = tmp_path_factory.mktemp("j") / "journal"
    rewrite_journal(path, records)
    text = bytearray(path.read_bytes())
    at = data.draw(st.integers(8, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(text)
    read, corrupt = read_journal(path)
    assert len(read) == len(records) - 1
    assert corrupt <= 1
    in_last = at >= len(text) - 12 - len(records[-1])
    assert corrupt == (0 if in_last else 1)


def test_writing_goes_on_after_a_torn_tail(loop, tmp_path):
    path = tmp_path / "journal"
    rewrite_journal(path, [b"one", b"two"])
    path.write_bytes(path.read_bytes()[:-1])
    written = Written(loop, path)
    written.journal.append(1, b"three")
    written.until(1)
    written.journal.close()
    assert read_journal(path) == ([b"one", b"three"], 0)


def test_rewriting_replaces_and_writing_goes_on(loop, tmp_path):
    path = tmp_path / "journal"
    written = Written(loop, path)
    written.journal.append(1, b"old")
    written.journal.rewrite([b"snapshot"])
    written.journal.append(2, b"new")
    written.until(2)
    written.journal.append(3, b"newer")
    written.until(3)
    written.journal.close()
    assert read_journal(path) == ([b"snapshot", b"new", b"newer"], 0)
    assert os.listdir(tmp_path) == ["journal"]


def test_an_unconfirmed_record_is_not_there_after_a_full_disk(loop, tmp_path, monkeypatch):
    written = Written(loop, tmp_path / "journal")
    written.journal.append(1, b"fits")
    written.until(1)
    write = os.write

    def full(fd, text):
        monkeypatch.setattr(module.os, "write", _no_space)
        return write(fd, bytes(text)[:5])

    monkeypatch.setattr(module.os, "write", full)
    written.journal.append(2, b"does not fit")
    turn_until(loop, lambda: written.errors)
    monkeypatch.undo()
    written.journal.append(3, b"too late")
    written.journal.close()
    loop.turn(0)
    assert written.confirmed == [1]
    assert written.errors == [f"cannot write {tmp_path / 'journal'}: No space left on device"]
    assert read_journal(tmp_path / "journal") == ([b"fits"], 0)


def _no_space(_fd, _text):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_without_an_error_handler_the_loop_stops(loop, tmp_path):
    (tmp_path / "file").touch()
    journal = FileJournal(tmp_path / "file" / "journal", loop, lambda _serial: None)
    journal.append(1, b"x")
    with pytest.raises(MesosError, match="cannot write"):
        turn_until(loop, lambda: False)
    journal.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"MESOSJ\x00\x02rest", r"was written by another version \(2\)"), (b"something else", "is not a journal")],
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / "journal").write_bytes(text)
    with pytest.raises(ConfigError, match=message):
        read_journal(tmp_path / "journal")


def test_the_memory_journal_confirms(loop):
    confirmed = []
    journal = MemoryJournal(loop, confirmed.append)
    journal.append(1, b"x")
    journal.append(2, b"y")
    assert confirmed == []
    loop.turn(0)
    assert confirmed == [1, 2]
    journal.close()


def test_a_failed_rewrite_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    rewrite_journal(path, [b"one"])
    monkeypatch.setattr(module.os, "write", _no_space)
    with pytest.raises(OSError, match="No space left"):
        rewrite_journal(path, [b"two"])
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["journal"]
    assert read_journal(path) == ([b"one"], 0)


def test_a_journal_reads_what_earlier_ones_wrote(loop, tmp_path):
    rewrite_journal(tmp_path / "journal", [b"one", b"two"])
    assert Written(loop, tmp_path / "journal").journal.read() == ([b"one", b"two"], 0)
    assert MemoryJournal(loop, lambda _serial: None).read() == ([], 0)
