"""Archives that would fill the memory before a single byte is written."""

import gzip
import io
import struct
import tarfile
import zipfile

import pytest

from mesos_py.adapters import unpack as module
from mesos_py.adapters.unpack import UnpackError, unpack

BEYOND = 1_000_000
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": "5"}


def a_tar(tmp_path, members, data=b""):
    archive = tmp_path / "a.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as file:
        for member in members:
            file.write(member.tobuf(tarfile.GNU_FORMAT))
            file.write(data or bytes(-(-member.size // 512) * 512))
        file.write(bytes(1024))
    return archive


def a_member(kind, size):
    member = tarfile.TarInfo("m")
    member.type, member.size = kind, size
    return member


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("earlier", [[], [a_member(tarfile.REGTYPE, 10)]])
def test_a_tar_with_an_endless_header(tmp_path, kind, earlier):
    archive = a_tar(tmp_path, [*earlier, a_member(kind, BEYOND)])
    with pytest.raises(UnpackError, match="a header of 1000000 bytes"):
        unpack(archive, tmp_path, 1000, lambda: False)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.REGTYPE])
def test_a_tar_with_a_member_of_less_than_nothing(tmp_path, kind):
    archive = a_tar(tmp_path, [a_member(kind, -512)], data=b"x" * 512)
    with pytest.raises(UnpackError, match="-512 bytes"):
        unpack(archive, tmp_path, 1000, lambda: False)


def test_a_tar_with_an_endless_map_of_holes(tmp_path):
    plain = tmp_path / "a.tar"
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("m")
        member.pax_headers = SPARSE
        content = b"100000\n" + b"0\n1\n" * 100_000
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(UnpackError, match="sparse"):
        unpack(plain, tmp_path, 1000, lambda: False)


def test_a_tar_with_too_many_bytes_of_headers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_HEADERS", 200_000)
    few = [a_member(tarfile.XHDTYPE, 60_000), a_member(tarfile.DIRTYPE, 0)]
    unpack(a_tar(tmp_path, few * 3), tmp_path, 1000, lambda: False)
    with pytest.raises(UnpackError, match="200000 bytes of them"):
        unpack(a_tar(tmp_path, few * 4), tmp_path, 1000, lambda: False)


def test_a_tar_whose_global_headers_are_said_of_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_HEADERS", 200_000)
    members = [a_member(tarfile.XGLTYPE, 20_000), *[a_member(tarfile.DIRTYPE, 0)] * 10]
    with pytest.raises(UnpackError, match="200000 bytes of them"):
        unpack(a_tar(tmp_path, members), tmp_path, 1000, lambda: False)


def test_a_tar_with_too_many_headers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_HEADERS", 10)
    with pytest.raises(UnpackError, match="more than 10 headers"):
        unpack(a_tar(tmp_path, [a_member(tarfile.XGLTYPE, 0)] * 11), tmp_path, 1000, lambda: False)


def a_zip(tmp_path, members, comment=b""):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.comment = comment
        for number in range(members):
            zipped.writestr(f"d/{number}", "x")
    return archive


def said_in_64_bits(archive, entries, size):
    """The same, its directory announced as that of a long zip."""
    plain = archive.read_bytes()
    start = int.from_bytes(plain[-6:-2], "little")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    where = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(plain) - 22, 1)
    archive.write_bytes(plain[:-22] + record + where + plain[-22:])
    return archive


@pytest.mark.parametrize("comment", [b"", b"about it"])
def test_a_zip_with_too_many_members(tmp_path, monkeypatch, comment):
    monkeypatch.setattr(module, "_MOST_ENTRIES", 10)
    unpack(a_zip(tmp_path, 10, comment), tmp_path, 1000, lambda: False)
    archive = a_zip(tmp_path, 11, comment)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it is not even tried
    with pytest.raises(UnpackError, match="more than 10 members"):
        unpack(archive, tmp_path, 1000, lambda: False)


def test_a_zip_that_announces_fewer_members_than_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ENTRIES", 10)
    archive = a_zip(tmp_path, 11)
    content = archive.read_bytes()
    archive.write_bytes(content[:-14] + b"\1\0\1\0" + content[-10:])
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UnpackError, match="more than 10 members"):
        unpack(archive, tmp_path, 1000, lambda: False)


@pytest.mark.parametrize(
    ("entries", "size", "why"), [(10**9, 48, "more than 200000 members"), (1, 10**9, "more than 33554432 bytes")]
)
def test_a_long_zip_that_announces_too_much(tmp_path, monkeypatch, entries, size, why):
    archive = said_in_64_bits(a_zip(tmp_path, 1), entries, size)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UnpackError, match=why):
        unpack(archive, tmp_path, 1000, lambda: False)


def test_a_long_zip_is_unpacked(tmp_path):
    unpack(said_in_64_bits(a_zip(tmp_path, 1), 1, 49), tmp_path, 1000, lambda: False)
    assert (tmp_path / "d/0").read_text() == "x"


def test_a_kill_ends_the_unpacking_of_what_has_no_content(tmp_path):
    with pytest.raises(UnpackError, match="the task was killed"):
        unpack(a_tar(tmp_path, [a_member(tarfile.DIRTYPE, 0)]), tmp_path, 1000, lambda: True)


def test_headers_of_a_usual_length_are_read(tmp_path):
    plain = tmp_path / "a.tar"
    name = "long/" * 40 + "file"
    for format_ in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(plain, "w", format=format_) as tar:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
        unpack(plain, tmp_path, 1000, lambda: False)
        assert (tmp_path / name).read_bytes() == b"abc"
