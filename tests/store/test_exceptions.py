from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest

from gapura.clock import TurnableClock
from gapura.errors import BadRequest, NotFound
from gapura.store import accounts, exceptions, facts
from gapura.store.accounts import from_dicts
from gapura.store.base import Conflict, Connection
from gapura.store.exceptions import DAY, REVIEW, Exempt, Wanted
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Lifted

T = TypeVar("T")


@pytest.fixture
def acme(store: Store) -> str:
    rows = from_dicts([{"external_id": "acme"}])
    return store.write(lambda db: accounts.upsert(db, None, rows, store.clock())).result().created[0].id


def do(store: Store, work: Callable[[Connection], T]) -> T:
    return store.write(work).result()


def put(store: Store, account: str, **more: object) -> Exempt:
    wanted = msgspec.convert({"account": account, "policy": "openai", "reason": "contract"} | more, Wanted)
    return do(store, lambda db: exceptions.put(db, wanted, store.clock()))


def seen(store: Store, account: str) -> Account:
    return store.read(lambda db: accounts.get(db, None, account))


def test_what_is_put_stands_at_the_account_until_it_is_ended(store: Store, acme: str, clock: TurnableClock) -> None:
    at = store.clock()
    one = put(store, acme, ends=at + DAY, owner="prn_1")
    assert (one.state, one.starts, one.review_at) == ("open", at, at + DAY)
    assert seen(store, acme).lifted == (Lifted(one.id, "openai", "exception", "contract", at, at + DAY),)
    assert store.read(lambda db: list(exceptions.active(db, at))) == [one]
    clock.turn(seconds=1)
    two = put(store, acme, policy="anthropic", kind="no_notice")
    assert two.review_at == two.starts + REVIEW, "one without an end is looked at all the same"
    assert [one.policy for one in seen(store, acme).lifted] == ["openai", "anthropic"]
    ended = do(store, lambda db: exceptions.end(db, one.id, clock()))
    assert (ended.state, ended.review_at) == ("ended", 0)
    assert [one.id for one in seen(store, acme).lifted] == [two.id]
    assert store.read(lambda db: exceptions.of_account(db, acme)) == [ended, two]
    with pytest.raises(Conflict, match="ended already"):
        do(store, lambda db: exceptions.end(db, one.id, at))


def test_what_is_changed_about_an_account_leaves_its_exceptions(store: Store, acme: str) -> None:
    put(store, acme)
    do(store, lambda db: accounts.upsert(db, None, from_dicts([{"external_id": "acme", "name": "Acme"}]), 0))
    do(store, lambda db: accounts.set_status(db, None, acme, "warned"))
    assert len(seen(store, acme).lifted) == 1


def test_one_whose_time_has_passed_is_noted_and_waits_for_somebody(
    store: Store, acme: str, clock: TurnableClock
) -> None:
    one = put(store, acme, ends=clock() + DAY)
    assert do(store, lambda db: exceptions.expire(db, clock())) == []
    assert store.read(lambda db: exceptions.due(db, clock())) == []
    clock.turn(seconds=86_400)
    (expired,) = do(store, lambda db: exceptions.expire(db, clock()))
    assert (expired.id, expired.state, seen(store, acme).lifted) == (one.id, "expired", ())
    assert do(store, lambda db: exceptions.expire(db, clock())) == []
    assert store.read(lambda db: exceptions.due(db, clock())) == [expired]
    done = do(store, lambda db: exceptions.review(db, one.id, clock()))
    assert (done.state, done.review_at) == ("expired", 0)
    assert store.read(lambda db: exceptions.due(db, clock())) == []


def test_a_review_lets_it_go_on(store: Store, acme: str, clock: TurnableClock) -> None:
    one = put(store, acme, ends=clock() + DAY)
    clock.turn(seconds=86_400)
    do(store, lambda db: exceptions.expire(db, clock()))
    on = do(store, lambda db: exceptions.review(db, one.id, clock(), ends=clock() + 2 * DAY))
    assert (on.state, on.ends, on.review_at) == ("open", clock() + 2 * DAY, clock() + 2 * DAY)
    assert [lifted.ends for lifted in seen(store, acme).lifted] == [on.ends]
    kept = do(store, lambda db: exceptions.review(db, one.id, clock(), review_at=clock() + DAY))
    assert (kept.ends, kept.review_at) == (on.ends, clock() + DAY)
    with pytest.raises(BadRequest, match="ends is not later"):
        do(store, lambda db: exceptions.review(db, one.id, clock(), ends=clock()))
    do(store, lambda db: exceptions.end(db, one.id, clock()))
    with pytest.raises(Conflict, match="make another"):
        do(store, lambda db: exceptions.review(db, one.id, clock(), ends=0))


def test_what_cannot_be(store: Store, acme: str) -> None:
    at = store.clock()
    with pytest.raises(NotFound, match="no account acc_none"):
        put(store, "acc_none")
    for ends, starts in ((at, 0), (at + 5, at + 5)):
        with pytest.raises(BadRequest, match="ends is not later"):
            put(store, acme, starts=starts, ends=ends)
    with pytest.raises(NotFound, match="no exception exc_none"):
        do(store, lambda db: exceptions.end(db, "exc_none", at))
    assert store.read(exceptions.page) == []


def test_each_step_can_be_proven_and_says_nothing_in_words(store: Store, acme: str, clock: TurnableClock) -> None:
    one = put(store, acme, ends=clock() + DAY)
    clock.turn(seconds=1)
    do(store, lambda db: exceptions.review(db, one.id, clock(), ends=clock() + 2 * DAY))
    clock.turn(seconds=1)
    do(store, lambda db: exceptions.end(db, one.id, clock()))
    found = store.read(lambda db: facts.of_account(db, acme))
    assert [msgspec.json.decode(step.fact.body)["state"] for step in found] == ["open", "open", "ended"]
    assert not any("contract" in step.fact.body for step in found)
