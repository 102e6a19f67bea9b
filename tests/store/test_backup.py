import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from gapura import runtime
from gapura.store import audit, backup
from gapura.store.audit import Change
from gapura.store.base import Conflict, Connection, StoreFailed
from gapura.store.sqlite import Store


def change(n: int) -> Change:
    return Change(actor="prn_1", action="test", subject=f"s_{n}", reason="")


@pytest.fixture
def saved(store: Store, tmp_path: Path) -> Path:
    store.write(lambda db: db.execute("INSERT INTO meta VALUES ('saved', 'yes')").fetchall()).result()
    backup.backup(store, tmp_path / "b.db")
    return tmp_path / "b.db"


def state(database: Path) -> str | None:
    db = sqlite3.connect(database)
    row = db.execute("SELECT value FROM meta WHERE name = 'saved'").fetchone()
    db.close()
    return str(row[0]) if row else None


def test_a_backup_under_writes_is_one_moment(store: Store, tmp_path: Path) -> None:
    def both(n: int) -> None:
        def work(db: Connection) -> None:
            db.execute("INSERT INTO meta VALUES (?, ?)", (f"n{n}", "x" * 2000))

        store.change(change(n), work).result()

    stop, begun = threading.Event(), threading.Event()

    def writing() -> None:
        n = 0
        while not stop.is_set():
            both(n)
            n += 1
            if n == 50:
                begun.set()

    writer = threading.Thread(target=writing)
    writer.start()
    begun.wait()
    for n in range(5):
        backup.backup(store, tmp_path / f"{n}.db")
    stop.set()
    writer.join()
    counts = []
    for n in range(5):
        db = Store.open(tmp_path / f"{n}.db", secret=store.secret)
        assert db.read(lambda c: audit.verify(c, store.secret)) is None
        noted = db.read(lambda c: len(c.execute("SELECT 1 FROM meta WHERE name GLOB 'n[0-9]*'").fetchall()))
        entered = db.read(lambda c: len(audit.entries(c, limit=1_000_000)))
        assert noted == entered
        counts.append(noted)
        db.close()
    assert counts == sorted(counts) and counts[0] >= 50


def test_a_backup_is_one_private_file_and_overwrites_nothing(store: Store, saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert state(saved) == "yes"
    assert saved.read_bytes()[18:20] == b"\1\1", "SQLite's header: needs no write-ahead log"
    assert sorted(file.name for file in saved.parent.iterdir()) == ["b.db", "home"]
    with pytest.raises(Conflict, match="exists"):
        backup.backup(store, saved)
    with pytest.raises(StoreFailed, match="No such file"):
        backup.backup(store, saved.parent / "nowhere" / "b.db")


def test_what_is_restored_is_the_store_again(store: Store, saved: Path, tmp_path: Path) -> None:
    home = tmp_path / "new"
    backup.restore(saved, home)
    again = Store.open(home / backup.DATABASE, secret=store.secret)
    assert state(again.path) == "yes"
    again.close()
    assert stat.S_IMODE((home / backup.DATABASE).stat().st_mode) == 0o600


def test_without_the_secret_a_restored_store_is_refused(saved: Path, tmp_path: Path) -> None:
    backup.restore(saved, tmp_path / "new")
    with pytest.raises(StoreFailed, match="another secret"):
        Store.open(tmp_path / "new" / backup.DATABASE)


def test_nothing_is_overwritten_without_force_and_nothing_lost_with_it(store: Store, saved: Path) -> None:
    store.write(lambda db: db.execute("UPDATE meta SET value = 'later' WHERE name = 'saved'").fetchall()).result()
    home = store.path.parent
    with pytest.raises(Conflict, match="with force"):
        backup.restore(saved, home)
    # As after a kill -9: what was written last is only in the log beside the file.
    assert store.path.with_name("gapura.db-wal").stat().st_size > 0
    backup.restore(saved, home, force=True)
    assert state(home / backup.DATABASE) == "yes"
    assert state(home / "gapura.db.old") == "later"


def test_a_home_in_use_is_left_alone(store: Store, saved: Path) -> None:
    home = store.path.parent
    with runtime.hold(home), pytest.raises(runtime.HomeTaken):
        backup.restore(saved, home, force=True)
    assert not (home / "gapura.db.old").exists()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("INSERT INTO step (name) VALUES ('9999-later')", "9999-later"),
        ("DROP TABLE step", "not a backup of gapura"),
    ],
)
def test_a_newer_or_foreign_file_is_refused(saved: Path, tmp_path: Path, sql: str, words: str) -> None:
    db = sqlite3.connect(saved)
    with db:
        db.execute(sql)
    db.close()
    with pytest.raises(StoreFailed, match=words):
        backup.restore(saved, tmp_path / "new")
    assert not (tmp_path / "new" / backup.DATABASE).exists()


def test_a_damaged_file_is_refused_and_the_home_stays(store: Store, saved: Path) -> None:
    with saved.open("r+b") as file:
        file.truncate(saved.stat().st_size - 4096)
    with pytest.raises(StoreFailed, match="damaged"):
        backup.restore(saved, store.path.parent, force=True)
    assert state(store.path) == "yes"
    assert not (store.path.parent / "gapura.db.old").exists()


def test_a_store_that_contradicts_itself_is_not_backed_up(store: Store, tmp_path: Path) -> None:
    db = sqlite3.connect(store.path)
    with db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, 'value TEXT', 'value INTEGER') WHERE name = 'meta'")
    db.close()
    with pytest.raises(StoreFailed, match=r"is damaged: .*meta\.value"):
        backup.backup(store, tmp_path / "b.db")
    assert [file.name for file in tmp_path.iterdir()] == ["home"]


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="there is no file"):
        backup.restore(tmp_path / "none.db", tmp_path / "new")
