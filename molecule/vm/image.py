"""Makes the disk image that machines start from, once, and keeps it in a cache outside the tree."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PYTHON", "Image", "being_made", "cache_directory", "find_image", "find_packages", "recipe_key"]

PYTHON: Final = (3, 11)
"""The guest's; packages of another one would not load."""

_SUITE: Final = "bookworm"
_HERE: Final = Path(__file__).parent
_INCLUDE: Final = (
    *("linux-image-cloud-amd64", "initramfs-tools", "e2fsprogs", "kmod", "udev", "systemd-sysv", "dbus"),
    *("openssh-server", "iproute2", "iputils-ping", "procps", "python3", "attr", "nftables", "curl"),
    # What the roles install. It is here so that they find it done: in an emulated machine apt takes minutes for it.
    *("rabbitmq-server", "zookeeper", "default-jre-headless", "chrony", "prometheus-node-exporter"),
    *("python3-apt", "python3-venv", "sudo", "acl", "ca-certificates", "openssl", "logrotate"),
)
_INITRD_CONFIG: Final = "MODULES=list\nCOMPRESS=lz4\n"
_INITRD_MODULES: Final = "virtio_pci\nvirtio_blk\nvirtio_net\n"
_ALONE: Final = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""All of it ends when we do, and what it mounts is never seen by those who clear away after it."""

_KEPT_S: Final = 30 * 86400.0
"""Images and packages that nobody has asked for in so long are removed when others are made."""

_DISK_MB: Final = 8192
"""What the guest may fill; the file is sparse."""


@dataclass(frozen=True)
class Image:
    """What machines start from: nothing of it is ever written to."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The root file system, raw."""
        return self.directory / "disk.raw"

    @property
    def kernel(self) -> Path:
        """Of the root."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Of the root."""
        return self.directory / "initrd.img"

    @property
    def key(self) -> Path:
        """Logs in as root."""
        return self.directory / "id_ed25519"


def cache_directory(environment: dict[str, str] | None = None) -> Path:
    """Where images are kept. It may be removed at any time when no machine runs."""
    found = os.environ if environment is None else environment
    return Path(found.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mesos_py" / "vm"


def recipe_key(directory: Path = _HERE) -> str:
    """Changes with whatever goes into an image: this module, and the files that are put into the guest."""
    digest = hashlib.sha256()
    files = [directory / "image.py", directory / "customize", *(directory / "guest").rglob("*")]
    for file in sorted(file for file in files if file.is_file()):
        digest.update(f"{file.relative_to(directory)}\0{file.stat().st_mode & 0o111}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def find_image(cache: Path) -> Image:
    """Of this recipe; made if it is not there, which takes about a minute and root. Raises CalledProcessError."""
    image = Image(cache / f"image-{recipe_key()}")
    with being_made(image.directory) as made:
        if made is not None:
            _make_image(Image(made))
    return image


def find_packages(cache: Path, site_packages: Path) -> Path:
    """A disk with the packages of a virtual environment; made anew when they change. Raises CalledProcessError."""
    names = sorted(path.name for path in site_packages.glob("*.dist-info"))
    directory = cache / f"packages-{hashlib.sha256(repr(names).encode()).hexdigest()[:16]}"
    with being_made(directory) as made:
        if made is not None:
            size_mb = _size(site_packages) * 3 // 2 // 1_000_000 + 32
            _make_disk(site_packages, made / "disk.raw", size_mb, "-O", "^has_journal")
    return directory / "disk.raw"


@contextmanager
def being_made(directory: Path) -> Iterator[Path | None]:
    """A directory to fill, which then becomes the one wanted; None if that is there. Others who want it wait."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            os.utime(directory)
            yield None
            return
        for unfinished in directory.parent.glob(f"{directory.name}.*/"):
            shutil.rmtree(unfinished)  # of one that was killed
        _forget_old(directory.parent)
        made = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=directory.parent))
        try:
            yield made
            made.rename(directory)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _forget_old(cache: Path) -> None:
    for path in cache.iterdir():
        if time.time() - path.stat().st_mtime < _KEPT_S:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.with_suffix("").exists():
            path.unlink()  # the lock of one that is gone


def _make_image(image: Image) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", image.key], check=True)
    root = image.directory / "root"
    subprocess.run(_mmdebstrap(root, image.key.with_suffix(".pub")), check=True)
    [kernel] = (root / "boot").glob("vmlinuz-*")
    [initrd] = (root / "boot").glob("initrd.img-*")
    kernel.rename(image.kernel)
    initrd.rename(image.initrd)
    _make_disk(root, image.disk, _DISK_MB)
    shutil.rmtree(root)


def _mmdebstrap(root: Path, key: Path) -> list[str]:
    initramfs = '"$1/etc/initramfs-tools'
    return [
        *_ALONE,
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=directory", f"--include={','.join(_INCLUDE)}"),
        *("--skip=cleanup/apt/lists", '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"'),
        *("--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        f'--essential-hook=mkdir -p {initramfs}/conf.d"',
        f"--essential-hook=printf '{_escaped(_INITRD_CONFIG)}' >{initramfs}/conf.d/vm\"",
        f"--essential-hook=printf '{_escaped(_INITRD_MODULES)}' >{initramfs}/modules\"",
        f"--customize-hook='{_HERE}/customize' \"$1\" '{key}'",
        *(_SUITE, str(root), *_sources()),
    ]


def _escaped(text: str) -> str:
    return text.replace("\n", "\\n")


def _sources() -> list[str]:
    """Where this host has Debian's packages from, if it is of the same release; else mmdebstrap's own default."""
    form = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)"
    asked = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    lines = subprocess.run(asked, check=False, capture_output=True, text=True).stdout.splitlines()
    found = {tuple(line.split()[1:]) for line in lines if line.startswith("Debian ") and f" {_SUITE}" in line}
    has_suite = any(release == _SUITE for _uri, release, _component in found)
    return [f"deb {' '.join(source)}" for source in sorted(found)] if has_suite else []


def _make_disk(tree: Path, disk: Path, size_mb: int, *features: str) -> None:
    """An ext4 with these files. With a journal, unless they say otherwise: power may be lost there."""
    with disk.open("wb") as file:
        file.truncate(size_mb << 20)
    quick = ["-O", "^metadata_csum", "-E", "lazy_itable_init=1,nodiscard"]
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", *quick, *features, "-d", tree, disk], check=True)


def _size(tree: Path) -> int:
    return sum(4096 + path.lstat().st_size for path in tree.rglob("*"))
