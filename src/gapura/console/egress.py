"""From where this gateway calls its providers: what was stated, where that is, and whether each may be called so."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.clock import SECOND
from gapura.console.operations import Call, Operation
from gapura.console.problems import Invalid
from gapura.rulebook import egress
from gapura.rulebook.egress import Judged
from gapura.store import sightings
from gapura.store.sightings import Astray

DAY = 86_400 * SECOND


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`also`: further addresses or territories, separated by commas, for every provider.  `days`: refusals by
    providers since then are counted."""

    also: str = ""
    days: Annotated[int, Meta(ge=1, le=366)] = 30


class Shown(msgspec.Struct, frozen=True):
    """`stated`: whether anything was.  `may`: every provider may be called from everywhere, and has not refused that.
    `refusals` are providers' own, of our place: the caller's was judged before anything was sent."""

    stated: bool
    may: bool
    items: list[Judged]
    refusals: list[Astray]


async def show(call: Call, query: Asked) -> Shown:
    """Each provider from each place that is stated for it, and from those that are asked about."""
    try:
        also = [egress.stated(one) for one in query.also.split(",") if one.strip()]
    except ValueError as error:
        raise Invalid(f"also: {error}", param="also") from None
    context, book, at = call.context, call.context.rules().book, call.context.store.clock()
    items = list(egress.everywhere(book, also, context.atlas().locate, at))
    refusals = await call.read(lambda db: sightings.astray(db, at - query.days * DAY))
    may = bool(items) and all(one.may == "yes" for one in items) and not refusals
    return Shown(any(endpoint.egress for endpoint in book.endpoints), may, items, refusals)


OPERATIONS = (Operation("GET", "/egress", ("rulebook.read", "record.read"), show),)
