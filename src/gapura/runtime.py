"""Who holds a home, and where its keeper answers.

A home (`GAPURA_HOME`) belongs to one process at a time: the supervisor, or a command that works without one.  The
holder has `flock` on `serve.lock` and writes its process id and the path of its Unix socket there.  The lock is the
truth and ends with the process, however it ends; the text is only for whoever finds it taken.
"""

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

# A probe (`is_held`) takes the lock for microseconds; a holder must not be turned away by one.
TRIES = 5
PAUSE_S = 0.01


class HomeTaken(Exception):
    """Another process holds the home; the message names it and the way out."""


class Held:
    """The lock on a home, until `close` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hold(home: Path) -> Held:
    """Makes the home if need be (0700) and locks it.  Raises HomeTaken, or OSError where it cannot be written."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, home)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{socket_path(home)}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return Held(descriptor)


def _lock(descriptor: int, home: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(PAUSE_S)
    pid = os.pread(descriptor, 32, 0).decode(errors="replace").partition("\n")[0] or "unknown"
    raise HomeTaken(f"{home} is in use by process {pid}; stop it, or set GAPURA_HOME to another folder")


def is_held(home: Path) -> bool:
    """Whether a process holds the home now."""
    try:
        descriptor = os.open(home / "serve.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def keeper_socket(home: Path) -> Path | None:
    """Where the holder of the home answers commands, by its own word; None where nobody holds it.

    Not computed anew: a service and a shell seldom agree on XDG_RUNTIME_DIR.
    """
    if not is_held(home):
        return None
    _, _, path = (home / "serve.lock").read_text().partition("\n")
    return Path(path.strip()) if path.strip() else None


def socket_path(home: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the keeper of this home shall listen for commands: a short path (the kernel takes some 100 bytes) in a
    directory that nobody else may enter, which is made if need be.

    Raises PermissionError where somebody else was there first.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime and _is_ours(Path(runtime)):
        folder = Path(runtime) / "gapura"
    else:
        folder = Path(tempfile.gettempdir()) / f"gapura-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(folder):
        raise PermissionError(f"{folder} is not a private directory of this user; remove it, or set XDG_RUNTIME_DIR")
    name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    return folder / f"{name}.api"


def gates_socket(home: Path) -> Path:
    """Where the keeper of this home lends to its gates: beside the socket of its API."""
    return socket_path(home).with_suffix(".gates")


def _is_ours(folder: Path) -> bool:
    """A real directory (no link), owned by us, closed to all others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
