"""Back-tests over small files, with the shipped place data and real rules."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gapura.atlas import sources
from gapura.atlas.batch import Batch
from gapura.cli.parties import Judge
from gapura.clock import instant
from gapura.logs import engine, files
from gapura.logs.backtest import Parties, run
from gapura.logs.fields import Fields
from gapura.logs.result import Backtest, Question
from gapura.rulebook.read import read
from gapura.terms.caller import Account
from gapura.terms.rulebook import Rulebook

NOW = instant("2026-11-01T00:00:00+00:00")
PRODUCT = "openai/api"

Ask = Callable[..., Backtest]


def book(*policies: dict[str, Any]) -> Rulebook:
    return read({"policies": [{"pack": PRODUCT, **policy} for policy in policies]}, endpoints=(), models={})


@pytest.fixture(scope="session")
def atlas() -> sources.Atlas:
    return sources.load()


@pytest.fixture(scope="session")
def batch(atlas: sources.Atlas) -> Batch:
    return Batch(atlas)


@pytest.fixture
def ask(batch: Batch, tmp_path: Path) -> Ask:
    """`ask(file, …)` or `ask(file, following={…policy…}, against={…}, older=atlas, stdin=bytes, …question)`."""

    def asked(
        *logs: Path | str,
        following: Mapping[str, Any] | None = None,
        against: Mapping[str, Any] | None = None,
        older: sources.Atlas | None = None,
        directory: Mapping[str, Account] | None = None,
        wanted: Fields | None = None,
        trusted: tuple[str, ...] = (),
        stdin: bytes = b"",
        parquet: Path | None = None,
        top: int = 20,
        **question: Any,
    ) -> Backtest:
        after = Judge("next", book(dict(following or {})), PRODUCT, NOW)
        before = Judge("in-force", book(dict(against)), PRODUCT, NOW) if against is not None else None
        whole: dict[str, Any] = {
            "product": PRODUCT, "hit": "block", "next": after.side, "against": before.side if before else None,
            "since": 0, "until": 0, "min_days": 1, "place_data": "shipped", "older_place_data": "",
            "site_territory": "",
        } | question  # fmt: skip
        located = Batch(batch._atlas, trusted) if trusted else batch
        parties = Parties(
            after, before, located, Batch(older) if older else None, directory or {}, by_model=after.by_model
        )
        with engine.opened(within=tmp_path) as opened:
            found = files.found(map(str, logs), opened.folder, io.BytesIO(stdin))
            return run(
                opened, found, wanted or Fields(), Question(**whole), parties, made_at=NOW, top=top, parquet=parquet
            )

    return asked
