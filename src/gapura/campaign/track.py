"""track: what became of each notice, and since when somebody counts as told.

An account counts as told from the moment in which the other side took its first notice, and no more once that notice
came back: then the next contact is written to, and where there is none left, its answers tell it.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gapura.clock import SECOND
from gapura.store import deliveries, members
from gapura.store.base import Connection
from gapura.store.deliveries import Delivery
from gapura.terms.letter import Receipt

MINUTE = 60 * SECOND
AGAIN = (5, 15, 30, 60, 120, 240, 480, 960)
"""Minutes until a deferred notice is tried again; after the last one this contact counts as not to be reached."""
OURS = 4
"""Without an answer it is the relay that is away, not the contact: it is tried on and on, after the fourth pause."""
UNSURE = MINUTE
"""Until a notice of which nobody knows whether it arrived is sent once more, as the same message."""
TELLING = frozenset({"notice", "effective"})


class Told(NamedTuple):
    """What follows for the account itself: it counts as told from then on, by a way and a stage; or no more."""

    since: Callable[[Connection, str, str, tuple[str, str], int], None]
    no_more: Callable[[Connection, str, str, int], None]


Contact = Callable[[Connection, Delivery], str]
"""The role that is written to next; "" where none is left."""


def settle(db: Connection, notice: Delivery, receipt: Receipt, contact: Contact, told: Told) -> Delivery:
    """What an attempt brought.  `notice` is `sending`, or `unsure` where a journal knows better."""
    said = {"code": receipt.code, "answer": receipt.answer, "sha256": receipt.sha256 or notice.sha256}
    at = receipt.at
    if receipt.outcome == "delivered":
        after = deliveries.move(db, notice, "deliver", at, delivered_at=at, **said)
        if notice.kind in TELLING:
            told.since(db, notice.campaign, notice.account, (f"mail to {after.contact}", after.stage), at)
        return after
    if receipt.outcome == "unsure":
        return deliveries.move(db, notice, "lose", at, due_at=at + UNSURE, copies=notice.copies + 1, **said)
    if receipt.outcome == "deferred" and (ours := receipt.code == 0) | (notice.attempts <= len(AGAIN)):
        pause = AGAIN[min(max(notice.attempts, 1), OURS if ours else len(AGAIN)) - 1] * MINUTE
        return deliveries.move(db, notice, "defer", at, due_at=at + pause, **said)
    return elsewhere(db, deliveries.move(db, notice, "refuse", at, **said), contact, at)


def bounce(db: Connection, notice: Delivery, answer: str, at: int, contact: Contact, told: Told) -> Delivery | None:
    """It came back.  None where that is known, or where it was not under way."""
    if notice.state not in {"delivered", "unsure"}:
        return None
    after = deliveries.move(db, notice, "bounce", at, answer=answer)
    if notice.kind in TELLING and not _told_otherwise(db, notice):
        told.no_more(db, notice.campaign, notice.account, at)
    return elsewhere(db, after, contact, at)


def elsewhere(db: Connection, notice: Delivery, contact: Contact, at: int) -> Delivery:
    """To the next contact, at once; or nowhere."""
    tried = (*notice.tried, notice.contact) if notice.contact else notice.tried
    following = contact(db, msgspec.structs.replace(notice, tried=tried))
    if not following:
        return deliveries.move(db, notice, "give_up", at, tried=tried)
    return deliveries.move(
        db, notice, "readdress", at, tried=tried, contact=following, due_at=at, attempts=0, message_id="", sha256=""
    )


def by_header(db: Connection, campaign: str, days: int, at: int, told: Told) -> int:
    """Those who were told by their answers alone, on enough days; how many that are anew."""
    if not days:
        return 0
    found = members.told_by_header(db, campaign, days)
    for account, _ in found:
        told.since(db, campaign, account, ("header", "header"), at)
    return len(found)


def _told_otherwise(db: Connection, notice: Delivery) -> bool:
    """Whether another notice of this campaign has arrived and not come back."""
    return any(
        one.state == "delivered" and one.kind in TELLING and one.id != notice.id
        for one in deliveries.of_account(db, notice.account, notice.campaign)
    )
