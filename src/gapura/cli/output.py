"""What a command says: for people plain aligned text, with --json one envelope.

{"schema": "gapura.account.list/1", "data": …, "warnings": […]}
"""

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import click

from gapura.clock import text

VERSION = 1
WIDE = {"W", "F"}


class Output:
    """One command's voice.  `say` is called once."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        self.schema, self.as_json = f"gapura.{command}/{VERSION}", as_json
        self.warnings: list[str] = []

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def say(self, data: Any, told: Callable[[], str]) -> None:
        """`told` makes the text for people; it is not called where nobody reads it."""
        if self.as_json:
            envelope = {"schema": self.schema, "data": data, "warnings": self.warnings}
            click.echo(json.dumps(envelope, ensure_ascii=False))
            return
        for warning in self.warnings:
            click.echo(f"gapura: note: {safe(warning)}", err=True)
        if words := told():
            click.echo(words, color=False if os.environ.get("NO_COLOR") else None)


def room(out: Output) -> None:
    """Before a secret is made: raises OSError where `once` could not keep it."""
    if not (out.as_json or sys.stdout.isatty() or os.access(".", os.W_OK)):
        raise PermissionError(f"the secret cannot be written into {Path.cwd()}; go elsewhere, or use --json")


def once(secret: str | None, name: str, out: Output) -> str:
    """What to show of a secret that is told this once: itself on a terminal or in the JSON that somebody asked for,
    else the path of a file (0600) with it, since what is printed into a pipe ends in a log."""
    if secret is None:
        return "was told before"
    if out.as_json or sys.stdout.isatty():
        out.warn("it is shown this once; keep it where secrets are kept")
        return secret
    names = (f"{name}-{number}" if number else name for number in count())
    paths = (Path(f"{one}.secret").absolute() for one in names)
    path = next(path for path in paths if not os.path.lexists(path))  # a link is made again and again
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
    out.warn(f"it is in {path}, and nowhere else; with --json it is printed")
    return str(path)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Aligned columns; numbers to the right.  Without rows it says so."""
    lines = [[_cell(row.get(column), column) for column in columns] for row in rows]
    if not lines:
        return "none"
    numeric = [all(_is_number(line[n]) for line in lines) for n in range(len(columns))]
    head = [column.replace("_", " ") for column in columns]
    widths = [max(_width(line[n]) for line in [head, *lines]) for n in range(len(columns))]
    aligned = [_aligned(line, widths, numeric) for line in [head, *lines]]
    return "\n".join([click.style(aligned[0], bold=True), *aligned[1:]])


def pairs(values: Mapping[str, Any]) -> str:
    """One line a value, names aligned."""
    width = max((_width(name) for name in values), default=0)
    return "\n".join(
        f"{name.replace('_', ' ').ljust(width)}  {_cell(value, name)}".rstrip() for name, value in values.items()
    )


def safe(words: str) -> str:
    """Without control characters: a customer's name must not move the cursor or retitle the terminal."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in {"Cc", "Cf"} else sign for sign in words
    )


def _cell(value: Any, column: str) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column == "at" or column.endswith("_at"):
        return text(value) if value else "-"
    if isinstance(value, list | tuple):
        return safe(", ".join(str(member) for member in value))
    if isinstance(value, dict):
        return safe(", ".join(f"{name} {member}" for name, member in value.items()))
    return safe(str(value))


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.removeprefix("-").isdigit()


def _width(words: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in WIDE else not unicodedata.combining(sign) for sign in words)


def _aligned(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    cells = []
    for cell, width, right in zip(line, widths, numeric, strict=True):
        gap = " " * (width - _width(cell))
        cells.append(gap + cell if right else cell + gap)
    return "  ".join(cells).rstrip()
