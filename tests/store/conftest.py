"""A store on a real file, and who changes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gapura.clock import TurnableClock, instant
from gapura.store.sqlite import Store


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock(instant("2024-07-08T23:59:00+00:00"))


@pytest.fixture
def store(tmp_path: Path, clock: TurnableClock) -> Iterator[Store]:
    store = Store.open(tmp_path / "home" / "gapura.db", clock=clock)
    yield store
    store.close()
