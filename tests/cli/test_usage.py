"""`gapura usage`: by what is asked for, on the terminal and in files."""

import csv
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from gapura.clock import instant
from gapura.store.sqlite import Store


@pytest.fixture
def used(run: Run, tmp_path: Path) -> None:
    """Two days, two models, one account."""
    run("account", "add", "acme")
    store = Store.open(tmp_path / "gapura-data" / "gapura.db")

    def work(db: object) -> None:
        (account,) = db.execute("SELECT id FROM account").fetchone()  # type: ignore[attr-defined]  # a connection
        for n, (day, model, tokens) in enumerate((("01", "glm-4", 5), ("01", "qwen-plus", 7), ("02", "glm-4", 11))):
            at = instant(f"2024-07-{day}T23:30:00+00:00")
            db.execute(  # type: ignore[attr-defined]  # as above
                "INSERT INTO request (id, outcome, account, organisation, provider, served_model, territory, input,"
                " opened_at, incarnation) VALUES (?, 'complete', ?, 'default', 'glm', ?, 'CN', ?, ?, '')",
                (f"req_{n}", account, model, tokens, at),
            )

    store.write(work).result()
    store.close()


def test_by_day_and_model(run: Run, used: None) -> None:
    rows = json.loads(run("usage", "--by", "day,model", "--json").stdout)["data"]
    assert [(row["day"], row["model"], row["input_tokens"]) for row in rows] == [
        ("2024-07-01", "glm-4", 5), ("2024-07-01", "qwen-plus", 7), ("2024-07-02", "glm-4", 11),
    ]  # fmt: skip
    assert "2024-07-02" not in run("usage", "--by", "day", "--to", "2024-07-02T00:00:00Z").stdout
    assert "23" in run("usage", "--by", "place", "--account", "acme").stdout
    assert run("usage", "--by", "colour").exit_code == 1


def test_files(run: Run, used: None, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    assert run("usage", "--by", "model", "--csv", "u.csv", "--parquet", "it's.parquet").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "u.csv").read_text().splitlines()))
    assert [(row["model"], row["input_tokens"]) for row in rows] == [("glm-4", "16"), ("qwen-plus", "7")]
    with duckdb.connect() as connection:
        found = connection.execute("SELECT model, input_tokens FROM 'it''s.parquet' ORDER BY model").fetchall()
    assert found == [("glm-4", 16), ("qwen-plus", 7)]
