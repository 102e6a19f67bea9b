"""Claims: what was asked for, what was shown for it, what speaks against it, and every state that each came into."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gapura.clock import SECOND
from gapura.errors import NotFound
from gapura.store.base import Conflict, Connection, Scope, Shape
from gapura.terms.programme import MOVES, Attribute, Filed, Found, Measured, State, Way


class Claim(msgspec.Struct, frozen=True):
    """`tokens`: the former use that counts; `amount`: what its grants come to, once it is approved.  `group_of`: the
    first claim of those that it is tied to, "" for none.  `by_hand`: a person has decided; the program leaves it."""

    id: str
    programme: str
    version: int
    account: str
    way: Way
    state: State
    made_at: int
    tokens: int
    unreadable: str
    amount: int
    approval: str
    group_of: str
    by_hand: bool
    moved_at: int


class Move(msgspec.Struct, frozen=True):
    state: State
    actor: str
    reason: str
    at: int


class Evidence(msgspec.Struct, frozen=True):
    """What was handed in, sealed; kept until then (UTC microseconds)."""

    name: str
    sha256: str
    size: int
    until: int
    sealed: bytes


class Claimed(Conflict):
    """The account has claimed before."""

    code = "claimed_before"


class Kept(msgspec.Struct, frozen=True):
    """Evidence without its bytes; `kept`: whether they are still there."""

    name: str
    sha256: str
    size: int
    until: int
    kept: bool


SHAPE = Shape(Claim)
SELECT = f"SELECT {SHAPE.columns} FROM claim"  # noqa: S608 - column names of ours


def first(db: Connection, programme: str, account: str) -> None:
    """Raises Conflict where the account has claimed before, whatever became of it."""
    known: Any = db.execute(
        "SELECT id, state FROM claim WHERE programme = ? AND account = ?", (programme, account)
    ).fetchone()
    if known is not None:
        raise Claimed(f"{account} has claimed before: {known[0]} is {known[1]}", param="account")


def file(db: Connection, claim: str, programme: str, version: int, filed: Filed, at: int) -> Claim:
    """Raises Claimed where the account has claimed before."""
    first(db, programme, filed.account)
    measured = msgspec.json.encode(filed.measured).decode() if filed.measured else ""
    tokens = filed.measured.tokens if filed.measured else 0
    db.execute(
        "INSERT INTO claim (id, programme, version, account, way, state, made_at, measured, tokens, unreadable,"
        " moved_at) VALUES (?, ?, ?, ?, ?, 'filed', ?, ?, ?, ?, ?)",
        (claim, programme, version, filed.account, filed.way, filed.made_at, measured, tokens, filed.unreadable, at),
    )
    db.executemany(
        "INSERT INTO claim_attribute (claim, kind, value) VALUES (?, ?, ?)",
        [(claim, attribute.kind, attribute.value) for attribute in filed.attributes],
    )
    return get(db, None, claim)


def keep(db: Connection, claim: str, evidence: Evidence) -> None:
    row = claim, evidence.name, evidence.sha256, evidence.size, evidence.sealed, evidence.until
    db.execute("INSERT INTO claim_evidence (claim, name, sha256, size, sealed, until) VALUES (?, ?, ?, ?, ?, ?)", row)


def get(db: Connection, scope: Scope, claim: str) -> Claim:
    """Raises NotFound, also for another organisation's."""
    row = db.execute(
        f"{SELECT} WHERE id = ?1 AND (?2 IS NULL OR account IN"  # noqa: S608 - ours
        " (SELECT id FROM account WHERE organisation = ?2))",
        (claim, scope),
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no claim {claim}")
    return SHAPE.struct(row)


def of_account(db: Connection, account: str) -> list[Claim]:
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE account = ? ORDER BY id", (account,))]


def page(db: Connection, programme: str, state: str = "", after: str = "", limit: int = 100) -> list[Claim]:
    """Claims behind the id `after`, oldest first; of all states where `state` is ""."""
    rows = db.execute(
        f"{SELECT} WHERE programme = ?1 AND (?2 = '' OR state = ?2) AND id > ?3 ORDER BY id LIMIT ?4",
        (programme, state, after, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def counts(db: Connection, programme: str) -> dict[str, tuple[int, int]]:
    """By state: how many claims, and what they come to."""
    rows = db.execute(
        "SELECT state, count(*), sum(amount) FROM claim WHERE programme = ? GROUP BY state ORDER BY state", (programme,)
    )
    return {str(state): (int(number), int(amount)) for state, number, amount in rows}


def promised(db: Connection, programme: str) -> int:
    """What claims come to whose grants are still to be made."""
    row: Any = db.execute(
        "SELECT coalesce(sum(amount), 0) FROM claim WHERE programme = ? AND state = 'approved'", (programme,)
    ).fetchone()
    return int(row[0])


def move(db: Connection, claims: Iterable[str], state: State, actor: str, reason: str, at: int) -> int:
    """Each into `state`; how many.  Raises Conflict for one that cannot come into it: then none is moved."""
    moved = 0
    for claim in claims:
        former = get(db, None, claim).state
        if state not in MOVES[former]:
            raise Conflict(f"{claim} is {former}, and cannot become {state}", param="claims")
        db.execute("UPDATE claim SET state = ?, moved_at = ? WHERE id = ?", (state, at, claim))
        db.execute(
            "INSERT INTO claim_move (claim, state, actor, reason, at) VALUES (?, ?, ?, ?, ?)",
            (claim, state, actor, reason, at),
        )
        moved += 1
    return moved


def decided(db: Connection, claims: Iterable[str]) -> None:
    """By a person: the program leaves them as they are."""
    db.executemany("UPDATE claim SET by_hand = 1 WHERE id = ?", [(claim,) for claim in claims])


def approve(db: Connection, claims: Sequence[tuple[str, int]], approval: str) -> None:
    """What each claim comes to, and the approval that it was a part of; the caller moves them."""
    rows = [(amount, approval, claim) for claim, amount in claims]
    db.executemany("UPDATE claim SET amount = ?, approval = ? WHERE id = ?", rows)


def approved(db: Connection, limit: int) -> list[Claim]:
    """Those whose grants are still to be made, oldest approval first."""
    rows = db.execute(f"{SELECT} WHERE state = 'approved' ORDER BY approval, id LIMIT ?", (limit,))
    return [SHAPE.struct(row) for row in rows]


def find(db: Connection, claim: str, found: Sequence[Found], group: str) -> None:
    """What vetting found now; what it found before is gone."""
    db.execute("UPDATE claim SET group_of = ? WHERE id = ? AND group_of <> ?", (group, claim, group))
    db.execute("DELETE FROM claim_signal WHERE claim = ?", (claim,))
    db.executemany(
        "INSERT INTO claim_signal VALUES (?, ?, ?, ?, ?)",
        [(claim, one.signal, one.effect, one.other, one.detail) for one in found],
    )


def signals(db: Connection, claim: str) -> list[Found]:
    rows: Any = db.execute(
        "SELECT signal, effect, other, detail FROM claim_signal WHERE claim = ? ORDER BY signal, other, detail",
        (claim,),
    )
    return [Found(*row) for row in rows]


def attributes(db: Connection, programme: str, among: Sequence[str] = ()) -> dict[str, tuple[Attribute, ...]]:
    """By claim; of the whole programme where no claims are named."""
    found: dict[str, list[Attribute]] = {}
    query = "SELECT a.claim, a.kind, a.value FROM claim c JOIN claim_attribute a ON a.claim = c.id WHERE"
    asked = [(f"{query} c.id = ?", name) for name in among] or [(f"{query} c.programme = ?", programme)]
    for text, value_of in asked:
        rows: Any = db.execute(text, (value_of,))
        for claim, kind, value in rows:
            found.setdefault(claim, []).append(Attribute(kind, value))
    return {claim: tuple(of) for claim, of in found.items()}


def tied(db: Connection, claim: str, minutes: int) -> list[str]:
    """The claim and those of its programme that it shares something with, over others too; and those from the same
    network so many minutes before and after it."""
    first = get(db, None, claim)
    share = (
        "SELECT DISTINCT b.claim FROM claim_attribute a JOIN claim_attribute b ON b.kind = a.kind AND b.value = a.value"
        " JOIN claim c ON c.id = b.claim WHERE a.claim = ? AND c.programme = ?"
    )
    found, waiting = {claim}, [claim]
    while waiting:
        rows = db.execute(f"{share} AND a.kind NOT IN ('prefix', 'asn')", (waiting.pop(), first.programme))
        new = {str(name) for (name,) in rows} - found
        found |= new
        waiting += new
    span = minutes * 60 * SECOND
    near = (claim, first.programme, first.made_at - span, first.made_at + span)
    rows = db.execute(f"{share} AND a.kind IN ('prefix', 'asn') AND c.made_at > ? AND c.made_at < ?", near)
    return sorted(found | {str(name) for (name,) in rows})


def measured(db: Connection, claim: str) -> Measured | None:
    row: Any = db.execute("SELECT measured FROM claim WHERE id = ?", (claim,)).fetchone()
    return msgspec.json.decode(row[0], type=Measured) if row and row[0] else None


def group(db: Connection, claim: Claim) -> list[Claim]:
    """All claims that it is tied to, itself among them, oldest first."""
    if not claim.group_of:
        return [claim]
    rows = db.execute(f"{SELECT} WHERE programme = ? AND group_of = ? ORDER BY id", (claim.programme, claim.group_of))
    return [SHAPE.struct(row) for row in rows]


def history(db: Connection, claim: str) -> list[Move]:
    """Oldest first."""
    rows: Any = db.execute("SELECT state, actor, reason, at FROM claim_move WHERE claim = ? ORDER BY seq", (claim,))
    return [Move(*row) for row in rows]


def evidence(db: Connection, claim: str) -> tuple[Kept, bytes | None] | None:
    """What was handed in, and the sealed bytes while they are kept."""
    row: Any = db.execute(
        "SELECT name, sha256, size, until, sealed FROM claim_evidence WHERE claim = ?", (claim,)
    ).fetchone()
    if row is None:
        return None
    name, sha256, size, until, sealed = row
    return Kept(name, sha256, size, until, sealed is not None), sealed


def granted(db: Connection, claim: str) -> list[str]:
    """The ids of its grants."""
    rows = db.execute("SELECT grant_id FROM claim_grant WHERE claim = ? ORDER BY part", (claim,))
    return [str(grant) for (grant,) in rows]


def note_grant(db: Connection, claim: str, part: int, grant: str) -> None:
    db.execute("INSERT INTO claim_grant VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (claim, part, grant))


def forget_evidence(db: Connection, at: int, limit: int = 1000) -> int:
    """Retention: the bytes whose time is over; how many."""
    db.execute(
        "UPDATE claim_evidence SET sealed = NULL WHERE claim IN"
        " (SELECT claim FROM claim_evidence WHERE sealed IS NOT NULL AND until <= ? LIMIT ?)",
        (at, limit),
    )
    return db.changes()
