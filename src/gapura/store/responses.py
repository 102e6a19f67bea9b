"""Conversations that accounts let us keep: sealed by the gate that served them, for 30 days."""

from gapura.store.base import Connection


def keep(db: Connection, account: str, name: str, sealed: bytes, at: int) -> None:
    """In place of what had that name."""
    db.execute(
        "INSERT INTO kept_response (account, id, sealed, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, id) DO UPDATE SET sealed = excluded.sealed, at = excluded.at",
        (account, name, sealed, at),
    )


def find(db: Connection, account: str, name: str) -> bytes:
    """b"" where the account has none of that name."""
    row = db.execute("SELECT sealed FROM kept_response WHERE account = ? AND id = ?", (account, name)).fetchone()
    return bytes(row[0]) if row else b""


def drop(db: Connection, account: str, name: str) -> bytes:
    """What was dropped."""
    found = find(db, account, name)
    db.execute("DELETE FROM kept_response WHERE account = ? AND id = ?", (account, name))
    return found


def forget(db: Connection, before: int, most: int) -> int:
    """Those from before that instant, `most` at a time; how many."""
    old = db.execute(
        "SELECT account, id FROM kept_response WHERE at < ? ORDER BY at LIMIT ?", (before, most)
    ).fetchall()
    db.executemany("DELETE FROM kept_response WHERE account = ? AND id = ?", old)
    return len(old)
