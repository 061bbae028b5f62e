"""Packs the working tree: what git knows or would know of, with the byte code that is there already."""

import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

__all__ = ["files_of", "pack", "with_byte_code"]


def files_of(tree: Path) -> list[Path]:
    """Relative; tracked or not, but nothing ignored. Raises CalledProcessError."""
    listed = ["git", "-C", str(tree), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True).stdout.decode().split("\0")
    return sorted({Path(name) for name in names if name and (tree / name).exists()})


def with_byte_code(tree: Path, files: Iterable[Path]) -> Iterator[Path]:
    """The files, and what Python has compiled of them: compiling takes a while where the processor is emulated."""
    for file in files:
        yield file
        if file.suffix == ".py":
            compiled = (tree / file.parent / "__pycache__").glob(f"{file.stem}.*.pyc")
            yield from (path.relative_to(tree) for path in sorted(compiled))


def pack(tree: Path, files: Iterable[Path], into: IO[bytes]) -> None:
    """As a compressed tar; all belongs to root."""
    with tarfile.open(fileobj=into, mode="w:gz", compresslevel=3) as archive:
        for file in files:
            archive.add(tree / file, str(file), recursive=False, filter=_of_root)


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
