"""Two phases: what is set aside is resolved once, whatever comes twice, late or at the wrong time."""

import pytest

from gapura.errors import NotFound
from gapura.store import grants, ledger
from gapura.store.base import Conflict
from gapura.store.ledger import Books, Standing, holds, open_account
from gapura.terms.grants import Terms

LEFT = "left:gr:grt_1"


@pytest.fixture
def db(db: Books) -> Books:
    grants.create(db, Terms(id="grt_1", account="acc_1", amount=0), 100, "c1", 1)
    open_account(db, "sink", unit="tokens")
    return db


def standing(db: Books) -> Standing:
    assert ledger.adds_up(db) == []
    return ledger.standing(db, "gr:grt_1")


def test_a_part_is_captured_and_the_rest_goes_back(db: Books) -> None:
    made = holds.hold(db, "h1", LEFT, 60, expires=50, at=2)
    assert (made.state, made.amount, made.purse) == ("pending", 60, "gr:grt_1")
    assert standing(db) == Standing(100, 40, 60, 0, 0)
    assert holds.capture(db, "h1", "sink", 25, at=3).state == "captured"
    assert (standing(db).left, ledger.balance(db, "sink")) == (75, 25)


def test_all_or_nothing_may_be_captured(db: Books) -> None:
    holds.hold(db, "h1", LEFT, 60, at=2)
    holds.hold(db, "h2", LEFT, 40, at=2)
    assert standing(db).left == 0
    assert holds.capture(db, "h1", "sink", 60, at=3).captured == 60
    assert holds.capture(db, "h2", "sink", 0, at=3).captured == 0
    assert (standing(db).left, ledger.balance(db, "sink")) == (40, 60)


def test_a_repetition_changes_nothing_and_says_what_became_of_it(db: Books) -> None:
    for _ in range(2):
        assert holds.hold(db, "h1", LEFT, 60, at=2).state == "pending"
    for _ in range(2):
        assert holds.capture(db, "h1", "sink", 25, at=3).captured == 25
    assert holds.hold(db, "h1", LEFT, 60, at=9).state == "captured"
    holds.hold(db, "h2", LEFT, 10, at=4)
    for _ in range(2):
        assert holds.void(db, "h2", at=5).state == "voided"
    assert (standing(db).left, ledger.balance(db, "sink")) == (75, 25)


def test_the_first_end_is_the_end(db: Books) -> None:
    holds.hold(db, "h1", LEFT, 60, at=2)
    holds.void(db, "h1", at=3)
    with pytest.raises(Conflict, match="h1 is voided already"):
        holds.capture(db, "h1", "sink", 60, at=4)
    holds.hold(db, "h2", LEFT, 60, at=5)
    holds.capture(db, "h2", "sink", 1, at=6)
    with pytest.raises(Conflict, match="captured already"):
        holds.void(db, "h2", at=7)
    with pytest.raises(Conflict, match="captured with 1"):
        holds.capture(db, "h2", "sink", 2, at=7)
    assert (standing(db).left, ledger.balance(db, "sink")) == (99, 1)


def test_what_cannot_be(db: Books) -> None:
    holds.hold(db, "h1", LEFT, 60, at=2)
    with pytest.raises(Conflict, match="has 40, not 41"):
        holds.hold(db, "h2", LEFT, 41, at=2)
    with pytest.raises(Conflict, match="h1 holds 60"):
        holds.hold(db, "h1", LEFT, 61, at=2)
    with pytest.raises(Conflict, match="h1 holds 60, not 61"):
        holds.capture(db, "h1", "sink", 61, at=2)
    with pytest.raises(NotFound):
        holds.void(db, "h9", at=2)
    with pytest.raises(NotFound):
        holds.hold(db, "h3", "left:gr:nobody", 1, at=2)
    assert standing(db) == Standing(100, 40, 60, 0, 0)


def test_time_is_the_ledgers(db: Books) -> None:
    holds.hold(db, "h1", LEFT, 10, expires=50, at=2)
    holds.hold(db, "h2", LEFT, 10, expires=60, at=2)
    holds.hold(db, "h3", LEFT, 10, at=2)
    assert holds.time_out(db, 49) == 0
    assert holds.time_out(db, 50) == 1
    assert holds.get(db, "h1").state == "expired"
    assert holds.capture(db, "h2", "sink", 5, at=60).state == "expired", "nobody had come by to time it out"
    assert (standing(db).left, ledger.balance(db, "sink")) == (90, 0)
    ledger.set_mark(db, "clock", 100)
    holds.hold(db, "h4", LEFT, 10, expires=90, at=80)
    assert holds.capture(db, "h4", "sink", 5, at=80).state == "expired", "a clock that was set back"
    with pytest.raises(Conflict, match="expired"):
        holds.void(db, "h1", at=3)


def test_what_goes_back_to_a_grant_that_has_ended_goes_on_to_who_paid(db: Books) -> None:
    holds.hold(db, "h1", LEFT, 60, at=2)
    grants.void(db, "grt_1", "v1", 3)
    holds.capture(db, "h1", "sink", 20, at=4)
    assert standing(db).granted == 0
    assert ledger.balance(db, ledger.operator()) == -20
