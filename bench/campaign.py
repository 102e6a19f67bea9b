"""Who is affected, of a million accounts; and what planning a day costs.

    python -m bench.campaign --out bench/results/campaign-DATE.json
    python -m bench.campaign --accounts 100000

Selection weighs everybody: half of the accounts were seen in China only, a quarter in Singapore only, a quarter in
both, on six days each.  It passes within 60 s and 1.5 GB.  Planning is asked for days on which 1,000, 10,000 and
100,000 notices are due, in campaigns of all accounts and of a tenth of them: what counts is what is due.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from gapura.atlas.packs import pack
from gapura.atlas.territories import CODES
from gapura.campaign import plan, schedule, select
from gapura.campaign.act import Acting, Batch
from gapura.campaign.schedule import Spread, Step
from gapura.clock import SECOND, system_clock, text
from gapura.store import campaigns
from gapura.store.base import Connection
from gapura.store.campaigns import Kept
from gapura.store.members import Next
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.store.visits import DAY
from gapura.terms.campaign import Campaign
from gapura.terms.rulebook import Policy

MOST_S, MOST_MB = 60.0, 1536
DAYS = 6
EXEMPTED = 50_000
POLICY = Policy(name="openai/api", pack=pack("openai/api"))
ZONES = ("Asia/Shanghai", "Asia/Singapore", "Asia/Jakarta", "Europe/Lisbon", "UTC")

# Accounts by number, and the days on which each was seen; all in one statement, and nothing of it in memory.
ACCOUNTS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
    INSERT INTO account (id, external_id, organisation, name, status, language, zone, declared_territory, ownership,
        contacts, requests_per_minute, tokens_per_minute, budget, data_may_go_to, created_at)
    SELECT printf('acc_%032x', i), 'a' || i, 'default', '', 'active', 'en', ?2, '', '',
        '{"technical":"t@d' || (i % 997) || '.example"}', 0, 0, -1, '[]', 0 FROM n WHERE i % ?3 = ?4"""
VISITS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1),
        d(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM d WHERE k + 1 < ?2)
    INSERT INTO visit SELECT printf('acc_%032x', i), ?3 - 5 * k - 1,
        CASE WHEN i % 4 < 2 THEN 'CN' WHEN i % 4 = 2 THEN 'SG' WHEN k % 2 THEN 'CN' ELSE 'SG' END, 3 FROM n, d"""


def fill(path: Path, count: int) -> None:
    """In a process of its own, so that its memory does not count."""
    at = system_clock()
    with closing(Store.open(path)) as store:
        for number, zone in enumerate(ZONES):
            store.write(_filling(ACCOUNTS, (count, zone, len(ZONES), number))).result()
        store.write(_filling(VISITS, (count, DAYS, at // DAY))).result()


def _filling(statement: str, values: tuple[Any, ...]) -> Callable[[Connection], Any]:
    return lambda db: db.execute(statement, values).fetchall()


def campaign(store: Store) -> Kept:
    at = system_clock()
    spec = Campaign(name="bench", policy=POLICY.name, effective_at=at + 61 * DAY)
    return store.write(lambda db: campaigns.write(db, spec, By("bench", "", at))).result()


async def measure(path: Path, count: int) -> dict[str, Any]:
    with closing(Store.open(path)) as store:
        kept, at = campaign(store), system_clock()
        asked = select.question(kept.id, kept.spec, POLICY, tuple(sorted(CODES)), at)
        begun = time.perf_counter()
        foreseen = await select.preview(store, asked, None)
        previewed = time.perf_counter() - begun

        def due(zone: str) -> tuple[int, int]:
            return plan.following(kept.spec, 0, zone, plan.day(kept.spec, 0, at), at)

        begun = time.perf_counter()
        first = await select.select(store, asked, due, None, lambda _, __: None)
        selected = time.perf_counter() - begun
        begun = time.perf_counter()
        again = await select.select(store, asked, due, None, lambda _, __: None)
        weighed = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert first.affected == foreseen.affected == again.affected == first.enrolled
        return {
            "accounts": count, "visits": count * DAYS, "affected": first.affected,
            "preview_s": round(previewed, 2), "select_s": round(selected, 2), "weighed_again_s": round(weighed, 2),
            "peak_mb": round(peak), "exempted_per_s": await _exempting(store, kept),
            "planning": [await _planning(store, kept, people, notices) for people, notices in days(first.affected)],
        }  # fmt: skip


def days(affected: int) -> list[tuple[int, int]]:
    """How many are in the campaign, and how many are due."""
    return [
        (people, notices)
        for people in (affected, affected // 10)
        for notices in (1_000, 10_000, 100_000)
        if notices <= people
    ]


async def _exempting(store: Store, kept: Kept) -> int:
    """How many exceptions are written a second before the dates are armed."""
    acting, after, done, begun = Acting(store.secret, lambda *_: 0), "", 0, time.perf_counter()
    while done < EXEMPTED:
        found = store.write(_batch(acting, kept, after)).result()
        if not found.last:
            break
        after, done = found.last, done + len(found.changed)
    return round(done / (time.perf_counter() - begun))


def _batch(acting: Acting, kept: Kept, after: str) -> Callable[[Connection], Batch]:
    return lambda db: acting.exempt(db, kept, after, system_clock())


async def _planning(store: Store, kept: Kept, people: int, notices: int) -> dict[str, Any]:
    """So many are in the campaign, of whom so many are due now; the others next year."""
    at = system_clock()

    def prepare(db: Connection) -> None:
        db.execute("DELETE FROM delivery")
        db.execute("UPDATE campaign_account SET stage = 2, next_at = ?", (at + 365 * DAY,))
        limit = "SELECT account FROM campaign_account ORDER BY account LIMIT"
        db.execute(f"DELETE FROM campaign_account WHERE account NOT IN ({limit} ?)", (people,))
        db.execute(f"UPDATE campaign_account SET next_at = ? WHERE account IN ({limit} ?)", (at, notices))

    store.write(prepare).result()

    def walk(one: Next) -> Step:
        stage = plan.stages(kept.spec)[one.stage]
        following, due = plan.following(kept.spec, one.stage + 1, one.zone, kept.spec.effective_at, at)
        return Step(stage.name, stage.kind, following, due)

    begun = time.perf_counter()
    made = await schedule.plan(store, kept.id, at + SECOND, at, walk, Spread(kept.spec.pace))
    taken = time.perf_counter() - begun
    assert made == notices
    return {"people": people, "due": notices, "s": round(taken, 3), "us_each": round(taken / notices * 1e6, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill(given.fill, given.accounts)
        return 0
    with tempfile.TemporaryDirectory(prefix="gp", dir=os.environ.get("TMPDIR")) as folder:
        path = Path(folder) / "gapura.db"
        command = [sys.executable, "-m", "bench.campaign", "--fill", str(path), "--accounts", str(given.accounts)]
        subprocess.run(command, check=True)
        found = asyncio.run(measure(path, given.accounts))
    found |= {
        "date": text(system_clock())[:10], "python": platform.python_version(), "cores": os.cpu_count(),
        "load": os.getloadavg()[0], "most_s": MOST_S, "most_mb": MOST_MB,
        "passes": found["select_s"] <= MOST_S and found["peak_mb"] <= MOST_MB,
    }  # fmt: skip
    words = json.dumps(found, indent=2)
    print(words)
    if given.out:
        given.out.write_text(words + "\n")
    return 0 if found["passes"] else 1


if __name__ == "__main__":
    sys.exit(main())
