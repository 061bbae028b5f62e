import os
import subprocess
import sys

from mesos_py.adapters.sandbox import give_to, make_sandbox

GIVE = """
import os, sys
from mesos_py.adapters.sandbox import give_to
sys.addaudithook(lambda event, words: event == "os.chown" and print(words[0]))
give_to(sys.argv[1], os.getuid(), os.getgid())
"""


def test_the_sandbox_itself_is_given_away_last(tmp_path):
    """Whoever owns it could otherwise put a link in the place of a directory that is still to be entered."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").touch()
    told = subprocess.run([sys.executable, "-c", GIVE, str(tmp_path)], capture_output=True, text=True, check=True)
    given = [os.path.relpath(path, tmp_path) for path in told.stdout.split()]
    assert sorted(given) == [".", "deep", "deep/er", "deep/er/file", "stderr", "stdout"]
    assert given[-1] == "."
    assert given.index("deep/er/file") < given.index("deep/er") < given.index("deep")


def test_what_a_link_leads_to_is_not_given_away(tmp_path):
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "link").symlink_to(tmp_path / "missing")
    give_to(str(tmp_path / "sandbox"), os.getuid(), os.getgid())
    assert (tmp_path / "sandbox" / "link").is_symlink()


def test_other_users_may_pass_and_not_change(tmp_path):
    for mask in (0o077, 0):
        before = os.umask(mask)
        try:
            make_sandbox(str(tmp_path / str(mask) / "task" / "C-1"))
        finally:
            os.umask(before)
        modes = [(tmp_path / str(mask) / path).stat().st_mode & 0o777 for path in ("", "task", "task/C-1")]
        assert modes == [0o755, 0o755, 0o700 if mask else 0o750]
    assert os.readlink(tmp_path / "0" / "task" / "latest") == "C-1"
