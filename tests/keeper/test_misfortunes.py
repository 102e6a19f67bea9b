"""A full disk, a read-only database, a clock that is set back, a reboot: refused or survived, nothing lost, nothing
double, as docs/reference/failures.md says.  A shared ledger's server that is lost: test_bookkeeping.py, and tests/app.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.keeper.bookkeeping import Bookkeeping
from gapura.keeper.ingest import Ingest
from gapura.keeper.lending import Lending
from gapura.keeper.recover import recover
from gapura.store import grants, ledger, records
from gapura.store.base import Conflict, StoreFailed
from gapura.store.journal import Journal
from gapura.store.ledger import Standing, chain
from gapura.store.sqlite import Store
from gapura.terms.grants import Terms
from gapura.terms.link import VERSION, Ask, Hello
from gapura.terms.record import Ended, Opened
from gapura.terms.usage import Usage

Gate = Callable[..., Journal]
Entries = Callable[..., Opened]


class Nobody:
    count = 1

    async def recall(self, purse: str, incarnations: object) -> None:
        return


def serve(log: Journal, opened: Entries, count: int) -> None:
    for number in range(count):
        log.append(opened(f"req_{number}"))
        log.append(Ended(f"req_{number}", 1, "complete", 200, Usage(3, 4)))


def standing(store: Store, purse: str = "tok:acc_1") -> Standing:
    assert store.read(ledger.verify) == []
    return store.read(lambda db: ledger.standing(db, purse))


def full(store: Store, *, on: bool) -> None:
    pages = store._writer.pragma("page_count") if on else 1_000_000
    store._writer.pragma("max_page_count", pages)


def read_only(store: Store, *, on: bool) -> None:
    store._writer.pragma("query_only", on)


@pytest.mark.parametrize(("happens", "told"), [(full, "the disk is full"), (read_only, "it is read-only")])
def test_what_cannot_be_written_is_refused_and_waits(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, *, happens: Any, told: str
) -> None:
    log = gate("inc_1", lent=5000)
    serve(log, opened, 300)
    happens(store, on=True)
    for _ in range(2):
        with pytest.raises(StoreFailed, match=told):
            asyncio.run(ingest.step())
    assert standing(store) == Standing(100_000, 95_000, 5000, 0, 0)
    happens(store, on=False)
    while asyncio.run(ingest.step()):
        pass
    assert standing(store) == Standing(100_000, 95_000, 2900, 2100, 0)
    assert len(store.read(lambda db: records.export(db, limit=1000))) == 300


def test_while_nothing_can_be_written_nothing_is_lent(store: Store, gate: Gate, clock: TurnableClock) -> None:
    gate("inc_1", lent=5000)
    lending, books = Lending(store, clock, "boot"), Bookkeeping(store, clock)
    read_only(store, on=True)
    with pytest.raises(StoreFailed, match="it is read-only"):
        asyncio.run(books.step())
    with pytest.raises(StoreFailed, match="it is read-only"):  # of which a gate makes a 503: no free ride
        asyncio.run(lending.answer("inc_1", Ask(1, "tok:acc_1", 10), Nobody()))
    read_only(store, on=False)
    assert asyncio.run(lending.answer("inc_1", Ask(2, "tok:acc_1", 10), Nobody())).amount == 10
    asyncio.run(books.step())
    assert standing(store) == Standing(100_000, 94_990, 5010, 0, 0)
    assert store.read(lambda db: chain.verify(db, store.secret)) is None


def test_a_clock_that_is_set_back_brings_nothing_back(store: Store, clock: TurnableClock) -> None:
    books, start = Bookkeeping(store, clock), clock()
    terms = Terms(id="grt_1", account="acc_1", amount=0, expires=start + 10 * SECOND)

    def make(db: Any) -> None:
        grants.create(db, terms, 100, "c", start)
        ledger.hold(db, "h1", "left:gr:grt_1", 10, expires=start + 5 * SECOND, at=start)

    store.write(make).result()
    clock.turn(seconds=20)
    asyncio.run(books.step())
    assert [one.what for one in store.write(lambda db: grants.due(db, clock())[1]).result()][-1] == "expired"
    asyncio.run(books.step())
    clock.turn(seconds=-3600)
    now = clock()
    assert store.write(lambda db: grants.due(db, now)).result() == ([], [])
    assert store.read(lambda db: grants.get(db, "grt_1", now)).state == "expired"
    store.write(lambda db: ledger.set_budget(db, "tok:acc_1", 50, ref="late", at=now)).result()
    (dated,) = store.read(lambda db: db.execute("SELECT at FROM transfer WHERE ref = 'late'").fetchall())
    assert dated == (start + 20 * SECOND,), "the ledger's clock does not run back"
    asyncio.run(books.step())
    with pytest.raises(Conflict, match="h1 is expired already"):
        store.write(lambda db: ledger.capture(db, "h1", "left:tok:acc_1", 1, at=now)).result()
    assert store.read(lambda db: chain.verify(db, store.secret)) is None
    assert standing(store, "gr:grt_1") == Standing(0, 0, 0, 0, 0)


@pytest.mark.parametrize("ended", [False, True])
def test_after_a_reboot_what_was_with_gates_waits_for_a_person(
    store: Store, ingest: Ingest, clock: TurnableClock, opened: Entries, *, ended: bool
) -> None:
    log = Journal.open(ingest.folder, "inc_1", segment_bytes=64 * 1024, clock=clock, boot="before")
    lending = Lending(store, clock, "before")

    def make(db: Any) -> None:
        grants.fund(db, "ernie", "tokens", 1000, ref="f", at=1)
        grants.create(db, Terms(id="grt_1", account="acc_1", amount=0, programme="ernie"), 800, "c", 1)

    store.write(make).result()
    assert asyncio.run(lending.join(Hello(VERSION, "inc_1", 0, 1)))
    assert asyncio.run(lending.answer("inc_1", Ask(1, "gr:grt_1", 300), Nobody())).amount == 300
    log.append(msgspec.structs.replace(opened("req_1", 100), purse="gr:grt_1"))
    log.append(Ended("req_1", 1, "complete", 200, Usage(30, 20)))
    if ended:
        store.write(lambda db: grants.void(db, "grt_1", "v", 2)).result()
    log.close()
    for _ in range(2):
        asyncio.run(recover(store, ingest, clock, "after"))
    left = 0 if ended else 500
    assert standing(store, "gr:grt_1") == Standing(300 + left, left, 0, 50, 250)
    assert store.write(lambda db: ledger.reconcile(db, "gr:grt_1", 250, ref="r", at=3)).result() == 250
    left = 0 if ended else 750
    assert standing(store, "gr:grt_1") == Standing(50 + left, left, 0, 50, 0)
    wallet = store.read(lambda db: ledger.balance(db, grants.wallet("ernie", "tokens")))
    assert wallet == (950 if ended else 200), "of a grant that has ended it goes on to who paid"
