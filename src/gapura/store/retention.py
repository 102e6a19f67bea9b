"""What is kept for a while only: addresses, what webhooks were told, evidence, and conversations.

For 30 days they are kept as they are, since somebody who objects must be answered; afterwards only the network that
they were in.  Nothing is hashed over them, so no chain breaks.  Events can be replayed for as long.
"""

import ipaddress

from gapura.clock import SECOND
from gapura.store import claims, outbox, responses, returned
from gapura.store.base import Connection, mark, marked

DAYS = 30
DAY = 86_400 * SECOND
BATCH = 1_000
PREFIXES = {4: 24, 6: 48}
DONE = "addresses_shortened_to"


def shorten_addresses(db: Connection, at: int) -> int:
    """One batch of what is over its time at `at` (UTC microseconds); how many rows that were, 0 when all is done."""
    # Ids are UUIDv7: in the order of time, so the last one that was done is all there is to remember.
    until = f"req_{(at - DAYS * DAY) // 1000:012x}"
    rows = db.execute(
        "SELECT request, address, peer FROM request_place WHERE request > ? AND request < ? ORDER BY request LIMIT ?",
        (marked(db, DONE), until, BATCH),
    ).fetchall()
    if rows:
        db.executemany(
            "UPDATE request_place SET address = ?, peer = ? WHERE request = ?",
            [(network(str(address)), network(str(peer)), request) for request, address, peer in rows],
        )
        mark(db, DONE, str(rows[-1][0]))
    return len(rows)


def forget_events(db: Connection, at: int) -> int:
    """One batch of the events that are over their time and that nobody waits for; how many, 0 when all is done."""
    return outbox.forget(db, at - DAYS * DAY, BATCH)


def forget_evidence(db: Connection, at: int) -> int:
    """One batch of what was shown for claims and is over its time; how much, 0 when all is done."""
    return claims.forget_evidence(db, at, BATCH)


def forget_returned(db: Connection, at: int) -> int:
    """One batch of the mail that came back and is over its time; how much, 0 when all is done."""
    return returned.forget(db, at, BATCH)


def forget_responses(db: Connection, at: int) -> int:
    """One batch of the conversations that are over their time; how many, 0 when all is done."""
    return responses.forget(db, at - DAYS * DAY, BATCH)


BATCHES = (shorten_addresses, forget_events, forget_evidence, forget_returned, forget_responses)


def network(address: str) -> str:
    """The /24 or /48 of an address; what is no address says nothing about anybody and stays.

    >>> network("203.0.113.77"), network("2001:db8:1:2::3"), network("")
    ('203.0.113.0/24', '2001:db8:1::/48', '')
    """
    try:
        of = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((of, PREFIXES[of.version]), strict=False))
