"""A store, a programme in it, and accounts that may claim."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gapura.clock import TurnableClock, instant
from gapura.programme import pipeline
from gapura.programme.claim import Claimed
from gapura.store import accounts
from gapura.store.base import Work
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store

T = TypeVar("T")
EXAMPLES = Path(__file__).parents[2] / "src/gapura/programme/data/examples"
STARTS = instant("2024-06-25T00:00:00+08:00")
NOW = instant("2024-06-28T09:00:00+08:00")

OFFER = """
[programme]
id = "moving"
title = "Moving to GLM"
vendor = "Zhipu"
from = 2024-06-25T00:00:00+08:00
until = 2024-08-01T00:00:00+08:00
wallet = 10_000_000

[eligibility]
ways = ["export", "code", "invitation", "record"]
measured_days = 60

[vetting]
automatic = ["code", "invitation"]

[[grants]]
amount = 1000
models = ["glm-4"]
days = 90

[[grants]]
name = "matched"
matched = { multiplier = "1.5", cap = 100_000 }
until = 2024-12-31T00:00:00+08:00
"""


def export(tokens: int, organisation: str = "", day: int = 1) -> bytes:
    """An export of one day of June with so many tokens."""
    start = instant(f"2024-06-{day:02d}T00:00:00Z") // 1_000_000
    row = {"input_tokens": tokens, "output_tokens": 0, "num_model_requests": 1, "model": "gpt-4o"}
    row |= {"organization_id": organisation} if organisation else {}
    return json.dumps({"object": "page", "data": [{"start_time": start, "results": [row]}]}).encode()


class Vendor:
    """One store, as its operator sees it."""

    def __init__(self, store: Store, clock: TurnableClock) -> None:
        self.store, self.clock = store, clock

    @property
    def by(self) -> By:
        return By("prn_1", "because", self.clock())

    def do(self, work: Work[T]) -> T:
        return self.store.write(work).result()

    def account(self, name: str, **stated: Any) -> str:
        rows = accounts.from_dicts([{"external_id": name, **stated}])
        (made,) = self.do(lambda db: accounts.upsert(db, None, rows, self.clock())).created
        return made.id

    def open(self, text: str = OFFER) -> None:
        self.do(lambda db: pipeline.propose(db, text, self.by))
        self.do(lambda db: pipeline.open_(db, "moving", self.clock()))

    def claim(self, name: str, export: bytes | None = None, **said: Any) -> str:
        """The id of a new account's claim."""
        if not self.store.read(
            lambda db: db.execute("SELECT 1 FROM account WHERE external_id = ?", (name,)).fetchone()
        ):
            self.account(name)
        claimed = Claimed(external_id=name, **said)
        secret = self.store.secret
        ready = self.store.read(lambda db: pipeline.prepare(db, secret, None, "moving", claimed, export, self.clock()))
        return self.do(lambda db: pipeline.file(db, secret, ready, self.clock())).id

    def vet(self) -> dict[str, int]:
        verdicts = self.store.read(lambda db: pipeline.judge(db, "moving"))
        moved = self.do(lambda db: pipeline.apply(db, verdicts.items(), self.by))
        return {str(state): number for state, number in moved.items()}

    def approve(self, *names: str) -> list[str]:
        of = self.store.read(lambda db: pipeline.plan(db, "moving", names))
        self.do(lambda db: pipeline.approve(db, "moving", of.claims, "apr_1", self.by))
        return self.do(lambda db: pipeline.make(db, self.by))


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock(NOW)


@pytest.fixture
def vendor(tmp_path: Path, clock: TurnableClock) -> Iterator[Vendor]:
    store = Store.open(tmp_path / "gapura.db", clock=clock)
    yield Vendor(store, clock)
    store.close()


@pytest.fixture
def opened(vendor: Vendor) -> Vendor:
    vendor.open()
    return vendor


def examples() -> list[str]:
    """The names of those that are shipped."""
    return sorted(file.stem for file in EXAMPLES.glob("*.toml"))


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.toml").read_text("utf-8")
