"""Puts a report or a statement together, from the ledger and the record.

It reads everything: on a reader, never in a transaction that writes.  `db` is the store, and `books` where the ledger
is: the store, too, or the server that several gateways share.  Then what was spent is of all of them, and by model and
place of this one alone.
"""

from collections.abc import Iterable

from gapura.programme import figures as totals
from gapura.programme.pipeline import in_force
from gapura.providers.prices import Prices
from gapura.store import accounts, claims, figures, grants, ledger, programmes
from gapura.store.base import Connection, Scope, marked
from gapura.store.ledger import Books
from gapura.terms.figures import Flow, GrantLine, Movement, Report, Statement, Sum, Use


def report(db: Connection, books: Books, programme: str, prices: Prices, at: int) -> Report:
    """What became of a programme."""
    known, terms, of = programmes.get(db, programme), in_force(db, programme), figures.Of("programme", programme)
    flow, classes = figures.flow(books, of), figures.classes(books, of)
    used = totals.use(figures.spends(db, of), prices)
    wallet = ledger.balance(books, grants.wallet(programme, known.unit))
    returned = flow.expired + flow.voided + flow.clawed_back
    elsewhere = _elsewhere(db, books, flow, used)
    sums = totals.sums(figures.granted(books, of), flow, classes, used, elsewhere)
    sums.append(
        Sum("funded = in the wallet + granted, less what came back", known.funded, wallet + flow.granted - returned)
    )
    return Report(
        programme=programme,
        title=terms.title,
        vendor=terms.vendor,
        source=terms.source,
        unit=known.unit,
        state=known.state,
        starts=terms.starts,
        ends=terms.ends,
        at=at,
        sandbox=bool(marked(db, "sandbox")),
        funded=known.funded,
        wallet=wallet,
        promised=claims.promised(db, programme),
        flow=flow,
        classes=classes,
        states=figures.groups(db, programme, "state"),
        ways=figures.groups(db, programme, "way"),
        signals=figures.signals(db, programme),
        conversion=figures.conversion(db, books, programme, terms.eligibility.former_provider),
        days=figures.days(db, books, programme),
        use=used,
        elsewhere=elsewhere,
        sums=tuple(sums),
        agree=all(one.agrees for one in sums),
    )


def statement(db: Connection, books: Books, scope: Scope, account: str, prices: Prices, at: int) -> Statement:
    """An account's grants, and what became of them.  Raises NotFound."""
    whose, of = accounts.get(db, scope, account), figures.Of("account", account)
    flow, classes = figures.flow(books, of), figures.classes(books, of)
    used = totals.use(figures.spends(db, of), prices)
    lines = tuple(_line(books, held) for held in grants.of_account(books, account, at, ended=True))
    elsewhere = _elsewhere(db, books, flow, used)
    sums = totals.sums(figures.granted(books, of), flow, classes, used, elsewhere)
    moved = figures.movements(books, of)
    sums.append(Sum("spent by the ledger = by day", flow.spent, _spent(moved)))
    return Statement(
        account=account,
        external_id=whose.external_id,
        organisation=whose.organisation,
        name=whose.name,
        at=at,
        grants=lines,
        movements=tuple(moved),
        use=used,
        elsewhere=elsewhere,
        sums=tuple(sums),
        agree=all(one.agrees for one in sums),
    )


def _elsewhere(db: Connection, books: Books, flow: Flow, used: Use) -> int | None:
    """What was spent through other gateways; None where there are none.  What is recorded here and not posted there
    yet is nobody's."""
    return None if books is db else max(flow.spent - used.amount, 0)


def _line(books: Books, held: grants.Held) -> GrantLine:
    terms = held.terms
    flow = figures.flow(books, figures.Of("grant", terms.id))
    return GrantLine(terms.id, terms.programme, held.state, terms.unit, terms.effective, terms.expires, flow)


def _spent(moved: Iterable[Movement]) -> int:
    return sum(one.amount for one in moved if one.kind not in {"grant", "top_up", *figures.BACK})
