"""Redemption codes: drawn in batches, told once, kept as keyed hashes, redeemed once.

    GP-7K2QM-9XWTB-4HJ3C-RD8ZE     90 random bits and two signs that tell a typing error, in Crockford's alphabet

Small letters, O for 0, I and L for 1 and other hyphens are read as they are meant.  A code that is for an account is an
invitation: only that account redeems it, with the code or without.
"""

import secrets
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from gapura.errors import BadRequest, NotFound
from gapura.store.base import Conflict, Connection, Shape
from gapura.store.secrets import Secret
from gapura.terms import ids

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MEANT = str.maketrans("OIL", "011", "- _\t")
PREFIX = "GP"
RANDOM, CHECK = 18, 2
MOST = 100_000


class Batch(msgspec.Struct, frozen=True):
    """`redeemed` of `size`.  `expires_at` 0: never; `revoked_at` 0: it holds.  UTC microseconds."""

    id: str
    programme: str
    name: str
    size: int
    expires_at: int
    made_at: int
    revoked_at: int
    redeemed: int


SHAPE = Shape(Batch)
SELECT = (
    "SELECT b.*, (SELECT count(*) FROM code c WHERE c.batch = b.id AND c.redeemed_at > 0) AS redeemed FROM code_batch b"
)


def draw() -> str:
    """A new code."""
    return _written("".join(secrets.choice(ALPHABET) for _ in range(RANDOM)))


def read(code: str) -> str:
    """The code as it was drawn.  Raises BadRequest where it cannot be one: a typing error.

    >>> read("gp 7k2qm9xwtb4hj3crdl") == read("GP-7K2QM-9XWTB-4HJ3C-RD1")
    Traceback (most recent call last):
    ...
    gapura.errors.BadRequest: this is no code: it has 20 signs behind GP
    """
    signs = code.upper().translate(MEANT)
    body = signs.removeprefix(PREFIX)
    if len(signs) != len(PREFIX) + RANDOM + CHECK or not signs.startswith(PREFIX) or not set(body) <= set(ALPHABET):
        raise BadRequest(f"this is no code: it has {RANDOM + CHECK} signs behind {PREFIX}", param="code")
    if (right := _written(body[:RANDOM])).replace("-", "") != signs:
        raise BadRequest("this code is mistyped: its last two signs do not fit the others", param="code")
    return right


def make(  # noqa: PLR0913, PLR0917 - what a batch is made of
    db: Connection,
    programme: str,
    name: str,
    codes: Sequence[str],
    accounts: Sequence[str],
    expires_at: int,
    secret: Secret,
    at: int,
) -> Batch:
    """Keeps the hashes of `codes`; `accounts`: for whom each is, none for everybody.  Raises BadRequest."""
    if not 0 < len(codes) <= MOST:
        raise BadRequest(f"a batch has 1 to {MOST} codes", param="size")
    if 0 < expires_at <= at:
        raise BadRequest("the codes would be over already", param="expires_at")
    batch = ids.new("cdb", at)
    db.execute(
        "INSERT INTO code_batch (id, programme, name, size, expires_at, made_at) VALUES (?, ?, ?, ?, ?, ?)",
        (batch, programme, name, len(codes), expires_at, at),
    )
    rows = zip(codes, accounts or [""] * len(codes), strict=True)
    db.executemany(
        "INSERT INTO code (digest, batch, account, pepper_id) VALUES (?, ?, ?, ?)",
        [(_digest(secret, code), batch, account, secret.pepper_id) for code, account in rows],
    )
    return get(db, batch)


def redeem(db: Connection, programme: str, code: str, account: str, claim: str, secret: Secret, at: int) -> Batch:  # noqa: PLR0913, PLR0917 - a row
    """Once, for `claim`.  Raises BadRequest for a typing error, NotFound for a code that is none of this programme's or
    another account's, Conflict for one that is redeemed, over or revoked."""
    digest = _digest(secret, read(code))
    row: Any = db.execute(
        "SELECT c.account, c.redeemed_at, max(c.revoked_at, b.revoked_at), b.expires_at, b.id FROM code c"
        " JOIN code_batch b ON b.id = c.batch WHERE c.digest = ? AND b.programme = ?",
        (digest, programme),
    ).fetchone()
    if row is None or row[0] not in {"", account}:
        raise NotFound(f"there is no such code of {programme}", param="code")
    _, redeemed, revoked, expires, batch = row
    for is_so, problem in ((redeemed, "was redeemed"), (revoked, "was revoked"), (0 < expires <= at, "is over")):
        if is_so:
            raise Conflict(f"this code {problem}", param="code")
    _use(db, digest, claim, at)
    return get(db, batch)


def invited(db: Connection, programme: str, account: str, claim: str, at: int) -> bool:
    """Redeems an invitation of the account; False where it has none that holds."""
    row: Any = db.execute(
        "SELECT c.digest FROM code c JOIN code_batch b ON b.id = c.batch WHERE c.account = ? AND c.account <> ''"
        " AND b.programme = ? AND c.redeemed_at = 0 AND c.revoked_at = 0 AND b.revoked_at = 0"
        " AND (b.expires_at = 0 OR b.expires_at > ?)",
        (account, programme, at),
    ).fetchone()
    if row is not None:
        _use(db, row[0], claim, at)
    return row is not None


def revoke(db: Connection, batch: str, at: int) -> Batch:
    """None of it is redeemed any more; what was redeemed stays.  Raises NotFound, Conflict."""
    if get(db, batch).revoked_at:
        raise Conflict(f"{batch} was revoked before")
    db.execute("UPDATE code_batch SET revoked_at = ? WHERE id = ?", (at, batch))
    return get(db, batch)


def revoke_one(db: Connection, programme: str, code: str, secret: Secret, at: int) -> None:
    """One code, by what it is.  Raises NotFound where there is none that can be redeemed."""
    changed = db.execute(
        "UPDATE code SET revoked_at = ? WHERE digest = ? AND redeemed_at = 0 AND revoked_at = 0"
        " AND batch IN (SELECT id FROM code_batch WHERE programme = ?) RETURNING batch",
        (at, _digest(secret, read(code)), programme),
    ).fetchone()
    if changed is None:
        raise NotFound(f"there is no such code of {programme} that could be redeemed", param="code")


def get(db: Connection, batch: str) -> Batch:
    """Raises NotFound."""
    row = db.execute(f"{SELECT} WHERE b.id = ?", (batch,)).fetchone()
    if row is None:
        raise NotFound(f"there is no batch of codes {batch}")
    return SHAPE.struct(row)


def every(db: Connection, programme: str) -> list[Batch]:
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE b.programme = ? ORDER BY b.id", (programme,))]


def _use(db: Connection, digest: bytes, claim: str, at: int) -> None:
    # The condition decides, and not what was read before: of two at once one finds it redeemed.
    used = db.execute(
        "UPDATE code SET claim = ?, redeemed_at = ? WHERE digest = ? AND redeemed_at = 0 RETURNING batch",
        (claim, at, digest),
    ).fetchone()
    if used is None:
        raise Conflict("this code was redeemed", param="code")


def _digest(secret: Secret, code: str) -> bytes:
    return secret.digest(f"code:{code}")


def _written(body: str) -> str:
    check = zlib.crc32(body.encode()) % len(ALPHABET) ** CHECK
    signs = body + ALPHABET[check // len(ALPHABET)] + ALPHABET[check % len(ALPHABET)]
    return "-".join([PREFIX, *(signs[n : n + 5] for n in range(0, len(signs), 5))])
