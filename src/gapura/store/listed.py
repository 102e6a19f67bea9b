"""Whom a back-test names: its table of accounts, line by line."""

from collections.abc import Iterable

import msgspec

from gapura.errors import BadRequest
from gapura.store.base import Connection


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table (`gapura policy backtest --parquet`); times are UTC microseconds.  An account that came with
    several keys has several rows."""

    account: str
    standing: str = "only-here"
    days: int
    hit_requests: int
    first: int
    last: int
    territories: dict[str, int] = {}
    prefixes: tuple[str, ...] = ()


class Listed(msgspec.Struct, frozen=True):
    """How many accounts are named now; `unknown` are names that no account has, up to 20 of them."""

    accounts: int
    others: int
    unknown: list[str]


SHOWN = 20


def put(db: Connection, campaign: str, lines: Iterable[bytes], *, only_here: bool) -> Listed:
    """In place of whom it named before.  `others`: those who were seen elsewhere too, left out where `only_here`.
    Raises BadRequest naming the line."""
    db.execute("DELETE FROM campaign_listed WHERE campaign = ?", (campaign,))
    decoder = msgspec.json.Decoder(Row)
    others, unknown = 0, []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise BadRequest(f"line {number}: {error}", param=f"line {number}") from error
        if only_here and row.standing != "only-here":
            others += 1
            continue
        found = db.execute("SELECT id FROM account WHERE id = ?1 OR external_id = ?1", (row.account,)).fetchall()
        if len(found) != 1:
            unknown.append(row.account)
            continue
        _add(db, campaign, str(found[0][0]), row)
    (count,) = next(db.execute("SELECT count(*) FROM campaign_listed WHERE campaign = ?", (campaign,)))
    return Listed(int(str(count)), others, unknown[:SHOWN])


def _add(db: Connection, campaign: str, account: str, row: Row) -> None:
    before = db.execute(
        "SELECT requests, territories, networks FROM campaign_listed WHERE campaign = ? AND account = ?",
        (campaign, account),
    ).fetchone()
    requests, territories, networks = row.hit_requests, dict(row.territories), list(row.prefixes)
    if before is not None:
        requests += int(str(before[0]))
        for territory, more in msgspec.json.decode(str(before[1]), type=dict[str, int]).items():
            territories[territory] = territories.get(territory, 0) + more
        networks = list(dict.fromkeys([*msgspec.json.decode(str(before[2]), type=list[str]), *networks]))
    db.execute(
        "INSERT INTO campaign_listed VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " days = max(days, excluded.days), requests = excluded.requests, first_at = min(first_at, excluded.first_at),"
        " last_at = max(last_at, excluded.last_at), territories = excluded.territories, networks = excluded.networks",
        (
            campaign, account, row.days, requests, row.first, row.last,
            msgspec.json.encode(territories).decode(), msgspec.json.encode(networks).decode(),
        ),
    )  # fmt: skip
