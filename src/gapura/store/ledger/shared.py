"""The ledger on a Postgres server that several gateways share: one writer on a thread of its own, as the store has,
whose transactions are serializable, and tried again where two gateways met.

Promise: a future of `write` is resolved only after the COMMIT.  Where the connection breaks on the way, the works are
done again on a new one, so each is one that may run twice: what it posts has a ref, and counts once.  A server that is
away is StoreFailed, and is asked again with the next work.

Postings hold a lock that they share, and the chain is sealed while nobody holds it: then no transfer can appear below
one that is in a block.  psycopg is the extra `postgres`.
"""

import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gapura.store.base import StoreFailed
from gapura.store.ledger import postgres
from gapura.store.ledger.books import Books
from gapura.store.secrets import Secret

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
Work = Callable[[Books], T]

BATCH = 256

# How often a batch is tried again where another gateway's was in the way, and on a new connection.
TRIES, CONNECTIONS = 30, 2

# The longest pause before a further try, doubled each time up to it.
LONGEST_PAUSE_S = 0.05


class _Job(NamedTuple):
    future: "Future[Any]"
    work: Work[Any]
    alone: bool


class Shared:
    """Thread-safe.  Connects when it is needed: futures and `read` raise StoreFailed where the server is away, or was
    begun under another secret."""

    def __init__(self, url: str, secret: Secret) -> None:
        self.secret, self._url = secret, url
        self._driver = postgres.driver()
        self._writer: Connection[Any] | None = None
        self._reader: Connection[Any] | None = None
        self._reading, self._lock = threading.Lock(), threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="gapura-ledger")
        self._thread.start()

    def write(self, work: Work[T]) -> "Future[T]":
        """Runs `work` on the writer's thread in a transaction, perhaps twice; the future knows the result once it is
        kept."""
        return self._put(work, alone=False)

    def alone(self, work: Work[T]) -> "Future[T]":
        """Like `write`, while no gateway posts: for `chain.seal` and `closing.close_month`."""
        return self._put(work, alone=True)

    def read(self, work: Work[T]) -> T:
        """Runs `work` here, on one consistent state; it cannot write.  Raises StoreFailed."""
        with self._reading, postgres.border():
            try:
                return self._read(work)
            except self._driver.OperationalError:
                if self._reader is not None:
                    self._reader.close()
                    self._reader = None
                return self._read(work)

    def close(self) -> None:
        """Finishes what was given to it; afterwards nothing can be written."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._jobs.put(None)
        self._thread.join()
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()

    def _put(self, work: Work[T], *, alone: bool) -> "Future[T]":
        future: Future[T] = Future()
        with self._lock:
            if not self._open:
                raise StoreFailed("the shared ledger is closed")
            self._jobs.put(_Job(future, work, alone))
        return future

    def _read(self, work: Work[T]) -> T:
        if self._reader is None:
            self._reader = postgres.prepared(self._url, self.secret)
        with self._reader.transaction():
            self._reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._reader.execute("SET LOCAL statement_timeout = 0")
            return work(postgres.Connected(self._reader))

    def _run(self) -> None:
        job: _Job | None
        while (job := self._jobs.get()) is not None:
            batch = [job]
            with suppress(queue.Empty):
                while not job.alone and len(batch) < BATCH and (job := self._jobs.get_nowait()) is not None:
                    if job.alone:
                        self._commit(batch)
                        batch = []
                    batch.append(job)
            self._commit(batch)
            if job is None:
                return

    def _commit(self, jobs: list[_Job]) -> None:
        batch = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if not batch:
            return
        tell: list[Callable[[], None]]
        try:
            with postgres.border():
                tell = self._persist(batch)
        except BaseException as error:  # noqa: BLE001 - whatever undoes the batch is told to all who wait for it
            tell = [_told(job.future.set_exception, error) for job in batch]
        for speak in tell:
            speak()

    def _persist(self, batch: list[_Job]) -> list[Callable[[], None]]:
        """Until it is kept, or is given up.  Raises the driver's errors."""
        tried = lost = 0
        while True:
            try:
                if self._writer is None:
                    self._writer = postgres.prepared(self._url, self.secret)
                return self._transact(self._writer, batch)
            except (self._driver.errors.SerializationFailure, self._driver.errors.DeadlockDetected):
                tried += 1
                if tried == TRIES:
                    raise
                time.sleep(random.uniform(0, min(0.001 * 2**tried, LONGEST_PAUSE_S)))  # noqa: S311 - so that two do not meet again
            except self._driver.OperationalError:
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
                lost += 1
                if lost == CONNECTIONS:
                    raise

    def _transact(self, connection: "Connection[Any]", batch: list[_Job]) -> list[Callable[[], None]]:
        with postgres.posting(connection, alone=batch[0].alone):
            connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            try:
                tell = [self._attempt(connection, job) for job in batch]
                connection.execute("COMMIT")
            except BaseException:
                with suppress(self._driver.Error):
                    connection.execute("ROLLBACK")
                raise
            return tell

    def _attempt(self, connection: "Connection[Any]", job: _Job) -> Callable[[], None]:
        """Runs one work in its savepoint; what to tell its future after the COMMIT.  Raises where the batch is lost."""
        connection.execute("SAVEPOINT work")
        try:
            result = job.work(postgres.Connected(connection))
        except self._driver.OperationalError:
            raise
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who waits for this work
            connection.execute("ROLLBACK TO SAVEPOINT work")
            return _told(job.future.set_exception, error)
        connection.execute("RELEASE SAVEPOINT work")
        return _told(job.future.set_result, result)


def _told(tell: Callable[[Any], None], what: Any) -> Callable[[], None]:
    return lambda: tell(what)
