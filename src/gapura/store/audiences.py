"""Whom a campaign is about: everybody once a day, in slices, set-wise; and how far each of them has come.

A slice is some hundred accounts in the order of their ids, weighed in a transaction of its own, so that a million
accounts neither fill the memory nor keep others from writing.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from gapura.store.base import Connection, Shape
from gapura.store.visits import DAY
from gapura.terms.campaign import Audience

SLICE = 2_000
"""Rows of visits, or accounts of a back-test, in one slice: some 10 ms, for which gates that ask for tokens wait."""
LAST = "~"
"""Behind every id."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An account in a campaign; `first_day`, `last_day` are days since 1970 on which it was seen outside, `requests`
    those from there; the rest as in the schema."""

    campaign: str
    account: str
    state: Literal["affected", "released"]
    round: int
    days: int
    requests: int
    first_day: int
    last_day: int
    since: int
    stage: int
    next_at: int
    told_at: int
    told_by: str
    exemption: str
    posted_at: int
    acted: str
    reason: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Who is affected.  `outside` are the territories that the policy does not cover, `inside` all others; `lifted`
    the names of accounts that its document exempts; `since` is a
    day, `at` now, `due_at` the day that an exception must outlast."""

    campaign: str
    policy: str
    audience: Audience
    outside: tuple[str, ...]
    inside: tuple[str, ...]
    lifted: tuple[str, ...]
    since: int
    at: int
    due_at: int


class Slice(NamedTuple):
    """Accounts with ids behind `after`, up to `until`."""

    after: str
    until: str


class Weighed(NamedTuple):
    """How many accounts of a slice are affected, how many of them anew, and who is released."""

    affected: int
    enrolled: int
    released: list[Member]


Due = Callable[[str], tuple[int, int]]
"""The zone of an account → which stage it is told next, and when."""
Spared = Callable[[str, str], bool]
"""An account and the place that it was seen in most → whether a rule lets it through all the same."""

SHAPE = Shape(Member)
SELECT = f"SELECT {SHAPE.columns} FROM campaign_account"  # noqa: S608 - names of ours

_CANDIDATE = (
    "CREATE TEMP TABLE IF NOT EXISTS candidate (account TEXT PRIMARY KEY, days INTEGER, requests INTEGER,"
    " first_day INTEGER, last_day INTEGER) WITHOUT ROWID; DELETE FROM temp.candidate;"
    "CREATE TEMP TABLE IF NOT EXISTS due (zone TEXT PRIMARY KEY, stage INTEGER, next_at INTEGER); DELETE FROM temp.due"
)
_FROM_RECORD = """
    INSERT INTO temp.candidate
    SELECT v.account, count(DISTINCT v.day), sum(v.requests), min(v.day), max(v.day)
    FROM (SELECT account,
                 max(CASE WHEN territory IN (SELECT value FROM json_each(:inside)) THEN day ELSE -1 END) AS reset
          FROM visit WHERE account > :after AND account <= :until AND day >= :since GROUP BY account) seen
    JOIN visit v ON v.account = seen.account AND v.day >= :since AND (v.day > seen.reset OR NOT :only_here)
    WHERE v.territory IN (SELECT value FROM json_each(:outside))
    GROUP BY v.account HAVING count(DISTINCT v.day) >= :min_days"""
_FROM_LIST = """
    INSERT INTO temp.candidate
    SELECT account, days, requests, first_at / :day, last_at / :day FROM campaign_listed listed
    WHERE campaign = :campaign AND account > :after AND account <= :until AND days >= :min_days
      AND NOT (:only_here AND EXISTS (
          SELECT 1 FROM visit v WHERE v.account = listed.account AND v.day > listed.last_at / :day
          AND v.territory IN (SELECT value FROM json_each(:inside))))"""
# An exception that ends before the day keeps nobody out of the campaign.
_SPARED = """
    DELETE FROM temp.candidate WHERE account NOT IN (
        SELECT id FROM account WHERE id > :after AND id <= :until
        AND (:organisations = '[]' OR organisation IN (SELECT value FROM json_each(:organisations)))
        AND id NOT IN (SELECT value FROM json_each(:lifted))
        AND external_id NOT IN (SELECT value FROM json_each(:lifted)))
    OR account IN (
        SELECT account FROM exception WHERE policy = :policy AND state = 'open' AND kind IN ('exception', 'release')
        AND starts <= :due_at AND (ends = 0 OR ends > :due_at))"""
# CROSS JOIN: in this order.  Left to itself SQLite walks through all accounts once a slice.
_ENROL = """
    INSERT INTO campaign_account (campaign, account, state, round, days, requests, first_day, last_day, since, stage,
                                  next_at)
    SELECT :campaign, c.account, 'affected', 1, c.days, c.requests, c.first_day, c.last_day, :at, d.stage, d.next_at
    FROM temp.candidate c CROSS JOIN account a ON a.id = c.account CROSS JOIN temp.due d ON d.zone = a.zone
    WHERE true ON CONFLICT DO UPDATE SET
        days = excluded.days, requests = excluded.requests, first_day = excluded.first_day,
        last_day = excluded.last_day, reason = '', state = 'affected',
        round = round + (state = 'released'),
        since = CASE state WHEN 'released' THEN excluded.since ELSE since END,
        stage = CASE state WHEN 'released' THEN excluded.stage ELSE stage END,
        next_at = CASE state WHEN 'released' THEN excluded.next_at ELSE next_at END,
        told_at = CASE state WHEN 'released' THEN 0 ELSE told_at END,
        told_by = CASE state WHEN 'released' THEN '' ELSE told_by END
    WHERE state = 'released' OR days <> excluded.days OR requests <> excluded.requests OR last_day <> excluded.last_day
        OR first_day <> excluded.first_day"""

_HERE = "campaign = ? AND account > ? AND account <= ? AND state = 'affected'"
_GONE = "account NOT IN (SELECT account FROM temp.candidate)"
_RELEASE = f"UPDATE campaign_account SET state = 'released', since = ?, next_at = 0 WHERE {_HERE} AND {_GONE}"  # noqa: S608


def following(db: Connection, question: Question, after: str) -> Slice | None:
    """The slice behind `after`; None where the last one ended there."""
    if after == LAST:
        return None
    if question.audience.source == "record":
        seen = "SELECT max(account) FROM (SELECT account FROM visit WHERE account > ? ORDER BY account LIMIT ?)"
        row: Any = db.execute(seen, (after, SLICE)).fetchone()
    else:
        listed = (
            "SELECT max(account) FROM (SELECT account FROM campaign_listed WHERE campaign = ? AND account > ?"
            " ORDER BY account LIMIT ?)"
        )
        row = db.execute(listed, (question.campaign, after, SLICE)).fetchone()
    return Slice(after, LAST if row[0] is None else str(row[0]))


def count(db: Connection, question: Question, of: Slice, spared: Spared | None) -> tuple[int, int]:
    """How many of the slice are affected, and their requests; nothing is written."""
    _candidates(db, question, of, spared)
    row: Any = db.execute("SELECT count(*), coalesce(sum(requests), 0) FROM temp.candidate").fetchone()
    return int(row[0]), int(row[1])


def sample(db: Connection, question: Question, of: Slice, spared: Spared | None, most: int) -> list[Member]:
    """Some of a slice, as they would be enrolled; nothing is written."""
    _candidates(db, question, of, spared)
    rows: Any = db.execute("SELECT * FROM temp.candidate ORDER BY account LIMIT ?", (most,))
    return [_unenrolled(question, *row) for row in rows]


def _unenrolled(question: Question, account: str, days: int, requests: int, first: int, last: int) -> Member:
    return Member(
        campaign=question.campaign, account=account, state="affected", round=1, days=days, requests=requests,
        first_day=first, last_day=last, since=question.at, stage=0, next_at=0, told_at=0, told_by="", exemption="",
        posted_at=0, acted="", reason="",
    )  # fmt: skip


def weigh(db: Connection, question: Question, of: Slice, due: Due, spared: Spared | None) -> Weighed:
    """Enrols who is affected, and releases who is no more."""
    _candidates(db, question, of, spared)
    zones = db.execute(
        "SELECT DISTINCT a.zone FROM temp.candidate c CROSS JOIN account a ON a.id = c.account"
    ).fetchall()
    db.executemany("INSERT INTO temp.due VALUES (?, ?, ?)", [(str(zone), *due(str(zone))) for (zone,) in zones])
    where = (question.campaign, *of)
    before: Any = db.execute(f"SELECT count(*) FROM campaign_account WHERE {_HERE}", where).get  # noqa: S608 - ours
    db.execute(_ENROL, {"campaign": question.campaign, "at": question.at})
    released = [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE {_HERE} AND {_GONE}", where)]
    db.execute(_RELEASE, (question.at, *where))
    affected: Any = db.execute("SELECT count(*) FROM temp.candidate").get
    return Weighed(int(affected), int(affected) - (int(before) - len(released)), released)


def _candidates(db: Connection, question: Question, of: Slice, spared: Spared | None) -> None:
    audience = question.audience
    values = {
        "campaign": question.campaign, "policy": question.policy, "after": of.after, "until": of.until,
        "inside": _json(question.inside), "outside": _json(question.outside), "lifted": _json(question.lifted),
        "organisations": _json(audience.organisations), "min_days": audience.min_days,
        "only_here": audience.only_here, "since": question.since, "due_at": question.due_at, "day": DAY,
    }  # fmt: skip
    db.execute(_CANDIDATE)
    for statement in (_FROM_RECORD if audience.source == "record" else _FROM_LIST, _SPARED):
        db.execute(statement, {name: value for name, value in values.items() if f":{name}" in statement})
    if spared is not None:
        found = db.execute("SELECT account FROM temp.candidate").fetchall()
        let = [(str(name),) for (name,) in found if spared(str(name), mostly(db, str(name), question))]
        db.executemany("DELETE FROM temp.candidate WHERE account = ?", let)


def mostly(db: Connection, account: str, question: Question) -> str:
    """The territory outside from which most of its requests came."""
    row = db.execute(
        "SELECT territory FROM visit WHERE account = ? AND day >= ?"
        " AND territory IN (SELECT value FROM json_each(?)) GROUP BY territory ORDER BY sum(requests) DESC, territory",
        (account, question.since, _json(question.outside)),
    ).fetchone()
    return str(row[0]) if row else ""


def reset(db: Connection, member: Member, inside: Collection[str]) -> tuple[int, str] | None:
    """The last day since it was seen outside on which it was seen inside, and from where."""
    row = db.execute(
        "SELECT day, territory FROM visit WHERE account = ? AND day >= ?"
        " AND territory IN (SELECT value FROM json_each(?)) ORDER BY day DESC, territory LIMIT 1",
        (member.account, member.last_day, _json(inside)),
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else None


def seen(db: Connection, member: Member, outside: Collection[str]) -> bool:
    """Whether it was seen from there, on the days for which it was affected."""
    return bool(
        db.execute(
            "SELECT 1 FROM visit WHERE account = ? AND day BETWEEN ? AND ?"
            " AND territory IN (SELECT value FROM json_each(?)) LIMIT 1",
            (member.account, member.first_day, member.last_day, _json(outside)),
        ).fetchone()
    )


def noted(db: Connection, member: Member) -> set[str]:
    """The territories that its evidence names."""
    rows = db.execute(
        "SELECT DISTINCT territory FROM campaign_evidence WHERE campaign = ? AND account = ?",
        (member.campaign, member.account),
    )
    return {str(territory) for (territory,) in rows}


def _json(values: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(values)).decode()
