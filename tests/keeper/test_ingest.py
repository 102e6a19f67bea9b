"""Journals of living writers go into the store once, whatever fails in between."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gapura.clock import TurnableClock
from gapura.keeper.ingest import Ingest
from gapura.store import journal, ledger, records
from gapura.store.base import StoreFailed
from gapura.store.journal import Journal
from gapura.store.sqlite import Store
from gapura.terms.record import Ended, Entry, Opened
from gapura.terms.usage import Usage

Gate = Callable[..., Journal]
Entries = Callable[..., Opened]
Outcomes = Callable[[], dict[str, str]]


def ended(name: str, tokens: int = 5) -> Ended:
    return Ended(name, 1, "complete", 200, Usage(tokens, 0))


def spent(store: Store) -> int:
    return store.read(lambda db: ledger.standing(db, "tok:acc_1").spent)


def test_what_gates_write_is_there_a_step_later(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, outcomes: Outcomes
) -> None:
    one, two = gate("inc_1", lent=100), gate("inc_2", lent=100)

    async def scene() -> None:
        assert await ingest.step() == 0
        one.append(opened("req_1"))
        two.append(opened("req_2"))
        one.append(ended("req_1"))
        assert await ingest.step() == 3
        assert outcomes() == {"req_1": "complete", "req_2": "open"}
        two.append(ended("req_2"))
        assert await ingest.step() == 1
        assert await ingest.step() == 0

    asyncio.run(scene())
    assert set(outcomes().values()) == {"complete"}
    assert spent(store) == 10
    assert store.read(ledger.verify) == []
    assert store.read(lambda db: ledger.standing(db, "tok:acc_1")).lent == 190


def test_one_transfer_an_account_and_batch(store: Store, ingest: Ingest, gate: Gate, opened: Entries) -> None:
    log = gate("inc_1", lent=1000)
    for number in range(100):
        log.append(opened(f"req_{number}"))
        log.append(ended(f"req_{number}"))
    asyncio.run(ingest.step())
    rows = store.read(lambda db: db.execute("SELECT amount FROM transfer WHERE kind = 'spend'").fetchall())
    assert rows == [(500,)]


def test_a_batch_that_fails_is_taken_in_again(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = gate("inc_1", lent=100)
    log.append(opened("req_1"))
    log.append(ended("req_1"))

    def full(*_: Any, **__: Any) -> int:
        raise StoreFailed("the disk is full")

    async def scene() -> None:
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "spend", full)
            for _ in range(3):
                with pytest.raises(StoreFailed):
                    await ingest.step()
        assert outcomes() == {}
        assert await ingest.step() == 2

    asyncio.run(scene())
    assert outcomes() == {"req_1": "complete"}
    assert spent(store) == 5


def test_another_keeper_goes_on_where_the_last_one_was(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, clock: TurnableClock
) -> None:
    log = gate("inc_1", lent=100_000)
    for number in range(3000):
        log.append(opened(f"req_{number}"))
        log.append(ended(f"req_{number}", 1))
        if number % 700 == 0:
            asyncio.run(Ingest(store, ingest.folder, clock).step())
    asyncio.run(Ingest(store, ingest.folder, clock).drain("inc_1"))
    assert spent(store) == 3000
    mark = store.read(lambda db: records.watermark(db, "inc_1"))
    assert mark is not None and mark.sequence == log.sequence
    assert not journal.segment(log.folder, 1).exists(), "what is taken in is deleted"
    assert journal.segment(log.folder, mark.position.segment).exists()


def test_a_gap_is_an_alarm_that_stays(store: Store, ingest: Ingest, gate: Gate, opened: Entries) -> None:
    log = gate("inc_1", lent=100)
    log.append(opened("req_1"))
    log.sequence += 4
    log.append(ended("req_1"))
    asyncio.run(ingest.step())
    assert (ingest.entries, ingest.missing, ingest.strange) == (2, 4, 0)
    assert store.read(lambda db: db.execute("SELECT missing FROM incarnation").fetchall()) == [(4,)]


def test_the_lag_is_the_age_of_what_is_not_taken_in(
    ingest: Ingest, gate: Gate, opened: Entries, clock: TurnableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = gate("inc_1")
    log.append(opened("req_1"))

    def full(*_: Any, **__: Any) -> None:
        raise StoreFailed("the disk is full")

    async def scene() -> None:
        assert ingest.lag() == 0
        with monkeypatch.context() as broken:
            broken.setattr(records, "take_in", full)
            with pytest.raises(StoreFailed):
                await ingest.step()
        clock.turn(seconds=3)
        assert ingest.lag() == 3
        await ingest.step()
        await ingest.step()
        assert ingest.lag() == 0

    asyncio.run(scene())


def test_a_journal_of_a_newer_version_stops_only_itself(
    ingest: Ingest, gate: Gate, opened: Entries, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = gate("inc_1"), gate("inc_2")
    with monkeypatch.context() as newer:
        newer.setattr(journal, "VERSION", 9)
        one.append(opened("req_1"))
    two.append(opened("req_2"))
    assert asyncio.run(ingest.step()) == 1
    assert outcomes() == {"req_2": "open"}


def test_it_runs_by_itself_and_can_be_woken(ingest: Ingest, gate: Gate, opened: Entries, store: Store) -> None:
    log = gate("inc_1", lent=100)

    async def scene() -> None:
        running = asyncio.create_task(ingest.run())
        entries: list[Entry] = [opened("req_1"), ended("req_1")]
        for number, entry in enumerate(entries, 1):
            log.append(entry)
            ingest.wake()
            while ingest.entries < number:  # noqa: ASYNC110 - it tells nobody when it is done
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scene())
    assert spent(store) == 5


def test_without_a_folder_there_is_nothing_to_do(ingest: Ingest) -> None:
    assert asyncio.run(ingest.step()) == 0


TAKES_IN = """
import asyncio, sys
from pathlib import Path
from gapura.clock import TurnableClock
from gapura.keeper.ingest import Ingest
from gapura.store.sqlite import Store
home = Path(sys.argv[1])
store = Store.open(home / "gapura.db")
ingest = Ingest(store, home / "journal", TurnableClock(10))
asyncio.run(ingest.drain("inc_1"))
store.close()
"""


def test_a_keeper_that_dies_while_it_takes_in(
    tmp_path: Path, store: Store, gate: Gate, opened: Entries, outcomes: Outcomes
) -> None:
    log = gate("inc_1", lent=100_000)
    for number in range(8000):
        log.append(opened(f"req_{number}"))
        log.append(ended(f"req_{number}", 1))
    for batch in (1, 2, 1):
        done = subprocess.run(
            [sys.executable, "-c", TAKES_IN, str(tmp_path)],
            env={**os.environ, "GAPURA_CRASH_AT": f"during-ingest:{batch}"},
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        assert spent(store) == list(outcomes().values()).count("complete")
    subprocess.run([sys.executable, "-c", TAKES_IN, str(tmp_path)], check=True)
    assert spent(store) == list(outcomes().values()).count("complete") == 8000
    assert store.read(ledger.verify) == []
