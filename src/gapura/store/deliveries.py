"""Notices: one row for each (campaign, account, stage), and what became of it.

The moves are those of `terms.campaign.DELIVERY_MOVES`.  A row says `sending` before anything is sent, so whoever
finds it after a crash knows that the letter may be under way, and asks the journal of the sender.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from gapura.clock import SECOND
from gapura.store import facts
from gapura.store.base import Conflict, Connection, Shape, mark, marked
from gapura.terms.campaign import DELIVERY_MOVES, DeliveryMove, DeliveryState
from gapura.terms.letter import Kind, Letter

LETTERS_GONE = "letters_gone"
OF_SENDING: frozenset[DeliveryMove] = frozenset({"send", "deliver", "refuse", "lose", "bounce", "give_up"})
"""Moves that have to be proven later."""

ANSWER = 500
"""Characters that are kept of what the other side said."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """`contact`: the role that is written to, `tried`: those that could not be reached.  `due_at`: not before then.
    `copies`: how often it may have arrived once more than it should."""

    id: int
    campaign: str
    account: str
    stage: str
    kind: Kind
    state: DeliveryState
    contact: str
    tried: tuple[str, ...]
    due_at: int
    attempts: int
    copies: int
    message_id: str
    sha256: str
    code: int
    answer: str
    reason: str
    planned_at: int
    moved_at: int
    delivered_at: int
    complained_at: int


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One that shall be made.  `reason`: free text of a correction or a release."""

    account: str
    stage: str
    kind: Kind
    due_at: int
    reason: str = ""


SHAPE = Shape(Delivery)
SELECT = f"SELECT {SHAPE.columns} FROM delivery"  # noqa: S608 - names of ours
DUE = "state IN ('planned', 'composed', 'deferred', 'unsure')"


def plan(db: Connection, campaign: str, planned: Iterable[Planned], at: int) -> int:
    """Makes those that are not there yet; how many that were."""
    before = db.total_changes()
    db.executemany(
        "INSERT INTO delivery (campaign, account, stage, kind, state, due_at, reason, planned_at, moved_at)"
        " VALUES (?, ?, ?, ?, 'planned', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(campaign, one.account, one.stage, one.kind, one.due_at, one.reason, at, at) for one in planned],
    )
    return db.total_changes() - before


def unplanned(campaign: str, account: str, stage: str, kind: Kind, contact: str) -> Delivery:
    """One that is only looked at."""
    return Delivery(
        id=0, campaign=campaign, account=account, stage=stage, kind=kind, state="planned", contact=contact, tried=(),
        due_at=0, attempts=0, copies=0, message_id="", sha256="", code=0, answer="", reason="", planned_at=0,
        moved_at=0, delivered_at=0, complained_at=0,
    )  # fmt: skip


def due(db: Connection, campaign: str, at: int, limit: int) -> list[Delivery]:
    """Those that are due, oldest first."""
    rows = db.execute(
        f"{SELECT} WHERE campaign = ? AND {DUE} AND due_at <= ? ORDER BY due_at, id LIMIT ?", (campaign, at, limit)
    )
    return [SHAPE.struct(row) for row in rows]


def next_due(db: Connection, campaign: str) -> int | None:
    """When the next one is due."""
    row: Any = db.execute(
        f"SELECT due_at FROM delivery WHERE campaign = ? AND {DUE} ORDER BY due_at LIMIT 1",  # noqa: S608 - ours
        (campaign,),
    ).fetchone()
    return None if row is None else int(row[0])


def under_way(db: Connection) -> list[Delivery]:
    """Those that may be on their way right now, or were when a keeper died."""
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE state = 'sending' ORDER BY id")]


def get(db: Connection, number: int) -> Delivery | None:
    row = db.execute(f"{SELECT} WHERE id = ?", (number,)).fetchone()
    return SHAPE.struct(row) if row else None


def of_message(db: Connection, message_id: str) -> Delivery | None:
    """By the id that its letter bears."""
    row = db.execute(
        f"{SELECT} WHERE message_id = ? AND message_id <> '' ORDER BY id LIMIT 1", (message_id,)
    ).fetchone()
    return SHAPE.struct(row) if row else None


def of_token(db: Connection, token: str) -> Delivery | None:
    """By what stands before the @ of that id (`terms.letter.token`)."""
    row = db.execute(
        f"{SELECT} WHERE message_id > ? AND message_id < ? ORDER BY id LIMIT 1", (f"<{token}@", f"<{token}A")
    ).fetchone()
    return SHAPE.struct(row) if row and token else None


def of_account(db: Connection, account: str, campaign: str = "") -> list[Delivery]:
    """All that an account was told or shall be, oldest first."""
    rows = db.execute(
        f"{SELECT} WHERE account = ?1 AND (?2 = '' OR campaign = ?2) ORDER BY due_at, id", (account, campaign)
    )
    return [SHAPE.struct(row) for row in rows]


def move(db: Connection, before: Delivery, verb: DeliveryMove, at: int, **changes: Any) -> Delivery:
    """Raises Conflict where its state has no such move.  `changes`: other fields that become different with it."""
    ways = DELIVERY_MOVES[before.state]
    if verb not in ways:
        raise Conflict(f"notice {before.id} is {before.state} and cannot {verb}")
    changes["answer"] = changes.get("answer", before.answer)[:ANSWER]
    after = msgspec.structs.replace(before, state=ways[verb], moved_at=at, **changes)
    db.execute(
        f"UPDATE delivery SET ({SHAPE.columns}) = ({SHAPE.marks}) WHERE id = ? AND state = ?",  # noqa: S608 - ours
        (*SHAPE.row(after), before.id, before.state),
    )
    if db.changes() != 1:
        raise Conflict(f"notice {before.id} is {before.state} no more")
    if verb in OF_SENDING:
        told = ("campaign", "stage", "kind", "state", "attempts", "copies", "code", "message_id", "sha256")
        facts.put(db, "notice", after.account, f"{after.id}.{after.attempts}.{verb}", _said(after, told), at)
    return after


def address(db: Connection, before: Delivery, contact: str) -> Delivery:
    """Which contact it goes to."""
    db.execute("UPDATE delivery SET contact = ? WHERE id = ?", (contact, before.id))
    return msgspec.structs.replace(before, contact=contact)


def _said(after: Delivery, names: Iterable[str]) -> dict[str, Any]:
    """Without the other side's words: they may name a person, and what is proven is never deleted."""
    return {name: getattr(after, name) for name in names}


def complain(db: Connection, before: Delivery, at: int) -> None:
    """Its reader called it unwanted: it did arrive."""
    db.execute("UPDATE delivery SET complained_at = ? WHERE id = ? AND complained_at = 0", (at, before.id))


def cancel(db: Connection, campaign: str, account: str, at: int, reason: str) -> int:
    """What an account was not sent yet is not sent any more; how many that were."""
    db.execute(
        "UPDATE delivery SET state = 'cancelled', moved_at = ?, reason = ? WHERE campaign = ?"
        " AND state IN ('planned', 'composed', 'deferred', 'unsure') AND account = ?",
        (at, reason, campaign, account),
    )
    return db.changes()


def cancel_notices(db: Connection, campaign: str, at: int, reason: str) -> int:
    """The same for everybody, but for corrections and releases."""
    db.execute(
        "UPDATE delivery SET state = 'cancelled', moved_at = ?, reason = ? WHERE campaign = ?"
        " AND state IN ('planned', 'composed', 'deferred', 'unsure') AND kind IN ('notice', 'effective')",
        (at, reason, campaign),
    )
    return db.changes()


def keep_letter(db: Connection, number: int, letter: Letter) -> None:
    """What is said, before it is sent: whoever sends it again sends the same."""
    db.execute("INSERT OR REPLACE INTO delivery_letter VALUES (?, ?)", (number, msgspec.json.encode(letter).decode()))


def letter(db: Connection, number: int) -> Letter | None:
    """None where there is none, or retention took it."""
    row = db.execute("SELECT letter FROM delivery_letter WHERE delivery = ?", (number,)).fetchone()
    return msgspec.json.decode(str(row[0]), type=Letter) if row else None


def forget_letters(db: Connection, before: int, limit: int = 1_000) -> int:
    """Retention: deletes a batch of what letters said, of campaigns that were finished or recalled before; how many.
    Each letter's hash, and what became of it, stay; what is still under way is kept."""
    closed = db.execute(
        "SELECT id FROM campaign c WHERE state IN ('finished', 'recalled')"
        " AND (SELECT max(at) FROM campaign_step s WHERE s.campaign = c.id) < ?",
        (before,),
    ).fetchall()
    for (name,) in closed:
        if marked(db, f"{LETTERS_GONE}/{name}"):
            continue
        rows = db.execute(
            "SELECT l.delivery FROM delivery d JOIN delivery_letter l ON l.delivery = d.id WHERE d.campaign = ?"
            " AND d.state IN ('delivered', 'bounced', 'refused', 'unreachable', 'cancelled') LIMIT ?",
            (name, limit),
        ).fetchall()
        db.executemany("DELETE FROM delivery_letter WHERE delivery = ?", rows)
        if rows:
            return len(rows)
        if next_due(db, str(name)) is None:
            mark(db, f"{LETTERS_GONE}/{name}", "1")
    return 0


def counts(db: Connection, campaign: str) -> dict[str, dict[str, int]]:
    """Stage → state → how many."""
    found: dict[str, dict[str, int]] = {}
    rows = db.execute(
        "SELECT stage, state, count(*) FROM delivery WHERE campaign = ?"
        " GROUP BY stage, state ORDER BY min(due_at), stage",
        (campaign,),
    )
    for stage, state, count in rows:
        found.setdefault(str(stage), {})[str(state)] = int(count)
    return found


def copies(db: Connection, campaign: str) -> list[Delivery]:
    """Each that may have arrived more than once: its sender was cut off between the text and the answer."""
    return [
        SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE campaign = ? AND copies > 0 ORDER BY id", (campaign,))
    ]


def by_hour(db: Connection, campaign: str) -> dict[int, int]:
    """How many were delivered in each hour, by the instant at which it began."""
    rows: Any = db.execute(
        "SELECT delivered_at / ?2 * ?2 AS hour, count(*) FROM delivery WHERE campaign = ?1 AND delivered_at > 0"
        " GROUP BY hour ORDER BY hour",
        (campaign, 3600 * SECOND),
    )
    return {int(hour): int(count) for hour, count in rows}
