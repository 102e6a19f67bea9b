import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from gapura.store.base import Connection, StoreFailed
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store, connect, refuse_old_sqlite


def put(name: str, value: str = "") -> Callable[[Connection], str]:
    def work(db: Connection) -> str:
        db.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
        return name

    return work


def marks(db: Connection) -> set[str]:
    return {str(name) for (name,) in db.execute("SELECT name FROM meta")} - {"pepper_id", "audit_head"}


def broken(db: Connection) -> str:
    put("half")(db)
    raise LookupError("not today")


@contextmanager
def held(store: Store) -> Iterator[None]:
    """While this holds, the writer waits, and what is given to it ends up in one batch."""
    begun, go = threading.Event(), threading.Event()

    def work(_: Connection) -> None:
        begun.set()
        go.wait()

    waiting = store.write(work)
    begun.wait()
    try:
        yield
    finally:
        go.set()
        waiting.result()


def test_a_failing_work_takes_nothing_with_it(store: Store) -> None:
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    store.write(lambda db: db.set_commit_hook(count)).result()
    with held(store):
        good, bad, other, twice = (store.write(work) for work in (put("a"), broken, put("b"), put("a")))
    assert good.result() == "a" and other.result() == "b"
    with pytest.raises(LookupError, match="not today"):
        bad.result()
    with pytest.raises(apsw.ConstraintError):
        twice.result()
    store.write(lambda db: db.set_commit_hook(None)).result()
    assert store.read(marks) == {"a", "b"}
    assert len(commits) == 3, "one for the hook's own batch, one for what held, one for the four works"


def test_a_future_speaks_only_after_the_commit(store: Store) -> None:
    done = threading.Event()
    seen: list[bool] = []

    def look(_: object) -> None:
        seen.append("x" in store.read(marks))
        done.set()

    store.write(put("x")).add_done_callback(look)
    done.wait()
    with held(store):
        early = store.write(put("y"))
        late = store.write(lambda _: early.done() or "y" in store.read(marks))
    early.result()
    assert seen == [True] and late.result() is False


def test_a_cancelled_work_is_not_done(store: Store) -> None:
    with held(store):
        future = store.write(put("never"))
        assert future.cancel()
    assert store.read(marks) == set()


def test_readers_cannot_write_and_see_one_state(store: Store) -> None:
    with pytest.raises(StoreFailed, match="read-only"):
        store.read(put("x"))

    def twice(db: Connection) -> tuple[set[str], set[str]]:
        before = marks(db)
        store.write(put("meanwhile")).result()
        return before, marks(db)

    assert store.read(twice) == (set(), set())
    assert store.read(marks) == {"meanwhile"}


def test_a_work_that_commits_by_itself_is_told_and_the_writer_lives(store: Store) -> None:
    with pytest.raises(apsw.SQLError):
        store.write(lambda db: db.execute("COMMIT")).result()
    assert store.write(put("after")).result() == "after"


def test_even_an_exit_in_a_work_does_not_end_the_writer(store: Store) -> None:
    def leave(_: Connection) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        store.write(leave).result()
    assert store.write(put("after")).result() == "after"


def test_a_full_disk_is_said_and_nothing_is_half_done(store: Store) -> None:
    def cramp(db: Connection) -> None:
        db.pragma("max_page_count", db.pragma("page_count"))

    store.write(cramp).result()
    with held(store):
        small, large = store.write(put("small")), store.write(put("large", "x" * 1_000_000))
    for future in (small, large):
        with pytest.raises(StoreFailed, match="disk is full"):
            future.result()
    assert store.read(marks) == set()
    store.write(lambda db: db.pragma("max_page_count", 1_000_000)).result()
    assert store.write(put("small")).result() == "small"


def test_where_the_disk_fails_the_whole_batch_is_undone_and_told(store: Store) -> None:
    def unreadable(db: Connection) -> str:
        put("half")(db)
        raise apsw.IOError("the disk is gone")

    with held(store):
        futures = [store.write(put("fine")), store.write(unreadable)]
    for future in futures:
        with pytest.raises(StoreFailed, match="does not read or write"):
            future.result()
    assert store.read(marks) == set()


def test_files_are_ours_alone_and_settings_are_safe(store: Store) -> None:
    home = store.path.parent
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    store.write(put("x")).result()
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()} == {
        "gapura.db": 0o600,
        "gapura.db-wal": 0o600,
        "gapura.db-shm": 0o600,
        "secret": 0o600,
    }
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    assert store.write(lambda db: [db.pragma(name) for name in pragmas]).result() == ["wal", 2, 1]


def test_a_closed_store_finishes_what_it_was_given_and_takes_no_more(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "gapura.db")
    with held(store):
        futures = [store.write(put(str(n))) for n in range(1000)]
        closing = threading.Thread(target=store.close)
        closing.start()
    closing.join()
    store.close()
    assert [future.result() for future in futures] == [str(n) for n in range(1000)]
    for closed in (lambda: store.write(put("late")), lambda: store.read(marks)):
        with pytest.raises(StoreFailed, match="is closed"):
            closed()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["gapura.db", "secret"]


@pytest.mark.parametrize("version", ["3.51.2", "3.40.1", "2.8.17"])
def test_an_old_sqlite_is_refused_with_the_reason(version: str) -> None:
    with pytest.raises(StoreFailed, match=rf"SQLite {version} can corrupt .* 3\.51\.3"):
        refuse_old_sqlite(version)


def test_a_newer_sqlite_is_taken() -> None:
    for version in ("3.51.3", "3.52.0", "4.0.0"):
        refuse_old_sqlite(version)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "gapura.db"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreFailed, match="not a database"):
        Store.open(path)


def test_a_damaged_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "gapura.db"
    Store.open(path).close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with pytest.raises(StoreFailed, match="damaged; restore a backup"):
        Store.open(path)


def test_another_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gapura.db"
    Store.open(path, secret=Secret(b"one")).close()
    with pytest.raises(StoreFailed, match=r"another secret.*GAPURA_SECRET"):
        Store.open(path, secret=Secret(b"two"))
    Store.open(path, secret=Secret(b"one")).close()


def test_a_folder_that_cannot_be_written_is_said() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o555)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(65534)
            with pytest.raises(StoreFailed, match=f"{home}.*Permission denied"):
                Store.open(home / "gapura.db")
        finally:
            if root:
                os.seteuid(0)
            home.chmod(0o700)


def test_a_second_writer_waits_and_is_then_told(store: Store) -> None:
    store.write(lambda db: db.set_busy_timeout(1)).result()
    other = connect(store.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="another process"):
        store.write(put("x")).result()
    other.execute("ROLLBACK")
    other.close()
    assert store.write(put("x")).result() == "x"
