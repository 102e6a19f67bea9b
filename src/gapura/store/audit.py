"""The one write path, and what it leaves behind: who did what, when, to what, and why.

Each entry's hash covers the one before it, so that nothing can be altered or taken out unseen.  The free text is
not part of the chain: only an HMAC of it is, salted, and the salt lies beside the text.  So retention deletes both
and the chain still holds, and nobody can guess a deleted text from what is left.  The newest hash is signed with
the home's secret: cutting off the end of the chain is seen, too.
"""

import hmac
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from gapura.errors import NotFound
from gapura.store import chain
from gapura.store.base import Conflict, Connection, Work, mark, marked
from gapura.store.secrets import Secret

T = TypeVar("T")

START = chain.START
TEXT = "audit-text"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is about to be changed.  `actor` and `subject` are ids, never names or addresses: they stay.

    `reason` and `detail` (what was asked for, e.g. the request as JSON) are free text and may be deleted later.
    `idempotency_key` "": doing it twice does it twice.
    """

    actor: str
    action: str
    subject: str
    reason: str
    detail: str = ""
    idempotency_key: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One change that was made; `reason` and `detail` are None once retention has deleted them."""

    seq: int
    at: int
    actor: str
    action: str
    subject: str
    reason: str | None
    detail: str | None
    hash: str


class Problem(msgspec.Struct, frozen=True):
    """The first entry that is not as it was written, and what is wrong with it."""

    seq: int
    what: str


def perform(connection: Connection, secret: Secret, at: int, by: Change, work: Work[T], kind: type[T] | None) -> T:
    """Does `work` and writes its entry, in the transaction that is open.

    With an idempotency key the result is kept, encoded, and decoded as `kind` when the same request comes again;
    so it must not hold a secret.  Raises Conflict where the key was used for another request.
    """
    if not by.idempotency_key:
        result = work(connection)
        append(connection, secret, at, by)
        return result
    if kind is None:
        raise TypeError("a change with an idempotency key needs the type of its result")
    request = hmac.digest(secret.derive("idempotency"), msgspec.msgpack.encode(by), "sha256")
    known = connection.execute(
        "SELECT request, result FROM idempotency WHERE actor = ? AND key = ?", (by.actor, by.idempotency_key)
    ).fetchone()
    if known is not None:
        if known[0] != request:
            raise Conflict("this idempotency key was used for another request", param="idempotency_key")
        return msgspec.msgpack.decode(known[1], type=kind)
    result = work(connection)
    append(connection, secret, at, by)
    connection.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)",
        (by.actor, by.idempotency_key, at, request, msgspec.msgpack.encode(result)),
    )
    return result


def append(connection: Connection, secret: Secret, at: int, by: Change) -> int:
    """Writes the entry; returns its number."""
    seq, before = head(connection)
    seq += 1
    salt = secrets.token_bytes(16)
    commitment = _commitment(secret, salt, by.reason, by.detail)
    digest = chain.link(before, seq, at, by.actor, by.action, by.subject, commitment)
    connection.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)",
        (seq, at, by.actor, by.action, by.subject, commitment, digest),
    )
    connection.execute("INSERT INTO audit_text VALUES (?, ?, ?, ?)", (seq, salt, by.reason, by.detail))
    mark(connection, "audit_head", _seal(secret, seq, digest))
    return seq


def verify(connection: Connection, secret: Secret) -> Problem | None:
    """Reads the whole chain; None where every entry is as it was written."""
    seq, before = 0, START
    rows = connection.execute(
        "SELECT seq, at, actor, action, subject, commitment, hash, salt, reason, detail"
        " FROM audit LEFT JOIN audit_text USING (seq) ORDER BY seq"
    )
    for number, at, actor, action, subject, commitment, digest, salt, reason, detail in rows:
        seq += 1
        if number != seq:
            return Problem(seq, "is missing")
        if digest != chain.link(before, seq, at, actor, action, subject, commitment):
            return Problem(seq, "was altered")
        if salt is not None and commitment != _commitment(secret, salt, reason, detail):
            return Problem(seq, "has another text than was written")
        before = digest
    if marked(connection, "audit_head") != (_seal(secret, seq, before) if seq else ""):
        return Problem(seq + 1, "is missing: the end of the chain was cut off or written without the secret")
    return None


def entries(connection: Connection, after: int = 0, limit: int = 100) -> list[Entry]:
    """A page: the entries behind number `after`, oldest first."""
    rows = connection.execute(
        "SELECT seq, at, actor, action, subject, reason, detail, hex(hash)"
        " FROM audit LEFT JOIN audit_text USING (seq) WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    )
    return [Entry(*row) for row in rows]


def lines(connection: Connection, secret: Secret, at: int, after: int = 0) -> Iterator[bytes]:
    """The entries behind number `after` as a file that anybody can verify; see `chain`."""
    before = START
    if after:
        row = connection.execute("SELECT hash FROM audit WHERE seq = ?", (after,)).fetchone()
        if row is None:
            raise NotFound(f"there is no audit entry {after}")
        before = bytes(row[0])
    rows = connection.execute(
        "SELECT seq, at, actor, action, subject, commitment, hash, salt, reason, detail"
        " FROM audit LEFT JOIN audit_text USING (seq) WHERE seq > ? ORDER BY seq",
        (after,),
    )
    head = chain.Head(
        home=secret.pepper_id, made_at=at, after=after, before=before.hex(), text_key=secret.derive(TEXT).hex()
    )
    yield from chain.write(head, map(_line, rows), lambda seq, digest: _seal(secret, seq, digest))


def last_actor(connection: Connection, action: str, subject: str) -> str:
    """Who did this to it last; "": nobody did."""
    row = connection.execute(
        "SELECT actor FROM audit WHERE subject = ? AND action = ? ORDER BY seq DESC LIMIT 1", (subject, action)
    ).fetchone()
    return str(row[0]) if row else ""


def about(connection: Connection, subjects: Iterable[str], numbers: Iterable[int]) -> list[tuple[bytes, chain.Line]]:
    """The entries about these subjects, and those of these numbers, oldest first, each with the hash before it."""
    wanted = set(numbers)
    for subject in subjects:
        wanted.update(int(seq) for (seq,) in connection.execute("SELECT seq FROM audit WHERE subject = ?", (subject,)))
    found = []
    for seq in sorted(wanted):
        row = connection.execute(
            "SELECT seq, at, actor, action, subject, commitment, hash, salt, reason, detail"
            " FROM audit LEFT JOIN audit_text USING (seq) WHERE seq = ?",
            (seq,),
        ).fetchone()
        before = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq - 1,)).fetchone()
        if row is not None:
            found.append((bytes(before[0]) if before else START, _line(row)))
    return found


def _line(row: tuple[Any, ...]) -> chain.Line:
    seq, at, actor, action, subject, commitment, digest, salt, reason, detail = row
    told = commitment.hex(), digest.hex(), None if salt is None else salt.hex()
    return chain.Line(seq, at, actor, action, subject, *told, reason, detail)


def forget(connection: Connection, before: int) -> int:
    """Retention: deletes the texts and the kept results older than `before`; the number of texts."""
    connection.execute("DELETE FROM idempotency WHERE at < ?", (before,))
    connection.execute("DELETE FROM audit_text WHERE seq IN (SELECT seq FROM audit WHERE at < ?)", (before,))
    return connection.changes()


def head(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the last entry; 0 and zeros where there is none."""
    row = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, START)


def _commitment(secret: Secret, salt: bytes, reason: str, detail: str) -> bytes:
    return chain.commitment(secret.derive(TEXT), salt, reason, detail)


def _seal(secret: Secret, seq: int, digest: bytes) -> str:
    return hmac.digest(secret.derive("audit-head"), msgspec.msgpack.encode((seq, digest)), "sha256").hex()
