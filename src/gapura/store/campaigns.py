"""Campaigns as they were written, and what became of each: every state is a row that is only added.

The moves are those of `terms.campaign.MOVES`, and nothing moves but here.  A change of the text begins anew, so what
is approved is what was previewed and tested, byte for byte.
"""

import hashlib

import msgspec

from gapura.errors import Forbidden, NotFound
from gapura.store.base import Conflict, Connection
from gapura.store.rulebooks import By
from gapura.terms import ids
from gapura.terms.campaign import MOVES, Campaign, Move, State

_DIGITS = 16


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as it stands.  `people`: how many its last preview found; `armed` is the policy version that it put
    in force, `former` what was before; `surveyed_to` and `surveyed_by`: how far its evidence goes, by which data."""

    id: str
    name: str
    state: State
    spec: Campaign
    digest: str
    changed_by: str
    approved_by: str
    people: int
    made_at: int
    started_at: int
    armed: str
    former: str
    surveyed_to: int
    surveyed_by: str


class Step(msgspec.Struct, frozen=True):
    """One move, and the state that it led to."""

    move: Move | str
    state: State
    digest: str
    actor: str
    reason: str
    at: int


_COLUMNS = ", ".join(Kept.__struct_fields__)
SELECT = f"SELECT {_COLUMNS} FROM campaign"  # noqa: S608 - names of ours


def digest(spec: Campaign) -> str:
    """What tells one text from another."""
    return hashlib.sha256(msgspec.json.encode(spec, order="deterministic")).hexdigest()[:_DIGITS]


def write(db: Connection, spec: Campaign, by: By) -> Kept:
    """Makes it, or changes the one of this name: then its preview, its test and its approval are void.  The same text
    again changes nothing.  Raises Conflict where it has begun."""
    row = db.execute(f"{SELECT} WHERE name = ?", (spec.name,)).fetchone()
    text, found = msgspec.json.encode(spec).decode(), digest(spec)
    if row is None:
        name = ids.new("cmp", by.at)
        db.execute(
            "INSERT INTO campaign (id, name, state, spec, digest, changed_by, made_at)"
            " VALUES (?, ?, 'draft', ?, ?, ?, ?)",
            (name, spec.name, text, found, by.actor, by.at),
        )
        _step(db, name, "write", "draft", found, by)
        return get(db, name)
    before = _kept(row)
    if before.digest == found:
        return before
    move(db, before.id, "change", by)
    db.execute(
        "UPDATE campaign SET spec = ?, digest = ?, changed_by = ?, approved_by = '', people = 0 WHERE id = ?",
        (text, found, by.actor, before.id),
    )
    return get(db, before.id)


def get(db: Connection, name: str) -> Kept:
    """By its id or its name.  Raises NotFound."""
    row = db.execute(f"{SELECT} WHERE id = ?1 OR name = ?1", (name,)).fetchone()
    if row is None:
        raise NotFound(f"there is no campaign {name}; `gapura campaign status` names them", param="campaign")
    return _kept(row)


def page(db: Connection, after: str = "", limit: int = 100) -> list[Kept]:
    """Campaigns behind the id `after`, oldest first."""
    return [_kept(row) for row in db.execute(f"{SELECT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))]


def under_way(db: Connection) -> list[Kept]:
    """Those that run, or are paused."""
    return [_kept(row) for row in db.execute(f"{SELECT} WHERE state IN ('running', 'paused') ORDER BY id")]


def move(db: Connection, name: str, verb: Move, by: By) -> Kept:
    """Raises Conflict where its state has no such move."""
    before = get(db, name)
    after = check(before, verb)
    db.execute("UPDATE campaign SET state = ? WHERE id = ?", (after, before.id))
    _step(db, before.id, verb, after, before.digest, by)
    return get(db, before.id)


def check(kept: Kept, verb: Move) -> State:
    """The state that this move leads to.  Raises Conflict where there is none, saying which moves there are."""
    ways = MOVES[kept.state]
    if verb not in ways:
        there = " or ".join(ways) or "nothing more"
        raise Conflict(f"campaign {kept.name} is {kept.state}: next is {there}, and not {verb}", param="campaign")
    return ways[verb]


def approve(db: Connection, name: str, by: By) -> Kept:
    """Raises Forbidden for whoever wrote it: another pair of eyes has to see it."""
    before = get(db, name)
    if by.actor == before.changed_by:
        raise Forbidden("who wrote a campaign does not approve it; another principal has to", code="second_person")
    db.execute("UPDATE campaign SET approved_by = ? WHERE id = ?", (by.actor, before.id))
    return move(db, before.id, "approve", by)


def start(db: Connection, name: str, by: By) -> Kept:
    found = move(db, name, "start", by)
    db.execute("UPDATE campaign SET started_at = ? WHERE id = ?", (by.at, found.id))
    return get(db, found.id)


def previewed(db: Connection, name: str, people: int) -> None:
    """Notes how many it found."""
    db.execute("UPDATE campaign SET people = ? WHERE id = ?", (people, name))


def armed(db: Connection, name: str, version: str, former: str) -> None:
    """Notes which policy version it put in force, and what was before."""
    db.execute("UPDATE campaign SET armed = ?, former = ? WHERE id = ?", (version, former, name))


def surveyed(db: Connection, name: str, to: int, by: str) -> None:
    """Notes how far its evidence goes."""
    db.execute("UPDATE campaign SET surveyed_to = ?, surveyed_by = ? WHERE id = ?", (to, by, name))


def history(db: Connection, name: str) -> list[Step]:
    """All that became of it, oldest first."""
    rows = db.execute(
        "SELECT move, state, digest, actor, reason, at FROM campaign_step WHERE campaign = ? ORDER BY seq", (name,)
    )
    return [Step(*row) for row in rows]


def _step(db: Connection, name: str, verb: str, state: State, found: str, by: By) -> None:
    db.execute(
        "INSERT INTO campaign_step (campaign, move, state, digest, actor, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (name, verb, state, found, by.actor, by.reason, by.at),
    )


def _kept(row: tuple[object, ...]) -> Kept:
    fields = dict(zip(Kept.__struct_fields__, row, strict=True))
    return Kept(**{**fields, "spec": msgspec.json.decode(str(fields["spec"]), type=Campaign)})  # type: ignore[arg-type]
