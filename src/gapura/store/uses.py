"""What accounts used, by the record: for those who claim by it, and for those who ask what they used."""

from typing import Any

from gapura.clock import SECOND
from gapura.store.base import Connection
from gapura.terms.programme import Measured

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
