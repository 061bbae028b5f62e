"""Archives that are fetched into sandboxes, and those that mean harm."""

import gzip
import io
import os
import stat
import tarfile
import zipfile

import pytest

from mesos_py.adapters.fetcher import SandboxFetcher
from tests.support.fetching import fetch, source, why_not


@pytest.fixture(name="sandbox")
def _sandbox(tmp_path):
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    return sandbox


def a_tar(path, *members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content, more in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.tar", "w"),
        ("a.tar.gz", "w:gz"),
        ("A.TGZ", "w:gz"),
        ("a.tbz2", "w:bz2"),
        ("a.tar.bz2", "w:bz2"),
        ("a.txz", "w:xz"),
    ],
)
def test_tars(tmp_path, sandbox, name, mode):
    members = [
        ("./dir/sub/tool", b"#!", {"mode": 0o4777}),
        ("plain", b"text", {"mode": 0o600, "uid": 12345}),
        ("dir/link", b"", {"type": tarfile.SYMTYPE, "linkname": "../plain"}),
        ("dir/same", b"", {"type": tarfile.LNKTYPE, "linkname": "plain"}),
    ]
    fetch(sandbox, a_tar(tmp_path / name, *members, mode=mode))
    assert stat.S_IMODE((sandbox / "dir/sub/tool").stat().st_mode) == 0o755
    assert (sandbox / "dir/link").read_text() == (sandbox / "dir/same").read_text() == "text"
    assert (sandbox / "plain").stat().st_uid == os.geteuid()
    assert (sandbox / name).exists()


def test_zips_and_single_files(tmp_path, sandbox):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("dir/file", "text")
        tool = zipfile.ZipInfo("tool")
        tool.external_attr = (stat.S_IFREG | 0o755) << 16
        zipped.writestr(tool, "#!")
    fetch(sandbox, tmp_path / "a.zip")
    assert (sandbox / "dir/file").read_text() == "text"
    assert os.access(sandbox / "tool", os.X_OK)
    fetch(sandbox, source(tmp_path, "data.gz", gzip.compress(b"data")))
    assert (sandbox / "data").read_bytes() == b"data"
    fetch(sandbox, source(tmp_path, "kept.gz", b"anything"), extract=False)


LINK, HARD = {"type": tarfile.SYMTYPE}, {"type": tarfile.LNKTYPE}


@pytest.mark.parametrize(
    "members",
    [
        [("../escaped", b"x", {})],
        [("/tmp/escaped", b"x", {})],
        [("a/../../escaped", b"x", {})],
        [("l", b"", LINK | {"linkname": "/etc"}), ("l/escaped", b"x", {})],
        [("l", b"", LINK | {"linkname": ".."})],
        [("a/b/c", b"", {}), ("a/l", b"", LINK | {"linkname": "b/../../.."})],
        [
            ("p/q/x", b"", {}),
            ("p/q/r", b"", LINK | {"linkname": "../.."}),
            ("s", b"", LINK | {"linkname": "p/q/r/../x"}),
        ],
        [("d", b"", {"type": tarfile.DIRTYPE}), ("l", b"", LINK | {"linkname": "d"}), ("l/x", b"x", {})],
        [("l", b"", HARD | {"linkname": "../escaped"})],
        [("l", b"", HARD | {"linkname": "/etc/passwd"})],
        [("l", b"", LINK | {"linkname": "x"}), ("h", b"", HARD | {"linkname": "l"})],
        [("dev", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
        [("fifo", b"", {"type": tarfile.FIFOTYPE})],
    ],
)
def test_tars_that_mean_harm(tmp_path, sandbox, members):
    outside = set(tmp_path.iterdir()) | {tmp_path / "bad.tar"}
    assert "cannot fetch" in why_not(sandbox, a_tar(tmp_path / "bad.tar", *members))
    assert set(tmp_path.iterdir()) == outside


def test_zips_that_mean_harm(tmp_path, sandbox):
    for name in ("../escaped", "/escaped", "a/../../escaped"):
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as zipped:
            zipped.writestr(name, "x")
        assert "outside the sandbox" in why_not(sandbox, tmp_path / "bad.zip")
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as zipped:
        zipped.writestr(link, "/etc")
    assert "may be outside the sandbox" in why_not(sandbox, tmp_path / "bad.zip")
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("name", ["bomb.gz", "bomb.tar.gz", "bomb.zip"])
def test_bombs(tmp_path, sandbox, name):
    zeros = bytes(3_000_000)
    path = tmp_path / name
    if name == "bomb.gz":
        path.write_bytes(gzip.compress(zeros))
    elif name == "bomb.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("zeros", zeros)
    else:
        a_tar(path, ("zeros", zeros, {}), mode="w:gz")
    why = why_not(sandbox, path, fetcher=SandboxFetcher(max_unpacked_bytes=2_000_000))
    assert why.endswith("unpacked it would be larger than 2000000 bytes")


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip", "x.gz", "x.txz", "x.tbz2"])
@pytest.mark.parametrize(
    "content",
    [b"no archive", gzip.compress(bytes(range(256)))[:99], b"PK\x03\x04", b""],
    ids=list("1234"),
)
def test_broken_archives(tmp_path, sandbox, name, content):
    if (name, content) in (("x.tar", b""), ("x.gz", b"")):
        return  # empty, but sound
    assert "it is no sound archive" in why_not(sandbox, source(tmp_path, name, content))
