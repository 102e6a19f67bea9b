"""Stores that former releases wrote are read by this one: each is kept here as SQL, as it was then."""

import sqlite3
from pathlib import Path

import pytest

from gapura.store import accounts, audit, ledger, records, steps
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store

SECRET = Secret(b"a fixture's secret of 32 bytes!!")
RELEASES = sorted((Path(__file__).parent / "releases").glob("*.sql"))


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_a_store_of_a_former_release_is_taken_over_whole(release: Path, tmp_path: Path) -> None:
    path = tmp_path / "gapura.db"
    db = sqlite3.connect(path)
    db.executescript(release.read_text("utf-8"))
    db.close()
    store = Store.open(path, secret=SECRET)
    try:
        assert store.read(steps.applied) == [name for name, _ in steps.STEPS]
        assert {one.external_id: one.language for one in store.read(accounts.every)} == {
            "acme": "zh-Hans",
            "globex": "",
        }
        assert [row["outcome"] for row in store.read(records.export)] == ["complete", "refused", "open"]
        assert store.read(ledger.verify) == []
        assert store.read(lambda db: audit.verify(db, SECRET)) is None
    finally:
        store.close()
