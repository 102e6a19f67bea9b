"""What others are told of, in the transaction in which it happened: told at least once, or given up with a word.

    put ──► waiting, due ──claim──► being sent ──► delivered
              ▲    ▲                    │  └──────► dead      72 h after it happened, or the endpoint is gone
              │    └──── later ◄────────┘
    waiting, behind the one before it of the same account

Of each account an endpoint is told in the order of events, one at a time; one that fails holds back those behind it,
and no other account's.  Whoever sends has claimed: until the lease ends nobody else sends the same; after a kill the
next one does, with the same id.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from gapura.clock import SECOND, text
from gapura.errors import NotFound
from gapura.store import webhooks
from gapura.store.base import Connection
from gapura.terms import ids

LEASE_S = 60
# Seconds until the next try, by the number of tries before; the last one again and again.
PAUSES_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600)
GIVE_UP_S = 72 * 3600
ANSWER = 300

State = Literal["waiting", "delivered", "dead"]


class Event(msgspec.Struct, frozen=True):
    """`payload` is the text that is sent, to the letter."""

    seq: int
    id: str
    topic: str
    account: str
    payload: str
    at: int


class Delivery(msgspec.Struct, frozen=True):
    """What became of one event at one endpoint.  `due_at` 0: settled, or behind another one of its account.  `code` is
    the last HTTP status, 0 where there was none, and `answer` what came back or went wrong."""

    webhook: str
    event: str
    topic: str
    account: str
    state: State
    at: int
    due_at: int
    attempts: int
    code: int
    answer: str
    ended_at: int


class Claim(msgspec.Struct, frozen=True):
    """An event to be sent now to an endpoint; `since` is when its 72 hours began."""

    webhook: str
    seq: int
    id: str
    payload: str
    attempts: int
    since: int


class Said(NamedTuple):
    """What an attempt brought: the HTTP status (0: none came), words, and for how many seconds the endpoint wants to be
    left alone."""

    code: int
    answer: str = ""
    wait_s: float = 0


SELECT = (
    "SELECT d.webhook, e.id, e.topic, e.account, d.state, e.at, coalesce(d.due_at, 0), d.attempts, d.code, d.answer,"
    " d.ended_at FROM webhook_delivery d JOIN event e USING (seq)"
)


def put(connection: Connection, topic: str, account: str, body: Mapping[str, Any], at: int) -> str:
    """Notes an event for every endpoint that wants it; its id.  `account` "": it concerns none.  `body` as JSON."""
    seq, event = _note(connection, topic, account, body, at)
    for webhook in webhooks.active(connection):
        if webhook.wants(topic, account):
            _queue(connection, webhook.id, seq, account, at)
    return event


def put_to(connection: Connection, webhook: str, topic: str, body: Mapping[str, Any], at: int) -> str:
    """For one endpoint, whatever it wants: a test.  Raises NotFound where there is none that is active."""
    if webhooks.get(connection, webhook).state != "active":
        raise NotFound(f"{webhook} is not active")
    seq, event = _note(connection, topic, "", body, at)
    # A queue of its own: it does not wait for anybody's events, and none waits for it.
    _queue(connection, webhook, seq, webhook, at)
    return event


def claim(connection: Connection, webhook: str, limit: int, at: int) -> list[Claim]:
    """What is due, the longest due first; it is the caller's until the lease ends."""
    rows: list[Any] = connection.execute(
        "UPDATE webhook_delivery SET due_at = ?, attempts = attempts + 1 WHERE (webhook, seq) IN (SELECT webhook, seq"
        " FROM webhook_delivery WHERE webhook = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?)"
        " RETURNING webhook, seq, attempts, since",
        (at + LEASE_S * SECOND, webhook, at, limit),
    ).fetchall()
    return sorted((_claim(connection, *row) for row in rows), key=lambda one: one.seq)


def is_due(connection: Connection, webhook: str, at: int) -> bool:
    query = "SELECT 1 FROM webhook_delivery WHERE webhook = ? AND due_at <= ? LIMIT 1"
    return connection.execute(query, (webhook, at)).fetchone() is not None


def delivered(connection: Connection, claim: Claim, said: Said, at: int) -> None:
    """The endpoint has it; the next one of the account is due."""
    _settle(connection, claim, "delivered", said, at)


def failed(connection: Connection, claim: Claim, said: Said, at: int) -> State:
    """It is tried again, `wait_s` from now or later, until 72 hours are over; says what it is now."""
    if at - claim.since >= GIVE_UP_S * SECOND:
        _settle(connection, claim, "dead", said, at)
        return "dead"
    pause = max(PAUSES_S[min(claim.attempts, len(PAUSES_S)) - 1], said.wait_s)
    connection.execute(
        "UPDATE webhook_delivery SET due_at = ?, code = ?, answer = ?"
        " WHERE webhook = ? AND seq = ? AND state = 'waiting'",
        (at + int(pause * SECOND), said.code, said.answer[:ANSWER], claim.webhook, claim.seq),
    )
    return "waiting"


def replay(connection: Connection, webhook: str, since: int, at: int, *, delivered_too: bool = False) -> int:
    """Sends again what was given up since then (what was delivered as well, where asked), each in its place of the
    order; how many.  Raises NotFound where there is no such endpoint that is active."""
    if webhooks.get(connection, webhook).state != "active":
        raise NotFound(f"{webhook} is not active")
    states = "('dead', 'delivered')" if delivered_too else "('dead')"
    rows = connection.execute(
        f"UPDATE webhook_delivery SET state = 'waiting', since = ?, attempts = 0, due_at = NULL, ended_at = 0"  # noqa: S608
        f" WHERE webhook = ? AND state IN {states} AND seq IN (SELECT seq FROM event WHERE at >= ?) RETURNING account",
        (at, webhook, since),
    ).fetchall()
    for account in sorted({str(account) for (account,) in rows}):
        _advance(connection, webhook, account, at)
    return len(rows)


def of(connection: Connection, event: str) -> list[Delivery]:
    """What became of an event, by endpoint; none where no endpoint wanted it.  Raises NotFound."""
    if not connection.execute("SELECT 1 FROM event WHERE id = ?", (event,)).fetchone():
        raise NotFound(f"there is no event {event}")
    return [Delivery(*row) for row in connection.execute(f"{SELECT} WHERE e.id = ? ORDER BY d.webhook", (event,))]


def page(connection: Connection, webhook: str, state: str = "", after: str = "", limit: int = 100) -> list[Delivery]:
    """Deliveries to an endpoint behind the event `after`, oldest first."""
    rows = connection.execute(
        f"{SELECT} WHERE d.webhook = ? AND (? = '' OR d.state = ?)"  # noqa: S608 - ours
        " AND d.seq > coalesce((SELECT seq FROM event WHERE id = ?), 0) ORDER BY d.seq LIMIT ?",
        (webhook, state, state, after, limit),
    )
    return [Delivery(*row) for row in rows]


def forget(connection: Connection, before: int, limit: int = 1000) -> int:
    """Retention: deletes events older than `before` of which nothing waits any more; how many."""
    old = connection.execute(
        "SELECT seq FROM event e WHERE at < ? AND NOT EXISTS"
        " (SELECT 1 FROM webhook_delivery d WHERE d.seq = e.seq AND d.state = 'waiting') ORDER BY at LIMIT ?",
        (before, limit),
    ).fetchall()
    connection.executemany("DELETE FROM webhook_delivery WHERE seq = ?", old)
    connection.executemany("DELETE FROM event WHERE seq = ?", old)
    return len(old)


def _note(connection: Connection, topic: str, account: str, body: Mapping[str, Any], at: int) -> tuple[int, str]:
    event = ids.new("evt", at)
    said = {"id": event, "type": topic, "timestamp": text(at), "account": account, "data": body}
    payload = msgspec.json.encode(said, order="deterministic").decode()
    row = connection.execute(
        "INSERT INTO event (id, topic, account, payload, at) VALUES (?, ?, ?, ?, ?) RETURNING seq",
        (event, topic, account, payload, at),
    ).fetchone()
    assert row is not None  # noqa: S101 - an INSERT that did not raise returns its row
    return int(row[0]), event


def _queue(connection: Connection, webhook: str, seq: int, account: str, at: int) -> None:
    first = _head(connection, webhook, account) is None
    connection.execute(
        "INSERT INTO webhook_delivery (webhook, seq, account, state, due_at, since) VALUES (?, ?, ?, 'waiting', ?, ?)",
        (webhook, seq, account, at if first else None, at),
    )


def _head(connection: Connection, webhook: str, account: str) -> int | None:
    row = connection.execute(
        "SELECT min(seq) FROM webhook_delivery WHERE webhook = ? AND account = ? AND state = 'waiting'",
        (webhook, account),
    ).fetchone()
    return row[0] if row else None


def _claim(connection: Connection, webhook: str, seq: int, attempts: int, since: int) -> Claim:
    row: Any = connection.execute("SELECT id, payload FROM event WHERE seq = ?", (seq,)).fetchone()
    event, payload = row
    return Claim(webhook, seq, event, payload, attempts, since)


def _settle(connection: Connection, claim: Claim, state: State, said: Said, at: int) -> None:
    row = connection.execute(
        "UPDATE webhook_delivery SET state = ?, due_at = NULL, code = ?, answer = ?, ended_at = ?"
        " WHERE webhook = ? AND seq = ? AND state = 'waiting' RETURNING account",
        (state, said.code, said.answer[:ANSWER], at, claim.webhook, claim.seq),
    ).fetchone()
    if row is not None:
        _advance(connection, claim.webhook, row[0], at)


def _advance(connection: Connection, webhook: str, account: str, at: int) -> None:
    """The oldest of the queue becomes due, and it alone."""
    head = _head(connection, webhook, account)
    connection.execute(
        "UPDATE webhook_delivery SET due_at = CASE seq WHEN ?4 THEN coalesce(due_at, ?3) END"
        " WHERE webhook = ?1 AND account = ?2 AND state = 'waiting' AND (seq = ?4 OR due_at IS NOT NULL)",
        (webhook, account, at, head),
    )
