"""Archives that would fill the memory before a single byte is written."""

import gzip
import io
import tarfile

import pytest

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
