"""A report or a statement as one HTML file that needs no network.

Everything is drawn here, as SVG, and stands in tables beside it; a Content-Security-Policy in the page itself lets
nothing be loaded, sent or run.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from typing import NamedTuple

import jinja2

from gapura import __version__
from gapura.atlas.territories import NAMES
from gapura.clock import SECOND, text
from gapura.terms.figures import Conversion, Cost, Day, Flow, Report, Statement, Use

PLACELESS = {"": "not known", "uncertain": "not certain", "unknown": "not known", "absent": "no address"}
MOST_BARS = 15
LONGEST_NAME = 36
BILLION = 10**9
TOKENS = "tokens"
DAILY = ("granted", "spent", "returned")
KINDS = {"granted": "granted", "spent": "spent", "returned": "back"}


class Bar(NamedTuple):
    """`part` of the longest one, 0 to 1."""

    name: str
    short: str
    said: str
    part: float


class Piece(NamedTuple):
    """Of a bar that has several; `x` and `part` from 0 to 1."""

    kind: str
    name: str
    value: int
    x: float
    part: float


class Column(NamedTuple):
    """A day."""

    day: str
    label: str
    width: float
    pieces: tuple[Piece, ...]


class Bars(NamedTuple):
    models: list[Bar]
    places: list[Bar]
    funnel: list[Bar]
    unit: str


def render(found: Report) -> str:
    """The report's page."""
    most = Day("", 0, *(max((getattr(day, name) for day in found.days), default=0) for name in DAILY))
    bars = _bars(found.use, found.conversion)
    days = columns(found.days, most, found.unit)
    return _page("report.html", found=found, flow=flow(found.flow), days=days, most=most, bars_of=bars)


def render_statement(found: Statement) -> str:
    """The statement's page."""
    units = {line.grant: line.unit for line in found.grants}
    return _page("statement.html", found=found, units=units, bars_of=_bars(found.use, Conversion()))


def columns(days: Sequence[Day], most: Day, unit: str) -> list[Column]:
    """Each day's three bars, each drawn to the highest of its kind."""
    said = partial(quantity, unit=unit)
    width = 1 / max(len(days), 1)
    return [
        Column(
            day.day,
            f"{day.day}: {day.claims:,} claims; granted {said(day.granted)}, spent {said(day.spent)},"
            f" back {said(day.returned)}",
            width * 0.28,
            tuple(
                Piece(KINDS[name], name, value, (index + 0.3 * place) * width, value / (getattr(most, name) or 1))
                for place, name in enumerate(DAILY)
                if (value := getattr(day, name))
            ),
        )
        for index, day in enumerate(days)
    ]


def flow(found: Flow) -> list[Piece]:
    """What was granted, as one bar.

    >>> [(piece.kind, piece.part) for piece in flow(Flow(granted=4, left=1, spent=3))]
    [('spent', 0.75), ('granted', 0.25)]
    """
    parts = (
        ("spent", "spent", found.spent),
        ("granted", "left, or with gates", found.left + found.lent),
        ("left", "unreconciled", found.unreconciled),
        ("back", "came back", found.expired + found.voided + found.clawed_back),
    )
    pieces, x = [], 0.0
    for kind, name, value in parts:
        if value:
            pieces.append(Piece(kind, name, value, x, value / found.granted))
            x += value / found.granted
    return pieces


def money(cost: Cost) -> str:
    """To the cent of a cent, as a price list says it.

    >>> money(Cost("CNY", 1_234_567_890, 10))
    '1.2346 CNY'
    """
    return f"{cost.amount / BILLION:,.4f} {cost.currency}"


def quantity(value: int, unit: str = TOKENS) -> str:
    """An amount in a unit, which is said beside it.

    >>> quantity(1_234_567_890), quantity(1_234_567_890, "CNY")
    ('1,234,567,890', '1.234567890')
    """
    if unit == TOKENS:
        return f"{value:,}"
    whole, part = divmod(value, BILLION)
    return f"{whole:,}.{part:09d}"


def share(part: int, whole: int) -> str:
    """In per cent."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def moment(at: int) -> str:
    return text(at // SECOND * SECOND)[:16].replace("T", " ") + " UTC" if at else "–"


def place(code: str) -> str:
    return NAMES.get(code) or PLACELESS.get(code) or code


def _bars(use: Use, came: Conversion) -> Bars:
    funnel = [(name, getattr(came, name)) for name in Conversion.__struct_fields__]
    unit = use.models[0].unit if use.models else TOKENS  # no bar can be drawn beside one of another unit
    return Bars(
        _scaled([(f"{row.provider}/{row.model}", row.amount) for row in use.models if row.unit == unit], unit),
        _scaled([(place(row.territory), row.amount) for row in use.places if row.unit == unit], unit),
        _scaled([({"half": "used half"}.get(name, name), value) for name, value in funnel], TOKENS),
        unit,
    )


def _scaled(rows: Sequence[tuple[str, int]], unit: str) -> list[Bar]:
    most = max((value for _, value in rows), default=0) or 1
    return [Bar(name, _short(name), quantity(value, unit), value / most) for name, value in rows[:MOST_BARS]]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def policy() -> str:
    """What the page may do: nothing but be drawn in its own style."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _page(name: str, **values: object) -> str:
    values |= {"style": _style(), "policy": policy(), "version": __version__, "share": share}
    return _environment().get_template(name).render(**values).lstrip()


@cache
def _style() -> str:
    return (files(__package__) / "report.css").read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files(__package__) / name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"n": quantity, "moment": moment, "place": place, "money": money}
    return made
