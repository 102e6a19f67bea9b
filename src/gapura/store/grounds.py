"""Why an account is affected: what was seen of it from places that a campaign's policy does not cover.

It is made from the record as that grows, each request looked at once, and of addresses only networks are kept unless
the operator chose otherwise.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from gapura.store import campaigns, evidence, members
from gapura.store.audiences import Member
from gapura.store.base import Connection
from gapura.terms.letter import Evidence, Place, UsedKey

BATCH = 5_000
DISORDER = 100_000
"""Requests that may have been taken in before one that is older: some seconds of a busy deployment."""
NETWORKS = 5
"""So many networks are told of, the busiest first."""


class Request(NamedTuple):
    """A request from somewhere outside, as evidence counts it."""

    account: str
    key: str
    territory: str
    address: str
    at: int


def first_row(db: Connection, since: int) -> int:
    """A row of `request` behind which all those since then (UTC microseconds) stand."""
    # Ids are UUIDv7 and so in the order of time; rows are in the order in which gates' journals were taken in.
    row: Any = db.execute(
        "SELECT min(rowid) FROM (SELECT rowid FROM request WHERE id >= ? ORDER BY id LIMIT ?)",
        (f"req_{max(since, 0) // 1000:012x}", DISORDER),
    ).fetchone()
    return 0 if row[0] is None else int(row[0]) - 1


def requests(db: Connection, after: int, outside: tuple[str, ...]) -> tuple[int, list[Request]]:
    """A batch of the record behind a row: the last row looked at (0: there is none), and what came from outside."""
    last: Any = db.execute(
        "SELECT max(number) FROM (SELECT rowid AS number FROM request WHERE rowid > ? ORDER BY rowid LIMIT ?)",
        (after, BATCH),
    ).get
    if last is None:
        return 0, []
    rows: Any = db.execute(
        "SELECT r.account, r.key, r.territory, coalesce(p.address, ''), r.opened_at FROM request r"
        " LEFT JOIN request_place p ON p.request = r.id WHERE r.rowid > ? AND r.rowid <= ?"
        " AND r.certainty = 'certain' AND r.derivation <> 'site' AND r.account <> ''"
        " AND r.territory IN (SELECT value FROM json_each(?))",
        (after, last, msgspec.json.encode(outside).decode()),
    )
    return int(last), [Request(*row) for row in rows]


def add(db: Connection, campaign: str, found: Iterable[Request]) -> None:
    """`address` stands for the network by now, or for itself where the operator chose so."""
    db.executemany(
        "INSERT INTO campaign_evidence VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT DO UPDATE SET"
        " requests = requests + 1, first_at = min(first_at, ?6), last_at = max(last_at, ?6)",
        [(campaign, *one) for one in found],
    )


def forget(db: Connection, campaign: str, account: str) -> None:
    """It is gathered anew."""
    db.execute("DELETE FROM campaign_evidence WHERE campaign = ? AND account = ?", (campaign, account))


def of_member(db: Connection, member: Member) -> Evidence:
    """Why it is affected: keys, places and networks, with counts and dates."""
    return listed(db, member) or _recorded(db, member)


def against(db: Connection, account: str, policy: str, covers: Callable[[str], bool], at: int) -> Evidence | None:
    """What speaks against an account under a policy: what its letters tell, where a campaign goes by a back-test, else
    what the record has.  None: nothing is known."""
    running = {kept.id for kept in campaigns.under_way(db) if kept.spec.policy == policy}
    for member in members.of_account(db, account):
        if member.campaign in running and member.state == "affected" and (found := listed(db, member)):
            return found
    return evidence.against(db, account, covers, at)


def listed(db: Connection, member: Member) -> Evidence | None:
    """By the back-test that names it, where one does; `days` of a place are those of all of its places."""
    found: Any = db.execute(
        "SELECT days, requests, first_at, last_at, territories, networks FROM campaign_listed"
        " WHERE campaign = ? AND account = ?",
        (member.campaign, member.account),
    ).fetchone()
    if found is None:
        return None
    days, requests, first, last, places, networks = found
    by_place = msgspec.json.decode(places, type=dict[str, int])
    return Evidence(
        first_at=int(first),
        last_at=int(last),
        days=int(days),
        requests=int(requests),
        places=tuple(Place(territory, count, int(days)) for territory, count in by_place.items()),
        networks=msgspec.json.decode(networks, type=tuple[str, ...])[:NETWORKS],
    )


def _recorded(db: Connection, member: Member) -> Evidence:
    where = (member.campaign, member.account)
    places = _rows(db, "territory", where)
    keys: Any = db.execute(
        "SELECT coalesce(k.prefix, e.key), coalesce(k.name, ''), sum(e.requests) AS requests"
        " FROM campaign_evidence e LEFT JOIN key k ON k.id = e.key"
        " WHERE e.campaign = ? AND e.account = ? GROUP BY e.key ORDER BY requests DESC, 1",
        where,
    ).fetchall()
    span: Any = db.execute(
        "SELECT coalesce(min(first_at), 0), coalesce(max(last_at), 0) FROM campaign_evidence"
        " WHERE campaign = ? AND account = ?",
        where,
    ).fetchone()
    seen: Any = db.execute(
        "SELECT territory, count(DISTINCT day) FROM visit WHERE account = ? AND day BETWEEN ? AND ? GROUP BY territory",
        (member.account, member.first_day, member.last_day),
    )
    days = {str(territory): int(count) for territory, count in seen}
    return Evidence(
        first_at=int(span[0]),
        last_at=int(span[1]),
        days=member.days,
        requests=member.requests,
        places=tuple(Place(territory, requests, int(days.get(territory, 0))) for territory, requests in places),
        keys=tuple(UsedKey(str(prefix), str(name), int(requests)) for prefix, name, requests in keys),
        networks=tuple(network for network, _ in _rows(db, "network", where) if network)[:NETWORKS],
    )


def _rows(db: Connection, column: str, where: tuple[str, str]) -> Iterator[tuple[str, int]]:
    found: Any = db.execute(
        f"SELECT {column}, sum(requests) AS requests FROM campaign_evidence"  # noqa: S608 - a column of ours
        f" WHERE campaign = ? AND account = ? GROUP BY {column} ORDER BY requests DESC, {column}",
        where,
    )
    return ((str(value), int(requests)) for value, requests in found.fetchall())
