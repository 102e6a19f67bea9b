"""Programmes: their documents as they were written, version by version, and whether they are open.

    draft → open ⇄ closed

A version is never changed; the newest is in force.  Its wallet is an account of the ledger, filled to what the
document says when the programme is open.
"""

import hashlib
from typing import Any, Literal

import msgspec

from gapura.errors import NotFound
from gapura.store import grants
from gapura.store.base import Conflict, Connection, Shape

State = Literal["draft", "open", "closed"]
MOVES: dict[State, frozenset[State]] = {
    "draft": frozenset({"open"}),
    "open": frozenset({"closed"}),
    "closed": frozenset({"open"}),
}


class Programme(msgspec.Struct, frozen=True):
    """`funded`: what was put into its wallet in all.  Times are UTC microseconds."""

    id: str
    state: State
    version: int
    unit: str
    funded: int
    made_at: int
    moved_at: int


class Version(msgspec.Struct, frozen=True):
    """`text` is the document, to the letter."""

    programme: str
    version: int
    digest: str
    text: str
    actor: str
    at: int


SHAPE, VERSION = Shape(Programme), Shape(Version)
SELECT = f"SELECT {SHAPE.columns} FROM programme"  # noqa: S608 - column names of ours
SELECT_VERSION = f"SELECT {VERSION.columns} FROM programme_version"  # noqa: S608 - likewise


def put(db: Connection, programme: str, unit: str, text: str, actor: str, at: int) -> Programme:
    """Keeps a version.  The same text again changes nothing.  Raises Conflict where the unit of one is to change."""
    found = db.execute(f"{SELECT} WHERE id = ?", (programme,)).fetchone()
    former = SHAPE.struct(found) if found else None
    digest = hashlib.sha256(text.encode()).hexdigest()
    if former and former.unit != unit:
        raise Conflict(f"{programme} grants {former.unit}; make another programme for {unit}", param="programme.unit")
    if former and version(db, programme).digest == digest:
        return former
    number = former.version + 1 if former else 1
    if former:
        db.execute("UPDATE programme SET version = ? WHERE id = ?", (number, programme))
    else:
        db.execute(
            f"INSERT INTO programme ({SHAPE.columns}) VALUES ({SHAPE.marks})",  # noqa: S608 - ours
            (programme, "draft", number, unit, 0, at, at),
        )
    db.execute(
        f"INSERT INTO programme_version ({VERSION.columns}) VALUES ({VERSION.marks})",  # noqa: S608 - ours
        (programme, number, digest, text, actor, at),
    )
    return get(db, programme)


def move(db: Connection, programme: str, state: State, at: int) -> Programme:
    """Raises NotFound, and Conflict for a move that there is not."""
    former = get(db, programme)
    if state not in MOVES[former.state]:
        raise Conflict(f"{programme} is {former.state}, and cannot become {state}")
    db.execute("UPDATE programme SET state = ?, moved_at = ? WHERE id = ?", (state, at, programme))
    return get(db, programme)


def fund(db: Connection, programme: str, total: int, at: int) -> Programme:
    """Makes `total` what was put into the wallet in all.  Raises Conflict where less is left than would be taken."""
    former = get(db, programme)
    if total != former.funded:
        row: Any = db.execute("SELECT count(*) FROM programme_version WHERE programme = ?", (programme,)).fetchone()
        ref = f"fund:{programme}:{row[0]}:{former.funded}:{total}:{at}"
        grants.fund(db, programme, former.unit, total - former.funded, ref=ref, at=at)
        db.execute("UPDATE programme SET funded = ? WHERE id = ?", (total, programme))
    return get(db, programme)


def get(db: Connection, programme: str) -> Programme:
    """Raises NotFound."""
    row = db.execute(f"{SELECT} WHERE id = ?", (programme,)).fetchone()
    if row is None:
        raise NotFound(f"there is no programme {programme}")
    return SHAPE.struct(row)


def every(db: Connection) -> list[Programme]:
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} ORDER BY made_at, id")]


def version(db: Connection, programme: str, number: int = 0) -> Version:
    """That version, 0: the one in force.  Raises NotFound."""
    row = db.execute(
        f"{SELECT_VERSION} WHERE programme = ? AND (version = ? OR ? = 0) ORDER BY version DESC LIMIT 1",
        (programme, number, number),
    ).fetchone()
    if row is None:
        raise NotFound(
            f"there is no version {number} of {programme}" if number else f"there is no programme {programme}"
        )
    return VERSION.struct(row)
