"""Nothing that is in a block can be altered, taken out or put in unseen."""

from typing import Any

import apsw
import pytest
from tests.store.ledger.conftest import SECRET, sqlite

from gapura.clock import SECOND, instant
from gapura.store import ledger
from gapura.store.ledger import Books, chain
from gapura.store.secrets import Secret

JULY = instant("2026-07-31T23:59:50+00:00")


def post(db: Books, number: int, at: int) -> None:
    ledger.set_budget(db, f"tok:acc_{number % 3}", 10 * number + 10, ref=f"b{number}", at=at)


def some(db: Books, count: int = 9) -> None:
    for number in range(count):
        post(db, number, JULY)
        if number % 4 == 3:
            chain.seal(db, SECRET)
    chain.seal(db, SECRET)


def test_what_was_posted_is_sealed_once(db: Books) -> None:
    assert (chain.seal(db, SECRET), chain.verify(db, SECRET)) == (0, None)
    some(db)
    assert [block.posted for block in chain.blocks(db)] == [4, 4, 1]
    assert chain.seal(db, SECRET) == 0
    told: list[tuple[int, int]] = []
    assert chain.verify(db, SECRET, progress=lambda done, total: told.append((done, total))) is None
    assert told == [(4, 9), (8, 9), (9, 9)]


def test_what_is_not_sealed_yet_is_no_fault(db: Books) -> None:
    some(db)
    post(db, 50, JULY)
    assert chain.verify(db, SECRET) is None


def test_a_block_is_of_one_month_and_of_no_more_than_fits(db: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MOST", 4)
    for number in range(20):
        post(db, number, JULY + number * SECOND)
    chain.seal(db, SECRET)
    assert [block.posted for block in chain.blocks(db)] == [4, 4, 2, 4, 4, 2]
    assert chain.verify(db, SECRET) is None


def test_no_transfer_is_dated_before_a_block(db: Books) -> None:
    post(db, 1, JULY)
    chain.seal(db, SECRET)
    post(db, 2, JULY - 3600 * SECOND)
    assert db.execute("SELECT min(at), max(at) FROM transfer").fetchone() == (JULY, JULY)
    assert ledger.clock(db, 5) == JULY


@pytest.mark.parametrize(
    ("forgery", "block", "what"),
    [
        ("UPDATE transfer SET amount = amount + 1 WHERE id = 2", 1, "was altered"),
        ("UPDATE transfer SET ref = 'other' WHERE id = 9", 3, "was altered"),
        ("UPDATE transfer SET at = at + 1 WHERE id = 6", 2, "was altered"),
        ("DELETE FROM transfer WHERE id = 6", 2, "was altered"),
        ("INSERT INTO transfer VALUES (-5, 1, 2, 1, 'x', 'x', 1)", 3, "is the last, and there are 10"),
        ("UPDATE ledger_account SET name = name || 'x' WHERE id = 2", 1, "was altered"),
        ("UPDATE ledger_account SET unit = 'CNY' WHERE id = 2", 1, "was altered"),
        ("UPDATE ledger_block SET hash = zeroblob(32) WHERE seq = 2", 2, "was altered"),
        ("DELETE FROM ledger_block WHERE seq = 2", 2, "is missing"),
        ("DELETE FROM ledger_block WHERE seq = 3; DELETE FROM transfer WHERE id = 9", 3, "is missing: the end"),
        ("DELETE FROM meta WHERE name = 'ledger_head'", 4, "is missing: the end"),
    ],
)
def test_a_forger_is_found(forgery: str, block: int, what: str) -> None:
    db = sqlite()
    some(db)
    for trigger in ("transfer_is_never_changed", "transfer_is_never_deleted"):
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute(forgery)
    found = chain.verify(db, SECRET)
    assert found is not None and found.block == block and found.what.startswith(what)
    db.close()


def test_another_secret_signs_otherwise(db: Books) -> None:
    some(db)
    found = chain.verify(db, Secret(b"another secret of thirty-two byt"))
    assert found is not None and "without the secret" in found.what


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        ("2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z"),
        ("2026-07-31T23:59:59.999999Z", "2026-08-01T00:00:00Z"),
        ("2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_months(at: str, ends: str) -> None:
    assert chain.month_end(instant(at)) == instant(ends)


def test_a_sqlite_that_joins_lines_in_order() -> None:
    """`string_agg` joins in the order of the rows that it is given: SQLite promises it for none but this form."""
    db: Any = apsw.Connection(":memory:")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    db.execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) INSERT INTO t SELECT x FROM n"
    )
    joined = db.execute("SELECT string_agg(id, ',') FROM (SELECT id FROM t ORDER BY id) AS lines").fetchone()[0]
    assert joined == ",".join(str(number) for number in range(1, 5001))
    db.close()
