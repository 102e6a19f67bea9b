"""The chain over the ledger: block after block, what was posted since the one before is hashed, with the accounts that
were opened for it.  So posting stays cheap, and nothing that is in a block can be altered or taken out unseen.

A block's text is made and joined by the database, some two million transfers a second; its head is signed with the
home's secret, so that cutting off the end is seen, too.  What was posted after the last block is in the next.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gapura.clock import SECOND
from gapura.store.ledger.books import Books, mark, set_mark
from gapura.store.secrets import Secret

START = bytes(32)

# Transfers in one block, at the most: what is hashed at once is in memory.
MOST = 50_000

TRANSFERS = "concat_ws('|', id, debit, credit, amount, \"at\", kind, ref)"
ACCOUNTS = "concat_ws('|', id, kind, purse, holder, class, unit, name)"

Progress = Callable[[int, int], None]
"""Called with how many transfers are done, of how many."""

Lines = Callable[[Books, int, int], tuple[int, str]]
"""How many transfers there are behind one number up to another, and their text, a line each."""


class Block(NamedTuple):
    """`transfers`, `accounts`: the number of the last one in it.  `posted`: how many transfers; `at`: of the latest."""

    seq: int
    transfers: int
    accounts: int
    posted: int
    at: int
    hash: bytes


FIRST = Block(0, 0, 0, 0, 0, START)


class Fault(NamedTuple):
    """The first block that is not as it was sealed, and what is wrong with it."""

    block: int
    what: str


def seal(db: Books, secret: Secret) -> int:
    """Makes blocks of what was posted since the last one; returns how many transfers there are in them.

    No block holds transfers of two months.  Nothing else may post meanwhile: see `postgres`.
    """
    sealed, before = 0, head(db)
    while (block := _next(db, before)) is not None:
        db.execute(
            "INSERT INTO ledger_block (seq, transfers, accounts, count, at, hash) VALUES (?, ?, ?, ?, ?, ?)", block
        )
        sealed, before = sealed + block.posted, block
    if sealed:
        set_mark(db, "clock", before.at)
        _sign(db, secret, before)
    return sealed


def head(db: Books) -> Block:
    """The last block."""
    row: Any = db.execute(
        "SELECT seq, transfers, accounts, count, at, hash FROM ledger_block ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return _block(row) if row else FIRST


def blocks(db: Books, after: int = 0) -> Iterator[Block]:
    rows = db.execute(
        "SELECT seq, transfers, accounts, count, at, hash FROM ledger_block WHERE seq > ? ORDER BY seq", (after,)
    )
    for row in rows:
        yield _block(row)


def verify(db: Books, secret: Secret, lines: Lines | None = None, progress: Progress | None = None) -> Fault | None:
    """Reads the whole chain; None where every block is as it was sealed.

    `lines` reads transfers that are archived; without it those blocks are believed, as the later ones cover them.
    """
    archived, total, done, here = mark(db, "archived"), _count(db), 0, 0
    before = FIRST
    for block in blocks(db):
        if block.seq != before.seq + 1:
            return Fault(before.seq + 1, "is missing")
        old = block.transfers <= archived
        here += 0 if old else block.posted
        if not old or lines is not None:
            read = lines if old and lines is not None else live
            count, text = read(db, before.transfers, block.transfers)
            if block.hash != _hash(db, before, block, count, text):
                return Fault(block.seq, "was altered")
            done += count
            if progress:
                progress(done, total)
        before = block
    held: Any = db.execute("SELECT count(*) FROM transfer WHERE id <= ?", (before.transfers,)).fetchone()
    if held[0] != here:
        return Fault(before.seq, f"is the last, and there are {held[0]} transfers where {here} were sealed")
    if _signed(db) != (_signature(secret, before) if before.seq else ""):
        return Fault(before.seq + 1, "is missing: the end of the chain was cut off or written without the secret")
    return None


def live(db: Books, after: int, until: int) -> tuple[int, str]:
    return _text(db, TRANSFERS, "transfer", after, until)


def _next(db: Books, before: Block) -> Block | None:
    first: Any = db.execute("SELECT at FROM transfer WHERE id > ? ORDER BY id LIMIT 1", (before.transfers,)).fetchone()
    if first is None:
        return None
    ends = month_end(max(first[0], before.at))
    fresh = "(SELECT id, at FROM transfer WHERE id > ? ORDER BY id LIMIT ?) AS fresh"
    above: Any = db.execute(
        f"SELECT min(id) FROM {fresh} WHERE at >= ?",  # noqa: S608 - words of ours
        (before.transfers, MOST, ends),
    ).fetchone()
    most = 2**62 if above[0] is None else above[0] - 1
    last: Any = db.execute(
        f"SELECT max(id), max(at) FROM {fresh} WHERE id <= ?",  # noqa: S608 - words of ours
        (before.transfers, MOST, most),
    ).fetchone()
    accounts: Any = db.execute("SELECT max(id) FROM ledger_account").fetchone()
    count, text = live(db, before.transfers, last[0])
    block = Block(before.seq + 1, last[0], max(accounts[0], before.accounts), count, max(before.at, last[1]), START)
    return block._replace(hash=_hash(db, before, block, count, text))


def _hash(db: Books, before: Block, block: Block, count: int, transfers: str) -> bytes:
    _, accounts = _text(db, ACCOUNTS, "ledger_account", before.accounts, block.accounts)
    digest = hashlib.sha256(before.hash)
    # The count of rows, too, so that no line can be taken for two.
    digest.update(msgspec.msgpack.encode((*block[:5], count, len(transfers), len(accounts))))
    digest.update(transfers.encode())
    digest.update(accounts.encode())
    return digest.digest()


def _text(db: Books, line: str, table: str, after: int, until: int) -> tuple[int, str]:
    row: Any = db.execute(
        f"SELECT count(*), coalesce(string_agg(line, ?), '') FROM"  # noqa: S608 - names of ours
        f" (SELECT {line} AS line FROM {table} WHERE id > ? AND id <= ? ORDER BY id) AS lines",
        ("\n", after, until),
    ).fetchone()
    return int(row[0]), str(row[1])


def _block(row: Any) -> Block:
    seq, transfers, accounts, posted, at, digest = row
    return Block(seq, transfers, accounts, posted, at, bytes(digest))


def month_end(at: int) -> int:
    """When the month is over that `at` is in (UTC)."""
    then = datetime.fromtimestamp(at / SECOND, UTC)
    after = datetime(then.year + then.month // 12, then.month % 12 + 1, 1, tzinfo=UTC)
    return int(after.timestamp()) * SECOND


def _count(db: Books) -> int:
    row: Any = db.execute("SELECT coalesce(sum(count), 0) FROM ledger_block").fetchone()
    return int(row[0])


def _sign(db: Books, secret: Secret, block: Block) -> None:
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('ledger_head', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (_signature(secret, block),),
    )


def _signed(db: Books) -> str:
    row = db.execute("SELECT value FROM meta WHERE name = 'ledger_head'").fetchone()
    return str(row[0]) if row else ""


def _signature(secret: Secret, block: Block) -> str:
    return hmac.digest(secret.derive("ledger-head"), msgspec.msgpack.encode((block.seq, block.hash)), "sha256").hex()
