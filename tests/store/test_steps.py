import sqlite3
from pathlib import Path

import apsw
import pytest

from gapura.store import steps
from gapura.store.base import StoreFailed
from gapura.store.sqlite import Store, connect

TWO = [("0001-a", "CREATE TABLE a (n INTEGER) STRICT"), ("0002-b", "CREATE TABLE b (n INTEGER) STRICT")]


@pytest.fixture
def empty(tmp_path: Path) -> apsw.Connection:
    path = tmp_path / "empty.db"
    path.touch()
    return connect(path)


def test_steps_are_done_once_and_in_order(empty: apsw.Connection) -> None:
    assert steps.applied(empty) == []
    assert steps.upgrade(empty, TWO[:1]) == ["0001-a"]
    assert steps.upgrade(empty, TWO) == ["0002-b"]
    assert steps.upgrade(empty, TWO) == []
    assert steps.applied(empty) == ["0001-a", "0002-b"]


def test_a_step_that_fails_leaves_those_before_it_and_nothing_of_itself(empty: apsw.Connection) -> None:
    bad = ("0002-b", "CREATE TABLE b (n INTEGER) STRICT; CREATE TABLE a (n INTEGER) STRICT")
    with pytest.raises(apsw.SQLError, match="already exists"):
        steps.upgrade(empty, [TWO[0], bad])
    assert not empty.in_transaction
    assert steps.upgrade(empty, TWO) == ["0002-b"]


@pytest.mark.parametrize("known", [TWO[:1], [TWO[1], TWO[0]]])
def test_an_older_program_refuses_naming_both(empty: apsw.Connection, known: list[tuple[str, str]]) -> None:
    steps.upgrade(empty, TWO)
    with pytest.raises(StoreFailed, match=f"schema 0002-b, but this gapura knows {known[-1][0]}"):
        steps.upgrade(empty, known)


def test_a_store_of_a_newer_gapura_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gapura.db"
    Store.open(path).close()
    db = sqlite3.connect(path)
    with db:
        db.execute("INSERT INTO step (name) VALUES ('9999-later')")
    db.close()
    with pytest.raises(StoreFailed, match="9999-later"):
        Store.open(path)


def test_the_schema_is_strict_and_defers_nothing(store: Store) -> None:
    tables = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables += " AND NOT strict"
    assert store.read(lambda db: db.execute(tables).fetchall()) == []
    assert not [name for name, sql in steps.STEPS if "DEFERRABLE" in sql.upper()]
    assert [name for name, _ in steps.STEPS] == sorted({name for name, _ in steps.STEPS})
