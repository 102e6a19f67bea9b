"""Corrections of place data: made, listed, removed; and whom each hits or releases."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.atlas import territories
from gapura.atlas.corrections import Correction, Corrections
from gapura.console.foretold import Foretold, foretold, renewed, tried
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation
from gapura.console.problems import Invalid
from gapura.rulebook.consequences import Consequences
from gapura.store import corrections
from gapura.store.base import Work


class Shown(msgspec.Struct, frozen=True):
    """`state`: over ones have no effect, and stay until they are removed."""

    prefix: str
    territory: str
    subdivision: str
    reason: str
    owner: str
    made_at: int
    ends: int
    state: Literal["in force", "over"]


class Listed(msgspec.Struct, frozen=True):
    items: list[Shown]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`territory` by code or name; `subdivision` (ISO 3166-2) where it is known; `ends` in UTC microseconds."""

    prefix: str
    territory: str
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    owner: Annotated[str, Meta(min_length=1, max_length=500)]
    ends: int
    subdivision: str = ""


class Removed(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    prefix: str


class Corrected(msgspec.Struct, frozen=True):
    """`consequences`: whom it hits and releases, by the record."""

    dry_run: bool
    correction: Shown
    consequences: Consequences


async def list_(call: Call) -> Listed:
    """Every correction, oldest first."""
    at = call.context.store.clock()
    return Listed([_shown(one, at) for one in await call.read(corrections.every)])


async def correct(call: Call, query: Foretold, body: Wanted) -> Corrected:
    """Corrects the place of a network until a date; every gate knows it within a second.  One for the same prefix is
    replaced."""
    at = call.context.store.clock()
    wanted = corrections.Wanted(**msgspec.structs.asdict(body) | {"territory": _territory(body.territory)})
    made = corrections.correction(wanted, at)
    others = [one for one in await _in_force(call, at) if one.prefix != made.prefix]
    try:
        Corrections.of([written := _written(made)], at)
    except ValueError as error:
        raise Invalid(f"prefix: {error}", param="prefix") from None
    told = await foretold(call, await tried(call, None, [*others, written]), query.days)
    intent = Intent("atlas.correct", made.prefix, body.reason, query.dry_run)
    return await _done(call, intent, lambda db: corrections.correct(db, wanted, at), told)


async def remove(call: Call, query: Foretold, body: Removed) -> Corrected:
    """Takes a correction back; what the sources say holds again within a second."""
    check_reason(body.reason)
    prefix = corrections.network(body.prefix)
    others = [one for one in await _in_force(call, call.context.store.clock()) if one.prefix != prefix]
    told = await foretold(call, await tried(call, None, others), query.days)
    intent = Intent("atlas.uncorrect", prefix, body.reason, query.dry_run)
    return await _done(call, intent, lambda db: corrections.remove(db, prefix), told)


async def _done(call: Call, intent: Intent, work: Work[corrections.Correction], told: Consequences) -> Corrected:
    done = await call.change(intent, work, corrections.Correction)
    if not intent.rehearsal:
        await renewed(call)
    return Corrected(intent.rehearsal, _shown(done, call.context.store.clock()), told)


async def _in_force(call: Call, at: int) -> list[Correction]:
    return [_written(one) for one in await call.read(lambda db: corrections.in_force(db, at))]


def _territory(name: str) -> str:
    try:
        return territories.resolve(name)
    except ValueError as error:
        raise Invalid(f"territory: {error}", param="territory") from None


def _written(one: corrections.Correction) -> Correction:
    return Correction(**msgspec.structs.asdict(one))


def _shown(one: corrections.Correction, at: int) -> Shown:
    return Shown(**msgspec.structs.asdict(one), state="in force" if at < one.ends else "over")


OPERATIONS = (
    Operation("GET", "/atlas/corrections", ("rulebook.read",), list_),
    Operation("POST", "/atlas/corrections", ("rulebook.read", "record.read", "atlas.write"), correct),
    Operation("POST", "/atlas/corrections/remove", ("rulebook.read", "record.read", "atlas.write"), remove),
)
