"""Redemption codes and invitations: drawn, told once, listed, revoked."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.console.accounts import Trial
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation
from gapura.store import accounts, codes, programmes
from gapura.store.base import Connection
from gapura.store.codes import Batch


class Batches(msgspec.Struct, frozen=True):
    items: list[Batch]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`size` codes for whoever has them, or one for each of `accounts` (by id): invitations.  `expires_at` 0: never
    (UTC microseconds)."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    size: Annotated[int, Meta(ge=0, le=codes.MOST)] = 0
    accounts: Annotated[list[str], Meta(max_length=codes.MOST)] = []
    expires_at: Annotated[int, Meta(ge=0, lt=2**62)] = 0


class Drawn(msgspec.Struct, frozen=True):
    """`codes` are told this once, in the order of `accounts`; none where the same request was answered before."""

    batch: Batch
    codes: list[str]


class Revoked(msgspec.Struct, frozen=True):
    dry_run: bool
    batch: Batch


class One(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    code: str


class Gone(msgspec.Struct, frozen=True):
    dry_run: bool


async def list_(call: Call, programme: str) -> Batches:
    """Batches of codes, oldest first, without the codes."""
    return Batches(await call.read(lambda db: codes.every(db, programmes.get(db, programme).id)))


async def draw(call: Call, programme: str, body: Wanted) -> Drawn:
    """Draws a batch of codes; each is redeemed once."""
    store, told = call.context.store, False
    at = store.clock()
    drawn = [codes.draw() for _ in range(body.size or len(body.accounts))]

    def tell(_: object) -> None:
        nonlocal told
        told = True

    def work(db: Connection) -> Batch:
        for account in body.accounts:
            accounts.get(db, None, account)
        wanted = programmes.get(db, programme).id, body.name, drawn, body.accounts
        return codes.make(db, *wanted, expires_at=body.expires_at, secret=store.secret, at=at)

    made = await call.change(Intent("code.draw", programme), work, Batch, tell)
    return Drawn(made, drawn if told else [])


async def revoke(call: Call, batch: str, query: Trial, body: Reason) -> Revoked:
    """Revokes a batch: none of it is redeemed any more."""
    check_reason(body.reason)
    at = call.context.store.clock()
    intent = Intent("code.revoke", batch, body.reason, query.dry_run)
    return Revoked(query.dry_run, await call.change(intent, lambda db: codes.revoke(db, batch, at), Batch))


async def revoke_one(call: Call, programme: str, query: Trial, body: One) -> Gone:
    """Revokes one code, by what it is."""
    check_reason(body.reason)
    store, at = call.context.store, call.context.store.clock()

    def work(db: Connection) -> bool:
        codes.revoke_one(db, programme, body.code, store.secret, at)
        return True

    quiet = call._replace(detail="")  # the code itself is nobody's business
    await quiet.change(Intent("code.revoke", programme, body.reason, query.dry_run), work, bool)
    return Gone(query.dry_run)


OPERATIONS = (
    Operation("GET", "/programmes/{programme}/codes", ("programme.read",), list_),
    Operation("POST", "/programmes/{programme}/codes", ("programme.write",), draw, status=201),
    Operation("POST", "/programmes/{programme}/codes/revoke", ("programme.write",), revoke_one),
    Operation("POST", "/codes/{batch}/revoke", ("programme.write",), revoke),
)
