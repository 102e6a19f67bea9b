"""Notices that endpoints took: each with the status of the answer, the hash of what was posted, and the time."""

import msgspec

from gapura.store import facts
from gapura.store.base import Connection, Shape


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """`sha256` is of the body, to the byte; `event` its id in the outbox."""

    campaign: str
    account: str
    stage: str
    webhook: str
    event: str
    code: int
    sha256: str
    at: int

    @property
    def way(self) -> tuple[str, str]:
        """How it was told, and at which stage."""
        return f"webhook {self.webhook}", self.stage


SHAPE = Shape(Taken)
SELECT = f"SELECT {SHAPE.columns} FROM campaign_taken"  # noqa: S608 - names of ours


def keep(db: Connection, one: Taken) -> bool:
    """With a fact that can be proven; False where it is known, as it is when an event is posted again."""
    db.execute(
        f"INSERT OR IGNORE INTO campaign_taken ({SHAPE.columns}) VALUES ({SHAPE.marks})",  # noqa: S608 - names of ours
        SHAPE.row(one),
    )
    if not db.changes():
        return False
    body = {name: getattr(one, name) for name in SHAPE.fields if name not in {"account", "at"}}
    facts.put(db, "notice", one.account, f"{one.event}.{one.webhook}", body | {"state": "taken", "attempts": 1}, one.at)
    return True


def first(db: Connection, campaign: str, account: str) -> Taken | None:
    row = db.execute(f"{SELECT} WHERE campaign = ? AND account = ? ORDER BY at LIMIT 1", (campaign, account)).fetchone()
    return SHAPE.struct(row) if row else None


def of_account(db: Connection, account: str) -> list[Taken]:
    """Oldest first."""
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE account = ? ORDER BY at", (account,))]
