"""The store out into one file, and in again.

A backup holds the database alone: the home's secret lies outside on purpose and must be kept elsewhere, since without
it no key and no token of the backup is recognised.
"""

import os
from contextlib import closing, suppress
from pathlib import Path

import apsw

from gapura import runtime
from gapura.store import steps
from gapura.store.base import Conflict, Connection, StoreFailed
from gapura.store.secrets import sync_folder
from gapura.store.sqlite import Store, border, connect

DATABASE = "gapura.db"


def backup(store: Store, path: Path) -> None:
    """Writes `path` (0600, whole or not at all): the store as it is at one moment, while it is written to.

    Raises Conflict where `path` exists, StoreFailed where it cannot be written or the copy is damaged.
    """
    if path.exists():
        raise Conflict(f"{path} exists; name another file")
    store.read(lambda source: _copy(source, path))


def restore(path: Path, home: Path, *, database: Path | None = None, force: bool = False) -> None:
    """Puts a backup in the place of the home's database, or of `database` where that lies elsewhere.

    Raises Conflict where one is there already; with `force` that one is kept beside it as `….old`.  Raises StoreFailed
    where the backup is damaged or of a newer gapura, runtime.HomeTaken while somebody uses the home.
    """
    target = database or home / DATABASE
    if not path.is_file():
        raise StoreFailed(f"there is no file {path}")
    with runtime.hold(home):
        if target.exists() and not force:
            raise Conflict(f"{target} exists; with force it is kept as {target.name}.old")
        draft = target.with_name(f".{target.name}.restored")
        draft.unlink(missing_ok=True)
        with border(path), closing(connect(path, flags=apsw.SQLITE_OPEN_READONLY)) as source:
            if not steps.refuse_newer(source):
                raise StoreFailed(f"{path} is not a backup of gapura")
            _copy(source, draft)
        # A write-ahead log of the former database would be played into the new one: it goes with it.
        for tail in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                target.with_name(target.name + tail).replace(target.with_name(f"{target.name}.old{tail}"))
        draft.replace(target)
        sync_folder(target.parent)


def _copy(source: Connection, path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        with border(path), closing(connect(draft)) as copy:
            with copy.backup("main", source, "main") as work:
                work.step(-1)
            # One file: without a log beside it, and readable from a read-only place.
            copy.pragma("journal_mode", "delete")
            found = copy.pragma("integrity_check")
            if found != "ok":
                raise StoreFailed(f"the copy of {source.filename} is damaged: {found}")
        _sync(draft)
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreFailed(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
