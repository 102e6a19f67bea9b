"""How gates are told of many accounts at once."""

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gapura.clock import TurnableClock
from gapura.keeper import telling
from gapura.keeper.telling import DELTAS, PIECE, Telling
from gapura.store import accounts, directory
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.terms.link import Delta


class Heard:
    """What the gates were sent."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.files: list[tuple[str, int]] = []

    def publish_delta(self, delta: Delta) -> None:
        self.deltas.append(delta)

    def publish_directory(self, path: str, seq: int) -> None:
        self.files.append((path, seq))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    clock = TurnableClock(1)
    store = Store.open(tmp_path / "gapura.db", secret=Secret(b"a secret that is long enough, yes"), clock=clock)
    yield store
    store.close()


def added(store: Store, count: int) -> list[str]:
    stated = accounts.from_dicts([{"external_id": f"a{number}"} for number in range(count)])
    return [one.id for one in store.write(lambda db: accounts.upsert(db, None, stated, 1)).result().created]


def told(store: Store, path: Path, names: list[str]) -> tuple[Heard, Telling]:
    heard: Any = Heard()
    made = Telling(store, heard, path)

    async def all_of_it() -> None:
        made.publish_accounts(names)
        await made.settled()

    asyncio.run(all_of_it())
    return heard, made


@pytest.mark.parametrize("count", [1, PIECE, 2 * PIECE + 1])
def test_each_of_some_is_told_once_in_pieces(store: Store, tmp_path: Path, count: int) -> None:
    names = added(store, count)
    heard, made = told(store, tmp_path / "directory", names)
    assert [name for delta in heard.deltas for name in delta.accounts] == names
    assert all(len(delta.accounts) <= PIECE for delta in heard.deltas) and heard.files == []
    assert [delta.seq for delta in heard.deltas] == list(range(1, made.seq + 1))


def test_a_great_many_are_told_by_one_file_also_after_a_full_disk(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, tries, write = added(store, 3), list[int](), directory.write

    def full_at_first(*given: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*given)

    monkeypatch.setattr(directory, "write", full_at_first)
    monkeypatch.setattr(telling, "RETRY_S", 0)
    path = tmp_path / "directory"
    heard, made = told(store, path, names * (DELTAS // len(names) + 1))
    assert heard.deltas == [] and heard.files == [(str(path), made.seq)] and len(tries) == 2
    assert path.stat().st_size > 0
