"""What became of a programme, for its vendor, and of an account's grants, for whoever has them: as numbers, as a table,
and as a page that needs no network."""

from starlette.responses import Response

from gapura.console.operations import Call, Operation
from gapura.programme.report import pipeline, tables
from gapura.providers.prices import of_book
from gapura.terms.figures import Report, Statement

KEPT = {"cache-control": "no-store"}


async def report(call: Call, programme: str) -> Report:
    """Granted, held, spent, expired, cost, conversion, by place and model; the sums agree to the token, or say so."""
    at, prices = call.context.store.clock(), of_book(call.context.rules().book)
    return await call.read_both(lambda db, books: pipeline.report(db, books, programme, prices, at))


async def report_table(call: Call, programme: str) -> Response:
    """The same as a table: section, name, measure, value."""
    return Response(tables.table(await report(call, programme)), 200, KEPT, "text/csv")


async def report_page(call: Call, programme: str) -> Response:
    """The same as a page with plots."""
    from gapura.programme.report import policy, render  # noqa: PLC0415 - who wants no page needs no templates

    page = render(await report(call, programme))
    return Response(page, 200, KEPT | {"content-security-policy": policy()}, "text/html")


async def statement(call: Call, account: str) -> Statement:
    """An account's grants: what it was given, what it used of it, and on what."""
    at, prices = call.context.store.clock(), of_book(call.context.rules().book)
    return await call.read_both(lambda db, books: pipeline.statement(db, books, call.who.scope, account, prices, at))


async def statement_table(call: Call, account: str) -> Response:
    """The movements of a statement as a table: day, grant, kind, amount."""
    return Response(tables.statement_table(await statement(call, account)), 200, KEPT, "text/csv")


async def statement_page(call: Call, account: str) -> Response:
    """A statement as a page."""
    from gapura.programme.report import policy, render_statement  # noqa: PLC0415 - as above

    page = render_statement(await statement(call, account))
    return Response(page, 200, KEPT | {"content-security-policy": policy()}, "text/html")


OPERATIONS = (
    Operation("GET", "/programmes/{programme}/report", ("programme.read",), report),
    Operation("GET", "/programmes/{programme}/report.csv", ("programme.read",), report_table, media="text/csv"),
    Operation("GET", "/programmes/{programme}/report.html", ("programme.read",), report_page, media="text/html"),
    Operation("GET", "/accounts/{account}/statement", ("usage.read",), statement),
    Operation("GET", "/accounts/{account}/statement.csv", ("usage.read",), statement_table, media="text/csv"),
    Operation("GET", "/accounts/{account}/statement.html", ("usage.read",), statement_page, media="text/html"),
)
