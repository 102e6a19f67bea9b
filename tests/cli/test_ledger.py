"""The ledger from the command line: what is wrong ends with 3, what cannot be undone is rehearsed first."""

import json
from pathlib import Path
from typing import Any

import pytest

from gapura.cli import ending
from gapura.clock import instant
from gapura.store import ledger
from gapura.store.ledger import chain
from gapura.store.sqlite import Store

JULY, AUGUST = instant("2026-07-05T00:00:00+00:00"), instant("2026-08-05T00:00:00+00:00")


def data(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """July and August of 2026, sealed."""
    path = tmp_path / "gapura-data" / "gapura.db"
    store = Store.open(path)

    def work(db: Any) -> None:
        for number in range(20):
            at = JULY if number < 12 else AUGUST
            ledger.set_budget(db, f"tok:acc_{number}", 10, ref=f"b{number}", at=at)
        chain.seal(db, store.secret)

    store.write(work).result()
    store.close()
    return path.parent


def test_all_is_well_and_the_command_says_how_much_it_has_read(run: Any, home: Path) -> None:
    assert data(run("ledger", "verify", "--json")) == {"sound": True, "transfers": 20, "problems": []}
    assert "20 transfers in the chain: everything adds up" in run("ledger", "verify").stdout


def test_what_is_wrong_is_told_and_ends_with_3(run: Any, home: Path) -> None:
    store = Store.open(home / "gapura.db")
    store.write(lambda db: db.execute("UPDATE ledger_account SET balance = 11 WHERE name = 'left:tok:acc_3'")).result()
    store.write(lambda db: db.execute("UPDATE ledger_block SET hash = zeroblob(32) WHERE seq = 2")).result()
    store.close()
    found = run("ledger", "verify")
    assert found.exit_code == ending.NO
    assert "left:tok:acc_3 has 11, but its transfers make 10" in found.stdout
    assert "block 2 of the chain was altered" in found.stdout


def test_looking(run: Any, home: Path) -> None:
    assert "left:tok:acc_3" in run("ledger", "show", "--purse", "tok:acc_3").stdout
    assert data(run("ledger", "transfers", "--limit", 3, "--json"))[2]["ref"] == "b2"
    lines = run("ledger", "export", "--after", 18).stdout_bytes.splitlines()
    assert [json.loads(line)["ref"] for line in lines] == ["b18", "b19"]


def test_a_month_is_closed_and_archived_with_confirmation(run: Any, home: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    archives = tmp_path / "archives"
    tried = run("ledger", "close", "2026-07")
    assert "--confirm 2026-07" in tried.stderr and data(run("ledger", "months", "--json")) == []
    assert run("ledger", "close", "2026-07", "--confirm", "2026-06").exit_code == ending.USAGE
    assert run("ledger", "close", "2026-07", "--confirm", "2026-07").exit_code == 0
    assert [one["month"] for one in data(run("ledger", "months", "--json"))] == ["2026-07"]
    rehearsed = run("ledger", "archive", "2026-07", "--to", archives)
    assert "--confirm 2026-07" in rehearsed.stderr and len(data(run("ledger", "transfers", "--json"))) == 20
    done = data(run("ledger", "archive", "2026-07", "--to", archives, "--confirm", "2026-07", "--json"))
    assert (done["transfers"], done["taken_out"]) == (12, 12)
    assert len(data(run("ledger", "transfers", "--json"))) == 8
    assert data(run("ledger", "verify", "--json"))["transfers"] == 8
    assert data(run("ledger", "verify", "--archive", archives, "--json"))["transfers"] == 20


def test_without_duckdb_the_way_out_is_told(
    run: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("ledger", "close", "2026-07", "--confirm", "2026-07")
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    failed = run("ledger", "archive", "2026-07", "--to", tmp_path)
    assert failed.exit_code == ending.FAILED and "gapura[backtest]" in failed.stderr


def test_a_keeper_that_runs_is_no_hindrance(run: Any, keeper: Any) -> None:
    assert run("account", "add", "acme", "--budget", 500).exit_code == 0
    assert data(run("ledger", "verify", "--json"))["sound"]
