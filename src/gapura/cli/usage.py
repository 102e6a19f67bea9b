"""What was consumed."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gapura.cli.account import organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.ending import Failed
from gapura.cli.output import Output, table
from gapura.extras import install
from gapura.wire.spreadsheets import cell

UNITS = ("images", "seconds", "characters")
SUMS = ("requests", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "estimated", *UNITS)
COLUMNS = ("account", "key", "model", "provider", "requests", "input_tokens", "output_tokens", "estimated", *UNITS)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Tokens by account, key, model, provider, day and place.")
@click.option("--account", help="Only this account.")
@organisation
@click.option("--key", help="Only this key (key_…).")
@click.option("--from", "since", metavar="INSTANT", help="Begun at or after, as 2026-07-09T00:00:00+08:00.")
@click.option("--to", "until", metavar="INSTANT", help="Begun before.")
@click.option("--by", metavar="WHAT", help="As day,model: some of day, account, key, model, provider, place.")
@click.option("--csv", "as_csv", type=FILE, help="Also write a table.")
@click.option("--parquet", type=FILE, help="Also write a Parquet file (extra `backtest`).")
@speaks("usage")
def usage(api: Api, out: Output, account: str | None, organisation: str, **query: Any) -> None:
    """One row an account, key, model and provider, or by what --by says.

    `estimated` counts the requests for which the provider gave no usage, so that the tokens are ours.
    """
    wanted = {"key": query["key"], "from": query["since"], "to": query["until"]}
    if account:
        wanted["account"] = account_id(api, account, organisation)
    columns: Sequence[str] = COLUMNS
    if query["by"]:
        found = api.get("/usage/by", by=query["by"], **wanted)["items"]
        found = [row.pop("of") | row for row in found]
        columns = (*query["by"].split(","), *SUMS)
    else:
        found = api.get("/usage", **wanted)["items"]
    if query["as_csv"]:
        _write_csv(query["as_csv"], found, columns)
    if query["parquet"]:
        _write_parquet(query["parquet"], found, columns)
    shown = [name for name in columns if name not in UNITS or any(row[name] for row in found)]
    out.say(found, lambda: table(found, shown))


def _write_csv(path: Path, found: list[dict[str, Any]], columns: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, columns, extrasaction="ignore")
        rows.writeheader()
        rows.writerows({name: cell(value) for name, value in row.items()} for row in found)


def _write_parquet(path: Path, found: list[dict[str, Any]], columns: Sequence[str]) -> None:
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        message = "Parquet files need DuckDB"
        raise Failed(message, code="missing_extra", field="parquet", hint=install("backtest")) from None
    kinds = ", ".join(f'"{name}" {"BIGINT" if name in SUMS else "VARCHAR"}' for name in columns)
    marks = ", ".join("?" * len(columns))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE used ({kinds})")
        if found:
            rows = [[row[name] for name in columns] for row in found]
            connection.executemany(f"INSERT INTO used VALUES ({marks})", rows)  # noqa: S608 - marks
        quoted = str(path).replace("'", "''")
        connection.execute(f"COPY used TO '{quoted}' (FORMAT parquet)")
