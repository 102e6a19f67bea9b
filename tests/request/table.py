"""The documented table of faults, which the tests read their expectations from."""

import re
from pathlib import Path

import msgspec

MANUAL = Path(__file__).parents[2] / "docs" / "reference" / "failures.md"
COLUMNS = ["fault", "another target", "circuit", "status", "code", "x-should-retry", "retry-after", "record", "usage"]


class Row(msgspec.Struct, frozen=True):
    """One line.  What is a dash there is None, and code is without its marks."""

    fault: str
    another: str | None
    circuit: str | None
    status: int
    code: str | None
    should_retry: str | None
    retry_after: str | None
    record: str | None
    usage: str | None


def rows() -> dict[str, Row]:
    """By fault.  Raises where the table has other columns than those that are tested."""
    lines = [line for line in MANUAL.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    header, *rest = lines[: next(n for n, line in enumerate(lines) if line.startswith("| setting"))]
    assert _cells(header) == COLUMNS
    found = {}
    for fault, another, circuit, status, code, *others in map(_cells, rest):
        said = [None if cell == "–" else cell for cell in (another, circuit, *others)]
        number = 0 if status == "–" else int(status)
        name = None if code == "–" else code.strip("`")
        found[fault] = Row(fault, said[0], said[1], number, name, *said[2:])
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


ROWS = rows()
