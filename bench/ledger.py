"""How fast the ledger is, and whether it stays so: holds and captures against a bare loop over the same file system in
the same run, a hold among a million grants and ten million transfers, and how fast everything is recomputed.

    python -m bench.ledger [--seconds 5] [--rounds 3] [--transfers 10000000] [--grants 1000000] [--out FILE]

The bare loop is what no ledger can do without: one thread that takes what comes, lowers a balance and inserts a row for
each, and commits them together at synchronous=FULL.  Both serve 64 coroutines, each of which waits for its own COMMIT.
"""

import argparse
import asyncio
import json
import os
import platform
import queue
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw

from gapura.store import grants, ledger, records
from gapura.store.ledger import chain
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.terms.grants import Terms

CALLERS = 64
SECRET = Secret(b"a bench's secret of 32 bytes!!!!")
WANTED = {"ledger_to_bare": 0.3, "slower_by_at_most": 0.2, "verify_per_s": 500_000}

FILL_GRANTS = """
    WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)
    INSERT INTO ledger_account (name, kind, purse, holder, class, unit, balance, funder)
    SELECT 'left:gr:old_' || x, 'left', 'gr:old_' || x, '', '', 'tokens', 1000, 'operator:tokens' FROM n
"""
FILL_TERMS = """
    INSERT INTO granted (id, account, unit, amount, effective, expires, models, providers, products, places, priority,
                         category, programme, created_at, due_at)
    SELECT substr(purse, 4), 'acc_' || id, 'tokens', 1000, 0, 0, '[]', '[]', '[]', '[]', 50, 'promotional', '', 1, 0
    FROM ledger_account WHERE name LIKE 'left:gr:old_%'
"""
FILL_PAID = """
    INSERT INTO transfer (debit, credit, amount, kind, ref, at)
    SELECT (SELECT id FROM ledger_account WHERE name = 'operator:tokens'), id, 1000, 'grant', 'paid:' || purse, 1
    FROM ledger_account WHERE name LIKE 'left:gr:old_%'
"""
FILL_TRANSFERS = """
    WITH RECURSIVE n(x) AS (SELECT ?1 UNION ALL SELECT x + 1 FROM n WHERE x < ?2)
    INSERT INTO transfer (debit, credit, amount, kind, ref, at)
    SELECT (SELECT id FROM ledger_account WHERE name = 'operator:tokens'),
           ?3 + x % ?4, 1, 'grant', 'spend:inc_019094ca3c007:' || x || ':gr:old:input:s', 1 FROM n
"""


@contextmanager
def bare(folder: Path) -> Iterator[Callable[[int], "Future[Any]"]]:
    """`submit(n)` inserts one row; its future is done after the COMMIT."""
    db = apsw.Connection(str(folder / "bare.db"))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "FULL")
    db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, has INTEGER)")
    db.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER, ref TEXT)")
    db.executemany("INSERT INTO account VALUES (?, ?)", [(number, 10**12) for number in range(50)])
    jobs: queue.SimpleQueue[tuple[Future[Any], int] | None] = queue.SimpleQueue()

    def write() -> None:
        while (job := jobs.get()) is not None:
            batch = [job]
            while not jobs.empty() and (job := jobs.get()) is not None:
                batch.append(job)
            db.execute("BEGIN IMMEDIATE")
            for _, number in batch:
                db.execute("UPDATE account SET has = has - 10 WHERE id = ? AND has >= 10", (number % 50,))
                row = (number % 50, 10, f"hold:{number}")
                db.execute("INSERT INTO entry (account, amount, ref) VALUES (?, ?, ?)", row)
            db.execute("COMMIT")
            for future, _ in batch:
                future.set_result(None)

    def submit(number: int) -> "Future[Any]":
        future: Future[Any] = Future()
        jobs.put((future, number))
        return future

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield submit
    finally:
        jobs.put(None)
        thread.join()
        db.close()


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """A store with 50 grants that are large enough."""
    store = Store.open(folder / "gapura.db", secret=SECRET)

    def work(db: Any) -> None:
        records.begin(db, "inc", "boot", 0)
        ledger.open_account(db, "sink", unit="tokens")
        for number in range(50):
            grants.create(db, Terms(id=f"grt_{number}", account="acc", amount=0), 10**12, f"c{number}", 1)

    store.write(work).result()
    try:
        yield store
    finally:
        store.close()


def holds(store: Store, name: str) -> Callable[[int], "Future[Any]"]:
    """Of each two calls of a caller the first holds, and the second captures a part of it."""

    def submit(number: int) -> "Future[Any]":
        turn, caller = divmod(number, CALLERS)
        one = f"{name}:{turn // 2}:{caller}"
        if turn % 2 == 0:
            return store.write(lambda db: ledger.hold(db, one, f"left:gr:grt_{caller % 50}", 10, expires=2**60, at=2))
        return store.write(lambda db: ledger.capture(db, one, "sink", 7, at=3))

    return submit


def rate(submit: Callable[[int], "Future[Any]"], seconds: float) -> dict[str, float]:
    """Operations a second and how long one takes, with CALLERS that each wait for their own."""
    took: list[float] = []
    begun, worked = time.perf_counter(), time.process_time()

    async def call(number: int) -> None:
        while (now := time.perf_counter()) < begun + seconds:
            await asyncio.wrap_future(submit(number))
            took.append(time.perf_counter() - now)
            number += CALLERS

    async def all_of_them() -> None:
        await asyncio.gather(*(call(number) for number in range(CALLERS)))

    asyncio.run(all_of_them())
    spent, worked = time.perf_counter() - begun, time.process_time() - worked
    took.sort()
    return {
        "per_s": round(len(took) / spent),
        "cpu_us": round(worked / len(took) * 1e6, 1),
        "p50_ms": round(took[len(took) // 2] * 1000, 2),
        "p99_ms": round(took[len(took) * 99 // 100] * 1000, 2),
    }


def fill(store: Store, some_grants: int, some_transfers: int) -> None:
    """Old grants and transfers, by SQL, as they would lie there."""

    def settle(db: Any) -> None:
        db.execute(
            "UPDATE ledger_account SET balance = coalesce((SELECT sum(amount) FROM transfer WHERE credit = a.id), 0)"
            " - coalesce((SELECT sum(amount) FROM transfer WHERE debit = a.id), 0) FROM ledger_account a"
            " WHERE a.id = ledger_account.id"
        )

    if some_grants:
        store.write(lambda db: [db.execute(sql, given) for sql, given in (
            (FILL_GRANTS, (some_grants,)), (FILL_TERMS, ()), (FILL_PAID, ()))]).result()  # fmt: skip
    first = store.read(lambda db: db.execute("SELECT min(id) FROM ledger_account WHERE kind = 'left'").fetchone()[0])
    for low in range(1, some_transfers + 1, 500_000):
        high = min(low + 499_999, some_transfers)
        store.write(lambda db, low=low, high=high: db.execute(FILL_TRANSFERS, (low, high, first + 1, 40))).result()
    store.write(settle).result()
    while store.write(lambda db: chain.seal(db, SECRET)).result():
        pass
    # What was filled in is in the database and on the disk: neither is a part of what is measured, and no gateway has a
    # write-ahead log of its whole past.
    with closing(apsw.Connection(str(store.path))) as beside:
        beside.pragma("wal_checkpoint", "TRUNCATE")
    os.sync()


def verified(store: Store) -> dict[str, Any]:
    """Every balance and the whole chain."""
    count = store.read(lambda db: db.execute("SELECT count(*) FROM transfer").fetchone()[0])
    begun = time.perf_counter()
    problems = store.read(lambda db: [*ledger.verify(db), *ledger.closings(db, SECRET)])
    added = time.perf_counter()
    fault = store.read(lambda db: chain.verify(db, SECRET))
    over = time.perf_counter()
    assert not problems, problems
    assert fault is None, fault
    return {
        "transfers": count,
        "balances_s": round(added - begun, 2),
        "chain_s": round(over - added, 2),
        "per_s": round(count / (over - begun)),
    }


def _share(rounds: list[dict[str, Any]]) -> float:
    """Of the bare loop's rate in the same round."""
    return statistics.median(one["ledger"]["per_s"] / one["bare"]["per_s"] for one in rounds)


def _cpu(rounds: list[dict[str, Any]]) -> float:
    """Processor time of an operation with everything around it, which neighbours change less."""
    return statistics.median(one["ledger"]["cpu_us"] for one in rounds)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name, value in (("seconds", 5), ("rounds", 3), ("transfers", 10_000_000), ("grants", 1_000_000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gapura-bench-", dir=os.environ.get("BENCH_FOLDER")))
    found: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "python": platform.python_version(), "sqlite": apsw.sqlite_lib_version(), "callers": CALLERS, "wanted": WANTED,
        "load": os.getloadavg()[0],
    }  # fmt: skip
    try:
        with bare(folder) as plain, opened(folder) as store:

            def stage(name: str) -> list[dict[str, Any]]:
                """Rounds of both, one after the other: neighbours on the machine slow both."""
                rounds = []
                for number in range(given.rounds):
                    one = {"bare": rate(plain, given.seconds)}
                    one["ledger"] = rate(holds(store, f"{name}{number}"), given.seconds)
                    print(name, json.dumps(one), file=sys.stderr)
                    rounds.append(one)
                return rounds

            found["empty"] = stage("empty")
            fill(store, given.grants, 0)
            found["grants"] = {"count": given.grants, "rounds": stage("grants")}
            fill(store, 0, given.transfers)
            found["transfers"] = {"count": given.transfers, "rounds": stage("transfers")}
            while store.write(lambda db: chain.seal(db, SECRET)).result():
                pass
            found["verify"] = verified(store)
            found["bytes"] = (folder / "gapura.db").stat().st_size
    finally:
        shutil.rmtree(folder)
    before = _share(found["empty"])
    found["ledger_to_bare"] = round(before, 3)
    cpu = _cpu(found["empty"])
    for name in ("grants", "transfers"):
        rounds = found[name]["rounds"]
        found[name]["slower_by"] = round(1 - _share(rounds) / before, 3)
        found[name]["more_cpu"] = round(_cpu(rounds) / cpu - 1, 3)
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
