"""Exceptions beside those in policy documents: each lifts one policy for one account, for a time and a reason.

    open ──end──> ended          by a person, or by what it depended on
    open ──time─> expired ──extend──> open

Gates judge by their own clocks whether one is in force, so nothing has to happen on the instant.  What they have to
know stands at the account (`Account.lifted`) and reaches them with it: whoever changes anything here publishes the
account afterwards.  Each is looked at again by a person when `review_at` has come.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gapura.clock import SECOND, text
from gapura.errors import BadRequest, NotFound
from gapura.store import facts, jobs, outbox, visits
from gapura.store.base import Conflict, Connection, Shape
from gapura.terms import ids
from gapura.terms.caller import Lifted, Lifting

State = Literal["open", "ended", "expired"]
DAY = 86_400 * SECOND
EXPIRE = "exception.expire"
"""The job that notes those whose time has passed."""
# One without an end is looked at again all the same.
REVIEW = 90 * DAY

Instant = Annotated[int, Meta(ge=0, lt=2**62)]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An exception that somebody asks for; times in UTC microseconds.  `account` is our id, `policy` the name of one.
    `starts` 0: now; `ends` 0: no end; `review_at` 0: at the end, or after 90 days where there is none."""

    account: str
    policy: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Lifting = "exception"
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    owner: Annotated[str, Meta(max_length=200)] = ""
    starts: Instant = 0
    ends: Instant = 0
    review_at: Instant = 0


class Exempt(msgspec.Struct, frozen=True, kw_only=True):
    """One exception as it stands.  `owner`: whom to ask about it; `moved_at`: when `state` or a date last changed."""

    id: str
    account: str
    policy: str
    kind: Lifting
    reason: str
    owner: str
    starts: int
    ends: int
    review_at: int
    state: State
    made_at: int
    moved_at: int


SHAPE = Shape(Exempt)
SELECT = f"SELECT {SHAPE.columns} FROM exception"  # noqa: S608 - column names of ours
_json = msgspec.json.Encoder()


def put(db: Connection, wanted: Wanted, at: int) -> Exempt:
    """Makes it, and tells the account.  Raises NotFound for an unknown account, BadRequest for an end in the past."""
    return put_all(db, [wanted], at)[0]


def put_all(db: Connection, wanted: Iterable[Wanted], at: int) -> list[Exempt]:
    """The same for many, in a few statements: a campaign makes them by the hundred thousand."""
    made = [_made(one, at) for one in wanted]
    names = _encoded(one.account for one in made)
    unknown = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM account) LIMIT 1"
    if row := db.execute(unknown, (names,)).fetchone():
        raise NotFound(f"there is no account {row[0]}")
    db.executemany(
        f"INSERT INTO exception ({SHAPE.columns}) VALUES ({SHAPE.marks})",  # noqa: S608 - names of ours
        map(SHAPE.row, made),
    )
    _prove(db, made)
    _tell_accounts(db, names)
    if ends := [one.ends for one in made if one.ends]:
        jobs.ring(db, EXPIRE, "", min(ends))
    return made


def end(db: Connection, name: str, at: int) -> Exempt:
    """Before its time.  Raises NotFound, and Conflict where it is over already."""
    before = get(db, name)
    if before.state != "open":
        raise Conflict(f"{name} is {before.state} already")
    return _move(db, msgspec.structs.replace(before, state="ended", review_at=0, moved_at=at))


def review(db: Connection, name: str, at: int, *, ends: int | None = None, review_at: int = 0) -> Exempt:
    """Somebody has looked at it.  With `ends` (0: no end) it goes on until then, also one that has expired; otherwise
    nothing changes but when it is looked at next: at `review_at`, or as `Wanted` says where that is 0; one that is
    over is done with.  Raises NotFound, BadRequest for dates in the past, Conflict for one that was ended."""
    before = get(db, name)
    if before.state == "ended":
        raise Conflict(f"{name} was ended; make another one")
    if ends is None and before.state == "expired":
        return _move(db, msgspec.structs.replace(before, review_at=0, moved_at=at))
    until = before.ends if ends is None else ends
    _later(until, at, "ends")
    _later(review_at, at, "review_at")
    following = review_at or until or at + REVIEW
    if until:
        jobs.ring(db, EXPIRE, "", until)
    return _move(db, msgspec.structs.replace(before, state="open", ends=until, review_at=following, moved_at=at))


def expire(db: Connection, at: int, limit: int = 1_000) -> list[Exempt]:
    """Notes those whose time has passed; gates stopped honouring them on the instant."""
    rows = db.execute(f"{SELECT} WHERE state = 'open' AND ends > 0 AND ends <= ? ORDER BY ends LIMIT ?", (at, limit))
    found = [SHAPE.struct(row) for row in rows]
    for one in found:
        body = {"exception": one.id, "policy": one.policy, "kind": one.kind, "ends": text(one.ends)}
        outbox.put(db, "exception.expired", one.account, body, at)
    return [_move(db, _expired(one, at)) for one in found]


def _expired(one: Exempt, at: int) -> Exempt:
    """What a campaign or an objection made for a while is over with it: nobody has to look at it again."""
    looked_at = one.review_at if one.kind in {"exception", "release"} else 0
    return msgspec.structs.replace(one, state="expired", review_at=looked_at, moved_at=at)


def next_end(db: Connection) -> int | None:
    """When the next one's time has passed; None: no open one has an end."""
    found = db.execute("SELECT min(ends) FROM exception WHERE state = 'open' AND ends > 0").get
    return found if isinstance(found, int) else None


def get(db: Connection, name: str) -> Exempt:
    """Raises NotFound."""
    row = db.execute(f"{SELECT} WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise NotFound(f"there is no exception {name}")
    return SHAPE.struct(row)


def of_account(db: Connection, account: str) -> list[Exempt]:
    """All of an account's, oldest first, whatever became of them."""
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE account = ? ORDER BY id", (account,))]


def active(db: Connection, at: int) -> Iterator[Exempt]:
    """Those in force at this instant."""
    standing = "state = 'open' AND starts <= ?1 AND (ends = 0 OR ends > ?1)"
    return map(SHAPE.struct, db.execute(f"{SELECT} WHERE {standing} ORDER BY id", (at,)))


def due(db: Connection, at: int, after: str = "", limit: int = 100) -> list[Exempt]:
    """A page of those that a person has to look at by now, behind the id `after`."""
    rows = db.execute(
        f"{SELECT} WHERE review_at > 0 AND review_at <= ? AND id > ? ORDER BY id LIMIT ?", (at, after, limit)
    )
    return [SHAPE.struct(row) for row in rows]


def count_due(db: Connection, at: int) -> int:
    found = db.execute("SELECT count(*) FROM exception WHERE review_at > 0 AND review_at <= ?", (at,)).get
    return found if isinstance(found, int) else 0


def waiting(db: Connection, policy: str, accounts: Iterable[str]) -> set[str]:
    """Those of them whose objection to the policy is open, and for whom it is lifted until then."""
    wanted = "SELECT 1 FROM exception WHERE account = ? AND policy = ? AND kind = 'interim' AND state = 'open'"
    return {name for name in accounts if db.execute(wanted, (name, policy)).fetchone()}


def page(db: Connection, after: str = "", limit: int = 100) -> list[Exempt]:
    """Exceptions behind the id `after`, oldest first."""
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))]


def _made(wanted: Wanted, at: int) -> Exempt:
    starts = wanted.starts or at
    _later(wanted.ends, max(at, starts), "ends")
    said: dict[str, Any] = msgspec.structs.asdict(wanted) | {
        "starts": starts,
        "review_at": wanted.review_at or wanted.ends or starts + REVIEW,
    }
    return Exempt(id=ids.new("exc", at), state="open", made_at=at, moved_at=at, **said)


def _later(instant: int, than: int, field: str) -> None:
    if 0 < instant <= than:
        raise BadRequest(f"{field} is not later than now or the beginning", param=field)


def _move(db: Connection, after: Exempt) -> Exempt:
    db.execute(
        f"UPDATE exception SET ({SHAPE.columns}) = ({SHAPE.marks}) WHERE id = ?",  # noqa: S608 - names of ours
        (*SHAPE.row(after), after.id),
    )
    _prove(db, [after])
    _tell_accounts(db, _encoded([after.account]))
    return after


def _prove(db: Connection, changed: Iterable[Exempt]) -> None:
    """A campaign makes a hundred thousand at once, so that an audit entry each would be too much."""
    facts.put_all(db, "exception", [(one.account, _change(one), _body(one), one.moved_at) for one in changed])


def _change(one: Exempt) -> str:
    return f"{one.id}.{one.state}.{one.moved_at}"


def _body(one: Exempt) -> dict[str, str]:
    body = {"exception": one.id, "policy": one.policy, "kind": one.kind, "state": one.state}
    return body | {"starts": text(one.starts), "ends": text(one.ends) if one.ends else ""}


def _tell_accounts(db: Connection, names: str) -> None:
    """What gates see of it: those that stand, or will.  Where the account is has to be judged again, too."""
    rows: Any = db.execute(
        "SELECT account, id, policy, kind, reason, starts, ends FROM exception"
        " WHERE account IN (SELECT value FROM json_each(?)) AND state = 'open' ORDER BY account, id",
        (names,),
    )
    standing = dict.fromkeys(msgspec.json.decode(names, type=list[str]), "[]")
    for account, lifted in groupby(rows, key=itemgetter(0)):
        standing[account] = _json.encode([Lifted(*row[1:]) for row in lifted]).decode()
    db.executemany("UPDATE account SET lifted = ? WHERE id = ?", [(lifted, name) for name, lifted in standing.items()])
    visits.judge_again(db, names)


def _encoded(names: Iterable[str]) -> str:
    return _json.encode(list(dict.fromkeys(names))).decode()
