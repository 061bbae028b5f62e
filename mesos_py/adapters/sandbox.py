"""A container's sandbox: made before it starts, given to its user, pointed to by ``latest``."""

import contextlib
import errno
import os
from pathlib import Path

from mesos_py.adapters.chores import result_of
from mesos_py.adapters.removal import remove_tree

__all__ = ["give_to", "make_fresh_sandbox", "make_sandbox"]

_MODE = 0o750
_ATTEMPTS = 10


def make_fresh_sandbox(path: str) -> None:
    """Make the directory, in place of one that an earlier agent process gave away and did not start. Raises OSError.

    Whatever its user has put there since must not lead us elsewhere.
    """
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(path).st_uid != os.geteuid() and (problem := result_of(remove_tree(path))):
            raise OSError(errno.ENOTEMPTY, problem, path)
    make_sandbox(path)


def make_sandbox(path: str) -> None:
    """Make the directory and those above it, and let ``latest`` beside it point to it. Raises OSError."""
    for attempt in range(_ATTEMPTS):
        try:
            if attempt:
                _make_above(os.path.dirname(path))
            os.mkdir(path, _MODE)
            break
        except (FileNotFoundError, FileExistsError):  # also where an empty directory is just being tidied up
            if os.path.isdir(path):
                break
            if attempt == _ATTEMPTS - 1 or os.path.lexists(path):
                raise
    parent, name = os.path.split(path)
    _point(os.path.join(parent, "latest"), name)


def give_to(path: str, user: int, group: int) -> None:
    """Make the sandbox, all that is in it, and the files its output goes to, the user's. Raises OSError.

    Nobody else may be at work in it yet: hence it is given away last, for from then on its user may put something else
    in the place of what we are about to enter. Links are given away, never what they point to.
    """
    for name in ("stdout", "stderr"):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(os.path.join(path, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    for directory, directories, files in os.walk(path, topdown=False):
        for name in (*directories, *files):
            os.lchown(os.path.join(directory, name), user, group)
    os.lchown(path, user, group)


def _make_above(path: str) -> None:
    """Make a directory and those above it, which other users may pass but not change, whatever the umask is."""
    above = Path(path)
    missing = [directory for directory in (above, *above.parents) if not directory.exists()]
    os.makedirs(path, exist_ok=True)
    for directory in missing:
        with contextlib.suppress(FileNotFoundError):  # it is just being tidied up
            directory.chmod(0o755)


def _point(link: str, name: str) -> None:
    """Let ``link`` point to ``name``; best effort, it is for people."""
    with contextlib.suppress(OSError):
        try:
            os.symlink(name, link)
        except FileExistsError:
            if not os.path.islink(link):
                return
            fresh = f"{link}-{name}"
            os.symlink(name, fresh)
            os.replace(fresh, link)
