"""Months are closed, signed, archived and gone; everything still adds up, and can be checked to the first transfer."""

from pathlib import Path

import pytest
from tests.store.ledger.conftest import SECRET, refused

from gapura.clock import SECOND, instant
from gapura.errors import BadRequest
from gapura.logs import ledger as files
from gapura.store import ledger
from gapura.store.base import Conflict, StoreFailed
from gapura.store.ledger import Books, archive, chain, closing

JULY, AUGUST, LATER = (instant(f"2026-{day}T12:00:00+00:00") for day in ("07-05", "08-05", "09-02"))


@pytest.fixture
def db(db: Books) -> Books:
    """July: 100 granted, 30 spent.  August: 50 more."""
    ledger.set_budget(db, "tok:acc_1", 100, ref="july", at=JULY)
    ledger.lend(db, "inc_1", "tok:acc_1", lambda left: 40, ref="l1", at=JULY)
    ledger.spend(db, "inc_1", "tok:acc_1", {"input": 10, "output": 20}, ref="s1", at=JULY)
    chain.seal(db, SECRET)
    ledger.set_budget(db, "tok:acc_1", 150, ref="august", at=AUGUST)
    return db


def close(db: Books, month: str = "2026-07", at: int = LATER) -> closing.Month:
    return closing.close_month(db, SECRET, month, at)


def sound(db: Books) -> None:
    assert ledger.adds_up(db) == []
    assert list(ledger.closings(db, SECRET)) == []
    assert chain.verify(db, SECRET) is None


def closed(db: Books, month: str) -> dict[str, int]:
    rows = db.execute(
        "SELECT name, c.balance FROM ledger_closing c JOIN ledger_account a ON a.id = c.account WHERE month = ?",
        (month,),
    )
    return {str(name): int(amount) for name, amount in rows}


def test_a_month_is_what_each_account_had_at_its_end(db: Books) -> None:
    done = close(db)
    assert (done.month, done.block, done.count, done.accounts) == ("2026-07", 1, 4, 5)
    assert closed(db, "2026-07") == {
        "operator:tokens": -100,
        "left:tok:acc_1": 60,
        "lent:inc_1:tok:acc_1": 10,
        "spent:tok:acc_1:input": 10,
        "spent:tok:acc_1:output": 20,
    }
    august = close(db, "2026-08")
    assert (august.count, closed(db, "2026-08")["left:tok:acc_1"]) == (1, 110)
    assert closing.months(db) == [done, august]
    sound(db)


def test_after_it_nothing_is_posted_into_it(db: Books) -> None:
    close(db)
    ledger.set_budget(db, "tok:acc_1", 160, ref="late", at=JULY)
    assert db.execute("SELECT at FROM transfer WHERE ref = 'late'").fetchone() == (AUGUST,)
    close(db, "2026-08")
    ledger.set_budget(db, "tok:acc_1", 170, ref="later", at=JULY)
    assert db.execute("SELECT at FROM transfer WHERE ref = 'later'").fetchone() == (instant("2026-09-01T00:00:00Z"),)
    sound(db)


def test_closing_twice_is_closing_once(db: Books) -> None:
    assert close(db) == close(db, at=LATER + SECOND)


def test_what_cannot_be_closed(db: Books) -> None:
    with pytest.raises(Conflict, match="2026-09 is not over"):
        close(db, "2026-09")
    with pytest.raises(Conflict, match="nothing in 2026-06"):
        close(db, "2026-06")
    close(db, "2026-08")
    with pytest.raises(Conflict, match="2026-08 is closed, and with it"):
        close(db, "2026-07")
    for wrong in ("2026-13", "2026-7", "July"):
        with pytest.raises(BadRequest, match="is no month"):
            close(db, wrong)


def test_a_closed_month_is_immutable_and_signed(db: Books) -> None:
    ledger.open_account(db, "other", unit="tokens")
    close(db)
    for statement in (
        "UPDATE ledger_closing SET balance = 1",
        "DELETE FROM ledger_closing",
        "UPDATE ledger_month SET count = 1",
        "DELETE FROM ledger_month",
    ):
        assert refused(db, statement), statement
    db.execute("INSERT INTO ledger_closing SELECT '2026-07', id, 7 FROM ledger_account WHERE name = 'other'")
    assert list(ledger.closings(db, SECRET)) == ["2026-07 was closed, and altered since"]


def test_an_archive_holds_what_leaves_the_ledger(db: Books, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    close(db)
    close(db, "2026-08")
    before = [ledger.standing(db, "tok:acc_1"), ledger.balance(db, ledger.operator())]
    with pytest.raises(Conflict, match="2026-07 comes first"):
        files.write(db, "2026-08", tmp_path)
    done, file = files.write(db, "2026-07", tmp_path)
    assert (file.name, done.count) == ("ledger-2026-07.parquet", 4)
    assert archive.drop(db, "2026-07") == 4
    assert archive.drop(db, "2026-07") == 0
    sound(db)
    assert db.execute("SELECT ref FROM transfer").fetchall() == [("august",)]
    assert [ledger.standing(db, "tok:acc_1"), ledger.balance(db, ledger.operator())] == before
    with files.reader(tmp_path) as lines:
        assert chain.verify(db, SECRET, lines) is None
    files.write(db, "2026-08", tmp_path)
    assert archive.drop(db, "2026-08") == 1
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["ledger-2026-07.parquet", "ledger-2026-08.parquet"]
    sound(db)
    with files.reader(tmp_path) as lines:
        assert chain.verify(db, SECRET, lines) is None


def test_a_ref_that_is_archived_counts_once_all_the_same(db: Books, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    close(db)
    files.write(db, "2026-07", tmp_path)
    archive.drop(db, "2026-07")
    before = ledger.standing(db, "tok:acc_1")
    assert ledger.lend(db, "inc_1", "tok:acc_1", lambda left: 99, ref="l1", at=LATER) == 40
    assert ledger.spend(db, "inc_1", "tok:acc_1", {"input": 10, "output": 20}, ref="s1", at=LATER) == 0
    assert not ledger.post(db, "left:tok:acc_1", "lent:inc_1:tok:acc_1", 40, "lend", ref="l1", at=LATER)
    with pytest.raises(Conflict, match="l1 was posted before, as a lend"):
        ledger.post(db, ledger.operator(), "left:tok:acc_1", 40, "grant", ref="l1", at=LATER)
    assert ledger.standing(db, "tok:acc_1") == before


def test_an_archive_that_is_lost_or_forged_is_found(db: Books, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    close(db)
    _, file = files.write(db, "2026-07", tmp_path)
    archive.drop(db, "2026-07")
    duckdb.sql(f"COPY (SELECT * REPLACE (amount + 1 AS amount) FROM '{file}') TO '{tmp_path}/forged' (FORMAT parquet)")
    kept = file.read_bytes()
    (tmp_path / "forged").replace(file)
    for wrong in ("forged", "lost"):
        with files.reader(tmp_path) as lines:
            assert chain.verify(db, SECRET, lines) == (1, "was altered"), wrong
        file.unlink(missing_ok=True)
    file.write_bytes(kept[:-9])
    with pytest.raises(StoreFailed, match="ledger-2026-07"), files.reader(tmp_path) as lines:
        chain.verify(db, SECRET, lines)
    file.write_bytes(kept)
    with files.reader(tmp_path) as lines:
        assert chain.verify(db, SECRET, lines) is None


def test_nothing_leaves_that_is_not_closed(db: Books, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="2026-07 is not closed"):
        archive.drop(db, "2026-07")
    with pytest.raises(Conflict, match="2026-07 is not closed"):
        files.write(db, "2026-07", tmp_path)
    assert refused(db, "DELETE FROM transfer")
