"""Which endpoint is told of which event, what is due when, and that it comes or goes with what happened."""

from functools import partial
from typing import Any

import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.errors import BadRequest, NotFound
from gapura.store import outbox, retention, webhooks
from gapura.store.outbox import Said
from gapura.store.sqlite import Store
from gapura.store.webhooks import Wanted

TAKEN, FAILED = Said(200), Said(500)


def add(store: Store, **wanted: Any) -> str:
    return store.write(
        lambda db: webhooks.add(db, Wanted(url="https://example.com/", **wanted), store.clock()).id
    ).result()


def put(store: Store, topic: str, account: str) -> str:
    return store.write(lambda db: outbox.put(db, topic, account, {}, store.clock())).result()


def claimed(store: Store, webhook: str, limit: int = 10) -> list[outbox.Claim]:
    return store.write(lambda db: outbox.claim(db, webhook, limit, store.clock())).result()


def test_an_endpoint_is_told_what_it_wants(store: Store) -> None:
    everything, grants = add(store), add(store, topics=("grant.*", "claim.made"))
    for topic, wanted in [("grant.expired", 2), ("claim.made", 2), ("claim.granted", 1), ("granted", 1)]:
        event = put(store, topic, "acc_1")
        told = {row.webhook for row in store.read(partial(outbox.of, event=event))}
        assert told == {everything, grants} if wanted == 2 else {everything}, topic


def test_it_is_undone_with_what_it_tells_of(store: Store) -> None:
    webhook = add(store)

    def work(db: Any) -> None:
        outbox.put(db, "grant.expired", "acc_1", {}, 1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - ours
        store.write(work).result()
    assert store.read(lambda db: outbox.page(db, webhook)) == []


def test_one_of_an_account_is_due_at_a_time(store: Store, clock: TurnableClock) -> None:
    webhook = add(store)
    events = [put(store, "grant.expired", account) for account in ("a", "a", "b", "b")]
    first = claimed(store, webhook)
    assert [claim.id for claim in first] == [events[0], events[2]]
    assert claimed(store, webhook) == [], "they are somebody's"
    store.write(lambda db: outbox.delivered(db, first[0], TAKEN, clock())).result()
    assert [claim.id for claim in claimed(store, webhook)] == [events[1]]
    clock.turn(seconds=outbox.LEASE_S)
    assert {claim.id for claim in claimed(store, webhook)} == {events[1], events[2]}, "the lease is over"
    store.write(lambda db: outbox.failed(db, first[0], FAILED, clock())).result()
    assert store.read(lambda db: outbox.of(db, events[0]))[0].state == "delivered", "whoever comes late changes nothing"
    store.write(lambda db: outbox.delivered(db, first[0], Said(299, "late"), clock())).result()
    assert store.read(lambda db: outbox.of(db, events[0]))[0].code == TAKEN.code


def test_a_test_waits_for_nobody(store: Store) -> None:
    webhook = add(store, topics=("grant.*",))
    put(store, "grant.expired", "acc_1")
    event = store.write(lambda db: outbox.put_to(db, webhook, "webhook.test", {}, store.clock())).result()
    assert {claim.id for claim in claimed(store, webhook)} >= {event}


def test_what_is_over_its_time_goes_and_what_waits_stays(store: Store, clock: TurnableClock) -> None:
    webhook = add(store)
    told, waits = put(store, "grant.expired", "a"), put(store, "grant.expired", "b")
    (claim,) = [claim for claim in claimed(store, webhook) if claim.id == told]
    store.write(lambda db: outbox.delivered(db, claim, TAKEN, clock())).result()
    clock.turn(days=retention.DAYS + 1)
    assert store.write(lambda db: retention.forget_events(db, clock())).result() == 1
    assert [row.event for row in store.read(lambda db: outbox.page(db, webhook))] == [waits]


def test_the_pause_grows(store: Store, clock: TurnableClock) -> None:
    webhook = add(store)
    put(store, "grant.expired", "a")
    pauses = []
    for _ in range(4):
        (claim,) = claimed(store, webhook)
        store.write(partial(outbox.failed, claim=claim, said=FAILED, at=clock())).result()
        due = store.read(lambda db: outbox.page(db, webhook))[0].due_at
        pauses.append((due - clock()) // SECOND)
        clock.turn(seconds=pauses[-1])
    assert pauses == list(outbox.PAUSES_S[:4])


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://example.com/", "url"), ("https://", "url"), ("https://user:pw@example.com/", "user"),
        ("https://exa mple.com/", "url"), ("https://example.com:0/", "url"), ("https://example.com/#x", "url"),
        ("https://example.com:99999/", "url"), ("javascript:1", "url"),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_meant(store: Store, url: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        store.write(lambda db: webhooks.add(db, Wanted(url=url), 1)).result()
    assert caught.value.param == "url"


def test_a_topic_or_an_account_that_cannot_be_meant(store: Store) -> None:
    with pytest.raises(BadRequest, match=r"topics\[1\]"):
        add(store, topics=("grant.*", "Grant expired"))
    with pytest.raises(NotFound, match="acc_none"):
        add(store, account="acc_none")
