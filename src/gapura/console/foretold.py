"""Whom a change of place data would hit or release: the accounts of the record, for every change that is asked for."""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.atlas.builds import InForce
from gapura.atlas.corrections import Correction
from gapura.atlas.inventory import TROUBLE
from gapura.atlas.sources import Atlas
from gapura.clock import SECOND
from gapura.console.operations import Call
from gapura.errors import NotFound
from gapura.rulebook.consequences import Consequences, consequences
from gapura.store import accounts, sightings
from gapura.store.base import Conflict, Connection
from gapura.terms.caller import Account

DAY = 86_400 * SECOND

# Of an address that is older than that, the record knows the network alone.
DAYS = 30


class Foretold(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`dry_run`: says what would happen, and changes nothing.  `days`: accounts seen since then are looked at."""

    dry_run: bool = False
    days: Annotated[int, Meta(ge=1, le=366)] = DAYS


class Unloadable(Conflict):
    """Place data of this home cannot be read: files are missing or damaged."""

    code = "place_data_damaged"


async def tried(call: Call, now: InForce | None, corrected: Sequence[Correction] | None) -> Atlas:
    """The atlas with other builds or corrections.  Raises Unloadable."""
    try:
        return await asyncio.to_thread(call.context.trial_atlas, now, corrected)
    except TROUBLE as error:
        raise Unloadable(f"place data cannot be loaded: {error}") from None


async def renewed(call: Call) -> Atlas:
    """Puts what the home and the store hold in force everywhere.  Raises Unloadable; then the former data stay."""
    try:
        return await call.context.renew_atlas()
    except TROUBLE as error:
        raise Unloadable(f"it is stored, but place data cannot be loaded, so the former hold: {error}") from None


async def foretold(call: Call, after: Atlas, days: int) -> Consequences:
    """If these data were in force in the place of those that are."""
    context = call.context
    before, rules, at = context.atlas(), context.rules(), context.store.clock()

    def work(db: Connection) -> Consequences:
        @cache
        def account(name: str) -> Account | None:
            try:
                return accounts.get(db, None, name)
            except NotFound:
                return None

        seen = sightings.seen(db, at - days * DAY)
        return consequences(seen, account, before, after, rules, at=at, days=days)

    return await call.read(work)
