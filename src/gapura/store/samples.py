"""Samples of decisions, as facts: of each account, place, effect and version of the rules the first in thirty days.

Only decisions that warned, marked or refused: what somebody may have to answer for.
"""

from typing import Any

import msgspec

from gapura.clock import SECOND
from gapura.store import facts
from gapura.store.base import Connection, mark, marked
from gapura.terms.verdict import Verdict

LOOKED_AT = "decisions_sampled_to"
MANY = 2_000
PERIOD = 30 * 86_400 * SECOND
NAMES = ("id", "effect", "outcome", "status", "error", "model", "territory", "certainty", "policy_version")


def take_in(db: Connection) -> int:
    """A batch of requests that were not looked at yet; how many."""
    after = int(marked(db, LOOKED_AT) or 0)
    last = db.execute(
        "SELECT max(number) FROM (SELECT rowid AS number FROM request WHERE rowid > ? ORDER BY rowid LIMIT ?)",
        (after, MANY),
    ).get
    if not isinstance(last, int):
        return 0
    rows = db.execute(
        "SELECT min(rowid), account, opened_at / ?3 AS period, territory, effect, policy_version FROM request"
        " WHERE rowid > ?1 AND rowid <= ?2 AND effect IN ('warn', 'review', 'block') AND account <> ''"
        " GROUP BY account, period, territory, effect, policy_version ORDER BY 1",
        (after, last, PERIOD),
    ).fetchall()
    for number, account, *about in rows:
        _sample(db, number, str(account), ".".join(map(str, about)))
    mark(db, LOOKED_AT, str(last))
    return last - after


def _sample(db: Connection, number: object, account: str, subject: str) -> None:
    """Without the reasons in words: an exception's may be anything, and a fact is never deleted."""
    row = db.execute(
        f"SELECT {', '.join(NAMES)}, opened_at, verdicts FROM request LEFT JOIN request_place ON request = id"  # noqa: S608 - names of ours
        " WHERE request.rowid = ?",
        (number,),
    ).fetchone()
    assert row is not None  # noqa: S101 - it was read in this transaction
    *said, at, verdicts = row
    told = msgspec.json.decode(verdicts, type=list[Verdict]) if verdicts else []
    body: dict[str, Any] = dict(zip(NAMES, said, strict=True))
    body["verdicts"] = [[one.target, one.effect, one.policy, one.rule, one.certain] for one in told]
    facts.put(db, "decision", account, subject, body, at)
