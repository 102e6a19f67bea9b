"""A vendor's programmes: offers proposed, shown, opened and closed."""

import msgspec

from gapura.console.accounts import Trial
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation
from gapura.programme import offer, pipeline
from gapura.providers import catalogue
from gapura.rulebook.documents import BadDocument, nearest
from gapura.store import claims, grants, ledger, programmes
from gapura.store.base import Connection
from gapura.store.programmes import Programme, Version
from gapura.store.rulebooks import By
from gapura.terms.programme import Offer


class Wallet(msgspec.Struct, frozen=True):
    """`funded`: put into it in all; `left`: what is in it; `promised` of that to claims whose grants are to be made."""

    unit: str
    funded: int
    left: int
    promised: int


class Count(msgspec.Struct, frozen=True):
    """Claims in a state, and what they come to."""

    state: str
    claims: int
    amount: int


class Shown(msgspec.Struct, frozen=True):
    programme: Programme
    offer: Offer
    wallet: Wallet
    claims: list[Count]


class Listed(msgspec.Struct, frozen=True):
    items: list[Shown]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An offer in TOML, to the letter."""

    text: str


class Proposed(msgspec.Struct, frozen=True):
    dry_run: bool
    programme: Programme
    offer: Offer


class Moved(msgspec.Struct, frozen=True):
    dry_run: bool
    programme: Programme


class Numbered(msgspec.Struct, forbid_unknown_fields=True):
    """`version` 0: the one in force."""

    version: int = 0


async def list_(call: Call) -> Listed:
    """All programmes, oldest first."""
    return Listed(await call.read(lambda db: [_shown(db, one) for one in programmes.every(db)]))


async def show(call: Call, programme: str) -> Shown:
    """A programme, its offer, its wallet, and its claims by state."""
    return await call.read(lambda db: _shown(db, programmes.get(db, programme)))


async def document(call: Call, programme: str, query: Numbered) -> Version:
    """An offer as it was written."""
    return await call.read(lambda db: programmes.version(db, programme, query.version))


async def propose(call: Call, query: Trial, body: Document) -> Proposed:
    """Keeps a version of an offer.  Of a programme that is open it is in force at once, and its wallet follows."""
    read = offer.read(body.text)
    _check_providers(call, read)
    by = _by(call, "")
    intent = Intent("programme.propose", read.id, rehearsal=query.dry_run)
    kept = await call.change(intent, lambda db: pipeline.propose(db, body.text, by), Programme)
    return Proposed(query.dry_run, kept, read)


def _check_providers(call: Call, read: Offer) -> None:
    """A grant for a provider that there is not is one that nobody could spend."""
    known = {*catalogue.catalogue().vendors, *(one.provider for one in call.context.rules().book.endpoints)}
    for number, part in enumerate(read.grants):
        for name in part.providers:
            if name not in known:
                raise BadDocument(f"grants[{number}].providers", f"there is no provider {name}{nearest(name, known)}")


async def open_(call: Call, programme: str, query: Trial, body: Reason) -> Moved:
    """Opens a programme: its wallet is filled, and claims are taken within its window."""
    check_reason(body.reason)
    at = call.context.store.clock()
    intent = Intent("programme.open", programme, body.reason, query.dry_run)
    moved = await call.change(intent, lambda db: pipeline.open_(db, programme, at), Programme)
    return Moved(query.dry_run, moved)


async def close(call: Call, programme: str, query: Trial, body: Reason) -> Moved:
    """Closes a programme: no claims are taken any more; what was granted stays."""
    check_reason(body.reason)
    at = call.context.store.clock()
    intent = Intent("programme.close", programme, body.reason, query.dry_run)
    moved = await call.change(intent, lambda db: programmes.move(db, programme, "closed", at), Programme)
    return Moved(query.dry_run, moved)


def _by(call: Call, reason: str) -> By:
    return By(call.who.id, reason, call.context.store.clock())


def _shown(db: Connection, one: Programme) -> Shown:
    counts = claims.counts(db, one.id)
    left = ledger.balance(db, grants.wallet(one.id, one.unit))
    wallet = Wallet(one.unit, one.funded, left, claims.promised(db, one.id))
    rows = [Count(state, number, amount) for state, (number, amount) in counts.items()]
    return Shown(one, pipeline.in_force(db, one.id), wallet, rows)


OPERATIONS = (
    Operation("GET", "/programmes", ("programme.read",), list_),
    Operation("POST", "/programmes", ("programme.write",), propose),
    Operation("GET", "/programmes/{programme}", ("programme.read",), show),
    Operation("GET", "/programmes/{programme}/document", ("programme.read",), document),
    Operation("POST", "/programmes/{programme}/open", ("programme.write",), open_),
    Operation("POST", "/programmes/{programme}/close", ("programme.write",), close),
)
