"""What time and a kill do to claims and grants."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from tests.programme.conftest import NOW, Vendor, export

from gapura.clock import TurnableClock
from gapura.keeper.granting import Granting
from gapura.keeper.jobs import Jobs
from gapura.programme import pipeline
from gapura.store import accounts, claims, grants, jobs, ledger, records
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key


class Scene(Vendor):
    """A vendor, and the jobs of its keeper."""

    def __init__(self, store: Store, clock: TurnableClock) -> None:
        super().__init__(store, clock)
        self.told: list[tuple[str, int]] = []
        self.jobs = Jobs(store, clock)
        self.recalled: list[str] = []
        Granting(store, self.jobs, self.publish, self.recalled.append, clock).begin()

    def publish(self, _: Mapping[str, Key], changed: Mapping[str, Account]) -> None:
        self.told += [(account.external_id, len(account.grants)) for account in changed.values()]

    def settle(self) -> None:
        asyncio.run(self.jobs.settled())

    def events(self) -> list[tuple[str, Any]]:
        rows: Any = self.store.read(lambda db: db.execute("SELECT payload FROM event ORDER BY seq").fetchall())
        events = [json.loads(payload) for (payload,) in rows]
        return [(one["type"], one["data"].get("percent") or one["data"].get("days")) for one in events]

    def spend(self, grant: str, amount: int) -> None:
        def work(db: Any) -> None:
            records.begin(db, "inc_1", "boot", 1)
            ref, at = f"{grant}:{amount}", self.clock()
            ledger.lend(db, "inc_1", f"gr:{grant}", lambda _: amount, ref=f"l{ref}", at=at)
            ledger.spend(db, "inc_1", f"gr:{grant}", {"input": amount}, ref=f"s{ref}", at=at)

        self.do(work)


@pytest.fixture
def scene(store: Store, clock: TurnableClock) -> Scene:
    clock.turn(seconds=(NOW - clock()) / 1_000_000)
    made = Scene(store, clock)
    made.open()
    return made


def granted(scene: Scene, tokens: int = 2000) -> tuple[str, ...]:
    claim = scene.claim("acme", export(tokens))
    scene.vet()
    scene.approve()
    return tuple(scene.store.read(lambda db: claims.granted(db, claim)))


def test_each_share_and_each_day_is_told_once(scene: Scene) -> None:
    fixed, matched = granted(scene)
    scene.settle()
    for amount in (499, 1, 300, 200):
        scene.spend(fixed, amount)
        scene.clock.turn(seconds=60)
        scene.settle()
        scene.settle()
    assert scene.events()[2:] == [("grant.spent", 50), ("grant.spent", 80), ("grant.exhausted", None)]
    assert scene.told == [("acme", 1)], "nothing is to be had of the fixed one"
    for days in (77, 7, 5.5, 1, 81.5, 7, 6, 1, 300):
        scene.clock.turn(days=days)
        scene.settle()
    one_end = [("grant.expires", 14), ("grant.expires", 7), ("grant.expires", 1), ("grant.expired", None)]
    assert scene.events()[5:] == one_end * 2
    assert scene.told[-1] == ("acme", 0)
    assert scene.recalled == [f"gr:{fixed}", f"gr:{fixed}", f"gr:{matched}"], "exhausted, over, over"
    held = scene.store.read(lambda db: grants.get(db, matched))
    assert (held.state, held.standing.left) == ("expired", 0)
    assert scene.store.read(lambda db: ledger.balance(db, grants.wallet("moving", "tokens"))) == 10_000_000 - 1000


KILLED = """
import os, signal, sys
from pathlib import Path
from gapura.clock import TurnableClock
from gapura.programme import pipeline
from gapura.store import jobs
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store

clock = TurnableClock(int(sys.argv[2]))
store = Store.open(Path(sys.argv[1]), clock=clock)
by = By("prn_1", "because", clock())
of = store.read(lambda db: pipeline.plan(db, "moving"))

def approve(db):
    jobs.ring(db, pipeline.JOB, "all", clock())
    pipeline.approve(db, "moving", of.claims, "apr_1", by)

store.write(approve).result()
store.write(lambda db: pipeline.make(db, by, 2)).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_grants_that_were_promised_are_made_after_a_kill_once(scene: Scene) -> None:
    names = [scene.claim(f"a{n}", export(100 + n)) for n in range(5)]
    scene.vet()
    scene.settle()
    path, at = str(scene.store.path), str(scene.clock())
    done = subprocess.run([sys.executable, "-c", KILLED, path, at], env=dict(os.environ), check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    states = [scene.store.read(partial(claims.get, scope=None, claim=name)).state for name in names]
    assert sorted(states) == ["approved"] * 3 + ["granted"] * 2
    scene.settle()
    assert scene.store.read(lambda db: claims.counts(db, "moving")) == {
        "granted": (5, sum(1000 + (100 + n) * 3 // 2 for n in range(5)))
    }
    made = scene.store.read(lambda db: [len(grants.of_account(db, one.id, at=NOW)) for one in accounts.page(db, None)])
    assert made == [2] * 5
    assert [number for _, number in scene.told] == [2, 2, 2], "the first two were told by whoever made them, or not"
    assert scene.store.read(ledger.verify) == []
    assert scene.store.read(lambda db: jobs.find(db, pipeline.JOB, "all")).state == "done"  # type: ignore[union-attr]


def test_many_are_looked_at_piece_by_piece(scene: Scene) -> None:
    for n in range(pipeline.PIECE + 20):
        scene.claim(f"a{n}", export(10 + n))
    scene.vet()
    while scene.approve():
        pass
    scene.clock.turn(days=91)
    scene.settle()
    assert [kind for kind, _ in scene.events()].count("grant.expired") == pipeline.PIECE + 20
