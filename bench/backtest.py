"""What a back-test costs, beside what DuckDB alone needs for the least that it could do with the same files.

    .venv/bin/python bench/backtest.py [PART…] [--rows-scale 1.0] [--into bench/results]

Parts: batch, text, combined, parquet, flat, memory; without: all.  Each has its bar (issue 4, Show 6):

    batch     ≥ 20 million distinct IPv4 integers a second, in memory
    text      ≥ 20 million lines of text addresses a second, of which ≤ 1 % are distinct: grouped first, then parsed
    combined  a log of 10 million lines ≤ 3 × DuckDB's regex split of the same file
    parquet   20 million rows ≤ 3 × DuckDB's group-by of account × address × day
    flat      the same where grouping hardly helps; it has no bar
    memory    ≤ 2 GB at the peak with 10 million distinct addresses, of which DuckDB may have 1 GB, the rest on disk

Data are made under a temporary folder (some 3 GB) by arithmetic, so they are the same each time.  Every part runs
in a process of its own; the file is written anew with each part's numbers.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from gapura.atlas import sources
from gapura.atlas.batch import Batch
from gapura.cli.parties import Judge
from gapura.logs import engine, files
from gapura.logs.backtest import Parties, run
from gapura.logs.fields import Fields
from gapura.logs.result import Question
from gapura.rulebook.read import read

MILLION = 1_000_000
REPEATS = 3
PRODUCT = "openai/api"
REGEX = r'^(\S+) (\S+) (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}) (\S+) "([^"]*)" "([^"]*)"'
NAMES = "['address', 'ident', 'user', 'time', 'request', 'status', 'bytes', 'referer', 'agent']"
# 100,000 addresses in 223 /8s, some of them private, reserved or unknown, as they are in logs.
ADDRESS = "concat(1 + h % 223, '.', (h >> 8) % 256, '.', (h >> 16) % 256, '.', (h >> 24) % 256)"
LINES = "columns={'line': 'VARCHAR'}, delim='\x02', header=false, quote='', escape='', auto_detect=false"


def batch(scale: float, _: Path) -> dict[str, Any]:
    count = int(10 * MILLION * scale)
    # An odd multiplier visits every integer once.
    addresses = (np.arange(count, dtype=np.uint64) * np.uint64(2_654_435_761) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    atlas = sources.load()
    begun = time.perf_counter()
    made = Batch(atlas)
    built = time.perf_counter() - begun
    best = timed(lambda: made.integers(addresses))
    return {"addresses": count, "build_s": round(built, 2), "s": best,
            "millions_per_s": round(count / best / MILLION, 1), "bar": 20}  # fmt: skip


def text(scale: float, _: Path) -> dict[str, Any]:
    count = int(10 * MILLION * scale)
    connection = duckdb.connect()
    ask(
        connection,
        f"""
        CREATE TABLE log AS
        SELECT {ADDRESS} AS address FROM (SELECT hash(i % {count // 100}) AS h FROM range({count}) r(i))""",
    )
    made = Batch(sources.load())

    def once() -> None:
        found = connection.execute("SELECT address, count(*) AS requests FROM log GROUP BY address").fetchnumpy()
        numbers, _ = made.texts(found["address"].tolist())
        np.bincount(numbers, found["requests"])

    best = timed(once)
    distinct = ask(connection, "SELECT count(DISTINCT address) FROM log")[0][0]
    return {
        "lines": count,
        "distinct": distinct,
        "s": best,
        "millions_per_s": round(count / best / MILLION, 1),
        "bar": 20,
    }


def combined(scale: float, folder: Path) -> dict[str, Any]:
    count, path = int(10 * MILLION * scale), folder / "access.log"
    stamp = f"strftime(TIMESTAMP '2026-06-01' + INTERVAL (i * 2592000 // {count}) SECOND, '%d/%b/%Y:%H:%M:%S')"
    ask(
        duckdb.connect(),
        f"""
        COPY (SELECT concat({ADDRESS}, ' - acct-', hash(h) % 20000, ' [', {stamp},
                            ' +0800] "POST /v1/chat/completions HTTP/1.1" 200 ', h % 5000,
                            ' "-" "python-requests/2.32 (Linux; x86_64)"')
              FROM (SELECT i, hash(i % 100003) AS h FROM range({count}) r(i)))
        TO '{path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x02')""",
    )
    split = f"regexp_extract(line, '{REGEX}', {NAMES}) AS m"
    least = f"SELECT count(m.address), max(m.user), max(m.time) FROM (SELECT {split} FROM read_csv('{path}', {LINES}))"
    return compared(path, least, {"lines": count, "bytes": path.stat().st_size})


def parquet(scale: float, folder: Path) -> dict[str, Any]:
    """As logs are: a few addresses send most requests."""
    return _parquet(scale, folder, "(300007 * power(hash(i) % 1000003 / 1000003.0, 3))::BIGINT")


def flat(scale: float, folder: Path) -> dict[str, Any]:
    """As they are not: every address sends two requests a day, so that grouping hardly makes it less."""
    return _parquet(scale, folder, "hash(i) % 300007")


def _parquet(scale: float, folder: Path, which: str) -> dict[str, Any]:
    count, path = int(20 * MILLION * scale), folder / "log.parquet"
    ask(
        duckdb.connect(),
        f"""
        COPY (SELECT {ADDRESS} AS address, concat('acct-', hash(h) % 50000) AS account,
                     make_timestamp(1780272000000000 + i * {2_592_000_000_000 // count}) AS time,
                     (h % 3000)::INTEGER AS tokens
              FROM (SELECT i, hash({which}) AS h FROM range({count}) r(i)))
        TO '{path}' (FORMAT parquet)""",
    )
    least = f"""
        SELECT count(*) FROM (
            SELECT account, address, CAST(time AS DATE) AS day, count(*), sum(tokens)
            FROM read_parquet('{path}') GROUP BY ALL)"""
    groups = ask(duckdb.connect(), least)[0][0]
    return compared(path, least, {"rows": count, "groups": groups, "bytes": path.stat().st_size})


def memory(scale: float, folder: Path) -> dict[str, Any]:
    count, path = int(10 * MILLION * scale), folder / "wide.parquet"
    address = "concat(1 + i % 223, '.', (i // 223) % 256, '.', (i // 57088) % 256, '.', i * 7919 % 256)"
    connection = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(folder / "spilled")})
    ask(
        connection,
        f"""
        COPY (SELECT {address} AS address, concat('acct-', i % 2000003) AS account,
                     make_timestamp(1780272000000000 + i * {1_296_000_000_000 // count}) AS time, 7 AS tokens
              FROM (SELECT i % {count} AS i FROM range({2 * count}) r(i)))
        TO '{path}' (FORMAT parquet)""",
    )
    connection.close()
    before = peak()
    begun = time.perf_counter()
    found = backtest(path, folder)
    taken = time.perf_counter() - begun
    return {"rows": 2 * count, "addresses": found["addresses"], "accounts": found["accounts"], "s": round(taken, 2),
            "peak_mb": peak(), "peak_before_mb": before, "bar": 2048}  # fmt: skip


def compared(path: Path, least: str, told: dict[str, Any]) -> dict[str, Any]:
    """The whole back-test, place data loaded and report figures made, beside one statement."""
    connection = duckdb.connect()
    alone = timed(lambda: ask(connection, least))
    connection.close()
    ours = timed(lambda: backtest(path, path.parent))
    return told | {"duckdb_s": alone, "backtest_s": ours, "ratio": round(ours / alone, 2), "bar": 3}


def backtest(path: Path, folder: Path) -> dict[str, int]:
    book = read({"policies": [{"pack": PRODUCT}]}, endpoints=(), models={})
    judge = Judge("bench", book, PRODUCT, 1_790_000_000_000_000)
    question = Question(
        product=PRODUCT, hit="block", next=judge.side, against=None, since=0, until=0, min_days=1, place_data="shipped",
        older_place_data="", site_territory="",
    )  # fmt: skip
    with engine.opened(within=folder) as opened:
        logs = files.found([str(path)], opened.folder, sys.stdin.buffer)
        parties = Parties(judge, None, Batch(sources.load()), None, {})
        found = run(opened, logs, Fields(), question, parties, made_at=0)
    assert found.hit.requests, "the data are made so that somebody is hit"
    return {"addresses": found.seen.addresses, "accounts": found.seen.accounts}


def ask(connection: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"SET enable_progress_bar = false; {statement}").fetchall()


def timed(work: Callable[[], object]) -> float:
    """The best of a few, in seconds: what disturbs makes it slower, never faster."""
    best = float("inf")
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return round(best, 3)


def peak() -> int:
    """MB that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


PARTS = {part.__name__: part for part in (batch, text, combined, parquet, flat, memory)}


def apart(name: str, scale: float, results: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="gapura-bench-") as folder:
        results.put(PARTS[name](scale, Path(folder)))


def machine() -> dict[str, Any]:
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())  # fmt: skip
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "duckdb": duckdb.__version__,
            "numpy": np.__version__, "system": platform.platform()}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--rows-scale", type=float, default=1.0, help="of the rows that the bars speak of")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    day = datetime.now(UTC).strftime("%Y-%m-%d")  # noqa: TID251 - a file's name
    path = given.into / f"backtest-{day}.json"
    told = json.loads(path.read_text()) if path.exists() else {"machine": machine(), "parts": {}}
    for name in given.parts or PARTS:
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=apart, args=(name, given.rows_scale, results))
        process.start()
        found = results.get()
        process.join()
        told["parts"][name] = {"rows_scale": given.rows_scale} | found
        print(name, json.dumps(found))
        path.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
