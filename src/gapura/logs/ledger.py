"""Closed months of the ledger as Parquet files, one a month: the transfers as they are, read again and compared with
the ledger before anybody deletes them there, and by the chain ever after.

    ledger-2026-07.parquet    id, debit, credit, amount, at, kind, ref; debit_name, credit_name, unit for whoever reads
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapura.logs.engine import Engine, opened, text
from gapura.store.base import StoreFailed
from gapura.store.ledger import archive, chain
from gapura.store.ledger.books import Books
from gapura.store.ledger.chain import Lines
from gapura.store.ledger.closing import Month

COLUMNS = {
    "id": "BIGINT", "debit": "BIGINT", "credit": "BIGINT", "amount": "BIGINT", "at": "BIGINT", "kind": "VARCHAR",
    "ref": "VARCHAR",
}  # fmt: skip


def path(folder: Path, month: str) -> Path:
    return folder / f"ledger-{month}.parquet"


def write(db: Books, month: str, folder: Path) -> tuple[Month, Path]:
    """Writes a closed month's file, whole or not at all, and reads it again.

    Raises Conflict where the month is not closed, or an earlier one is not archived; StoreFailed where the disk does
    not give back what was written; Missing where DuckDB is not installed.
    """
    found = archive.ready(db, month)
    blocks = archive.blocks(db, found)
    target = path(folder, month)
    if not blocks:
        return found, target
    draft = target.with_suffix(".draft")
    with opened() as engine:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(db, blocks, engine, draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            for after, until in blocks:
                if _lines(engine, [draft], after, until) != chain.live(db, after, until):
                    raise StoreFailed(f"{draft} does not hold what was written to it; is the disk sound?")
            draft.replace(target)
        except (OSError, engine.failure) as error:
            raise StoreFailed(f"{target}: {error}") from error
        finally:
            draft.unlink(missing_ok=True)
    return found, target


@contextmanager
def reader(folder: Path) -> Iterator[Lines]:
    """Reads archived transfers, for `chain.verify`.  Raises Missing, and StoreFailed for a file that is none."""
    files = sorted(folder.glob("ledger-*.parquet"))
    with opened() as engine:
        try:
            yield lambda _, after, until: _lines(engine, files, after, until)
        except engine.failure as error:
            raise StoreFailed(f"{folder}: {str(error).partition(chr(10))[0]}") from error


def _write(db: Books, blocks: list[tuple[int, int]], engine: Engine, draft: Path) -> None:
    """By way of the very lines that the chain is made of."""
    lines, names = engine.folder / "lines", engine.folder / "names"
    with lines.open("w", encoding="utf-8") as file:
        for after, until in blocks:
            file.write(chain.live(db, after, until)[1] + "\n")
    with names.open("w", encoding="utf-8") as file:
        for row in db.execute("SELECT id, unit, name FROM ledger_account ORDER BY id"):
            file.write("|".join(map(str, row)) + "\n")
    engine.run(
        f"COPY (SELECT t.*, d.name AS debit_name, c.name AS credit_name, d.unit AS unit FROM {_read(lines, COLUMNS)} t"
        f" JOIN {_read(names, NAMES)} d ON d.id = t.debit"
        f" JOIN {_read(names, NAMES)} c ON c.id = t.credit ORDER BY t.id)"
        f" TO {text(str(draft))} (FORMAT parquet, COMPRESSION zstd)"
    )


NAMES = {"id": "BIGINT", "unit": "VARCHAR", "name": "VARCHAR"}


def _read(file: Path, columns: dict[str, str]) -> str:
    return (
        f"read_csv({text(str(file))}, delim='|', quote='', escape='', header=false, auto_detect=false,"
        f" columns={columns})"
    )


def _lines(engine: Engine, files: list[Path], after: int, until: int) -> tuple[int, str]:
    if not files:
        return 0, ""
    listed = ", ".join(text(str(file)) for file in files)
    count, joined = engine.row(
        f"SELECT count(*), coalesce(string_agg({chain.TRANSFERS}, chr(10) ORDER BY id), '')"
        f" FROM read_parquet([{listed}]) WHERE id > ? AND id <= ?",
        after,
        until,
    )
    return int(count), str(joined)
