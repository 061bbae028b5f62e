"""What the kernel is asked for, where Python has no words for it."""

import ctypes
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence
from typing import Final

__all__ = [
    "clone",
    "die_with_parent",
    "drop_bounding_set",
    "drop_capabilities",
    "loopback_up",
    "make_readonly",
    "mount",
    "mount_over",
    "mounts_stay_here",
    "no_new_privs",
    "start_time",
    "write_file",
]

_CLONE: Final = {"pid": 0x20000000, "mount": 0x00020000, "ipc": 0x08000000, "uts": 0x04000000, "network": 0x40000000}
_CLONE_INTO_CGROUP: Final = 0x200000000
_SYS_CLONE3: Final = 435
_SYS_MOUNT_SETATTR: Final = 442
_SYS_CAPSET: Final = {"x86_64": 126, "aarch64": 91}.get(os.uname().machine)
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 8, 4096, 16384, 1 << 19
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_CAPABILITY_VERSION_3: Final = 0x20080522

_libc = ctypes.PyDLL(None, use_errno=True)


# Processes


def clone(namespaces: Sequence[str], cgroup: str) -> int:
    """Fork, into namespaces of its own and a cgroup (v2) at once; 0 in the child. Raises OSError."""
    if not namespaces and not cgroup:
        return os.fork()
    flags = sum(_CLONE[name] for name in namespaces)
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY) if cgroup else 0
    try:
        if cgroup:
            flags |= _CLONE_INTO_CGROUP
        arguments = struct.pack("11Q", flags, 0, 0, 0, signal.SIGCHLD.value, 0, 0, 0, 0, 0, fd)
        pid = _libc.syscall(_SYS_CLONE3, arguments, ctypes.c_size_t(len(arguments)))
    finally:
        if cgroup:
            os.close(fd)
    return _check(pid, "clone3")


def start_time(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 if it is no more."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0


def die_with_parent(number: int) -> None:
    """Get this signal when the parent ends; 0 for none any more. Raises OSError."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def no_new_privs() -> None:
    """Let no program that is executed from now on bring privileges. Raises OSError."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def drop_bounding_set() -> None:
    """Let no capability ever be gained; while we are still root."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break


def drop_capabilities() -> None:
    """Give up all that we have. Raises OSError."""
    if _SYS_CAPSET is not None:
        header, nothing = struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24)
        _check(_libc.syscall(_SYS_CAPSET, header, nothing), "capset")


# Mounts


def mounts_stay_here() -> None:
    """What is mounted in this namespace is not mounted in others. Raises OSError."""
    _mount("", "/", "", _MS_REC | _MS_SLAVE)


def mount(kind: str, target: str, options: str) -> None:
    """Mount a new file system. Raises OSError."""
    flags = _MS_NOSUID | _MS_NODEV | (_MS_NOEXEC if kind == "proc" else 0)
    _mount(kind, target, kind, flags, options)


def mount_over(source: str, target: str) -> None:
    """Bind, with all that is mounted below it. Raises OSError."""
    _mount(source, target, "", _MS_BIND | _MS_REC)


def make_readonly(target: str) -> None:
    """A mount, with all that is mounted below it. Raises OSError."""
    attributes = struct.pack("4Q", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    where = (_AT_FDCWD, os.fsencode(target), _AT_RECURSIVE)
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, *where, attributes, ctypes.c_size_t(len(attributes))), target)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [os.fsencode(text) if text else None for text in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(options) or None), target)


# The rest


def loopback_up() -> None:
    """In a fresh network namespace. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0] | _IFF_UP
        struct.pack_into("H", request, 16, flags)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, bytes(request))


def write_file(path: str, text: str) -> None:
    """One write to a file that is there. Raises OSError, which names the file."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
