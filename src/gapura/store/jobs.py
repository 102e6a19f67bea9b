"""Jobs: what the keeper shall do at a time, by name, kept until it is done.

    waiting → leased → done            leased → waiting (again later, or after a failure) · leased → failed (too often)

(name, key) is one job however often it is put, so whoever asks for it twice has it once.  A lease is for a time and
an attempt: who lost it, because its process was thought dead, cannot end what another has begun.
"""

from typing import Any, Literal

import msgspec

from gapura.store.base import Connection, Shape

State = Literal["waiting", "leased", "done", "failed"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`payload` is JSON.  Times are UTC microseconds; 0: none.  `attempts` counts those that were begun since it last
    succeeded."""

    id: int
    name: str
    key: str
    payload: dict[str, Any]
    state: State
    due_at: int
    attempts: int
    leased_until: int
    rung_at: int
    ended_at: int
    error: str


SHAPE = Shape(Job)
SELECT = f"SELECT {SHAPE.columns} FROM job"  # noqa: S608 - names of ours
MADE = (
    "INSERT INTO job (name, key, payload, state, due_at, attempts, leased_until, rung_at, ended_at, error)"
    " VALUES (?1, ?2, ?3, 'waiting', ?4, 0, 0, 0, 0, '') ON CONFLICT (name, key) DO"
)


def put(db: Connection, name: str, key: str, due_at: int, payload: dict[str, Any] | None = None) -> bool:
    """To be done once, at `due_at`.  False where it was put before, whatever has become of it."""
    db.execute(f"{MADE} NOTHING", (name, key, msgspec.json.encode(payload or {}).decode(), due_at))
    return db.changes() == 1


def ring(db: Connection, name: str, key: str, at: int, payload: dict[str, Any] | None = None) -> None:
    """To be done, or done once more, at `at` or before: also where it was done, has failed, or is at it now."""
    db.execute(
        f"{MADE} UPDATE SET"
        " rung_at = CASE WHEN state = 'leased' THEN ?4 ELSE 0 END,"
        " due_at = CASE WHEN state = 'waiting' AND attempts = 0 THEN min(due_at, ?4) ELSE ?4 END,"
        " attempts = CASE WHEN state = 'leased' THEN attempts ELSE 0 END,"
        " state = CASE WHEN state = 'leased' THEN 'leased' ELSE 'waiting' END",
        (name, key, msgspec.json.encode(payload or {}).decode(), at),
    )


def drop(db: Connection, name: str, key: str) -> None:
    """It shall not be done any more; nothing where there is none.  What is at it now goes on."""
    db.execute("DELETE FROM job WHERE name = ? AND key = ? AND state <> 'leased'", (name, key))


def take(db: Connection, names: list[str], at: int, until: int, most: int) -> list[Job]:
    """Leases up to `most` jobs of these names that are due at `at`, oldest first, until `until`."""
    wanted = ",".join("?" * len(names))
    rows = db.execute(
        f"UPDATE job SET state = 'leased', attempts = attempts + 1, leased_until = ? WHERE id IN ("  # noqa: S608 - marks
        f" SELECT id FROM job WHERE state = 'waiting' AND due_at <= ? AND name IN ({wanted})"
        f" ORDER BY due_at, id LIMIT ?) RETURNING {SHAPE.columns}",
        (until, at, *names, most),
    ).fetchall()
    return sorted(map(SHAPE.struct, rows), key=lambda job: (job.due_at, job.id))


def prolong(db: Connection, job: int, until: int) -> None:
    """Keeps a lease."""
    db.execute("UPDATE job SET leased_until = ? WHERE id = ? AND state = 'leased'", (until, job))


def done(db: Connection, job: Job, at: int, again_at: int = 0) -> bool:
    """It succeeded; `again_at`: it shall be done again then.  False where the lease is lost."""
    return _leased(
        db,
        job,
        "state = CASE WHEN :again + rung_at > 0 THEN 'waiting' ELSE 'done' END, due_at = CASE"
        " WHEN rung_at > 0 AND (:again = 0 OR rung_at < :again) THEN rung_at WHEN :again > 0 THEN :again"
        " ELSE due_at END, attempts = 0, leased_until = 0, rung_at = 0, ended_at = :at, error = ''",
        again=again_at,
        at=at,
    )


def failed(db: Connection, job: Job, at: int, error: str, again_at: int = 0) -> bool:
    """It did not succeed; `again_at` 0: it is given up.  False where the lease is lost."""
    return _leased(
        db,
        job,
        "state = CASE WHEN :again > 0 THEN 'waiting' ELSE 'failed' END, due_at = max(:again, due_at),"
        " leased_until = 0, rung_at = 0, ended_at = :at, error = :error",
        again=again_at,
        at=at,
        error=error,
    )


def give_back(db: Connection, at: int) -> int:
    """What was leased until `at` or before waits again: whoever had it is gone.  How many that were."""
    db.execute("UPDATE job SET state = 'waiting', leased_until = 0 WHERE state = 'leased' AND leased_until <= ?", (at,))
    return db.changes()


def is_due(db: Connection, at: int) -> bool:
    """Whether any job is."""
    return bool(db.execute("SELECT 1 FROM job WHERE state = 'waiting' AND due_at <= ? LIMIT 1", (at,)).fetchone())


def find(db: Connection, name: str, key: str) -> Job | None:
    row = db.execute(f"{SELECT} WHERE name = ? AND key = ?", (name, key)).fetchone()
    return SHAPE.struct(row) if row else None


def given_up(db: Connection) -> list[Job]:
    """Those that a person should look at."""
    return [SHAPE.struct(row) for row in db.execute(f"{SELECT} WHERE state = 'failed' ORDER BY id")]


def forget(db: Connection, before: int) -> int:
    """Deletes those that were done before `before`; how many."""
    db.execute("DELETE FROM job WHERE state = 'done' AND ended_at < ?", (before,))
    return db.changes()


def _leased(db: Connection, job: Job, changes: str, **values: int | str) -> bool:
    """The number of the attempt tells one lease from the next."""
    db.execute(
        f"UPDATE job SET {changes} WHERE id = :id AND state = 'leased' AND attempts = :attempt",  # noqa: S608 - ours
        {**values, "id": job.id, "attempt": job.attempts},
    )
    return db.changes() == 1
