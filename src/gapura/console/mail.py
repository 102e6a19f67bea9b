"""Mail that came back, and the addresses that are not written to because of it."""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.console.campaigns import running
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.errors import BadRequest
from gapura.store import returned
from gapura.store.base import Connection
from gapura.store.returned import Row, Suppressed
from gapura.terms.letter import Arrived, Returning

MOST = 512 * 1024
LONGEST = 18


class Taken(msgspec.Struct, frozen=True):
    """How it was read, for each recipient that it tells of.  `moved`: notices that are known now not to have arrived,
    or to be unwanted; 0 also for what was known before."""

    kinds: list[Returning]
    moved: int


class Came(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Row]
    next: str


class Addresses(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Suppressed]
    next: str


class Lifting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why; it stands in the audit, which never holds an address."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Lifted(msgspec.Struct, frozen=True):
    id: int


async def returned_(call: Call, query: Page) -> Came:
    """What came back within 30 days, oldest first: how it was read, and which notice it is about (0: none)."""
    after = _number(query.after)
    rows = await call.read(lambda db: returned.page(db, after, query.limit))
    return Came(rows, str(rows[-1].seq) if len(rows) == query.limit else "")


async def take(call: Call, body: bytes) -> Taken:
    """Takes in one message that came back, as it was received; a second time it changes nothing."""
    if len(body) > MOST:
        body = body[:MOST]  # what it says stands before the copy of the letter
    wired = running(call)
    found = await wired.mail.read(body)
    arrived = Arrived(hashlib.sha256(body).hexdigest(), tuple(found))
    at = call.context.store.clock()

    def work(db: Connection) -> Taken:
        return Taken([one.kind for one in found], wired.river.hear(db, arrived, at))

    return await call.change(Intent("mail.take", arrived.key[:16]), work, Taken, lambda _: wired.river.publish())


async def suppressed(call: Call, query: Page) -> Addresses:
    """Addresses that nobody writes to, since a bounce of one of our letters has called them none."""
    at, after = call.context.store.clock(), _number(query.after)
    found = await call.read(lambda db: returned.listed(db, after, query.limit, at))
    return Addresses(found, str(found[-1].id) if len(found) == query.limit else "")


async def lift(call: Call, number: str, body: Lifting) -> Lifted:
    """Writes to an address again."""

    def work(db: Connection) -> Lifted:
        returned.lift(db, _number(number))
        return Lifted(_number(number))

    return await call.change(Intent("mail.lift", number, body.reason), work, Lifted)


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and len(text) < LONGEST):
        raise BadRequest("expected a number: the `next` of the page before, or the id of an address", param="after")
    return int(text or 0)


OPERATIONS = (
    Operation("GET", "/mail/returned", ("campaign.read",), returned_),
    Operation("POST", "/mail/returned", ("campaign.write",), take, takes="message/rfc822"),
    Operation("GET", "/mail/suppressed", ("campaign.read",), suppressed),
    Operation("POST", "/mail/suppressed/{number}/lift", ("campaign.write",), lift),
)
