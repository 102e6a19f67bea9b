"""A report or a statement as a table (CSV)."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from gapura.terms.figures import Conversion, Day, Flow, Report, Statement
from gapura.wire.spreadsheets import cell

Row = tuple[str, str, str, object]


def table(found: Report) -> str:
    """Section, name, measure, value; integers to the token, money in billionths."""
    return _csv(("section", "name", "measure", "value"), (*_state(found), *_use(found)))


def statement_table(found: Statement) -> str:
    """The movements."""
    rows = ((one.day, one.grant, one.kind, one.amount) for one in found.movements)
    return _csv(("day", "grant", "kind", "amount"), rows)


def _state(found: Report) -> Iterator[Row]:
    for name in ("funded", "wallet", "promised"):
        yield "wallet", found.unit, name, getattr(found, name)
    for name in Flow.__struct_fields__:
        yield "flow", found.unit, name, getattr(found.flow, name)
    if found.elsewhere is not None:
        yield "flow", found.unit, "spent elsewhere", found.elsewhere
    for section, groups in (("state", found.states), ("way", found.ways), ("signal", found.signals)):
        for group in groups:
            yield section, group.name, "claims", group.claims
            yield section, group.name, "amount", group.amount
    for name in Conversion.__struct_fields__:
        yield "accounts", "", name, getattr(found.conversion, name)
    for one in found.sums:
        yield "sum", one.what, "agrees", "yes" if one.agrees else f"{one.one} is not {one.other}"


def _use(found: Report) -> Iterator[Row]:
    for name, amount in found.classes.items():
        yield "spent", found.unit, name, amount
    for day in found.days:
        for name in Day.__struct_fields__[1:]:
            yield "day", day.day, name, getattr(day, name)
    for model in found.use.models:
        yield "model", f"{model.provider}/{model.model}", "requests", model.requests
        yield "model", f"{model.provider}/{model.model}", model.unit, model.amount
        for unit, used in model.units.items():
            yield "model", f"{model.provider}/{model.model}", unit, used
    for place in found.use.places:
        yield "place", place.territory, "requests", place.requests
        yield "place", place.territory, place.unit, place.amount
    for cost in found.use.costs:
        yield "cost", cost.currency, "billionths", cost.amount


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    said = io.StringIO()
    writer = csv.writer(said)
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return said.getvalue()
