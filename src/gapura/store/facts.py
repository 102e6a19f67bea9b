"""What has to be proven later and is too much for an audit entry each: sends, exceptions, samples of decisions.

They are noted one by one, and sealed by the thousand: one audit entry names the Merkle root over them, so the chain
covers every one, and a proof that one of them is among them takes ten hashes.  Nothing in them is ever deleted, so they
hold ids, numbers and hashes, and no address, name or free text.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from gapura.store import audit, merkle
from gapura.store.audit import Change, Problem
from gapura.store.base import Connection
from gapura.store.merkle import Beside
from gapura.store.secrets import Secret

Kind = Literal["notice", "decision", "exception"]

ACTION = "facts.seal"
MOST = 1_024
_json = msgspec.json.Encoder(order="deterministic")


class Fact(msgspec.Struct, frozen=True):
    """`body` is JSON, to the letter.  `subject` tells it from others of the account and the kind."""

    seq: int
    kind: Kind
    account: str
    subject: str
    at: int
    body: str


class Proven(msgspec.Struct, frozen=True):
    """A fact, and what leads from it to the root that the audit entry `entry` names; None: it is not sealed yet."""

    fact: Fact
    entry: int | None
    root: str
    path: tuple[Beside, ...]


COLUMNS = "seq, kind, account, subject, at, body"


def put(db: Connection, kind: Kind, account: str, subject: str, body: Mapping[str, Any], at: int) -> bool:
    """Notes it, once: False where it was noted before."""
    db.execute(
        "INSERT OR IGNORE INTO fact (kind, account, subject, at, body) VALUES (?, ?, ?, ?, ?)",
        (kind, account, subject, at, _json.encode(body).decode()),
    )
    return db.changes() == 1


def put_all(db: Connection, kind: Kind, said: Iterable[tuple[str, str, Mapping[str, Any], int]]) -> None:
    """The same for many: (account, subject, body, when)."""
    db.executemany(
        "INSERT OR IGNORE INTO fact (kind, account, subject, at, body) VALUES (?, ?, ?, ?, ?)",
        [(kind, account, subject, at, _json.encode(body).decode()) for account, subject, body, at in said],
    )


def seal(db: Connection, secret: Secret, at: int, most: int = MOST) -> int:
    """Seals a batch of those that are not sealed yet; how many that were."""
    found = _between(db, _sealed_to(db), most)
    if not found:
        return 0
    first, last, root = found[0].seq, found[-1].seq, merkle.root(_leaves(found)).hex()
    by = Change(actor="system", action=ACTION, subject=_subject(first, last, root), reason=f"{len(found)} facts")
    entry = audit.append(db, secret, at, by)
    db.execute("INSERT INTO fact_seal VALUES (?, ?, ?, ?)", (first, last, root, entry))
    return len(found)


def of_account(db: Connection, account: str) -> list[Proven]:
    """All about an account, oldest first, each with its proof."""
    rows = db.execute(f"SELECT {COLUMNS} FROM fact WHERE account = ? ORDER BY seq", (account,))  # noqa: S608 - ours
    found = [Fact(*row) for row in rows]
    batches: dict[int, tuple[list[bytes], str, int]] = {}
    return [_proven(db, fact, batches) for fact in found]


def verify(db: Connection) -> Problem | None:
    """Reads all that is sealed; None where it is what the audit says.  The audit itself is `audit.verify`'s."""
    before = 0
    for first, last, root, entry in db.execute("SELECT first, last, root, entry FROM fact_seal ORDER BY first"):
        found = _between(db, before, int(last) - before)
        if not found or (found[0].seq, found[-1].seq) != (first, last):
            return Problem(entry, f"covers facts {first} to {last}, and some of them are missing")
        if merkle.root(_leaves(found)).hex() != root:
            return Problem(entry, f"covers facts {first} to {last}, of which one was altered")
        row = db.execute("SELECT action, subject FROM audit WHERE seq = ?", (entry,)).fetchone()
        if row != (ACTION, _subject(first, last, root)):
            return Problem(entry, f"does not cover facts {first} to {last}, as it should")
        before = last
    return None


def is_sound(proven: Proven) -> bool:
    """Whether the fact leads to its root; needs no database."""
    try:
        return merkle.climbed(_leaf(proven.fact), proven.path).hex() == proven.root
    except ValueError:
        return False


def _subject(first: int, last: int, root: str) -> str:
    return f"{first}-{last}.{root}"


def _leaf(fact: Fact) -> bytes:
    return merkle.leaf(msgspec.msgpack.encode(msgspec.structs.astuple(fact)))


def _leaves(facts: Iterable[Fact]) -> list[bytes]:
    return [_leaf(fact) for fact in facts]


def _between(db: Connection, after: int, most: int) -> list[Fact]:
    rows = db.execute(f"SELECT {COLUMNS} FROM fact WHERE seq > ? ORDER BY seq LIMIT ?", (after, most))  # noqa: S608 - ours
    return [Fact(*row) for row in rows]


def _sealed_to(db: Connection) -> int:
    found = db.execute("SELECT max(last) FROM fact_seal").get
    return found if isinstance(found, int) else 0


def _proven(db: Connection, fact: Fact, batches: dict[int, tuple[list[bytes], str, int]]) -> Proven:
    sealed = "SELECT first, last, root, entry FROM fact_seal WHERE last >= ? ORDER BY last LIMIT 1"
    found = db.execute(sealed, (fact.seq,)).fetchone()
    if found is None:
        return Proven(fact, None, "", ())
    first, last, root, entry = found
    if first not in batches:
        leaves = _leaves(_between(db, first - 1, last - first + 1))
        batches[first] = leaves, str(root), int(entry)
    leaves, root, entry = batches[first]
    return Proven(fact, entry, root, tuple(merkle.path(leaves, leaves.index(_leaf(fact)))))
