"""deliver: written before it is sent, sent once, and what came of it written down.

    planned → composed → sending → delivered, deferred, refused, unsure

A row says `sending` before the sender is asked.  The sender keeps a journal of its own of what the relay was given and
what it answered; whoever finds a row in `sending` after a kill asks that journal.  What is not in it was never given to
the relay; what was answered is settled; what was given and not answered for is sent once more, as the same message.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from gapura import crash
from gapura.clock import Clock
from gapura.store import answers, deliveries
from gapura.store.base import Connection, Work
from gapura.store.deliveries import Delivery
from gapura.store.sqlite import Store
from gapura.terms.letter import Letter, Receipt

T = TypeVar("T")

BATCH = 64


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in its final form; `error` says why there is none."""

    message_id: str = ""
    sha256: str = ""
    error: str = ""


class Draft(msgspec.Struct, frozen=True):
    """`another`: a further contact, whose message is another one than the first one's."""

    letter: Letter
    another: bool


class Left(msgspec.Struct, frozen=True):
    """What journals of senders that are gone say, by Message-ID.  `busy`: one of a sender that is not gone yet."""

    receipts: dict[str, Receipt]
    busy: bool


class Stopped(Exception):
    """The relay takes nothing from us; the message says why.  Nothing of what was asked for was sent."""


class Sender(Protocol):
    """Whoever makes messages and hands them over; in a process of its own."""

    async def compose(self, drafts: Sequence[Draft]) -> list[Made]: ...
    async def send(self, letter: Letter) -> Receipt: ...
    async def left(self) -> Left: ...
    async def stored(self, message_ids: Sequence[str]) -> None: ...


class Hands(Protocol):
    """What the river knows of a notice, in the store's transaction."""

    def draft(self, db: Connection, notice: Delivery, at: int) -> tuple[Delivery, Letter | None]: ...
    def announce(self, db: Connection, notice: Delivery, letter: Letter) -> None: ...
    def settle(self, db: Connection, notice: Delivery, receipt: Receipt) -> Delivery: ...


class StillBusy(Exception):
    """A sender of a keeper that is gone has not ended yet; what it is sending is not known until then."""


async def run(store: Store, sender: Sender, hands: Hands, campaign: str, clock: Clock, may: Callable[[], bool]) -> int:
    """Sends what is due, as long as it `may`; how many were settled.  Raises Stopped, StillBusy, and what the sender
    raises: then some rows say `sending`, and the next run asks the journal."""
    settled = await recover(store, sender, hands, campaign)
    while may():
        at = clock()
        if not (batch := store.read(lambda db, at=at: deliveries.due(db, campaign, at, BATCH))):  # type: ignore[misc]
            break
        ready = await _compose(store, sender, hands, batch, at)
        crash.point("before-sending")
        settled += await _send(store, sender, hands, ready)
    return settled


async def recover(store: Store, sender: Sender, hands: Hands, campaign: str) -> int:
    """What a killed process left in `sending`; how many those were."""
    lost = [one for one in store.read(deliveries.under_way) if one.campaign == campaign]
    if not lost:
        return 0
    left = await sender.left()

    def work(db: Connection) -> None:
        for notice in lost:
            receipt = left.receipts.get(notice.message_id)
            if receipt is None:
                deliveries.move(db, notice, "defer", notice.moved_at, due_at=notice.due_at, answer="it was not sent")
            else:
                hands.settle(db, notice, receipt)

    if left.busy and any(one.message_id not in left.receipts for one in lost):
        raise StillBusy("the sender of a keeper that is gone has not ended yet")
    await _write(store, work)
    await _forget(store, sender, left)
    return len(lost)


async def sweep(store: Store, sender: Sender) -> None:
    """Journals of senders that are gone, of which everything is stored, go; a keeper that died between the two left
    some, and nobody would ask for what they say."""
    await _forget(store, sender, await sender.left())


async def _forget(store: Store, sender: Sender, left: Left) -> None:
    """Whoever still asks for what journals say is `sending`."""
    asked = store.read(lambda db: {one.message_id for one in deliveries.under_way(db)} | answers.under_way(db))
    await sender.stored([one for one in left.receipts if one not in asked])


async def _compose(
    store: Store, sender: Sender, hands: Hands, batch: Sequence[Delivery], at: int
) -> list[tuple[Delivery, Letter]]:
    """Whatever can be sent is `sending` now, with its letter."""
    drafted = await _write(store, lambda db: [hands.draft(db, notice, at) for notice in batch])
    wanted = [(notice, letter) for notice, letter in drafted if letter is not None]
    fresh = [(notice, letter) for notice, letter in wanted if notice.state == "planned"]
    made: Mapping[int, Made] = {}
    if fresh:
        answers = await sender.compose([Draft(letter, bool(notice.tried)) for notice, letter in fresh])
        made = {notice.id: one for (notice, _), one in zip(fresh, answers, strict=True)}

    def work(db: Connection) -> list[tuple[Delivery, Letter]]:
        return [
            ready for notice, letter in wanted if (ready := _begin(db, hands, notice, letter, made.get(notice.id), at))
        ]

    return await _write(store, work)


def _begin(
    db: Connection, hands: Hands, notice: Delivery, letter: Letter, made: Made | None, at: int
) -> tuple[Delivery, Letter] | None:
    if made is not None:
        letter = msgspec.structs.replace(letter, message_id=made.message_id)
        notice = deliveries.move(
            db, notice, "compose", at, message_id=made.message_id, sha256=made.sha256, contact=notice.contact
        )
        hands.announce(db, notice, letter)
        if not made.error:
            deliveries.keep_letter(db, notice.id, letter)
    sending = deliveries.move(db, notice, "send", at, attempts=notice.attempts + 1)
    if made is not None and made.error:
        refused = Receipt(message_id="", outcome="refused", at=at, answer=made.error)
        hands.settle(db, sending, refused)
        return None
    return sending, letter


async def _send(store: Store, sender: Sender, hands: Hands, ready: Sequence[tuple[Delivery, Letter]]) -> int:
    async def one(notice: Delivery, letter: Letter) -> None:
        try:
            receipt = await sender.send(letter)
        except Stopped as error:
            await _write(store, lambda db, why=str(error): _put_off(db, notice, why))  # type: ignore[misc]
            raise
        crash.point("after-sending")
        await _write(store, lambda db: hands.settle(db, notice, receipt))

    done = await asyncio.gather(*(one(notice, letter) for notice, letter in ready), return_exceptions=True)
    sent = [notice.message_id for (notice, _), error in zip(ready, done, strict=True) if error is None]
    await sender.stored(sent)
    for error in done:
        if isinstance(error, BaseException):
            raise error
    return len(sent)


def _put_off(db: Connection, notice: Delivery, why: str) -> Delivery:
    """It is not this notice that the relay refuses: nothing is counted against it."""
    return deliveries.move(db, notice, "defer", notice.moved_at, attempts=notice.attempts - 1, answer=why)


async def _write(store: Store, work: Work[T]) -> T:
    return await asyncio.wrap_future(store.write(work))
