"""Who may use the admin API: listed, made (the token is told once), revoked."""

import msgspec

from gapura.console.accounts import Trial
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.store import principals
from gapura.store.principals import Principal, Wanted


class Principals(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Principal]
    next: str


class Created(msgspec.Struct, frozen=True):
    """`token` is told this once; None where the same request (by its idempotency key) was answered before."""

    principal: Principal
    token: str | None


class Revoked(msgspec.Struct, frozen=True):
    dry_run: bool
    principal: Principal


async def list_(call: Call, query: Page) -> Principals:
    """Principals, oldest first, without their tokens."""
    found = await call.read(lambda db: principals.page(db, query.after, query.limit))
    return Principals(found, found[-1].id if len(found) == query.limit else "")


async def self(call: Call) -> Principal:
    """Who the caller is."""
    return call.who


async def create(call: Call, body: Wanted) -> Created:
    """Names somebody who may use the admin API."""
    store, token, told = call.context.store, principals.draw(), False

    def tell(_: object) -> None:
        nonlocal told
        told = True

    made = await call.change(
        Intent("principal.create", "principals"),
        lambda db: principals.create(db, body, token, store.secret, store.clock()),
        Principal,
        tell,
    )
    return Created(made, token if told else None)


async def revoke(call: Call, principal: str, query: Trial, body: Reason) -> Revoked:
    """Revokes a principal for ever, at once."""
    check_reason(body.reason)
    intent = Intent("principal.revoke", principal, body.reason, query.dry_run)
    gone = await call.change(intent, lambda db: principals.revoke(db, principal), Principal)
    return Revoked(query.dry_run, gone)


OPERATIONS = (
    Operation("GET", "/principals", ("principal.read",), list_),
    Operation("GET", "/principals/self", (), self),
    Operation("POST", "/principals", ("principal.write",), create, status=201),
    Operation("POST", "/principals/{principal}/revoke", ("principal.write",), revoke),
)
