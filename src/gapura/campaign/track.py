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
from gapura.terms.campaign import Campaign, Retries
from gapura.terms.letter import Receipt

MINUTE = 60 * SECOND
TELLING = frozenset({"notice", "effective"})


class Told(NamedTuple):
    """What follows for the account itself: it counts as told from then on, by a way and a stage; or no more."""

    since: Callable[[Connection, str, str, tuple[str, str], int], None]
    no_more: Callable[[Connection, str, str, int], None]


class Then(NamedTuple):
    """`contact`: the role that is written to next, "" where none is left."""

    contact: Callable[[Connection, Delivery], str]
    told: Told


def settle(db: Connection, notice: Delivery, receipt: Receipt, spec: Campaign, then: Then) -> Delivery:
    """What an attempt brought.  `notice` is `sending`, or `unsure` where a journal knows better."""
    said = {"code": receipt.code, "answer": receipt.answer, "sha256": receipt.sha256 or notice.sha256}
    at = receipt.at
    if receipt.outcome == "delivered":
        after = deliveries.move(db, notice, "deliver", at, delivered_at=at, **said)
        if notice.kind in TELLING and "mail" in spec.counts_as_told:
            then.told.since(db, notice.campaign, notice.account, (f"mail to {after.contact}", after.stage), at)
        return after
    if receipt.outcome == "unsure":
        return deliveries.move(
            db, notice, "lose", at, due_at=at + spec.retries.unsure * MINUTE, copies=notice.copies + 1, **said
        )
    if receipt.outcome == "deferred" and (pause := _pause(spec.retries, notice.attempts, receipt)):
        return deliveries.move(db, notice, "defer", at, due_at=at + pause * MINUTE, **said)
    return elsewhere(db, deliveries.move(db, notice, "refuse", at, **said), then, at)


def _pause(retries: Retries, attempts: int, receipt: Receipt) -> int:
    """Minutes; 0: this contact was tried often enough.  Without an answer it is the relay that is away, and not the
    contact: it is tried on and on."""
    again = retries.deferred[min(max(attempts, 1), len(retries.deferred)) - 1]
    if receipt.code == 0:
        return min(again, retries.away)
    return again if attempts <= len(retries.deferred) else 0


def bounce(db: Connection, notice: Delivery, answer: str, at: int, then: Then) -> Delivery | None:
    """It came back.  None where that is known, or where it was not under way."""
    if notice.state not in {"delivered", "unsure"}:
        return None
    after = deliveries.move(db, notice, "bounce", at, answer=answer)
    if notice.kind in TELLING and not _told_otherwise(db, notice):
        then.told.no_more(db, notice.campaign, notice.account, at)
    return elsewhere(db, after, then, at)


def elsewhere(db: Connection, notice: Delivery, then: Then, at: int) -> Delivery:
    """To the next contact, at once; or nowhere."""
    tried = (*notice.tried, notice.contact) if notice.contact else notice.tried
    following = then.contact(db, msgspec.structs.replace(notice, tried=tried))
    if not following:
        return deliveries.move(db, notice, "give_up", at, tried=tried)
    return deliveries.move(
        db, notice, "readdress", at, tried=tried, contact=following, due_at=at, attempts=0, message_id="", sha256=""
    )


def by_header(db: Connection, campaign: str, spec: Campaign, at: int, told: Told) -> int:
    """Those who were told by their answers alone, on enough days; how many that are anew."""
    if not spec.fallback.header_days:
        return 0
    found = members.told_by_header(db, campaign, spec.fallback.header_days, mail="mail" in spec.counts_as_told)
    for account, _ in found:
        told.since(db, campaign, account, ("header", "header"), at)
    return len(found)


def _told_otherwise(db: Connection, notice: Delivery) -> bool:
    """Whether another notice of this campaign has arrived and not come back."""
    return any(
        one.state == "delivered" and one.kind in TELLING and one.id != notice.id
        for one in deliveries.of_account(db, notice.account, notice.campaign)
    )
