"""How far each account of a campaign has come: what it is told next, since when it counts as told, what was done."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from gapura.store.audiences import SELECT, SHAPE, Member
from gapura.store.base import Connection
from gapura.store.visits import DAY


class Next(NamedTuple):
    """A member whose next notice is due at `at`, with what decides how it is planned."""

    account: str
    round: int
    stage: int
    at: int
    told_at: int
    zone: str
    contacts: dict[str, str]


class Tally(msgspec.Struct, frozen=True):
    """How many accounts of a campaign are where.  `untold` are affected and exempt for want of a notice; `bystanders`
    were seen from there, and it is not about them."""

    affected: int = 0
    released: int = 0
    told: int = 0
    untold: int = 0
    acted: int = 0
    by: dict[str, int] = {}
    bystanders: int = 0


def get(db: Connection, campaign: str, account: str) -> Member | None:
    row = db.execute(f"{SELECT} WHERE campaign = ? AND account = ?", (campaign, account)).fetchone()
    return SHAPE.struct(row) if row else None


def of_account(db: Connection, account: str) -> list[Member]:
    """In all campaigns."""
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE account = ? ORDER BY campaign", (account,))]


def page(db: Connection, campaign: str, after: str = "", limit: int = 100) -> list[Member]:
    """Members behind the account `after`."""
    rows = db.execute(f"{SELECT} WHERE campaign = ? AND account > ? ORDER BY account LIMIT ?", (campaign, after, limit))
    return [SHAPE.struct(row) for row in rows]


def due(db: Connection, campaign: str, until: int, limit: int) -> list[Next]:
    """Those whose next notice is due by then, in the order of time: looked up, not searched for."""
    rows: Any = db.execute(
        "SELECT m.account, m.round, m.stage, m.next_at, m.told_at, a.zone, a.contacts FROM campaign_account m"
        " JOIN account a ON a.id = m.account"
        " WHERE m.campaign = ? AND m.next_at > 0 AND m.next_at <= ? ORDER BY m.next_at LIMIT ?",
        (campaign, until, limit),
    )
    return [Next._make((*row[:-1], msgspec.json.decode(row[-1]))) for row in rows]


def advance(db: Connection, campaign: str, following: Iterable[tuple[str, int, int]]) -> None:
    """(account, its next stage, when; 0: never)."""
    db.executemany(
        "UPDATE campaign_account SET stage = ?, next_at = ? WHERE campaign = ? AND account = ?",
        [(stage, at, campaign, account) for account, stage, at in following],
    )


def told(db: Connection, campaign: str, account: str, at: int, by: str) -> bool:
    """It counts as told since then; whether it did not before."""
    db.execute(
        "UPDATE campaign_account SET told_at = ?, told_by = ?"
        " WHERE campaign = ? AND account = ? AND told_at = 0 AND state = 'affected'",
        (at, by, campaign, account),
    )
    return db.changes() == 1


def untold(db: Connection, campaign: str, account: str) -> None:
    """What it was told did not arrive after all."""
    db.execute(
        "UPDATE campaign_account SET told_at = 0, told_by = '' WHERE campaign = ? AND account = ?", (campaign, account)
    )


def note(
    db: Connection, campaign: str, account: str, *, exemption: str | None = None, acted: str | None = None
) -> None:
    """Which exception keeps the date from it, and what was done to it."""
    db.execute(
        "UPDATE campaign_account SET exemption = coalesce(?, exemption), acted = coalesce(?, acted)"
        " WHERE campaign = ? AND account = ?",
        (exemption, acted, campaign, account),
    )


def exempted(db: Connection, campaign: str, exemptions: Iterable[tuple[str, str]]) -> None:
    """(account, what keeps the date from it)."""
    db.executemany(
        "UPDATE campaign_account SET exemption = ? WHERE campaign = ? AND account = ?",
        [(exemption, campaign, account) for account, exemption in exemptions],
    )


def because(db: Connection, campaign: str, account: str, reason: str) -> None:
    """Why it was released."""
    db.execute("UPDATE campaign_account SET reason = ? WHERE campaign = ? AND account = ?", (reason, campaign, account))


def unexempt(db: Connection, campaign: str, after: str, limit: int) -> list[Member]:
    """Affected ones behind the account `after` that were not told, and that nothing keeps the date from yet."""
    rows = db.execute(
        f"{SELECT} WHERE campaign = ? AND account > ? AND state = 'affected' AND told_at = 0 AND exemption = ''"
        " ORDER BY account LIMIT ?",
        (campaign, after, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def to_act_on(db: Connection, campaign: str, told_before: int, after: str, limit: int) -> list[Member]:
    """Affected ones behind the account `after` that were told before then."""
    rows = db.execute(
        f"{SELECT} WHERE campaign = ? AND account > ? AND state = 'affected' AND told_at BETWEEN 1 AND ?"
        " ORDER BY account LIMIT ?",
        (campaign, after, told_before, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def acted_on(db: Connection, campaign: str, after: str, limit: int) -> list[Member]:
    """Those to whom something was done, or from whom something keeps the date, behind the account `after`."""
    rows = db.execute(
        f"{SELECT} WHERE campaign = ? AND account > ? AND (acted <> '' OR exemption <> '' OR told_at > 0)"
        " ORDER BY account LIMIT ?",
        (campaign, after, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def tally(db: Connection, campaign: str) -> Tally:
    row: Any = db.execute(
        "SELECT coalesce(sum(state = 'affected'), 0), coalesce(sum(state = 'released'), 0),"
        " coalesce(sum(told_at > 0 AND state = 'affected'), 0), coalesce(sum(told_at = 0 AND state = 'affected'), 0),"
        " coalesce(sum(acted <> ''), 0) FROM campaign_account WHERE campaign = ?",
        (campaign,),
    ).fetchone()
    ways: Any = db.execute(
        "SELECT told_by, count(*) FROM campaign_account WHERE campaign = ? AND told_at > 0 GROUP BY told_by ORDER BY 1",
        (campaign,),
    )
    affected, released, told, untold, acted = map(int, row)
    by = {str(way): int(count) for way, count in ways}
    beside: Any = db.execute("SELECT count(*) FROM campaign_bystander WHERE campaign = ?", (campaign,)).get
    return Tally(affected, released, told, untold, acted, by, int(beside))


def post(db: Connection, campaign: str, account: str, at: int) -> None:
    """Since then its answers tell of it."""
    db.execute(
        "UPDATE campaign_account SET posted_at = ? WHERE campaign = ? AND account = ? AND posted_at = 0",
        (at, campaign, account),
    )


def answered(db: Connection, campaign: str, after: int, until: int) -> None:
    """Notes the days on which those who were not told otherwise were answered with a notice, in these rows of the
    record."""
    db.execute(
        "INSERT OR IGNORE INTO campaign_header SELECT m.campaign, r.account, r.opened_at / ?4 FROM request r"
        " JOIN campaign_account m ON m.campaign = ?1 AND m.account = r.account AND m.posted_at > 0 AND m.told_at = 0"
        " WHERE r.rowid > ?2 AND r.rowid <= ?3 AND r.outcome IN ('complete', 'cut') AND r.opened_at >= m.posted_at",
        (campaign, after, until, DAY),
    )


def told_by_header(db: Connection, campaign: str, days: int, *, mail: bool = True) -> list[tuple[str, int]]:
    """Those who were answered so on enough days, and cannot be reached otherwise: account, and the last day.  Without
    `mail` a letter that arrived does not count."""
    rows: Any = db.execute(
        "SELECT h.account, max(h.day) FROM campaign_header h JOIN campaign_account m USING (campaign, account)"
        " WHERE h.campaign = ?1 AND m.told_at = 0 AND m.state = 'affected' AND NOT (?3 AND EXISTS ("
        "  SELECT 1 FROM delivery d WHERE d.campaign = ?1 AND d.account = h.account"
        "  AND d.state NOT IN ('unreachable', 'cancelled')))"
        " GROUP BY h.account HAVING count(*) >= ?2 ORDER BY h.account",
        (campaign, days, mail),
    )
    return [(str(account), int(day)) for account, day in rows]


def release(db: Connection, campaign: str, accounts: Iterable[str], at: int) -> None:
    """They are affected no more."""
    db.executemany(
        "UPDATE campaign_account SET state = 'released', since = ?, next_at = 0 WHERE campaign = ? AND account = ?",
        [(at, campaign, account) for account in accounts],
    )
