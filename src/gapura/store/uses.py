"""What accounts used, by the record: for those who claim by it, and for those who ask what they used."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gapura.clock import SECOND
from gapura.store.base import Connection, Scope
from gapura.terms.holds import MONEY
from gapura.terms.programme import Measured
from gapura.terms.usage import UNITS, Usage
from gapura.wire.usage_pages import Asked, Used

DAY = 86_400 * SECOND


def of_account(db: Connection, account: str, provider: str, since: int, until: int) -> Measured:
    """An account's use of a provider through this gateway, begun at or after `since` and before `until`."""
    rows: Any = db.execute(
        "SELECT served_model, count(*), sum(input), sum(output), min(opened_at), max(opened_at) FROM request"
        " WHERE account = ? AND provider = ? AND opened_at >= ? AND opened_at < ? AND input + output > 0"
        " GROUP BY served_model ORDER BY served_model",
        (account, provider, since, until),
    ).fetchall()
    days: Any = db.execute(
        "SELECT count(DISTINCT opened_at / ?) FROM request"
        " WHERE account = ? AND provider = ? AND opened_at >= ? AND opened_at < ? AND input + output > 0",
        (DAY, account, provider, since, until),
    ).fetchone()
    return Measured(
        shape="record",
        first_at=min((row[4] for row in rows), default=0),
        last_at=max((row[5] for row in rows), default=0),
        days=days[0],
        requests=sum(row[1] for row in rows),
        input=sum(row[2] for row in rows),
        output=sum(row[3] for row in rows),
        models={str(row[0]): row[2] + row[3] for row in rows},
        rows=sum(row[1] for row in rows),
    )


USED = "outcome IN ('complete', 'cut')"
GROUPS = {
    "day": "strftime('%Y-%m-%d', opened_at / 1000000, 'unixepoch')",
    "account": "account",
    "key": "key",
    "model": "served_model",
    "provider": "provider",
    "place": "territory",
}
"""By what use is told → what that is in the record."""
SUMS = (
    "count(*), sum(input), sum(output), sum(cached), sum(reasoning), sum(estimated), sum(images), sum(seconds),"
    " sum(characters)"
)


class Use(NamedTuple):
    """Answered requests that are alike in what was asked for, whole or in part.  `estimated`: of how many of them the
    provider gave no usage."""

    of: dict[str, str]
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    estimated: int
    images: int
    seconds: int
    characters: int


class Row(NamedTuple):
    """One request, and what of it no grant in tokens paid, by CLASSES and UNITS; `paid`: what grants in money paid of
    that, in billionths."""

    at: int
    key: str
    provider: str
    model: str
    inputs: int
    classes: dict[str, int]
    paid: int


def grouped(db: Connection, by: Sequence[str], scope: Scope, account: str, since: int, until: int) -> list[Use]:
    """Use begun at or after `since` and before `until`, by GROUPS; of one account, "" for all in scope."""
    columns = ", ".join(GROUPS[name] for name in by)
    order = ", ".join(str(number) for number in range(1, len(by) + 1))
    rows: Any = db.execute(
        f"SELECT {columns}, {SUMS} FROM request WHERE {USED} AND (?1 = '' OR account = ?1)"  # noqa: S608 - names of ours
        " AND (?2 IS NULL OR organisation = ?2) AND opened_at >= ?3 AND opened_at < ?4"
        f" GROUP BY {order} ORDER BY {order}",
        (account, scope, since, until),
    )
    return [Use(dict(zip(by, map(str, row), strict=False)), *row[len(by) :]) for row in rows]


def bucketed(db: Connection, account: str, asked: Asked, unit: str = "") -> list[Used]:
    """An account's use, by bucket, key and model; with a `unit` of UNITS, of requests that used some of it."""
    rows: Any = db.execute(
        f"SELECT max(opened_at / 1000000 / ?1 * ?1, ?2), key, served_model, count(*), sum(input), sum(output),"  # noqa: S608 - ours
        f" sum(cached), sum({unit or '0'}) FROM request WHERE account = ?3 AND opened_at >= ?4 AND opened_at < ?5"
        f" AND {USED} AND {unit or '1'} > 0"
        " GROUP BY 1, 2, 3",
        (asked.width, asked.starts[0], account, *asked.span),
    )
    found = [Used(*row) for row in rows]
    return [one for one in found if _is_asked(asked, one.key, one.model)]


def rows(db: Connection, account: str, asked: Asked, limit: int) -> list[Row]:
    """An account's requests; at most `limit`."""
    found: Any = db.execute(
        "SELECT id, opened_at, key, provider, served_model, input, output, cached, reasoning, images, seconds,"  # noqa: S608 - ours
        " characters, purse, holds, charged FROM request"
        f" WHERE account = ? AND opened_at >= ? AND opened_at < ? AND {USED} LIMIT ?",
        (account, *asked.span, limit),
    )
    return [_row(db, *row) for row in found if _is_asked(asked, row[2], row[4])]


def _is_asked(asked: Asked, key: str, model: str) -> bool:
    return (not asked.keys or key in asked.keys) and (not asked.models or model in asked.models)


def _row(db: Connection, request: str, at: int, key: str, provider: str, model: str, *used: Any) -> Row:
    given, made, cached, reasoning, images, seconds, characters, purse, holds, charged = used
    usage = Usage(given, made, cached, reasoning, images=images, seconds=seconds, characters=characters)
    paid: dict[str, int] = {}
    if purse.startswith("gr:"):
        paid = usage.classes(charged)
    elif holds:
        query = "SELECT class, amount FROM charge WHERE request = ? AND substr(purse, 1, 3) = 'gr:'"
        for kind, amount in db.execute(query, (request,)):
            paid[str(kind)] = paid.get(str(kind), 0) + int(amount)
    rest = {name: amount - paid.get(name, 0) for name, amount in usage.classes(usage.total).items()}
    rest |= dict(zip(UNITS, usage.beside, strict=True))
    left = {name: amount for name, amount in rest.items() if amount > 0}
    return Row(at, key, provider, model, given, left, paid.get(MONEY, 0))
