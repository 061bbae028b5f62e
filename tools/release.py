"""Makes a release for nodes: one archive, a whole virtual environment, so that they need no index and no pip.

``python -m tools.release`` leaves ``dist/mesos_py-VERSION-cp311-x86_64.tar.gz`` and prints a line of JSON that says so:
``{"archive": PATH, "version": VERSION, "sha256": HEX, "python": "3.11", "changed": BOOL}``. If what it is made of has
not changed since, the archive there is stays. The nodes must have the same minor version of Python, and processor.

Unpacked into /opt/mesos/releases/VERSION, it holds::

    bin/mesos      the command
    bin/python     a link to the system's Python, which finds lib/ by pyvenv.cfg
    lib/           mesos_py and what it needs, in the versions of requirements/run.txt, compiled
    systemd/       the units that belong to this release
"""

import argparse
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["fingerprint", "main", "release", "version_of"]

ROOT: Final = Path(__file__).resolve().parents[1]
RELEASES: Final = "/opt/mesos/releases"
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_SOURCES: Final = ("mesos_py", "systemd", "pyproject.toml", "README.md", "LICENSE", "requirements/run.txt")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+_-]*")

_COMMAND: Final = """#!{prefix}/bin/python
import sys

from mesos_py.cli.main import main

sys.exit(main())
"""


def version_of(tree: Path) -> str:
    """The version that the package in this tree says it is."""
    found = re.search(r'^__version__ = "([^"]+)"', (tree / "mesos_py/__init__.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"release: {tree}/mesos_py/__init__.py names no version")
    return found[1]


def fingerprint(tree: Path, label: str) -> str:
    """What a release of this tree is made of, as a hash; of two equal ones, one archive will do."""
    digest = hashlib.sha256(f"{label} {_PYTHON} {platform.machine()}\n".encode())
    digest.update(Path(__file__).read_bytes())
    for file in _files(tree):
        digest.update(f"{file.relative_to(tree)} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def release(tree: Path, target: Path, label: str = "") -> dict[str, object]:
    """Make the archive of this tree in ``target`` unless it is there; ``label`` stands for the version it has."""
    version = label or version_of(tree)
    if not _VERSION.fullmatch(version):
        raise SystemExit(f"release: {version!r} is no version: digits first, then letters, digits and . + _ -")
    made_of = fingerprint(tree, version)
    archive = target / f"mesos_py-{version}-cp{_PYTHON.replace('.', '')}-{platform.machine()}.tar.gz"
    note = archive.with_suffix(".json")
    told = json.loads(note.read_text("utf-8")) if note.exists() and archive.exists() else {}
    changed = told.get("made_of") != made_of
    if changed:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="mesos-release-") as work:
            place = Path(work) / "release"
            _fill(tree, place, f"{RELEASES}/{version}")
            partial = archive.with_suffix(".partial")
            _pack(place, partial)
            partial.replace(archive)
        told = {"made_of": made_of, "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
        note.write_text(json.dumps(told) + "\n", "utf-8")
    answer = {"archive": str(archive), "version": version, "sha256": told["sha256"], "python": _PYTHON}
    return answer | {"changed": changed}


def _files(tree: Path) -> Iterator[Path]:
    for name in _SOURCES:
        path = tree / name
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _fill(tree: Path, place: Path, prefix: str) -> None:
    """Lay the virtual environment out that will be at ``prefix`` on the nodes."""
    packages = place / "lib" / f"python{_PYTHON}" / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
    target = ["--target", str(packages)]
    _run([*pip, *target, "--no-deps", "-r", str(tree / "requirements/run.txt")])
    _run([*pip, *target, "--no-deps", "--upgrade", str(tree)])
    _leave_out(packages)
    (place / "bin").mkdir()
    (place / "bin/python").symlink_to(f"/usr/bin/python{_PYTHON}")
    command = place / "bin/mesos"
    command.write_text(_COMMAND.format(prefix=prefix), "utf-8")
    command.chmod(0o755)
    (place / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n", "utf-8")
    shutil.copytree(tree / "systemd", place / "systemd")
    compiled = ["-q", "-j0", "--invalidation-mode", "unchecked-hash", "-s", str(place), "-p", prefix]
    _run([sys.executable, "-m", "compileall", *compiled, str(place / "lib")])


def _leave_out(packages: Path) -> None:
    """Others' commands, and what makes examples for litestar's OpenAPI, which we do not ask it for.

    These are two fifths of all files, and an emulated or a small machine is long at unpacking them.
    """
    for name in ("bin", "faker", "polyfactory"):
        shutil.rmtree(packages / name)


def _pack(place: Path, archive: Path) -> None:
    """The same files make the same archive, whoever packs them and when."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = 0
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with tarfile.open(archive, "w:gz", compresslevel=6) as packed:
        for file in sorted(place.rglob("*")):
            packed.add(file, str(file.relative_to(place)), recursive=False, filter=plain)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"release: {' '.join(command[:5])} ... failed:\n{done.stderr or done.stdout}")


def main(words: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", type=Path, default=ROOT, help="what to make it of [this tree]")
    parser.add_argument("--target", type=Path, default=ROOT / "dist", help="directory for the archive [dist]")
    parser.add_argument("--label", default="", help="what to call it instead of its version")
    given = parser.parse_args(words)
    print(json.dumps(release(given.tree.resolve(), given.target.resolve(), given.label)))


if __name__ == "__main__":
    main()
