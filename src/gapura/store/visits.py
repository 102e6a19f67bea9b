"""From where accounts come, by day, and what was concluded from it.

The days are made from the record as it grows: each request is looked at once, and an account's years are some
hundred rows.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from gapura.clock import SECOND
from gapura.store.base import Connection, Shape, mark, marked
from gapura.terms.residence import Residence, Visit

DAY = 86_400 * SECOND
PERSON = "person"
Given = Literal["", "warned", "suspended", "person"]
"""The status that an account has because of where it is: none, one of ours, or what a person decided instead."""

LOOKED_AT = "visits_taken_to"
# Those whom they concern are judged in the same transaction.
MANY = 2_000


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was concluded of an account under a policy at `at` (UTC microseconds).  `given`: what its
    status became because of it; `turns_on` as of `rulebook.residence.turns_on`."""

    account: str
    policy: str
    residence: Residence
    turns_on: int
    given: Given
    at: int


SHAPE = Shape(Found)


def take_in(db: Connection) -> tuple[int, list[str]]:
    """A batch of requests that were not looked at yet: how many, and whose.

    A place counts where it is certain and the caller's own: the operator's site is where it says it is.
    """
    after = int(marked(db, LOOKED_AT) or 0)
    last = db.execute(
        "SELECT max(number) FROM (SELECT rowid AS number FROM request WHERE rowid > ? ORDER BY rowid LIMIT ?)",
        (after, MANY),
    ).get
    if not isinstance(last, int):
        return 0, []
    seen = db.execute(
        "SELECT account, opened_at / ?3 AS day, territory, count(*) FROM request"
        " WHERE rowid > ?1 AND rowid <= ?2 AND certainty = 'certain' AND territory <> '' AND account <> ''"
        " AND derivation <> 'site' GROUP BY account, day, territory",
        (after, last, DAY),
    ).fetchall()
    db.executemany(
        "INSERT INTO visit VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
        seen,
    )
    _by_key(db, after, last)
    mark(db, LOOKED_AT, str(last))
    return last - after, sorted({str(account) for account, *_ in seen})


def _by_key(db: Connection, after: int, last: int) -> None:
    """Which of an account's keys were used from where, and on which days first and last."""
    used = db.execute(
        "SELECT account, key, territory, count(*), min(opened_at) / ?3, max(opened_at) / ?3 FROM request"
        " WHERE rowid > ?1 AND rowid <= ?2 AND certainty = 'certain' AND territory <> '' AND account <> ''"
        " AND derivation <> 'site' GROUP BY account, key, territory",
        (after, last, DAY),
    ).fetchall()
    db.executemany(
        "INSERT INTO visit_key VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " requests = requests + excluded.requests, first_day = min(first_day, excluded.first_day),"
        " last_day = max(last_day, excluded.last_day)",
        used,
    )


def visits(db: Connection, account: str, since: int = 0) -> list[Visit]:
    """From the day `since` on, oldest first."""
    rows = db.execute(
        "SELECT day, territory, requests FROM visit WHERE account = ? AND day >= ? ORDER BY day, territory",
        (account, since),
    )
    return [Visit(int(day), str(territory), int(requests)) for day, territory, requests in rows]


def everybody(db: Connection, after: str, limit: int) -> list[str]:
    """Accounts that were seen, behind this id."""
    rows = db.execute("SELECT DISTINCT account FROM visit WHERE account > ? ORDER BY account LIMIT ?", (after, limit))
    return [str(account) for (account,) in rows]


def turning(db: Connection, day: int) -> list[str]:
    """Accounts of whom time alone has changed what was concluded, by this day."""
    rows = db.execute("SELECT DISTINCT account FROM residence WHERE turns_on BETWEEN 0 AND ? ORDER BY account", (day,))
    return [str(account) for (account,) in rows]


def judge_again(db: Connection, accounts: str) -> None:
    """What was concluded of these, a list in JSON, may not hold any more: they are among those of `turning`."""
    db.execute("UPDATE residence SET turns_on = 0 WHERE account IN (SELECT value FROM json_each(?))", (accounts,))


def outside(db: Connection) -> list[str]:
    """Accounts that are outside some policy's places, or have a status for having been."""
    rows = db.execute("SELECT DISTINCT account FROM residence WHERE state = 'outside' OR given <> '' ORDER BY account")
    return [str(account) for (account,) in rows]


def known(db: Connection, account: str) -> list[Found]:
    """What was concluded, by policy."""
    rows = db.execute(f"SELECT {SHAPE.columns} FROM residence WHERE account = ? ORDER BY policy", (account,))  # noqa: S608 - names of ours
    return [SHAPE.struct(row) for row in rows]


def keep(db: Connection, account: str, found: Iterable[Found]) -> None:
    """In place of what was concluded before."""
    db.execute("DELETE FROM residence WHERE account = ?", (account,))
    db.executemany(
        f"INSERT INTO residence (state, {SHAPE.columns}) VALUES (?, {SHAPE.marks})",  # noqa: S608 - names of ours
        [(one.residence.state, *SHAPE.row(one)) for one in found],
    )
