"""Whatever a gate left behind when it was killed: each request ends once, and no token is lost or spent twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.keeper.ingest import Ingest
from gapura.keeper.recover import Recovered, recover
from gapura.store import journal, ledger, records
from gapura.store.journal import Journal, Tail
from gapura.store.ledger import Standing
from gapura.store.sqlite import Store
from gapura.terms.record import Ended, Marked, Opened, Progress
from gapura.terms.usage import Usage

Gate = Callable[..., Journal]
Entries = Callable[..., Opened]
Outcomes = Callable[[], dict[str, str]]


def recovered(store: Store, ingest: Ingest, clock: TurnableClock, boot: str | None = None) -> list[Recovered]:
    return asyncio.run(recover(store, ingest, clock, boot))


def standing(store: Store) -> Standing:
    return store.read(lambda db: ledger.standing(db, "tok:acc_1"))


def write_some(log: Journal, opened: Entries) -> None:
    """One request that ended, one that relayed 4 tokens, one that relayed nothing."""
    for name in ("req_1", "req_2", "req_3"):
        log.append(opened(name))
    log.append(Ended("req_1", 1, "complete", 200, Usage(3, 4)))
    log.append(Marked(2, {"tok:acc_1": 63}))
    log.append(Progress(5 * SECOND, (("req_2", 2, 4), ("req_3", 2, 0))))


def test_a_living_gate_is_left_alone(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, outcomes: Outcomes, clock: TurnableClock
) -> None:
    write_some(gate("inc_1", lent=100), opened)
    assert recovered(store, ingest, clock) == []
    asyncio.run(ingest.step())
    assert recovered(store, ingest, clock) == []
    assert outcomes() == {"req_1": "complete", "req_2": "open", "req_3": "open"}


@pytest.mark.parametrize("known", [True, False])
def test_a_dead_one_is_ended_and_closed(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, outcomes: Outcomes, clock: TurnableClock, *, known: bool
) -> None:
    log = gate("inc_1", lent=100)
    write_some(log, opened)
    if known:
        asyncio.run(ingest.step())
    log.close()
    assert recovered(store, ingest, clock) == [Recovered("inc_1", cut=1, failed=1, returned={"tok:acc_1": 87})]
    assert outcomes() == {"req_1": "complete", "req_2": "cut", "req_3": "failed"}
    row = store.read(lambda db: records.export(db, "req_1", 1))[0]
    assert (row["input"], row["output"], row["estimated"], row["charged"], row["ended_at"]) == (
        2,
        4,
        True,
        6,
        5 * SECOND,
    )
    assert standing(store) == Standing(granted=100_000, left=99_987, lent=0, spent=13, unreconciled=0)
    assert list(ingest.folder.iterdir()) == []
    assert recovered(store, ingest, clock) == []
    assert asyncio.run(ingest.step()) == 0
    assert store.read(ledger.verify) == []


def test_after_a_power_cut_the_slice_is_set_aside(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, clock: TurnableClock
) -> None:
    """What was spent past the last mark may be lost with the journal's end: it is not given out a second time."""
    log = gate("inc_1", lent=100, boot="before")
    write_some(log, opened)
    log.close()
    assert recovered(store, ingest, clock, "after") == [
        Recovered("inc_1", cut=1, failed=1, forfeited={"tok:acc_1": 87})
    ]
    assert standing(store) == Standing(granted=100_000, left=99_900, lent=0, spent=13, unreconciled=87)
    assert store.read(ledger.verify) == []


def test_a_journal_that_is_gone_counts_as_a_power_cut(
    store: Store, ingest: Ingest, gate: Gate, clock: TurnableClock
) -> None:
    log = gate("inc_1", lent=100)
    log.close()
    for file in log.folder.iterdir():
        file.unlink()
    log.folder.rmdir()
    assert recovered(store, ingest, clock) == [Recovered("inc_1", forfeited={"tok:acc_1": 100})]


def test_a_lock_that_did_not_survive_is_no_reason_to_trust(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, clock: TurnableClock
) -> None:
    log = Journal.open(ingest.folder, "inc_9", segment_bytes=256 * 1024, clock=clock)
    log.append(opened("req_1"))
    log.close()
    (log.folder / "lock").unlink()
    assert recovered(store, ingest, clock) == [Recovered("inc_9", failed=1)]
    assert store.read(lambda db: records.watermark(db, "inc_9")) is not None


@pytest.mark.parametrize("cut", [1, 9, 16, 17, 30, 60])
def test_a_torn_end_is_reported(
    store: Store, ingest: Ingest, gate: Gate, opened: Entries, outcomes: Outcomes, clock: TurnableClock, *, cut: int
) -> None:
    log = gate("inc_1", lent=100)
    log.append(opened("req_1"))
    tail = Tail(log.folder)
    tail.read()
    log.append(Ended("req_1", 1, "complete", 200, Usage(3, 4), "x" * 100))
    log.close()
    with journal.segment(log.folder, 1).open("r+b") as file:
        file.truncate(tail.position.offset + cut)
    (done,) = recovered(store, ingest, clock)
    assert 0 < done.torn <= cut
    assert outcomes() == {"req_1": "failed"}
    assert standing(store).left == 100_000


def test_a_gate_that_was_closed_cannot_borrow_any_more(
    store: Store, ingest: Ingest, gate: Gate, clock: TurnableClock
) -> None:
    gate("inc_1", lent=100).close()
    recovered(store, ingest, clock)
    late = store.write(lambda db: ledger.lend(db, "inc_1", "tok:acc_1", lambda left: 5, ref="late", at=1)).result()
    assert late == 0
    assert store.write(lambda db: ledger.give_back(db, "inc_1", "tok:acc_1", 5, ref="back", at=1)).result() == 0


GATE = """
import os, random, sys
from pathlib import Path
from gapura import crash
from gapura.clock import system_clock as clock
from gapura.store.journal import Journal
from gapura.terms.record import Context, Ended, Marked, Opened, Progress
from gapura.terms.usage import Usage
home, incarnation, free = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(incarnation)
place = ("SG", "certain", "peer", "", "", "SG")
context = Context("acc_1", "key_1", "o", "m", True, False, *place, "", "v", "allow", (), ())
log = Journal.open(home / "journal", incarnation, segment_bytes=128 * 1024, clock=clock)
print("ready", flush=True)
sys.stdin.readline()
running, n = {}, 0
while True:
    if free >= 20 and len(running) < 8:
        n += 1
        name, hold = f"{incarnation}-{n:06}", chance.randint(1, 20)
        free -= hold
        crash.point("before-open")
        log.append(Opened(name, clock(), 1, "glm", "glm-4.6", hold, "tok:acc_1", context=context))
        running[name] = [hold, 0]
        crash.point("after-open")
    for one in running.values():
        one[1] = min(one[0], one[1] + chance.randint(0, 3))
    log.append(Progress(clock(), tuple((name, 0, used) for name, (_, used) in running.items())))
    crash.point("mid-stream")
    if running and (free < 20 or chance.random() < 0.6):
        name = chance.choice(list(running))
        hold, used = running.pop(name)
        free += hold - used
        crash.point("before-end")
        log.append(Ended(name, clock(), "complete", 200, Usage(0, used)))
        crash.point("after-end")
        print(name, used, flush=True)
    if not running and free < 20:
        sys.exit()
"""

POINTS = ["before-open", "after-open", "mid-stream", "before-end", "after-end", ""]


def run_until_killed(home: Path, store: Store, incarnation: str, chance: random.Random) -> dict[str, int]:
    """A gate in a process of its own, lent 2,000 tokens and killed; what its clients were told: id → tokens."""
    point = chance.choice(POINTS)
    where = f"{point}:{chance.randint(1, 60)}" if point else ""
    with subprocess.Popen(
        [sys.executable, "-c", GATE, str(home), incarnation, "2000"],
        env={**os.environ, "GAPURA_CRASH_AT": where},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        store.write(lambda db: records.begin(db, incarnation, journal.boot_id(), 1)).result()
        store.write(
            lambda db: ledger.lend(db, incarnation, "tok:acc_1", lambda left: 2000, ref=incarnation, at=1)
        ).result()
        process.stdin.write("\n")
        process.stdin.flush()
        told = {}
        kill_after = chance.randint(0, 150)
        for number, line in enumerate(process.stdout):
            if line.endswith("\n"):  # the last one may be cut like everything else
                name, used = line.split()
                told[name] = int(used)
            if not point and number == kill_after:
                process.send_signal(signal.SIGKILL)
        assert process.wait() in {0, -signal.SIGKILL}
    return told


RECOVERS = """
import asyncio, sys
from pathlib import Path
from gapura.clock import system_clock as clock
from gapura.keeper.ingest import Ingest
from gapura.keeper.recover import recover
from gapura.store.sqlite import Store
home = Path(sys.argv[1])
store = Store.open(home / "gapura.db")
asyncio.run(recover(store, Ingest(store, home / "journal", clock), clock))
store.close()
"""


def test_gates_and_keepers_killed_at_random(
    tmp_path: Path, store: Store, ingest: Ingest, outcomes: Outcomes, clock: TurnableClock
) -> None:
    chance = random.Random(7)
    store.write(lambda db: ledger.set_budget(db, "tok:acc_1", 100_000, ref="b", at=1)).result()
    told: dict[str, int] = {}
    opened: set[str] = set()
    for round_ in range(24):
        incarnation = f"inc_{round_:02}"
        told |= run_until_killed(tmp_path, store, incarnation, chance)
        frames = Tail(ingest.folder / incarnation).read(10**9)
        opened |= {frame.entry.id for frame in frames if isinstance(frame.entry, Opened)}
        if round_ % 3 == 0:  # some of it is taken in while the gate is already dead
            asyncio.run(ingest.step())
        if round_ % 4 == 1:  # the recovery itself is killed
            done = subprocess.run(
                [sys.executable, "-c", RECOVERS, str(tmp_path)],
                env={**os.environ, "GAPURA_CRASH_AT": f"during-ingest:{chance.randint(1, 4)}"},
                check=False,
            )
            assert done.returncode in {0, -signal.SIGKILL}
        if round_ % 4 == 3:
            recovered(store, ingest, clock)
    recovered(store, ingest, clock)

    rows = {row["id"]: row for row in store.read(lambda db: records.export(db, limit=10**6))}
    assert set(rows) == opened and len(opened) > 200
    assert {row["outcome"] for row in rows.values()} == {"complete", "cut", "failed"}
    for name, used in told.items():
        assert (rows[name]["outcome"], rows[name]["charged"]) == ("complete", used)
    now = standing(store)
    assert store.read(ledger.verify) == []
    assert now == Standing(100_000, 100_000 - now.spent, 0, sum(row["charged"] for row in rows.values()), 0)
    assert all(row["charged"] <= row["hold"] for row in rows.values())
    assert list(ingest.folder.iterdir()) == []
    assert store.read(records.live) == []
