"""Accounts that a campaign is not about and that were seen from its places all the same: too seldom, or from covered
places as well.  Only their requests from there will be refused; until then, their answers tell them from when on.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from gapura.store import audiences
from gapura.store.audiences import Question, Slice, Spared
from gapura.store.base import Connection
from gapura.store.visits import DAY

# Whoever something is lifted for is not refused; it is told when that is over.  Whoever was released is one as soon as
# it comes from there again.
_SEEN = """
    SELECT DISTINCT v.account FROM visit v CROSS JOIN account a ON a.id = v.account
    LEFT JOIN campaign_account m ON m.campaign = :campaign AND m.account = v.account
    WHERE v.account > :after AND v.account <= :until AND v.day >= :since
    AND v.territory IN (SELECT value FROM json_each(:outside))
    AND (m.account IS NULL OR m.state = 'released' AND v.day > m.since / :a_day)
    AND a.id NOT IN (SELECT value FROM json_each(:lifted))
    AND a.external_id NOT IN (SELECT value FROM json_each(:lifted))
    AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.account = v.account AND e.policy = :policy AND e.state = 'open'
                    AND e.kind IN ('exception', 'release') AND e.starts <= :at AND (e.ends = 0 OR e.ends > :at))"""
_KNOWN = "SELECT account FROM campaign_bystander WHERE campaign = ? AND account > ? AND account <= ?"


class Weighed(NamedTuple):
    """Of a slice: who has come, and who is one no more."""

    new: list[str]
    gone: list[str]


def weigh(db: Connection, asked: Question, of: Slice, spared: Spared | None) -> Weighed:
    """`asked.outside` are all places that the policy does not cover.  Nothing is written."""
    values = {
        "campaign": asked.campaign, "policy": asked.policy, "after": of.after, "until": of.until, "since": asked.since,
        "outside": _json(asked.outside), "lifted": _json(asked.lifted), "at": asked.at,
        "a_day": DAY,
    }  # fmt: skip
    found = {str(account) for (account,) in db.execute(_SEEN, values)}
    if spared is not None:
        found = {one for one in found if not spared(one, audiences.mostly(db, one, asked))}
    known = {str(account) for (account,) in db.execute(_KNOWN, (asked.campaign, *of))}
    return Weighed(sorted(found - known), sorted(known - found))


def add(db: Connection, campaign: str, accounts: Iterable[str], day: int, at: int) -> None:
    """They are told since `at`; their `day` is the one that they are told of."""
    db.executemany("INSERT INTO campaign_bystander VALUES (?, ?, ?, ?)", [(campaign, one, at, day) for one in accounts])


def drop(db: Connection, campaign: str, accounts: Iterable[str]) -> None:
    db.executemany(
        "DELETE FROM campaign_bystander WHERE campaign = ? AND account = ?", [(campaign, one) for one in accounts]
    )


def page(db: Connection, campaign: str, after: str, limit: int) -> list[str]:
    """Behind the account `after`."""
    rows: Any = db.execute(
        "SELECT account FROM campaign_bystander WHERE campaign = ? AND account > ? ORDER BY account LIMIT ?",
        (campaign, after, limit),
    )
    return [str(account) for (account,) in rows]


def _json(values: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(values)).decode()
