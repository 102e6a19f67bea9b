from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from gapura.clock import TurnableClock
from gapura.store import audit, chain
from gapura.store.audit import Change
from gapura.store.base import Conflict, Connection
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store

BY = Change(actor="prn_1", action="account.status", subject="acc_1", reason="asked for by phone", detail='{"a":1}')


def mark(name: str) -> Callable[[Connection], str]:
    def work(db: Connection) -> str:
        db.execute("INSERT INTO meta VALUES (?, '')", (name,))
        return name

    return work


def verified(store: Store) -> audit.Problem | None:
    return store.read(lambda db: audit.verify(db, store.secret))


def spoil(store: Store, sql: str) -> None:
    store.write(lambda db: db.execute(f"PRAGMA defer_foreign_keys = 1; {sql}").fetchall()).result()


def test_a_change_and_its_entry_are_one(store: Store, clock: TurnableClock) -> None:
    store.change(BY, mark("x")).result()
    (entry,) = store.read(audit.entries)
    said = msgspec.structs.asdict(BY)
    assert {name: value for name, value in msgspec.structs.asdict(entry).items() if name in said} == {
        name: value for name, value in said.items() if name != "idempotency_key"
    }
    assert entry.at == clock()
    with pytest.raises(Exception, match="UNIQUE"):
        store.change(BY, mark("x")).result()
    assert len(store.read(audit.entries)) == 1
    assert verified(store) is None


def test_pages_follow_one_another(store: Store) -> None:
    for n in range(7):
        store.change(BY, mark(str(n))).result()
    pages = [store.read(partial(audit.entries, after=after, limit=3)) for after in (0, 3, 6, 7)]
    assert [[entry.seq for entry in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7], []]


def test_the_same_request_again_gets_the_first_answer(store: Store) -> None:
    by = msgspec.structs.replace(BY, idempotency_key="k1")
    assert store.change(by, mark("first"), str).result() == "first"
    assert store.change(by, mark("second"), str).result() == "first"
    assert store.read(lambda db: db.execute("SELECT 1 FROM meta WHERE name = 'second'").fetchone()) is None
    assert len(store.read(audit.entries)) == 1
    other = msgspec.structs.replace(by, actor="prn_2")
    assert store.change(other, mark("third"), str).result() == "third", "a key belongs to its actor"


@pytest.mark.parametrize("field", ["action", "subject", "reason", "detail"])
def test_the_same_key_for_another_request_is_refused(store: Store, field: str) -> None:
    by = msgspec.structs.replace(BY, idempotency_key="k1")
    store.change(by, mark("first"), str).result()
    with pytest.raises(Conflict, match="another request"):
        store.change(msgspec.structs.replace(by, **{field: "different"}), mark("second"), str).result()
    assert len(store.read(audit.entries)) == 1


def test_a_change_that_failed_may_be_tried_again_under_its_key(store: Store) -> None:
    by = msgspec.structs.replace(BY, idempotency_key="k1")
    with pytest.raises(ZeroDivisionError):
        store.change(by, lambda _: str(1 // 0), str).result()
    assert store.change(by, mark("x"), str).result() == "x"


def test_a_kept_result_has_its_type(store: Store) -> None:
    by = msgspec.structs.replace(BY, idempotency_key="k1")
    problem = audit.Problem(3, "was altered")
    assert store.change(by, lambda _: problem, audit.Problem).result() == problem
    assert store.change(by, lambda _: audit.Problem(0, ""), audit.Problem).result() == problem
    with pytest.raises(TypeError, match="type of its result"):
        store.change(by, lambda _: problem).result()


@pytest.mark.parametrize(
    ("fault", "seq", "what"),
    [
        ("UPDATE audit SET actor = 'prn_9' WHERE seq = 2", 2, "altered"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", 3, "altered"),
        ("UPDATE audit SET commitment = zeroblob(32) WHERE seq = 1", 1, "altered"),
        ("UPDATE audit_text SET reason = 'nicer' WHERE seq = 2", 2, "another text"),
        ("UPDATE audit_text SET detail = '{}' WHERE seq = 3", 3, "another text"),
        ("DELETE FROM audit_text WHERE seq = 2; DELETE FROM audit WHERE seq = 2", 2, "missing"),
        ("DELETE FROM audit_text WHERE seq = 3; DELETE FROM audit WHERE seq = 3", 3, "cut off"),
        ("DELETE FROM audit_text; DELETE FROM audit", 1, "cut off"),
        ("DELETE FROM meta WHERE name = 'audit_head'", 4, "cut off"),
    ],
)
def test_what_was_tampered_with_is_found(store: Store, fault: str, seq: int, what: str) -> None:
    for n in range(3):
        store.change(BY, mark(str(n))).result()
    assert verified(store) is None
    spoil(store, fault)
    found = verified(store)
    assert found is not None and found.seq == seq and what in found.what


def rewrite(store: Store, *, through: int) -> None:
    """What somebody can do who has the database and this source, but not the secret."""

    def work(db: Connection) -> None:
        before = audit.START
        rows: list[Any] = db.execute(
            "SELECT seq, at, action, subject, commitment FROM audit WHERE seq <= ?", (through,)
        ).fetchall()
        for seq, *fields, commitment in rows:
            at, action, subject = fields
            before = chain.link(before, seq, at, "prn_9", action, subject, commitment)
            db.execute("UPDATE audit SET actor = 'prn_9', hash = ? WHERE seq = ?", (before, seq))

    store.write(work).result()


@pytest.mark.parametrize(("through", "found_at"), [(1, 2), (2, 3), (3, 4)])
def test_hashes_made_anew_do_not_fit_what_follows(store: Store, through: int, found_at: int) -> None:
    for n in range(3):
        store.change(BY, mark(str(n))).result()
    rewrite(store, through=through)
    found = verified(store)
    assert found is not None and found.seq == found_at


def test_without_the_secret_nobody_can_go_on(store: Store) -> None:
    store.change(BY, mark("x")).result()
    store.write(lambda db: audit.append(db, Secret(b"another"), store.clock(), BY)).result()
    found = verified(store)
    assert found is not None and found.seq == 2


def test_retention_deletes_texts_and_the_chain_holds(store: Store, clock: TurnableClock) -> None:
    by = msgspec.structs.replace(BY, idempotency_key="k1")
    store.change(by, mark("old"), str).result()
    clock.turn(days=30)
    store.change(BY, mark("new")).result()
    assert store.write(lambda db: audit.forget(db, clock())).result() == 1
    old, new = store.read(audit.entries)
    assert (old.reason, old.detail, new.reason) == (None, None, BY.reason)
    assert old.actor == BY.actor
    assert verified(store) is None
    assert store.change(by, mark("again"), str).result() == "again", "the kept result is forgotten, too"


def test_a_deleted_text_is_no_longer_in_the_file(store: Store, clock: TurnableClock) -> None:
    store.change(msgspec.structs.replace(BY, reason="called +62 21 555 0100"), mark("x")).result()
    clock.turn(days=30)
    store.write(lambda db: audit.forget(db, clock())).result()
    store.close()
    left = store.path.read_bytes()
    assert b"account.status" in left and b"555 0100" not in left
