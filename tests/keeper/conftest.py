"""A home with a store and journals, and the few things that tests do to it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.keeper.ingest import Ingest
from gapura.store import journal, ledger, records
from gapura.store.journal import Journal
from gapura.store.sqlite import Store
from gapura.terms.record import Context, Opened


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock(1_000_020 * SECOND)


@pytest.fixture
def store(tmp_path: Path, clock: TurnableClock) -> Iterator[Store]:
    store = Store.open(tmp_path / "gapura.db", clock=clock)
    yield store
    store.close()


@pytest.fixture
def ingest(store: Store, tmp_path: Path, clock: TurnableClock) -> Ingest:
    return Ingest(store, tmp_path / "journal", clock)


@pytest.fixture
def gate(store: Store, ingest: Ingest, clock: TurnableClock) -> Iterator[Callable[..., Journal]]:
    """gate(incarnation, lent=0, boot=…): the journal of a gate, of which the keeper knows, with a slice of acc_1's
    100,000 tokens."""
    journals = []

    def begin(incarnation: str, lent: int = 0, boot: str | None = None) -> Journal:
        log = Journal.open(ingest.folder, incarnation, segment_bytes=256 * 1024, clock=clock, boot=boot)
        journals.append(log)
        name = journal.boot_id() if boot is None else boot
        store.write(lambda db: records.begin(db, incarnation, name, 1)).result()
        store.write(lambda db: ledger.set_budget(db, "tok:acc_1", 100_000, ref="b", at=1)).result()
        if lent:
            store.write(
                lambda db: ledger.lend(db, incarnation, "tok:acc_1", lambda left: lent, ref=incarnation, at=1)
            ).result()
        return log

    yield begin
    for log in journals:
        with suppress(OSError):  # a test has let it die
            log.close()


@pytest.fixture
def opened(clock: TurnableClock) -> Callable[..., Opened]:
    """opened(id, hold=10): the entry of a request of acc_1."""
    context = Context(
        "acc_1", "key_1", "org", "m", True, False, "SG", "certain", "peer", "", "", "SG", "", "v1", "allow", (), ()
    )

    def entry(name: str, hold: int = 10) -> Opened:
        return Opened(name, clock(), 1, "glm", "glm-4.6", hold, "tok:acc_1", context=context)

    return entry


@pytest.fixture
def outcomes(store: Store) -> Callable[[], dict[str, str]]:
    """outcomes(): request id → outcome."""
    return lambda: {row["id"]: row["outcome"] for row in store.read(lambda db: records.export(db, limit=10**6))}
