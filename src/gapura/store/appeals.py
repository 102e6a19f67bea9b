"""Objections: an account says that a policy should not hold for it, and a person decides.

    received ──take──> under_review ──grant | deny──> granted | denied          either ──withdraw──> withdrawn

One is decided by `due_at`; if it is late it stays open, and is pointed out.  Where the policy says so, it is lifted for
the account in the meantime; granting lifts it for good, or until a date.  Whoever changes anything here publishes the
account afterwards.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gapura.clock import SECOND, text
from gapura.errors import NotFound
from gapura.store import accounts, exceptions, jobs, outbox
from gapura.store.base import Conflict, Connection, Scope, Shape
from gapura.store.exceptions import Wanted
from gapura.terms import ids
from gapura.terms.letter import Evidence
from gapura.terms.rulebook import Appeals

State = Literal["received", "under_review", "granted", "denied", "withdrawn"]
Move = Literal["file", "take", "grant", "deny", "withdraw"]

MOVES: dict[State, dict[Move, State]] = {
    "received": {"take": "under_review", "withdraw": "withdrawn"},
    "under_review": {"grant": "granted", "deny": "denied", "withdraw": "withdrawn"},
    "granted": {},
    "denied": {},
    "withdrawn": {},
}
OPEN: tuple[State, ...] = tuple(state for state, moves in MOVES.items() if moves)

DAY = 86_400 * SECOND
LETTER = "appeal.letter"
OVERDUE = "appeal.overdue"
HEARD = "appeal.heard"
"""The job of whoever has done something to accounts by the policy: it was lifted, or is so no more."""
# Whoever was denied may object again with a new reason, but not for ever.
MOST, WITHIN = 3, 90 * DAY

Reason = Annotated[str, Meta(min_length=1, max_length=4000)]


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """What an account objects to, and why.  `evidence`: what it was shown.  `language`: in which it wrote."""

    account: str
    policy: str
    reason: Reason
    campaign: str = ""
    language: str = ""
    evidence: Evidence | None = None


class Appeal(msgspec.Struct, frozen=True, kw_only=True):
    """One objection as it stands, without its texts.  `handler`: the principal that took it; `interim` and `exception`:
    the exceptions that it led to."""

    id: str
    account: str
    policy: str
    campaign: str
    state: State
    language: str
    due_at: int
    made_at: int
    moved_at: int
    handler: str = ""
    interim: str = ""
    exception: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is what the account is told.  Of a grant: the policy is lifted until `ends` (UTC microseconds, 0: no
    end); `reinstate`: an account that is warned or suspended is active again."""

    actor: str
    reason: str
    ends: int = 0
    reinstate: bool = False


class Texts(msgspec.Struct, frozen=True):
    """What was said.  `decision` "": not decided.  All of it is gone once retention has taken it."""

    reason: str
    evidence: Evidence | None
    decision: str


class Moved(msgspec.Struct, frozen=True):
    """One step of it."""

    move: Move
    state: State
    actor: str
    at: int


SHAPE = Shape(Appeal)
SELECT = f"SELECT {SHAPE.columns} FROM appeal"  # noqa: S608 - column names of ours
_json = msgspec.json.Encoder()


def file(db: Connection, filed: Filed, terms: Appeals, actor: str, at: int) -> Appeal:
    """Raises NotFound for an unknown account, and Conflict while it has an objection open to this policy or has made
    too many."""
    accounts.get(db, None, filed.account)
    _refuse_more(db, filed, at)
    due_at = at + terms.days * DAY
    interim = ""
    if terms.interim:
        reason = "an objection is being looked at"
        wanted = Wanted(
            account=filed.account, policy=filed.policy, kind="interim", reason=reason, owner=actor, review_at=due_at
        )
        interim = exceptions.put(db, wanted, at).id
    made = Appeal(
        id=ids.new("apl", at),
        account=filed.account,
        policy=filed.policy,
        campaign=filed.campaign,
        state="received",
        language=filed.language,
        due_at=due_at,
        made_at=at,
        moved_at=at,
        interim=interim,
    )
    db.execute(f"INSERT INTO appeal ({SHAPE.columns}) VALUES ({SHAPE.marks})", SHAPE.row(made))  # noqa: S608 - ours
    evidence = _json.encode(filed.evidence).decode()
    db.execute("INSERT INTO appeal_text (appeal, reason, evidence) VALUES (?, ?, ?)", (made.id, filed.reason, evidence))
    _note(db, made, "file", actor)
    _write_to(db, made, "receipt")
    jobs.put(db, OVERDUE, made.id, due_at)
    if interim:
        jobs.ring(db, HEARD, made.id, at)
    tell(db, made, "received", at)
    return made


def take(db: Connection, name: str, actor: str, at: int) -> Appeal:
    """Somebody looks at it from now on.  Raises NotFound, and Conflict where MOVES has no such step."""
    return _move(db, msgspec.structs.replace(get(db, None, name), handler=actor), "take", actor, at)


def grant(db: Connection, name: str, by: Decision, at: int) -> Appeal:
    """The policy is lifted for the account.  Raises as `take`, and BadRequest for an end in the past."""
    before = get(db, None, name)
    _following(before, "grant")
    wanted = Wanted(
        account=before.account, policy=before.policy, reason="an objection was granted", owner=by.actor, ends=by.ends
    )
    lifted = exceptions.put(db, wanted, at)
    if by.reinstate and accounts.get(db, None, before.account).status != "active":
        accounts.set_status(db, None, before.account, "active")
    return _decide(db, msgspec.structs.replace(before, exception=lifted.id), "grant", by, at)


def deny(db: Connection, name: str, by: Decision, at: int) -> Appeal:
    """Raises as `take`."""
    return _decide(db, get(db, None, name), "deny", by, at)


def withdraw(db: Connection, scope: Scope, name: str, actor: str, at: int) -> Appeal:
    """The account does not object any more.  Raises as `take`."""
    done = _move(db, get(db, scope, name), "withdraw", actor, at)
    _over(db, done, at)
    return done


def get(db: Connection, scope: Scope, name: str) -> Appeal:
    """Raises NotFound, also for one of another organisation."""
    row = db.execute(f"{SELECT} WHERE id = ?", (name,)).fetchone()
    found = SHAPE.struct(row) if row else None
    if found is None or not _within(db, scope, found.account):
        raise NotFound(f"there is no appeal {name}")
    return found


def texts(db: Connection, name: str) -> Texts | None:
    """None: retention has taken them."""
    row = db.execute("SELECT reason, evidence, decision FROM appeal_text WHERE appeal = ?", (name,)).fetchone()
    if row is None:
        return None
    return Texts(str(row[0]), msgspec.json.decode(row[1], type=Evidence | None), str(row[2]))


def moves(db: Connection, name: str) -> list[Moved]:
    """Oldest first."""
    rows = db.execute("SELECT move, state, actor, at FROM appeal_move WHERE appeal = ? ORDER BY seq", (name,))
    return [Moved(*row) for row in rows]


def of_account(db: Connection, account: str) -> list[Appeal]:
    """Oldest first."""
    return _found(db.execute(f"{SELECT} WHERE account = ? ORDER BY id", (account,)))


def page(db: Connection, scope: Scope, after: str = "", limit: int = 100, state: str = "") -> list[Appeal]:
    """Behind the id `after`, oldest first; `state` "": in any."""
    mine = "(?4 IS NULL OR account IN (SELECT id FROM account WHERE organisation = ?4))"
    rows = db.execute(
        f"{SELECT} WHERE id > ?1 AND (?3 = '' OR state = ?3) AND {mine} ORDER BY id LIMIT ?2",
        (after, limit, state, scope),
    )
    return _found(rows)


def overdue(db: Connection, at: int) -> list[Appeal]:
    """Open ones that should have been decided by now."""
    late = "state IN ('received', 'under_review') AND due_at <= ?"
    return _found(db.execute(f"{SELECT} WHERE {late} ORDER BY due_at", (at,)))


def forget(db: Connection, before: int) -> int:
    """Retention: deletes what was said about those that were closed before; how many."""
    closed = "SELECT id FROM appeal WHERE state IN ('granted', 'denied', 'withdrawn') AND moved_at < ?"
    db.execute(f"DELETE FROM appeal_text WHERE appeal IN ({closed})", (before,))  # noqa: S608 - words of ours
    return db.changes()


def tell(db: Connection, about: Appeal, what: str, at: int) -> None:
    """Whoever listens to events (`appeal.…`)."""
    body = {"appeal": about.id, "policy": about.policy, "state": about.state, "due_at": text(about.due_at)}
    outbox.put(db, f"appeal.{what}", about.account, body, at)


def _refuse_more(db: Connection, filed: Filed, at: int) -> None:
    others = [one for one in of_account(db, filed.account) if one.policy == filed.policy]
    if standing := next((one for one in others if one.state in OPEN), None):
        raise Conflict(f"{standing.id} is open: one objection to a policy at a time", param="policy")
    if sum(one.made_at > at - WITHIN for one in others) >= MOST:
        raise Conflict(f"{MOST} objections to {filed.policy} in {WITHIN // DAY} days are the most", param="policy")


def _following(before: Appeal, move: Move) -> State:
    moves = MOVES[before.state]
    if move not in moves:
        ways = ", ".join(moves) or "nothing"
        raise Conflict(f"{before.id} is {before.state}: what can be done with it is {ways}", param="appeal")
    return moves[move]


def _move(db: Connection, before: Appeal, move: Move, actor: str, at: int) -> Appeal:
    after = msgspec.structs.replace(before, state=_following(before, move), moved_at=at)
    db.execute(
        f"UPDATE appeal SET ({SHAPE.columns}) = ({SHAPE.marks}) WHERE id = ?",  # noqa: S608 - names of ours
        (*SHAPE.row(after), after.id),
    )
    _note(db, after, move, actor)
    return after


def _decide(db: Connection, before: Appeal, move: Move, by: Decision, at: int) -> Appeal:
    after = _move(db, before, move, by.actor, at)
    db.execute("UPDATE appeal_text SET decision = ? WHERE appeal = ?", (by.reason, after.id))
    _over(db, after, at)
    _write_to(db, after, "decision")
    tell(db, after, after.state, at)
    return after


def _over(db: Connection, after: Appeal, at: int) -> None:
    """What was granted in the meantime ends, and nobody waits any more."""
    if after.interim:
        jobs.ring(db, HEARD, after.id, at)
    if after.interim and exceptions.get(db, after.interim).state == "open":
        exceptions.end(db, after.interim, at)
    jobs.drop(db, OVERDUE, after.id)


def _note(db: Connection, after: Appeal, move: Move, actor: str) -> None:
    db.execute(
        "INSERT INTO appeal_move (appeal, move, state, actor, at) VALUES (?, ?, ?, ?, ?)",
        (after.id, move, after.state, actor, after.moved_at),
    )


def _write_to(db: Connection, about: Appeal, kind: Literal["receipt", "decision"]) -> None:
    db.execute(
        "INSERT INTO appeal_letter (appeal, kind, state, planned_at, moved_at) VALUES (?1, ?2, 'planned', ?3, ?3)",
        (about.id, kind, about.moved_at),
    )
    jobs.put(db, LETTER, f"{about.id}/{kind}", about.moved_at, {"appeal": about.id, "kind": kind})


def _within(db: Connection, scope: Scope, account: str) -> bool:
    return scope is None or accounts.get(db, None, account).organisation == scope


def _found(rows: Iterable[tuple[Any, ...]]) -> list[Appeal]:
    return [SHAPE.struct(row) for row in rows]
