"""Splits: each line is read by exactly one mapper, whatever the sizes."""

import bz2
import gzip
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.errors import MesosError, UserError
from mesos_py.frameworks.mapreduce.blocks import Catalogue, Fetched, HostFiles, blocks_for, by_size, plan_splits
from mesos_py.frameworks.mapreduce.job import Job, Split
from mesos_py.frameworks.mapreduce.reading import InputError, lines_within, numbered, read_split
from mesos_py.frameworks.mapreduce.transfer import Part, Server

TEXT = st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"-")), max_size=20).map(b"\n".join)


def a_job(**more):
    return Job(name="j", inputs=("x",), output="y", **more)


def part(content, start, length, piece):
    stream = io.BytesIO(content)
    stream.seek(max(0, start - 1))
    return b"".join(lines_within(lambda _size: stream.read(piece), start, length))


@given(TEXT, st.booleans(), st.integers(1, 12), st.integers(1, 7))
def test_the_parts_of_a_file_are_the_file(content, ends, most, piece):
    content += b"\n" * ends
    splits = list(by_size(Split(path="f", length=len(content), size=len(content)), most))
    parts = [part(content, split.start, split.length, piece) for split in splits]
    assert b"".join(parts) == content
    assert all(each.endswith(b"\n") for each in [each for each in parts if each][:-1])


@given(TEXT, st.integers(1, 5))
def test_lines_keep_their_offsets(content, piece):
    stream = io.BytesIO(content)
    given_lines = b"".join(numbered(iter(lambda: stream.read(piece), b""), 0)).split(b"\n")
    assert given_lines.pop() == b""
    for line in given_lines:
        offset, _, text = line.partition(b"\t")
        assert content[int(offset) :].partition(b"\n")[0] == text
    assert len(given_lines) == content.count(b"\n") + (not content.endswith(b"\n") and bool(content))


@pytest.mark.parametrize(("name", "pack"), [("a.gz", gzip.compress), ("a.bz2", bz2.compress)])
def test_packed_files_are_read_whole(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(b"x\ny\n"))
    [split] = plan_splits(a_job(split_bytes=3), HostFiles().files(str(tmp_path / name)))
    assert b"".join(read_split(split, "")) == b"x\ny\n"
    os.truncate(tmp_path / name, 12)
    with pytest.raises(InputError, match="cannot be unpacked"):
        list(read_split(HostFiles().files(str(tmp_path / name))[0], ""))


def test_who_does_not_see_the_file_is_served(tmp_path):
    (tmp_path / "f").write_bytes(b"one\ntwo\nthree\n")
    [split] = HostFiles().files(str(tmp_path / "f"))
    server = Server("secret", lambda path: Part(str(tmp_path / "f"), int(path)), "127.0.0.1")
    elsewhere = Split(path="/not/here", start=4, length=3, size=split.size)
    try:
        assert b"".join(read_split(elsewhere, f"http://127.0.0.1:{server.port}/secret")) == b"two\n"
    finally:
        server.close()


def test_directories_stand_for_what_is_in_them_that_is_not_hidden(tmp_path):
    for name in ("part-00000", "_SUCCESS", ".hidden", "part-00001"):
        (tmp_path / name).write_text(name)
    assert [os.path.basename(split.path) for split in HostFiles().files(str(tmp_path))] == ["part-00000", "part-00001"]


def test_so_many_lines_for_each(tmp_path):
    (tmp_path / "f").write_text("1\n22\n333\n4444\n5")
    splits = plan_splits(a_job(lines_per_map=2), HostFiles().files(str(tmp_path / "f")))
    assert [b"".join(read_split(split, "")) for split in splits] == [b"1\n22\n", b"333\n4444\n", b"5"]


def test_a_catalogue_says_which_agents_have_a_file(tmp_path):
    listed = '[{"name": "a.log", "size": 5, "hosts": {"n1": "/d/a"}}, {"name": "b.txt", "size": 5, "hosts": {}}]'
    (tmp_path / "c.json").write_text(listed)
    blocks = blocks_for("catalogue:x")
    assert isinstance(blocks, Catalogue)
    [split] = blocks.files(f"catalogue:{tmp_path}/c.json#*.log")
    assert (blocks.hosts(split), split.pinned) == (("n1",), {"n1": "/d/a"})


@pytest.mark.parametrize("content", ["no json", '[{"name": 1}]', '[{"name": "a", "size": 1, "hosts": {}, "x": 1}]'])
def test_a_catalogue_that_cannot_be_read(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(UserError, match="catalogue"):
        Catalogue().files(f"catalogue:{tmp_path}/c.json")


def test_agents_that_have_fetched_a_file_are_preferred(tmp_path):
    (tmp_path / "f").write_bytes(b"one\n")
    server = Server("s", lambda _path: Part(str(tmp_path / "f")), "127.0.0.1")
    url = f"http://127.0.0.1:{server.port}/s/f"
    try:
        blocks = blocks_for(url)
        assert isinstance(blocks, Fetched)
        [split] = blocks.files(url)
    finally:
        server.close()
    assert (split.length, split.url, blocks.hosts(split)) == (4, url, ())
    blocks.fetched(split, "n1")
    assert blocks.hosts(split) == ("n1",)


def test_what_is_not_there():
    with pytest.raises(MesosError, match="input /no/such does not exist"):
        HostFiles().files("/no/such")
