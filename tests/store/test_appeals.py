"""Objections: every move that there is, none that there is not, and what each leaves behind."""

from collections.abc import Callable
from itertools import product
from typing import TypeVar, get_args

import pytest

from gapura.clock import TurnableClock
from gapura.errors import BadRequest, NotFound
from gapura.store import accounts, appeals, exceptions, jobs
from gapura.store.accounts import from_dicts
from gapura.store.appeals import DAY, MOVES, WITHIN, Appeal, Decision, Filed, Move, State
from gapura.store.base import Conflict, Connection
from gapura.store.sqlite import Store
from gapura.terms.caller import Account
from gapura.terms.letter import Evidence, Place
from gapura.terms.rulebook import Appeals

T = TypeVar("T")
SEEN = Evidence(first_at=1, last_at=2, days=3, requests=40, places=(Place("CN", 40, 3),))
INTERIM = Appeals(interim=True, days=10)


@pytest.fixture
def acme(store: Store) -> str:
    rows = from_dicts([{"external_id": "acme", "organisation": "o"}])
    return store.write(lambda db: accounts.upsert(db, None, rows, store.clock())).result().created[0].id


def do(store: Store, work: Callable[[Connection], T]) -> T:
    return store.write(work).result()


def file(store: Store, account: str, terms: Appeals = INTERIM, policy: str = "openai") -> Appeal:
    filed = Filed(account=account, policy=policy, reason="we travelled", language="id", evidence=SEEN)
    return do(store, lambda db: appeals.file(db, filed, terms, account, store.clock()))


def move(store: Store, name: str, by: Move) -> Appeal:
    decision = Decision(actor="prn_1", reason="because")
    ways: dict[Move, Callable[[Connection], Appeal]] = {
        "take": lambda db: appeals.take(db, name, "prn_1", store.clock()),
        "grant": lambda db: appeals.grant(db, name, decision, store.clock()),
        "deny": lambda db: appeals.deny(db, name, decision, store.clock()),
        "withdraw": lambda db: appeals.withdraw(db, None, name, "acc", store.clock()),
    }
    return do(store, ways[by])


def seen(store: Store, account: str) -> Account:
    return store.read(lambda db: accounts.get(db, None, account))


def kinds(store: Store, account: str) -> list[str]:
    return [lifted.kind for lifted in seen(store, account).lifted]


WAYS: dict[State, list[Move]] = {
    "received": [],
    "under_review": ["take"],
    "granted": ["take", "grant"],
    "denied": ["take", "deny"],
    "withdrawn": ["withdraw"],
}


@pytest.mark.parametrize(("state", "by"), [pair for pair in product(WAYS, get_args(Move)) if pair[1] != "file"])
def test_the_table_says_which_moves_there_are(store: Store, acme: str, state: State, by: Move) -> None:
    one = file(store, acme)
    for way in WAYS[state]:
        move(store, one.id, way)
    if by in MOVES[state]:
        assert move(store, one.id, by).state == MOVES[state][by]
    else:
        before = store.read(lambda db: (appeals.get(db, None, one.id), exceptions.page(db)))
        with pytest.raises(Conflict, match=f"{one.id} is {state}"):
            move(store, one.id, by)
        assert store.read(lambda db: (appeals.get(db, None, one.id), exceptions.page(db))) == before


def test_from_the_objection_to_the_grant(store: Store, acme: str, clock: TurnableClock) -> None:
    one = file(store, acme)
    assert (one.state, one.due_at, kinds(store, acme)) == ("received", clock() + 10 * DAY, ["interim"])
    taken = move(store, one.id, "take")
    assert (taken.state, taken.handler) == ("under_review", "prn_1")
    do(store, lambda db: accounts.set_status(db, None, acme, "suspended"))
    by = Decision(actor="prn_1", reason="a trip", ends=clock() + 30 * DAY, reinstate=True)
    granted = do(store, lambda db: appeals.grant(db, one.id, by, clock()))
    (lifted,) = seen(store, acme).lifted
    assert (lifted.id, lifted.kind, lifted.ends) == (granted.exception, "exception", clock() + 30 * DAY)
    assert seen(store, acme).status == "active"
    said = store.read(lambda db: appeals.texts(db, one.id))
    assert said and (said.reason, said.evidence, said.decision) == ("we travelled", SEEN, "a trip")
    assert [(step.move, step.actor) for step in store.read(lambda db: appeals.moves(db, one.id))] == [
        ("file", acme), ("take", "prn_1"), ("grant", "prn_1"),
    ]  # fmt: skip


@pytest.mark.parametrize("by", ["deny", "withdraw"])
def test_what_was_lifted_in_the_meantime_ends_with_it(store: Store, acme: str, by: Move) -> None:
    one = file(store, acme)
    move(store, one.id, "take")
    assert move(store, one.id, by).exception == ""
    assert kinds(store, acme) == []
    assert do(store, lambda db: jobs.find(db, appeals.OVERDUE, one.id)) is None


def test_an_interim_exception_that_somebody_ended_is_no_obstacle(store: Store, acme: str) -> None:
    one = file(store, acme)
    do(store, lambda db: exceptions.end(db, one.interim, store.clock()))
    assert move(store, one.id, "take").interim == one.interim
    assert move(store, one.id, "deny").state == "denied"


def test_without_interim_nothing_is_lifted(store: Store, acme: str) -> None:
    assert file(store, acme, Appeals()).interim == ""
    assert kinds(store, acme) == []


def test_one_at_a_time_and_not_for_ever(store: Store, acme: str, clock: TurnableClock) -> None:
    for _ in range(3):
        one = file(store, acme)
        with pytest.raises(Conflict, match=f"{one.id} is open"):
            file(store, acme)
        move(store, one.id, "withdraw")
    with pytest.raises(Conflict, match="3 objections to openai in 90 days"):
        file(store, acme)
    assert file(store, acme, policy="anthropic").state == "received", "another policy is another matter"
    clock.turn(seconds=WITHIN / 1_000_000)
    assert file(store, acme).state == "received"


def test_what_is_late_is_known_and_stays_open(store: Store, acme: str, clock: TurnableClock) -> None:
    one = file(store, acme)
    clock.turn(days=10)
    assert [late.id for late in store.read(lambda db: appeals.overdue(db, clock()))] == [one.id]
    assert seen(store, acme).lifted, "nothing is decided by silence"
    move(store, one.id, "take")
    move(store, one.id, "deny")
    assert store.read(lambda db: appeals.overdue(db, clock())) == []


def test_the_account_is_written_to_on_receipt_and_on_decision(store: Store, acme: str) -> None:
    one = file(store, acme)
    move(store, one.id, "take")
    move(store, one.id, "grant")
    for kind in ("receipt", "decision"):
        job = store.read(lambda db, kind=kind: jobs.find(db, appeals.LETTER, f"{one.id}/{kind}"))  # type: ignore[misc]
        assert job and job.payload == {"appeal": one.id, "kind": kind}


def test_what_cannot_be(store: Store, acme: str, clock: TurnableClock) -> None:
    with pytest.raises(NotFound, match="no account acc_none"):
        file(store, "acc_none")
    one = file(store, acme)
    move(store, one.id, "take")
    with pytest.raises(BadRequest, match="ends is not later"):
        do(store, lambda db: appeals.grant(db, one.id, Decision(actor="p", reason="r", ends=clock()), clock()))
    assert store.read(lambda db: appeals.get(db, None, one.id)).state == "under_review"
    with pytest.raises(NotFound, match=f"no appeal {one.id}"):
        store.read(lambda db: appeals.get(db, "another", one.id))
    assert store.read(lambda db: appeals.page(db, "another")) == []
    assert [found.id for found in store.read(lambda db: appeals.page(db, "o", state="under_review"))] == [one.id]


def test_what_was_said_goes_with_its_time_and_the_rest_stays(store: Store, acme: str, clock: TurnableClock) -> None:
    closed, standing = file(store, acme), file(store, acme, policy="anthropic")
    move(store, closed.id, "withdraw")
    clock.turn(days=10)
    assert do(store, lambda db: appeals.forget(db, closed.made_at)) == 0
    assert do(store, lambda db: appeals.forget(db, clock())) == 1
    assert store.read(lambda db: appeals.texts(db, closed.id)) is None
    assert store.read(lambda db: appeals.texts(db, standing.id)), "what is open is kept"
    assert store.read(lambda db: appeals.get(db, None, closed.id)).state == "withdrawn"
