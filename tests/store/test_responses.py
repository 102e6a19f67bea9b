"""Conversations are kept for their account, for 30 days."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gapura.clock import SECOND
from gapura.store import responses
from gapura.store.retention import DAY, DAYS, forget_responses
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store

NOW = 1_720_483_200 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "gapura.db", secret=Secret(b"s" * 32))
    yield store
    store.close()


def keep(store: Store, name: str, sealed: bytes, at: int = NOW) -> None:
    store.write(lambda db: responses.keep(db, "acc_1", name, sealed, at)).result()


def find(store: Store, account: str, name: str) -> bytes:
    return store.read(lambda db: responses.find(db, account, name))


def test_one_is_found_replaced_and_dropped_by_its_account_only(store: Store) -> None:
    for sealed in (b"old", b"new"):
        keep(store, "resp_1", sealed)
    assert (find(store, "acc_1", "resp_1"), find(store, "acc_2", "resp_1")) == (b"new", b"")
    assert store.write(lambda db: responses.drop(db, "acc_2", "resp_1")).result() == b""
    assert store.write(lambda db: responses.drop(db, "acc_1", "resp_1")).result() == b"new"
    assert find(store, "acc_1", "resp_1") == b""


def test_after_thirty_days_they_are_gone(store: Store) -> None:
    keep(store, "old", b"x", NOW - DAYS * DAY - 1)
    keep(store, "young", b"x", NOW - DAYS * DAY + 1)
    assert [store.write(lambda db: forget_responses(db, NOW)).result() for _ in range(2)] == [1, 0]
    assert (find(store, "acc_1", "old"), find(store, "acc_1", "young")) == (b"", b"x")
