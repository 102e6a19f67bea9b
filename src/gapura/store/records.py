"""The record: what the gates' journals said, one row a request and one an attempt.  Taken in once, however often
it is delivered; told by request id.

Addresses, and what was found out about them, are in `request_place`, so that retention can delete them alone.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

import msgspec
from apsw import ConstraintError, Cursor

from gapura.store import paid, whole
from gapura.store.base import Connection, Scope
from gapura.store.courtesy import PIECE
from gapura.store.journal import Frame, Position
from gapura.store.ledger.books import Books
from gapura.store.paid import Spends
from gapura.terms.record import Context, Ended, Entry, Marked, Opened, Outcome, Progress, Refused
from gapura.terms.usage import Usage

PAGE = 500

# What a request of a gate that died was answered with: the head of a stream was out, or nothing.
STATUS: dict[Outcome, int] = {"cut": 200, "failed": 0}

# Where a request's only attempt stands in its own row: field of the attempt → column.
_ONLY = {
    "provider": "provider",
    "model": "served_model",
    "hold": "hold",
    "losses": "losses",
    "opened_at": "opened_at",
    "ended_at": "ended_at",
    "failure": "error",
}

_json = msgspec.json.Encoder()


class Watermark(NamedTuple):
    """How far a journal is taken in."""

    boot: str
    closed: bool
    sequence: int
    position: Position


class Intake(msgspec.Struct):
    """What a batch has brought.  `missing`: numbers that were left out.  `strange`: entries that contradict what is
    known, such as a second end; they change nothing.  Both are alarms."""

    entries: int = 0
    missing: int = 0
    strange: int = 0
    spends: Spends = {}


def begin(db: Books, incarnation: str, boot: str, at: int) -> None:
    """Makes an incarnation known, unless it is: `boot` names the run of the machine that it began in."""
    db.execute(
        "INSERT INTO incarnation (id, boot, state, begun_at) VALUES (?, ?, 'live', ?) ON CONFLICT DO NOTHING",
        (incarnation, boot, at),
    )


def watermark(db: Connection, incarnation: str) -> Watermark | None:
    """None where it is not known."""
    row = db.execute(
        "SELECT boot, state = 'closed', sequence, segment, place FROM incarnation WHERE id = ?", (incarnation,)
    ).fetchone()
    return Watermark(str(row[0]), bool(row[1]), int(row[2]), Position(int(row[3]), int(row[4]))) if row else None


def live(db: Connection) -> list[str]:
    """The incarnations that are not closed."""
    return [str(name) for (name,) in db.execute("SELECT id FROM incarnation WHERE state = 'live' ORDER BY id")]


def alarms(db: Connection) -> tuple[int, int]:
    """Entries of all journals that were `missing`, and that were `strange`: see `Intake`."""
    row: Any = db.execute("SELECT coalesce(sum(missing), 0), coalesce(sum(strange), 0) FROM incarnation").fetchone()
    return int(row[0]), int(row[1])


def take_in(
    db: Connection, incarnation: str, frames: Sequence[Frame], position: Position, *, piece: int = PIECE
) -> Intake:
    """Makes rows of what was read up to `position` and moves the watermark there, all in the caller's transaction;
    `piece`: see `courtesy`.

    What is below the watermark, or of an incarnation that is closed, is not looked at again.
    """
    intake = Intake()
    known = watermark(db, incarnation)
    if known is None or known.closed or position < known.position:
        return intake
    sequence, entries = known.sequence, []
    for number, entry in frames:
        if number > sequence:
            intake.missing += number - sequence - 1
            entries.append(entry)
            sequence = number
    intake.entries = len(entries)
    at_once = _at_once(db, incarnation, entries, intake, piece)
    rows = _Rows(db, incarnation, intake)
    for entry in entries:
        if getattr(entry, "id", "") not in at_once:
            rows.add(entry)
    db.execute(
        "UPDATE incarnation SET segment = ?, place = ?, sequence = ?, missing = missing + ?, strange = strange + ?"
        " WHERE id = ?",
        (*position, sequence, intake.missing, intake.strange, incarnation),
    )
    return intake


def _at_once(db: Connection, incarnation: str, entries: Sequence[Entry], intake: Intake, piece: int) -> Container[str]:
    """Makes rows of the requests that begin and end here; which these are.  None where one of them is known already:
    then each entry is asked what it contradicts."""
    found = whole.pairs(entries)
    db.execute("SAVEPOINT whole")
    try:
        intake.spends = whole.insert(db, incarnation, found.values(), piece)
    except ConstraintError:
        db.execute("ROLLBACK TO whole")
        found = {}
    db.execute("RELEASE whole")
    return found


class _Rows:
    """Entries, one after the other, to rows."""

    def __init__(self, db: Connection, incarnation: str, intake: Intake) -> None:
        self._db, self._incarnation, self._intake = db, incarnation, intake
        self._ways: dict[type, Callable[[Any], None]] = {
            Opened: self._opened,
            Progress: self._progress,
            Ended: self._ended,
            Refused: self._refused,
            Marked: self._marked,
        }

    def add(self, entry: Entry) -> None:
        self._ways[type(entry)](entry)

    def _opened(self, entry: Opened) -> None:
        if entry.context is not None:
            self._request(entry.id, entry.at, entry.context, "open")
        losses = _text(entry.losses)
        if entry.attempt > 1:
            self._another(entry, losses)
        purse, hold = paid.alone(entry)
        self._changed(
            "UPDATE request SET provider = ?, served_model = ?, hold = ?, purse = ?, losses = ?, holds = ?"
            " WHERE id = ? AND outcome = 'open'",
            (entry.provider, entry.model, hold, purse, losses, paid.held(entry), entry.id),
        )

    def _another(self, entry: Opened, losses: str) -> None:
        """The first attempt stands in the request until there is a second one."""
        self._db.execute(
            "INSERT INTO attempt (request, attempt, provider, model, hold, losses, opened_at)"
            " SELECT id, 1, provider, served_model, hold, losses, opened_at FROM request"
            " WHERE id = ? AND outcome = 'open' ON CONFLICT DO NOTHING",
            (entry.id,),
        )
        self._db.execute(
            "UPDATE attempt SET ended_at = ?, failure = ? WHERE request = ? AND attempt = ?",
            (entry.at, entry.previous, entry.id, entry.attempt - 1),
        )
        self._db.execute(
            "INSERT INTO attempt (request, attempt, provider, model, hold, losses, opened_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (entry.id, entry.attempt, entry.provider, entry.model, entry.hold, losses, entry.at),
        )

    def _progress(self, entry: Progress) -> None:
        self._db.executemany(
            "UPDATE request SET input = ?, output = ?, progress_at = ? WHERE id = ? AND outcome = 'open'",
            [(given, relayed, entry.at, name) for name, given, relayed in entry.streams],
        )

    def _ended(self, entry: Ended) -> None:
        charged = end(self._db, entry)
        self._intake.strange += charged is None
        paid.add(self._intake.spends, charged or {})

    def _refused(self, entry: Refused) -> None:
        self._request(entry.id, entry.at, entry.context, "refused")
        self._db.execute(
            "UPDATE request SET status = ?, error = ?, ended_at = ? WHERE id = ?",
            (entry.status, entry.code, entry.at, entry.id),
        )

    def _marked(self, entry: Marked) -> None:
        self._db.execute(
            "UPDATE incarnation SET marked_at = ?, marked = ? WHERE id = ?",
            (entry.at, _text(entry.purses), self._incarnation),
        )

    def _request(self, name: str, at: int, context: Context, outcome: str) -> None:
        self._changed(
            "INSERT INTO request (id, outcome, account, key, organisation, model, stream, sandbox, territory,"
            " certainty, derivation, egress, decision, effect, policy_version, shadow_effect, shadow_version,"
            " opened_at, incarnation, subdivision, network)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                name,
                outcome,
                context.account,
                context.key,
                context.organisation,
                context.model,
                context.stream,
                context.sandbox,
                context.territory,
                context.certainty,
                context.derivation,
                context.egress,
                context.decision,
                context.effect,
                context.policy_version,
                *whole.shadowed(context),
                at,
                self._incarnation,
                context.subdivision,
                context.network,
            ),
        )
        self._db.execute(
            "INSERT INTO request_place VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (name, context.address, context.peer, _text(context.answers), _text(context.verdicts)),
        )

    def _changed(self, statement: str, values: tuple[Any, ...]) -> None:
        self._db.execute(statement, values)
        self._intake.strange += self._db.changes() == 0


def end(db: Connection, entry: Ended) -> Spends | None:
    """Ends a request that is open; the purses that pay, and how much by class: no more than was held, and nothing for
    one that failed.  None where it is not open: the first end is the end."""
    used = entry.usage
    row = db.execute(
        "UPDATE request SET outcome = ?1, status = ?2, error = ?3, input = ?4, output = ?5, cached = ?6,"
        " reasoning = ?7, estimated = ?8, ended_at = ?9, images = ?11, seconds = ?12, characters = ?13,"
        " charged = CASE WHEN ?1 = 'failed' OR purse = '' THEN 0 ELSE min(hold, ?4 + ?5) END"
        " WHERE id = ?10 AND outcome = 'open' RETURNING purse, charged, holds",
        (entry.outcome, entry.status, entry.error, used.input, used.output, used.cached, used.reasoning,
         used.estimated, entry.at, entry.id, *used.beside),
    ).fetchone()  # fmt: skip
    if row is None:
        return None
    db.execute(
        "UPDATE attempt SET ended_at = ?, failure = ? WHERE request = ? AND ended_at IS NULL",
        (entry.at, entry.error, entry.id),
    )
    holds = paid.taken(str(row[2]))
    purse = str(row[0])
    spends = paid.paid(purse, int(row[1]), holds, entry.outcome, used)
    if holds:
        paid.write(db, paid.rows(entry.id, purse, spends))
        db.execute("UPDATE request SET holds = ? WHERE id = ?", (paid.counted(holds, spends), entry.id))
    return spends


def end_abandoned(db: Connection, incarnation: str) -> tuple[dict[Outcome, int], Spends]:
    """Ends what a dead gate left open, at its last progress and by estimate; how many of each, and what they cost."""
    ended: dict[Outcome, int] = {"cut": 0, "failed": 0}
    spends: Spends = {}
    rows: list[Any] = db.execute(
        "SELECT id, coalesce(progress_at, opened_at), input, output FROM request"
        " WHERE incarnation = ? AND outcome = 'open' ORDER BY id",
        (incarnation,),
    ).fetchall()
    for name, at, given, relayed in rows:
        outcome: Outcome = "cut" if relayed else "failed"
        usage = Usage(given, relayed, estimated=True) if relayed else Usage(estimated=True)
        charged = end(db, Ended(name, at, outcome, STATUS[outcome], usage, "gate_lost"))
        ended[outcome] += 1
        paid.add(spends, charged or {})
    return ended, spends


def close(db: Books, incarnation: str, torn: int, at: int) -> None:
    """Nothing more will come of it.  `torn`: bytes behind the last whole frame."""
    db.execute("UPDATE incarnation SET state = 'closed', closed_at = ?, torn = ? WHERE id = ?", (at, torn, incarnation))


def usage_rows(db: Connection, scope: Scope = None, *, since: int = 0, until: int = 2**62) -> list[dict[str, Any]]:
    """One row an account, key, model and provider: `requests` that were answered, whole or in part, what they used,
    and `estimated`, how many of them the provider gave no usage for.  What failed or was refused is no usage.

    `scope`: one organisation, None for all; since ≤ opened_at < until.
    """
    return _dicts(
        db.execute(
            """
            SELECT account, key, served_model AS model, provider, count(*) AS requests, sum(input) AS input_tokens,
                   sum(output) AS output_tokens, sum(estimated) AS estimated, sum(images) AS images,
                   sum(seconds) AS seconds, sum(characters) AS characters
            FROM request
            WHERE outcome IN ('complete', 'cut') AND (?1 IS NULL OR organisation = ?1)
              AND opened_at >= ?2 AND opened_at < ?3
            GROUP BY account, key, served_model, provider ORDER BY account, key, served_model, provider
            """,
            (scope, since, until),
        )
    )


def export(db: Connection, after: str = "", limit: int = PAGE, scope: Scope = None) -> list[dict[str, Any]]:
    """Requests behind the id `after`, in the order of ids, each with its `attempts`; JSON-able.
    One with several purses has in `holds` what was taken of each, and in `charges` what each pays, by class.

    `outcome` is open, complete, cut, failed or refused; times are UTC microseconds, None: not yet.
    """
    requests = _dicts(
        db.execute(
            "SELECT r.*, p.address, p.peer FROM request r LEFT JOIN request_place p ON p.request = r.id"
            " WHERE r.id > ?1 AND (?2 IS NULL OR r.organisation = ?2) ORDER BY r.id LIMIT ?3",
            (after, scope, limit),
        )
    )
    return [_whole(db, request) for request in requests]


def find_decision(db: Connection, decision: str, scope: Scope = None) -> dict[str, Any] | None:
    """The request behind a `gapura-decision` id, with `verdicts` and `answers`, each None where retention took it."""
    found = _dicts(
        db.execute(
            "SELECT r.*, p.address, p.peer, p.verdicts, p.answers FROM request r"
            " LEFT JOIN request_place p ON p.request = r.id"
            " WHERE r.id = ?1 AND r.decision = ?2 AND (?3 IS NULL OR r.organisation = ?3)",
            ("req" + decision.removeprefix("dec"), decision, scope),
        )
    )
    return _whole(db, found[0]) if found else None


def in_shadow(db: Connection, version: str, scope: Scope = None, limit: int = 20) -> list[dict[str, Any]]:
    """The newest requests of which this next version (of a rulebook) says something else, like `find_decision`."""
    rows = _dicts(
        db.execute(
            "SELECT r.*, p.address, p.peer, p.verdicts, p.answers FROM request r"
            " LEFT JOIN request_place p ON p.request = r.id"
            " WHERE r.shadow_version = ?1 AND r.shadow_version <> '' AND (?2 IS NULL OR r.organisation = ?2)"
            " ORDER BY r.id DESC LIMIT ?3",
            (version, scope, limit),
        )
    )
    return [_whole(db, row) for row in rows]


def _whole(db: Connection, request: dict[str, Any]) -> dict[str, Any]:
    attempts = _dicts(
        db.execute(
            "SELECT attempt, provider, model, hold, losses, opened_at, ended_at, failure FROM attempt"
            " WHERE request = ? ORDER BY attempt",
            (request["id"],),
        )
    )
    if not attempts and request["provider"]:
        attempts = [{"attempt": 1} | {name: request[column] for name, column in _ONLY.items()}]
    for row in (request, *attempts):
        row.update(
            {name: msgspec.json.decode(row[name]) for name in ("losses", "verdicts", "answers") if row.get(name)}
        )
    flags = {name: bool(request[name]) for name in ("stream", "sandbox", "estimated")}
    paying = paid.told(db, request)
    return request | flags | paying | {"attempts": attempts}


def _dicts(cursor: Cursor) -> list[dict[str, Any]]:
    return [dict(zip((name for name, _ in cursor.get_description()), row, strict=True)) for row in cursor]


def _text(value: Any) -> str:
    return _json.encode(value).decode()
