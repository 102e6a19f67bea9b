"""API keys: listed, made (the key is told once), revoked."""

import msgspec

from gapura.console.accounts import Trial
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.console.problems import Invalid
from gapura.errors import Forbidden
from gapura.store import keys
from gapura.store.base import Connection
from gapura.store.keys import Wanted
from gapura.terms.caller import Key


class Filter(Page, forbid_unknown_fields=True):
    """`account`: only its keys."""

    account: str = ""


class Keys(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Key]
    next: str


class Created(msgspec.Struct, frozen=True):
    """`secret` is told this once; None where the same request (by its idempotency key) was answered before."""

    key: Key
    secret: str | None


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why; it stands in the audit."""

    reason: str


class Revoked(msgspec.Struct, frozen=True):
    dry_run: bool
    key: Key


class Known(msgspec.Struct, frozen=True):
    """A key, and under what the directory knows it."""

    digest: str
    key: Key


async def list_(call: Call, query: Filter) -> Keys:
    """Keys, oldest first, without their secrets."""
    found = await call.read(lambda db: keys.page(db, call.who.scope, query.account, query.after, query.limit))
    return Keys(found, found[-1].id if len(found) == query.limit else "")


async def create(call: Call, body: Wanted) -> Created:
    """Makes a key for an account; it works at every gate within a second."""
    if body.may_assert_origin and call.who.scope is not None:
        # Whoever may say where their callers are could say that they are where every provider may serve.
        raise Forbidden(
            "only the operator's own principals give the right to assert an origin", param="may_assert_origin"
        )
    store, token = call.context.store, keys.draw()

    def work(db: Connection) -> Known:
        made = keys.create(db, call.who.scope, body, token, store.secret, store.clock())
        return Known(store.secret.digest(token).hex(), made)

    known = await call.change(Intent("key.create", body.account_id), work, Known, lambda done: _publish(call, done))
    return Created(known.key, token if known.digest == store.secret.digest(token).hex() else None)


async def revoke(call: Call, key: str, query: Trial, body: Reason) -> Revoked:
    """Revokes a key for ever; every gate refuses it within a second."""
    check_reason(body.reason)

    def work(db: Connection) -> Known:
        gone = keys.revoke(db, call.who.scope, key)
        return Known(keys.digest(db, key).hex(), gone)

    intent = Intent("key.revoke", key, body.reason, query.dry_run)
    known = await call.change(intent, work, Known, lambda done: _publish(call, done))
    return Revoked(query.dry_run, known.key)


def check_reason(reason: str) -> None:
    """Raises Invalid where there is none."""
    if not reason.strip():
        raise Invalid("reason is missing: say why, for those who read the audit", param="reason")


def _publish(call: Call, known: Known) -> None:
    call.context.publish({known.digest: known.key}, {})


OPERATIONS = (
    Operation("GET", "/keys", ("key.read",), list_),
    Operation("POST", "/keys", ("key.write",), create, status=201),
    Operation("POST", "/keys/{key}/revoke", ("key.write",), revoke),
)
