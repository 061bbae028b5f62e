"""``hadoop fs`` on the store, as far as jobs and their tools need it."""

import io

import pytest

from mesos_py.errors import UserError
from mesos_py.frameworks.mapreduce.store import run_fs, store_path


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MESOS_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def fs(*words):
    out = io.BytesIO()
    code = run_fs(words, out)
    return code, out.getvalue().decode()


def test_names(store):
    assert store_path("hdfs:///a/b") == store_path("/a/b") == store_path("hdfs://host:8020/a/b") == f"{store}/a/b"
    assert store_path("a").startswith(f"{store}/user/")
    assert store_path("/../../etc/passwd") == f"{store}/etc/passwd"
    assert store_path("file:///etc/hosts") == "/etc/hosts"
    with pytest.raises(UserError, match="s3://x"):
        store_path("s3://x")


def test_there_and_back(tmp_path):
    (tmp_path / "f").write_text("hello\n")
    assert fs("-mkdir", "-p", "hdfs:///d") == (0, "")
    assert fs("-put", str(tmp_path / "f"), "hdfs:///d") == (0, "")
    assert fs("-cat", "/d/f") == (0, "hello\n")
    assert fs("-copyToLocal", "/d/f", str(tmp_path / "g"))[0] == 0
    assert (tmp_path / "g").read_text() == "hello\n"
    code, listed = fs("-ls", "-R", "hdfs:///")
    assert code == 0
    assert listed.splitlines()[1].endswith(" hdfs:///d/f")
    assert fs("-du", "-s", "hdfs:///d") == (0, "6  hdfs:///d\n")
    assert fs("-mv", "/d/f", "/d/h")[0] == fs("-cp", "/d/h", "/d/i")[0] == fs("-touchz", "/d/j")[0] == 0
    assert [fs("-test", flag, "/d/j")[0] for flag in ("-e", "-f", "-z", "-d")] == [0, 0, 0, 1]
    assert fs("-getmerge", "/d", str(tmp_path / "all"))[0] == 0
    assert (tmp_path / "all").read_text() == "hello\nhello\n"
    assert fs("-rm", "-R", "-f", "-skipTrash", "hdfs:///d") == (0, "")
    assert fs("-test", "-e", "/d")[0] == 1
    assert fs("-rm", "-f", "/d") == (0, "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-ls", "/none"], "ls: `/none': No such file or directory"),
        (["-cat", "/none"], "No such file"),
        (["-cat", "/"], "Is a directory"),
        (["-rm", "/"], "the root stays"),
        (["-mkdir", "/"], "File exists"),
        (["-put", "/no/such", "/x"], "No such file"),
        (["-get", "/none", "x"], "No such file"),
        (["-put", "x"], "a source and a target"),
    ],
)
def test_what_cannot_be(store, capsys, words, says):
    store.mkdir()
    assert fs(*words)[0] == 1
    assert says in capsys.readouterr().err


def test_commands_that_are_not_there():
    with pytest.raises(UserError, match="-cat"):
        run_fs(["-chmod", "x"])
