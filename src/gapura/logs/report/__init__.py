"""A back-test as one HTML file that needs no network: a map, tables and plots over the numbers of `logs.result`.

Everything is drawn here, as SVG and tables, so the page says all without JavaScript; the script only sorts, links the
map with its table, and reads out what is in focus.  A Content-Security-Policy in the page itself lets nothing be
loaded or sent.
"""

import base64
import hashlib
import math
import re
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from gapura import __version__
from gapura.atlas.territories import NAMES
from gapura.atlas.worldmap import world
from gapura.clock import SECOND
from gapura.logs.result import Backtest, DayRow, TerritoryRow

PLACELESS = {"uncertain": "not certain", "unknown": "not known", "absent": "no address"}
CLASSES = 5
# A shape narrower or lower than that (of a map 10,000 units wide) gets a ring around it, or nobody would find it.
SMALL = 120


class Mark(NamedTuple):
    """A territory on the map: `path` or, where that is empty, a dot; `ring`: where a circle helps to see it.  `step`
    is the class of its colour, 0 for none."""

    code: str
    label: str
    path: str
    ring: tuple[int, int] | None
    step: int


class Bar(NamedTuple):
    """A day: parts of the plot's height, from 0 to 1."""

    day: str
    label: str
    x: float
    width: float
    served: float
    hit: float


def render(found: Backtest) -> str:
    """The page.  Raises ModuleNotFoundError, saying what to install, where Jinja2 is missing."""
    style, script = _part("report.css"), _part("report.js")
    steps = scale([row.hit.requests for row in found.territories])
    return str(
        _template().render(
            found=found,
            version=__version__,
            style=style,
            script=script,
            policy="; ".join(
                (
                    "default-src 'none'",
                    f"style-src '{_hash(style)}'",
                    f"script-src '{_hash(script)}'",
                    "base-uri 'none'",
                    "form-action 'none'",
                )
            ),
            world=world(),
            marks=marks(found.territories, steps),
            steps=steps,
            bars=bars(found.days),
            document=_embedded(found),
        )
    )


def scale(values: list[int]) -> list[int]:
    """The least value of each class: equal ratios, since one territory often outweighs all others together.

    >>> scale([0, 1, 9, 120_000]), scale([3, 3]), scale([0])
    ([1, 11, 108, 1116, 11571], [3], [])
    """
    hit = [value for value in values if value]
    if not hit:
        return []
    least, most = min(hit), max(hit)
    if least == most:
        return [least]
    ratio = (most / least) ** (1 / CLASSES)
    return sorted({math.ceil(least * ratio**step) for step in range(CLASSES)})


def marks(rows: tuple[TerritoryRow, ...], steps: list[int]) -> list[Mark]:
    """Every territory of the map; those that were hit last, so that they lie on top and come in the table's order."""
    drawn = world()
    hit = {row.territory: row for row in rows if row.hit.requests and row.territory in NAMES}
    seen = {row.territory: row for row in rows if row.territory in NAMES}
    found = []
    for code in [*sorted(NAMES.keys() - hit.keys()), *hit]:
        row = seen.get(code)
        path = drawn.shapes.get(code, "")
        step = sum(row.hit.requests >= least for least in steps) if row else 0
        found.append(Mark(code, label(code, row), path, _ring(code, path) if step else drawn.dots.get(code), step))
    return found


def label(code: str, row: TerritoryRow | None) -> str:
    """What a mark says when it is pointed at, or in focus."""
    if row is None:
        return f"{NAMES[code]}: not seen"
    told = f"{NAMES[code]}: {row.hit.requests:,} of {row.seen.requests:,} requests hit"
    return told + (f", {row.hit.accounts:,} accounts" if row.hit.accounts else "")


def bars(days: tuple[DayRow, ...]) -> list[Bar]:
    most = max((day.requests for day in days), default=0)
    width = 1 / max(len(days), 1)
    return [
        Bar(
            day.day,
            f"{day.day}: {day.hit:,} of {day.requests:,} requests hit,"
            f" {day.hit_accounts:,} of {day.accounts:,} accounts",
            index * width,
            width * 0.9,
            (day.requests - day.hit) / most,
            day.hit / most,
        )
        for index, day in enumerate(days)
        if most
    ]


def _ring(code: str, path: str) -> tuple[int, int] | None:
    """The middle of what is too small to be seen."""
    if not path:
        return world().dots[code]
    left, top, right, bottom = _box(path)
    return ((left + right) // 2, (top + bottom) // 2) if min(right - left, bottom - top) < SMALL else None


@cache
def _box(path: str) -> tuple[int, int, int, int]:
    xs, ys = [], []
    for x, y, steps in re.findall(r"M(-?\d+) (-?\d+)l([-\d ]*)z", path):
        at, numbers = [int(x), int(y)], list(map(int, steps.split()))
        for dx, dy in zip([0, *numbers[::2]], [0, *numbers[1::2]], strict=True):
            at = [at[0] + dx, at[1] + dy]
            xs.append(at[0])
            ys.append(at[1])
    return min(xs), min(ys), max(xs), max(ys)


@cache
def _template() -> Any:
    import jinja2  # noqa: PLC0415 - too heavy for who wants no page

    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"n": lambda value: f"{value:,}", "share": share, "moment": moment, "place": place, "day": day}
    return made.from_string(_part("report.html"))


def share(part: int, whole: int) -> str:
    """In per cent.

    >>> share(1, 3), share(1, 100_000), share(0, 5), share(0, 0)
    ('33.3 %', '< 0.1 %', '0 %', '–')
    """
    if not whole:
        return "–"
    value = 100 * part / whole
    if 0 < value < 0.1:  # noqa: PLR2004 - what the text says
        return "< 0.1 %"
    return f"{value:.3g} %" if value < 99.95 or part == whole else "> 99.9 %"  # noqa: PLR2004 - likewise


def moment(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC") if at else "–"


def day(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d") if at else "–"


def place(code: str) -> str:
    return NAMES.get(code) or PLACELESS.get(code) or code


def _embedded(found: Backtest) -> str:
    """The whole answer as JSON, inside a script element: `<` would begin the end of it."""
    return msgspec.json.encode(found).decode().replace("<", "\\u003c")


def _part(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
