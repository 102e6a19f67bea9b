"""Requests that begin and end within one batch, which are nearly all: rows at once, instead of entry after entry."""

from collections.abc import Iterable

import msgspec

from gapura.store import paid
from gapura.store.base import Connection
from gapura.store.courtesy import PIECE, in_turns
from gapura.store.paid import Spends
from gapura.terms.record import Context, Ended, Entry, Marked, Opened, Progress

Pair = tuple[Opened, Ended]

_REQUEST = (
    "id, outcome, status, error, account, key, organisation, model, provider, served_model, stream, sandbox, territory,"
    " certainty, derivation, egress, decision, effect, policy_version, shadow_effect, shadow_version, purse, hold,"
    " input, output, cached, reasoning, estimated, charged, opened_at, ended_at, incarnation, losses, subdivision,"
    " network, holds, images, seconds, characters"
)
_INSERT_REQUEST = f"INSERT INTO request ({_REQUEST}) VALUES (?{', ?' * _REQUEST.count(',')})"  # noqa: S608 - names of ours

_json = msgspec.json.Encoder()


def shadowed(context: Context) -> tuple[str, str]:
    """What the next version of the rules says, and which; "" where it says the same, or there is none."""
    return ("", "") if context.shadow is None else (context.shadow.effect, context.shadow.policy_version)


def pairs(entries: Iterable[Entry]) -> dict[str, Pair]:
    """Request id → its begin and its end, where these are all that is said of it: one attempt, and no progress."""
    begun: dict[str, Opened] = {}
    found: dict[str, Pair] = {}
    others: set[str] = set()
    for entry in entries:
        if isinstance(entry, Ended) and entry.id in begun and entry.id not in found:
            found[entry.id] = begun[entry.id], entry
        elif isinstance(entry, Opened) and entry.context is not None and entry.id not in begun:
            begun[entry.id] = entry
        elif isinstance(entry, Progress):
            others.update(name for name, _, _ in entry.streams)
        elif not isinstance(entry, Marked):
            others.add(entry.id)
    for name in others:
        found.pop(name, None)
    return found


def insert(db: Connection, incarnation: str, requests: Iterable[Pair], piece: int = PIECE) -> Spends:
    """Purse → class → what its requests cost, as `records.end` counts it; others are let run after each `piece`.

    Raises apsw.ConstraintError, with rows in between, where one of them is known already.
    """
    spends: Spends = {}
    for some in in_turns(requests, piece):
        _insert(db, incarnation, some, spends)
    return spends


def _insert(db: Connection, incarnation: str, requests: list[Pair], spends: Spends) -> None:
    rows, places = [], []
    charged_to: list[paid.Charge] = []
    for begun, ended in requests:
        used, context = ended.usage, begun.context
        assert context is not None  # noqa: S101 - `pairs` has looked
        purse, hold = paid.alone(begun) if begun.holds else (begun.purse, begun.hold)
        charged = min(hold, used.total) if purse and ended.outcome != "failed" else 0
        holds = ""
        if charged or begun.holds:
            pays = paid.paid(purse, charged, begun.holds, ended.outcome, used)
            paid.add(spends, pays)
            if begun.holds:
                holds = paid.counted(begun.holds, pays)
                charged_to += paid.rows(begun.id, purse, pays)
        losses = _json.encode(begun.losses).decode()
        row = (
            begun.id, ended.outcome, ended.status, ended.error, context.account, context.key, context.organisation,
            context.model, begun.provider, begun.model, context.stream, context.sandbox, context.territory,
            context.certainty, context.derivation, context.egress, context.decision, context.effect,
            context.policy_version, *shadowed(context), purse, hold, used.input, used.output, used.cached,
            used.reasoning, used.estimated, charged, begun.at, ended.at, incarnation, losses, context.subdivision,
            context.network, holds, *used.beside,
        )  # fmt: skip
        rows.append(row)
        answers, verdicts = _json.encode(context.answers), _json.encode(context.verdicts)
        places.append((begun.id, context.address, context.peer, answers.decode(), verdicts.decode()))
    db.executemany(_INSERT_REQUEST, rows)
    db.executemany("INSERT INTO request_place VALUES (?, ?, ?, ?, ?)", places)
    paid.write(db, charged_to)
