"""Puts a report or a statement together, from the ledger and the record.

It reads everything: on a reader, never in a transaction that writes.
"""

from collections.abc import Iterable

from gapura.programme import figures as totals
from gapura.programme.pipeline import in_force
from gapura.providers.prices import Prices
from gapura.store import accounts, claims, figures, grants, ledger, programmes
from gapura.store.base import Connection, Scope, marked
from gapura.terms.figures import GrantLine, Movement, Report, Statement, Sum


def report(db: Connection, programme: str, prices: Prices, at: int) -> Report:
    """What became of a programme."""
    known, terms, of = programmes.get(db, programme), in_force(db, programme), figures.Of("programme", programme)
    flow, classes = figures.flow(db, of), figures.classes(db, of)
    used = totals.use(figures.spends(db, of), prices)
    wallet = ledger.balance(db, grants.wallet(programme, known.unit))
    returned = flow.expired + flow.voided + flow.clawed_back
    sums = totals.sums(figures.granted(db, of), flow, classes, used)
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
        conversion=figures.conversion(db, programme, terms.eligibility.former_provider),
        days=figures.days(db, programme),
        use=used,
        sums=tuple(sums),
        agree=all(one.agrees for one in sums),
    )


def statement(db: Connection, scope: Scope, account: str, prices: Prices, at: int) -> Statement:
    """An account's grants, and what became of them.  Raises NotFound."""
    whose, of = accounts.get(db, scope, account), figures.Of("account", account)
    flow, classes = figures.flow(db, of), figures.classes(db, of)
    used = totals.use(figures.spends(db, of), prices)
    lines = tuple(_line(db, held) for held in grants.of_account(db, account, at, ended=True))
    sums = totals.sums(figures.granted(db, of), flow, classes, used)
    moved = figures.movements(db, of)
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
        sums=tuple(sums),
        agree=all(one.agrees for one in sums),
    )


def _line(db: Connection, held: grants.Held) -> GrantLine:
    terms = held.terms
    flow = figures.flow(db, figures.Of("grant", terms.id))
    return GrantLine(terms.id, terms.programme, held.state, terms.unit, terms.effective, terms.expires, flow)


def _spent(moved: Iterable[Movement]) -> int:
    return sum(one.amount for one in moved if one.kind not in {"grant", "top_up", *figures.BACK})
