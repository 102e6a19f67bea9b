"""Numbers of grants, by the ledger and by the record: of a programme's, or of an account's.

What is asked of `books` is of all gateways that share the ledger; what is asked of the store is of this one alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from gapura.clock import SECOND, text
from gapura.store.base import Connection
from gapura.store.ledger.books import Books
from gapura.terms.figures import Conversion, Day, Flow, Group, Movement
from gapura.terms.usage import UNITS, Usage

DAY = 86_400 * SECOND
BACK = {"expire": "expired", "void": "voided", "claw_back": "clawed_back"}
"""What ends a grant → where the flow has what went back."""

SCOPES = {"programme": "g.programme = ?", "account": "g.account = ?", "grant": "g.id = ?"}


class Of(NamedTuple):
    """Whose grants: of a `programme`, an `account`, or one `grant`."""

    kind: str
    name: str

    @property
    def where(self) -> str:
        return SCOPES[self.kind]


class Spend(NamedTuple):
    """What a grant in `unit` paid of a request, by class; `beside`: what that used by UNITS."""

    request: str
    account: str
    at: int
    provider: str
    model: str
    territory: str
    inputs: int
    unit: str
    beside: dict[str, int]
    classes: dict[str, int]


def flow(books: Books, of: Of) -> Flow:
    """Where it all is."""
    rows: Any = books.execute(
        "SELECT a.kind, sum(a.balance) FROM granted g JOIN ledger_account a ON a.purse = 'gr:' || g.id"
        f" WHERE {of.where} GROUP BY a.kind",
        (of.name,),
    )
    has = {str(kind): int(amount) for kind, amount in rows}
    # By what a grant had and has no more: transfers of months that were archived are in files.
    ended: Any = books.execute(
        "SELECT g.ended, sum(g.amount - (SELECT coalesce(sum(a.balance), 0) FROM ledger_account a"
        f" WHERE a.purse = 'gr:' || g.id)) FROM granted g WHERE g.ended <> '' AND {of.where} GROUP BY g.ended",
        (of.name,),
    )
    for kind, amount in ended:
        has[BACK[kind]] = int(amount)
    parts = {name: has.get(name, 0) for name in Flow.__struct_fields__ if name != "granted"}
    return Flow(sum(parts.values()), **parts)


def granted(books: Books, of: Of) -> int:
    """The sum of the grants' amounts, as their terms say."""
    row: Any = books.execute(
        f"SELECT coalesce(sum(g.amount), 0) FROM granted g WHERE {of.where}", (of.name,)
    ).fetchone()
    return int(row[0])


def classes(books: Books, of: Of) -> dict[str, int]:
    """What is spent, by class of tokens."""
    rows: Any = books.execute(
        "SELECT a.class, sum(a.balance) FROM granted g JOIN ledger_account a ON a.purse = 'gr:' || g.id"
        f" WHERE a.kind = 'spent' AND {of.where} GROUP BY a.class ORDER BY a.class",
        (of.name,),
    )
    return {str(name): int(amount) for name, amount in rows}


def spends(db: Connection, of: Of) -> Iterator[Spend]:
    """Every request that a grant paid for, or paid a part of, by the record."""
    columns = (
        "r.id, r.account, r.opened_at, r.provider, r.served_model, r.territory, r.input, g.unit, r.images, r.seconds,"
        " r.characters"
    )
    alone: Any = db.execute(
        f"SELECT {columns}, r.output, r.cached, r.reasoning, r.charged FROM granted g JOIN request r"
        f" ON r.purse = 'gr:' || g.id AND substr(r.purse, 1, 3) = 'gr:' WHERE {of.where} AND r.charged > 0",
        (of.name,),
    )
    for *said, output, cached, reasoning, charged in alone:
        spend = _spend(said, {})
        yield spend._replace(classes=Usage(spend.inputs, output, cached, reasoning).classes(charged))
    shared: Any = db.execute(
        f"SELECT {columns}, c.class, c.amount FROM granted g JOIN charge c"
        " ON c.purse = 'gr:' || g.id AND substr(c.purse, 1, 3) = 'gr:' JOIN request r ON r.id = c.request"
        f" WHERE {of.where} ORDER BY c.purse, r.id",
        (of.name,),
    )
    for *said, kind, amount in shared:
        yield _spend(said, {kind: amount})


def _spend(said: list[Any], classes: dict[str, int]) -> Spend:
    request, account, at, provider, model, territory, inputs, unit, *used = said
    beside = {name: amount for name, amount in zip(UNITS, used, strict=True) if amount}
    return Spend(request, account, at, provider, model, territory, inputs, unit, beside, classes)


def movements(books: Books, of: Of) -> list[Movement]:
    """What came into each grant and left it, by day."""
    rows: Any = books.execute(
        f"SELECT t.at / {DAY} * {DAY}, g.id, t.kind, sum(t.amount) FROM granted g"
        " JOIN ledger_account a ON a.purse = 'gr:' || g.id JOIN transfer t ON t.debit = a.id OR t.credit = a.id"
        " WHERE (a.kind = 'spent'"
        " OR (a.kind = 'left' AND t.kind IN ('grant', 'top_up', 'expire', 'void', 'claw_back')))"
        f" AND {of.where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (of.name,),
    )
    return [Movement(_day(at), grant, kind, amount) for at, grant, kind, amount in rows]


def days(db: Connection, books: Books, programme: str) -> tuple[Day, ...]:
    """Of a programme, from its first day on; days without anything are left out."""
    found: dict[str, dict[str, int]] = {}
    rows: Any = db.execute(
        "SELECT made_at / :day * :day, count(*) FROM claim WHERE programme = :name GROUP BY 1",
        {"name": programme, "day": DAY},
    )
    for at, number in rows:
        found.setdefault(_day(at), {})["claims"] = number
    for one in movements(books, Of("programme", programme)):
        name = {"grant": "granted", "top_up": "granted"}.get(one.kind, "returned" if one.kind in BACK else "spent")
        of_day = found.setdefault(one.day, {})
        of_day[name] = of_day.get(name, 0) + one.amount
    return tuple(Day(day, **numbers) for day, numbers in sorted(found.items()))


def groups(db: Connection, programme: str, by: str) -> tuple[Group, ...]:
    """Claims by `state` or `way`."""
    column = {"state": "state", "way": "way"}[by]
    rows: Any = db.execute(
        f"SELECT {column}, count(*), sum(amount) FROM claim WHERE programme = ? GROUP BY 1 ORDER BY 1", (programme,)
    )
    return tuple(Group(*row) for row in rows)


def signals(db: Connection, programme: str) -> tuple[Group, ...]:
    rows: Any = db.execute(
        "SELECT s.signal, count(DISTINCT s.claim) FROM claim c JOIN claim_signal s ON s.claim = c.id"
        " WHERE c.programme = ? GROUP BY 1 ORDER BY 1",
        (programme,),
    )
    return tuple(Group(*row) for row in rows)


def conversion(db: Connection, books: Books, programme: str, former: str) -> Conversion:
    """How far the accounts came; `former` is the provider that they came from.  Who stayed is of this gateway alone."""
    rows: Any = books.execute(
        "SELECT g.account, sum(g.amount), sum((SELECT coalesce(sum(a.balance), 0) FROM ledger_account a"
        " WHERE a.purse = 'gr:' || g.id AND a.kind = 'spent')), min(g.created_at) FROM granted g"
        " WHERE g.programme = ? GROUP BY g.account",
        (programme,),
    ).fetchall()
    claimed: Any = db.execute("SELECT count(*) FROM claim WHERE programme = ?", (programme,)).fetchone()
    return Conversion(
        claimed[0],
        len(rows),
        sum(spent > 0 for _, _, spent, _ in rows),
        sum(spent * 2 >= amount for _, amount, spent, _ in rows),
        sum(spent >= amount for _, amount, spent, _ in rows),
        sum(_stayed(db, account, former, since) for account, _, _, since in rows),
    )


def _stayed(db: Connection, account: str, former: str, since: int) -> bool:
    query = (
        "SELECT 1 FROM request r WHERE r.account = ? AND r.opened_at >= ? AND r.provider NOT IN ('', ?)"
        " AND r.outcome IN ('complete', 'cut') AND r.input + r.output >"
        " (SELECT coalesce(sum(c.amount), 0) FROM charge c WHERE c.request = r.id AND substr(c.purse, 1, 3) = 'gr:')"
        " + CASE WHEN substr(r.purse, 1, 3) = 'gr:' THEN r.charged ELSE 0 END LIMIT 1"
    )
    return db.execute(query, (account, since, former)).fetchone() is not None


def _day(at: int) -> str:
    return text(at)[:10]
