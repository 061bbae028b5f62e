"""What can be read of sandboxes, and what cannot be reached through them."""

import os
import socket

import pytest

from mesos_py.web.files import FileError, ForbiddenPathError, GrowingFile, NoSuchFileError, Sandboxes
from tests.support.descriptors import none_left_open


@pytest.fixture
def box(tmp_path):
    """A sandbox of task T, container C-1."""
    sandbox = tmp_path / "sandboxes" / "A1" / "F" / "tasks" / "T" / "C-1"
    sandbox.mkdir(parents=True)
    (sandbox / "stdout").write_bytes(b"hello\n")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "secret").write_text("secret")
    return sandbox


@pytest.fixture
def sandboxes(tmp_path, box):
    return Sandboxes(str(tmp_path))


def content(sandboxes, path):
    file = sandboxes.open(path)
    try:
        return file.read(0)
    finally:
        file.close()


def names(sandboxes, path):
    return [entry.name for entry in sandboxes.entries(path)]


V = "/frameworks/F/tasks/T/latest"


@pytest.mark.parametrize("path", [f"{V}/stdout", "frameworks/F//tasks/T/C-1/./stdout", f"{V}/stdout/"])
def test_a_file_is_read(sandboxes, path):
    assert content(sandboxes, path) == b"hello\n"


def test_the_tree_can_be_walked(sandboxes, box):
    (box / "logs").mkdir()
    (box / "logs" / "deep").write_text("x")
    assert names(sandboxes, "/") == ["frameworks"]
    assert names(sandboxes, "/frameworks") == ["F"]
    assert names(sandboxes, "/frameworks/F") == ["tasks"]
    assert names(sandboxes, "/frameworks/F/tasks") == ["T"]
    assert names(sandboxes, "/frameworks/F/tasks/T") == ["C-1", "latest"]
    assert names(sandboxes, V) == ["logs", "stdout"]
    [deep] = sandboxes.entries(f"{V}/logs")
    assert (deep.path, deep.kind, deep.size, deep.mode[0]) == (f"{V}/logs/deep", "file", 1, "-")


def test_an_agent_without_sandboxes(tmp_path):
    empty = Sandboxes(str(tmp_path / "nothing"))
    assert names(empty, "/frameworks") == []
    with pytest.raises(NoSuchFileError):
        empty.open(f"{V}/stdout")


def test_sandboxes_of_all_agent_ids_are_one_tree(sandboxes, tmp_path):
    newer = tmp_path / "sandboxes" / "A2" / "F" / "tasks" / "T" / "C-2"
    newer.mkdir(parents=True)
    (newer / "stdout").write_text("newer")
    os.utime(newer, (2e9, 2e9))
    assert names(sandboxes, "/frameworks/F/tasks/T") == ["C-1", "C-2", "latest"]
    assert content(sandboxes, f"{V}/stdout") == b"newer"
    assert content(sandboxes, "/frameworks/F/tasks/T/C-1/stdout") == b"hello\n"


def test_a_work_dir_reached_by_a_link(tmp_path, box):
    (tmp_path / "link").symlink_to(tmp_path)
    assert content(Sandboxes(str(tmp_path / "link")), f"{V}/stdout") == b"hello\n"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (f"{V}/../../../../../../../meta/secret", ForbiddenPathError),
        ("/frameworks/../../../meta/secret/x", ForbiddenPathError),
        (f"{V}/nothing", NoSuchFileError),
        (f"{V}/stdout/below", FileError),
        ("/frameworks/F/tasks/T/C-9/stdout", NoSuchFileError),
        ("/frameworks/F/tasks/T/C-9", FileError),
        ("/meta/secret", FileError),
        ("/sandboxes/A1/F/tasks/T/C-1/stdout", FileError),
        ("/frameworks/F/tasks/T/C-1/std\0out", FileError),
        ("/frameworks/F/tasks/T/C-1/" + "x" * 300, FileError),
        ("", FileError),
        (V, FileError),
    ],
)
def test_what_cannot_be_opened(sandboxes, path, error):
    with pytest.raises(error):
        sandboxes.open(path)


@pytest.mark.parametrize("path", ["/meta", "/frameworks/G", "/frameworks/F/else", f"{V}/nothing", f"{V}/stdout"])
def test_what_cannot_be_listed(sandboxes, path):
    with pytest.raises(FileError):
        sandboxes.entries(path)


def test_links_within_the_sandbox_are_followed(sandboxes, box):
    (box / "data").mkdir()
    (box / "data" / "file").write_text("inside")
    (box / "current").symlink_to("data")
    (box / "absolute").symlink_to(box / "data" / "file")
    assert content(sandboxes, f"{V}/current/file") == b"inside"
    assert content(sandboxes, f"{V}/absolute") == b"inside"
    assert names(sandboxes, f"{V}/current") == ["file"]


def test_links_out_of_the_sandbox_are_not(sandboxes, box, tmp_path):
    other = box.parent.parent / "OTHER" / "C-7"
    other.mkdir(parents=True)
    (other / "stdout").write_text("another task's")
    (box / "passwd").symlink_to("/etc/passwd")
    (box / "etc").symlink_to("/etc")
    (box / "up").symlink_to("..")
    (box / "neighbour").symlink_to(other / "stdout")
    (box / "prefix").symlink_to(str(box) + "-sibling")
    (box / "turn").symlink_to("turn")
    for path in ("passwd", "etc/passwd", "up/C-1/../../OTHER/C-7/stdout", "neighbour", "prefix", "etc"):
        with pytest.raises(ForbiddenPathError):
            sandboxes.open(f"{V}/{path}")
    with pytest.raises(ForbiddenPathError):
        sandboxes.entries(f"{V}/etc")
    with pytest.raises(FileError):
        sandboxes.open(f"{V}/turn")


def test_a_sandbox_that_is_a_link_is_not_one(sandboxes, box):
    (box.parent / "C-2").symlink_to("/etc")
    with pytest.raises(NoSuchFileError):
        sandboxes.open("/frameworks/F/tasks/T/C-2/passwd")
    assert names(sandboxes, "/frameworks/F/tasks/T") == ["C-1", "latest"]


def test_a_link_that_comes_in_after_the_check_is_refused(sandboxes, box, monkeypatch):
    (box / "data").mkdir()
    (box / "data" / "passwd").write_text("harmless")
    resolve = os.path.realpath

    def swap(path, **kwargs):
        resolved = resolve(path, **kwargs)
        if str(path).endswith("data/passwd"):
            (box / "data").rename(box / "was")
            (box / "data").symlink_to("/etc")
        return resolved

    monkeypatch.setattr(os.path, "realpath", swap)
    with pytest.raises(FileError):
        sandboxes.open(f"{V}/data/passwd")


def test_a_link_that_becomes_a_directory_while_it_is_followed_is_an_answer(sandboxes, box, monkeypatch):
    (box / "d").mkdir()

    def realpath(path):
        return os.readlink(path.removesuffix("/x"))  # as it was a moment ago

    monkeypatch.setattr(os.path, "realpath", realpath)
    with pytest.raises(FileError, match="Invalid argument"):
        sandboxes.open("/frameworks/F/tasks/T/latest/d/x")


def test_only_regular_files_are_opened(sandboxes, box):
    os.mkfifo(box / "pipe")
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(box)  # a socket's path is short
    try:
        server.bind("socket")
    finally:
        os.chdir(here)
    (box / "directory").mkdir()
    for name in ("pipe", "socket", "directory"):
        with pytest.raises(FileError, match="not a file"):
            sandboxes.open(f"{V}/{name}")
    server.close()


def test_names_that_are_not_unicode_are_shown(sandboxes, box):
    with open(os.path.join(os.fsencode(box), b"na\xefve"), "wb"):
        pass
    assert names(sandboxes, V) == ["na\ufffdve", "stdout"]


class TestGrowing:
    @pytest.fixture
    def log(self, box):
        return box / "stdout"

    @pytest.fixture
    def growing(self, sandboxes):
        made = []

        def grow(offset=0):
            made.append(GrowingFile(lambda: sandboxes.open(f"{V}/stdout"), offset))
            return made[-1]

        yield grow
        for each in made:
            each.close()

    def add(self, log, data):
        with log.open("ab") as file:
            file.write(data)

    def test_what_is_added_comes(self, log, growing):
        file = growing()
        assert file.next_piece() == b"hello\n"
        assert file.next_piece() == b""
        self.add(log, b"more")
        assert file.next_piece() == b"more"
        assert file.offset == 10

    def test_from_an_offset_and_from_the_end(self, log, growing):
        middle, end = growing(3), growing(-1)
        self.add(log, b"new")
        assert middle.next_piece() == b"lo\nnew"
        assert end.next_piece() == b"new"

    def test_large_files_come_in_pieces(self, log, growing):
        log.write_bytes(b"x" * 200_000)
        file = growing()
        assert sum(len(piece) for piece in iter(file.next_piece, b"")) == 200_000

    def test_a_truncated_file_is_read_from_its_start(self, log, growing):
        file = growing()
        file.next_piece()
        log.write_bytes(b"")
        assert file.next_piece() == b""
        self.add(log, b"anew")
        assert file.next_piece() == b"anew"

    def test_a_rotated_file_is_read_to_its_end_first(self, log, growing):
        file = growing()
        file.next_piece()
        self.add(log, b"last words")
        log.rename(log.with_name("stdout.1"))
        self.add(log, b"a new file")
        assert file.next_piece() == b"last words"
        assert file.next_piece() == b"a new file"
        assert file.next_piece() == b""

    def test_a_file_that_is_gone_for_a_moment(self, log, growing):
        file = growing()
        file.next_piece()
        log.rename(log.with_name("stdout.1"))
        assert file.next_piece() == b""
        self.add(log, b"back")
        assert file.next_piece() == b"back"

    def test_no_descriptor_is_left_open(self, log, sandboxes):
        with none_left_open():
            file = GrowingFile(lambda: sandboxes.open(f"{V}/stdout"), 0)
            for _ in range(10):
                file.next_piece()
                log.rename(log.with_name("stdout.1"))
                file.next_piece()
                self.add(log, b"x")
            file.close()
            for path in (f"{V}/nothing", V, f"{V}/stdout/x"):
                with pytest.raises(FileError):
                    sandboxes.open(path)
            sandboxes.entries(V)
