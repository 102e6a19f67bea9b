"""What an account is written about its objection: that it has arrived, and what became of it.

planned → sending → sent, or failed
"""

from typing import Any, Literal

import msgspec

from gapura.errors import NotFound
from gapura.store import facts
from gapura.store.base import Connection, Shape
from gapura.terms.letter import Receipt

Kind = Literal["receipt", "decision"]
State = Literal["planned", "sending", "sent", "failed"]
ANSWER = 500


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`answer`: the other side's words, or why it was not sent; `code` its number."""

    appeal: str
    kind: Kind
    state: State
    message_id: str
    sha256: str
    code: int
    answer: str
    planned_at: int
    moved_at: int


SHAPE = Shape(Answer)
SELECT = f"SELECT {SHAPE.columns} FROM appeal_letter"  # noqa: S608 - names of ours


def get(db: Connection, appeal: str, kind: str) -> Answer:
    """Raises NotFound."""
    row = db.execute(f"{SELECT} WHERE appeal = ? AND kind = ?", (appeal, kind)).fetchone()
    if row is None:
        raise NotFound(f"nothing is to be written about {appeal}")
    return SHAPE.struct(row)


def of_appeal(db: Connection, appeal: str) -> list[Answer]:
    """The receipt before the decision."""
    rows = db.execute(f"{SELECT} WHERE appeal = ? ORDER BY kind DESC", (appeal,))
    return [SHAPE.struct(row) for row in rows]


def under_way(db: Connection) -> set[str]:
    """The Message-IDs of those that may be on their way."""
    return {str(name) for (name,) in db.execute("SELECT message_id FROM appeal_letter WHERE state = 'sending'")}


def move(db: Connection, before: Answer, state: State, at: int, **changes: Any) -> Answer:
    after = msgspec.structs.replace(before, state=state, moved_at=at, **changes)
    db.execute(
        f"UPDATE appeal_letter SET ({SHAPE.columns}) = ({SHAPE.marks}) WHERE appeal = ? AND kind = ?",  # noqa: S608 - ours
        (*SHAPE.row(after), after.appeal, after.kind),
    )
    return after


def settle(db: Connection, before: Answer, account: str, receipt: Receipt) -> Answer:
    """What an attempt brought, which has to be proven later.  Deferred and unsure ones are still `sending`."""
    ended: dict[str, State] = {"delivered": "sent", "refused": "failed"}
    state = ended.get(receipt.outcome, "sending")
    body = {
        "appeal": before.appeal, "stage": before.kind, "state": receipt.outcome, "attempts": 1, "code": receipt.code,
        "message_id": before.message_id, "sha256": receipt.sha256 or before.sha256,
    }  # fmt: skip
    facts.put(db, "notice", account, f"{before.appeal}.{before.kind}.{receipt.at}", body, receipt.at)
    return move(db, before, state, receipt.at, code=receipt.code, answer=receipt.answer[:ANSWER])
