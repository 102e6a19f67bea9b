"""Visits counted anew, where other place data say that somebody was elsewhere than the record noted.

Only accounts of whom something depends on it are looked at; the record itself stays as it was written.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from gapura.store.base import Connection, marked
from gapura.store.visits import DAY, LOOKED_AT

BATCH = 5_000


class Noted(NamedTuple):
    """A request as the record has it; `territory` is "" where its place was not certain, or not its own."""

    account: str
    key: str
    territory: str
    address: str
    at: int


def looked_at(db: Connection) -> int:
    """The last row of the record that visits are made of."""
    return int(marked(db, LOOKED_AT) or 0)


def requests(db: Connection, campaign: str, after: int, until: int) -> tuple[int, list[Noted]]:
    """A batch of rows of the record with those of the campaign's affected accounts: the last row looked at."""
    last = min(after + BATCH, until)
    rows: Any = db.execute(
        "SELECT r.account, r.key, CASE WHEN r.certainty = 'certain' THEN r.territory ELSE '' END,"
        " coalesce(p.address, ''), r.opened_at FROM request r"
        " JOIN campaign_account m ON m.campaign = ? AND m.account = r.account AND m.state = 'affected'"
        " LEFT JOIN request_place p ON p.request = r.id"
        " WHERE r.rowid > ? AND r.rowid <= ? AND r.derivation <> 'site'",
        (campaign, after, last),
    )
    return last, [Noted(*row) for row in rows]


def again(db: Connection) -> frozenset[str]:
    """Accounts whose visits were counted anew before."""
    return frozenset(str(account) for (account,) in db.execute("SELECT account FROM visit_again"))


def rewrite(db: Connection, account: str, since: int, found: Iterable[Noted]) -> None:
    """Its visits from the day `since` on are these; `territory` as it is known now, "" counts for nothing."""
    counted: dict[tuple[int, str], int] = {}
    for one in found:
        if one.territory:
            place = one.at // DAY, one.territory
            counted[place] = counted.get(place, 0) + 1
    db.execute("DELETE FROM visit WHERE account = ? AND day >= ?", (account, since))
    db.executemany(
        "INSERT INTO visit VALUES (?, ?, ?, ?)",
        [(account, day, territory, requests) for (day, territory), requests in counted.items() if day >= since],
    )
    db.execute("INSERT OR IGNORE INTO visit_again VALUES (?)", (account,))
