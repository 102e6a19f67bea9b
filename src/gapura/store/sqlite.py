"""SQLite: one writer on a thread of its own, group commit, readers beside it.

Promise: a future of `write` or `change` is resolved only after the COMMIT, and the COMMIT is on the disk (WAL,
synchronous=FULL).  What comes while one commit waits for the disk is committed together by the next; each work has
a savepoint of its own, so that one that fails takes nothing with it.
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw

from gapura.clock import Clock, system_clock
from gapura.store import audit, secrets, steps
from gapura.store.audit import Change
from gapura.store.base import Connection, StoreFailed, Work, mark, marked
from gapura.store.secrets import Secret

T = TypeVar("T")

# Before 3.51.3 a writer that resets the WAL while another connection checkpoints can corrupt the database.
OLDEST_SQLITE = (3, 51, 3)
BUSY_MS = 5000
BATCH = 512

# What the writer keeps in memory of the database, and how long its write-ahead log gets (pages of 4 KiB).
CACHE_KIB, WAL_PAGES = 64 * 1024, 8000

Job = tuple["Future[Any]", Work[Any]]

# What a person must look at; every other apsw error is a mistake in a statement of ours, and stays what it is.
FAILURES: dict[type[apsw.Error], str] = {
    apsw.FullError: "the disk is full",
    apsw.IOError: "the disk does not read or write",
    apsw.ReadOnlyError: "it is read-only",
    apsw.CantOpenError: "it cannot be opened",
    apsw.PermissionsError: "there is no permission",
    apsw.NotADBError: "it is not a database, or damaged; restore a backup",
    apsw.CorruptError: "it is damaged; restore a backup",
    apsw.BusyError: f"another process has been writing to it for {BUSY_MS // 1000} s",
}


def ours(path: Path, error: BaseException) -> BaseException:
    """An error of the disk or of the file as StoreFailed; any other as it is."""
    words = next((words for kind, words in FAILURES.items() if isinstance(error, kind)), None)
    return error if words is None else StoreFailed(f"{path}: {words} ({error})")


@contextmanager
def border(path: Path) -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        if (known := ours(path, error)) is error:
            raise
        raise known from error


class Store:
    """A database file.  Thread-safe; works get the connection and must neither begin nor commit."""

    def __init__(self, path: Path, secret: Secret, clock: Clock, writer: Connection) -> None:
        self.path, self.secret, self.clock = path, secret, clock
        self._writer = writer
        self._readers: deque[Connection] = deque()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._open = True
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="gapura-writer")
        self._thread.start()

    @classmethod
    def open(cls, path: Path, *, secret: Secret | None = None, clock: Clock = system_clock) -> "Store":
        """Opens or creates it and brings the schema up to date.  `secret` is that of the folder unless given.

        Raises StoreFailed: no right to the folder, a damaged file, a newer schema, another secret.
        """
        refuse_old_sqlite(apsw.sqlite_lib_version())
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret = secret or secrets.load(path.parent)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}") from error
        with border(path):
            connection = connect(path)
            try:
                connection.pragma("journal_mode", "wal")
                connection.pragma("synchronous", "FULL")
                # Among millions of transfers each commit touches pages all over: they stay in memory, and are folded
                # into the database eight times as seldom.
                connection.pragma("cache_size", -CACHE_KIB)
                connection.pragma("wal_autocheckpoint", WAL_PAGES)
                # What retention deletes is overwritten, not only unlinked.
                connection.pragma("secure_delete", True)  # noqa: FBT003 - the value of a pragma
                steps.upgrade(connection)
                _claim(connection, secret)
            except BaseException:
                connection.close()
                raise
        return cls(path, secret, clock, connection)

    def write(self, work: Work[T]) -> "Future[T]":
        """Runs `work` on the writer's thread, in a transaction; the future knows the result once it is on disk."""
        future: Future[T] = Future()
        with self._lock:
            if not self._open:
                raise StoreFailed(f"{self.path} is closed")
            self._jobs.put((future, work))
        return future

    def alone(self, work: Work[T]) -> "Future[T]":
        """`write`, while nobody else does: here nobody ever does."""
        return self.write(work)

    def change(self, by: Change, work: Work[T], kind: type[T] | None = None) -> "Future[T]":
        """`write`, with an audit entry in the same transaction; `kind`: see `audit.perform`."""
        return self.write(lambda db: audit.perform(db, self.secret, self.clock(), by, work, kind))

    def read(self, work: Work[T]) -> T:
        """Runs `work` here and now, on one consistent state of the database; it cannot write."""
        try:
            reader = self._readers.pop()
        except IndexError:
            reader = self._reader()
        try:
            with border(self.path):
                reader.execute("BEGIN")
                return work(reader)
        finally:
            if reader.in_transaction:
                reader.execute("ROLLBACK")
            self._readers.append(reader)
            if not self._open:
                self._close_readers()

    def close(self) -> None:
        """Finishes what was given to it; afterwards nothing can be written."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._jobs.put(None)
        self._thread.join()
        self._close_readers()
        self._writer.close()

    def _reader(self) -> Connection:
        if not self._open:
            raise StoreFailed(f"{self.path} is closed")
        with border(self.path):
            return connect(self.path, flags=apsw.SQLITE_OPEN_READONLY)

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._readers.pop().close()

    def _run(self) -> None:
        going = True
        while going:
            batch: list[Job] = []
            job = self._jobs.get()
            with suppress(queue.Empty):
                while job is not None:
                    batch.append(job)
                    if len(batch) == BATCH:
                        break
                    job = self._jobs.get_nowait()
            going = job is not None
            self._commit([job for job in batch if job[0].set_running_or_notify_cancel()])

    def _commit(self, batch: list[Job]) -> None:
        tell: list[Callable[[], None]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for future, work in batch:
                tell.append(_attempt(self._writer, future, work))
            self._writer.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - whatever undoes the batch is told to all who wait for it
            # On a full disk SQLite has rolled back the whole batch by itself.
            if self._writer.in_transaction:
                with suppress(apsw.Error):
                    self._writer.execute("ROLLBACK")
            problem = ours(self.path, error)
            tell = [_told(future.set_exception, problem) for future, _ in batch]
        for speak in tell:
            speak()


def _attempt(db: Connection, future: "Future[Any]", work: Work[Any]) -> Callable[[], None]:
    """Runs one work in its savepoint; what to tell its future after the COMMIT.  Raises where the batch is lost."""
    db.execute("SAVEPOINT work")
    try:
        result = work(db)
    except BaseException as error:  # it belongs to the one who waits for this work, also where it would end a thread
        if not db.in_transaction or isinstance(error, tuple(FAILURES)):
            raise
        db.execute("ROLLBACK TO work; RELEASE work")
        return _told(future.set_exception, error)
    db.execute("RELEASE work")
    return _told(future.set_result, result)


def _told(tell: Callable[[Any], None], what: Any) -> Callable[[], None]:
    return lambda: tell(what)


def connect(path: Path, flags: int = apsw.SQLITE_OPEN_READWRITE) -> Connection:
    """A connection to an existing file, with the settings that all have."""
    connection = Connection(str(path), flags=flags)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("foreign_keys", True)  # noqa: FBT003 - the value of a pragma
    connection.pragma("trusted_schema", False)  # noqa: FBT003 - likewise
    # Plans do not look at bound values: a statement with a join was planned anew at each call, which took ten times as
    # long as to run it.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection


def refuse_old_sqlite(version: str) -> None:
    """Raises StoreFailed below OLDEST_SQLITE."""
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StoreFailed(f"SQLite {version} can corrupt a database in WAL mode; {oldest} or newer is needed")


def _claim(connection: Connection, secret: Secret) -> None:
    """Marks a new database with the secret's id; refuses one that was made under another secret."""
    known = marked(connection, "pepper_id")
    if not known:
        mark(connection, "pepper_id", secret.pepper_id)
    elif known != secret.pepper_id:
        raise StoreFailed(
            f"{connection.filename} was made under another secret ({known}, this one is {secret.pepper_id}); "
            "set GAPURA_SECRET, or put back the file `secret`, that belongs to it"
        )
