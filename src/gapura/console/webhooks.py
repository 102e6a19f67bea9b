"""Webhooks: endpoints that are told of events, what each was told, and how what was missed is told again."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.console.accounts import Trial
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.console.problems import Invalid
from gapura.console.usage import period
from gapura.store import outbox, webhooks
from gapura.store.base import Connection
from gapura.store.outbox import Delivery
from gapura.store.webhooks import Wanted, Webhook


class Webhooks(msgspec.Struct, frozen=True):
    items: list[Webhook]


class Added(msgspec.Struct, frozen=True):
    """`secret` is told this once; None where the same request (by its idempotency key) was answered before."""

    webhook: Webhook
    secret: str | None


class Rotation(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For `keep_hours` the former secret is good beside the new one."""

    keep_hours: Annotated[int, Meta(ge=0, le=720)] = 24


class Rotated(msgspec.Struct, frozen=True):
    """`secret` is told this once; None where nothing was changed, or the same request was answered before."""

    dry_run: bool
    webhook: Webhook
    secret: str | None


class Removed(msgspec.Struct, frozen=True):
    dry_run: bool
    webhook: Webhook


class Tested(msgspec.Struct, frozen=True):
    """The id of the event; what became of it: `/events/{event}`."""

    event: str


class Filter(Page, forbid_unknown_fields=True):
    """`state`: waiting, delivered or dead; "" for all."""

    state: str = ""


class Deliveries(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Delivery]
    next: str


class Replay(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was given up since then (RFC 3339), or with `delivered` all of it, is sent again."""

    since: str
    delivered: bool = False


class Replayed(msgspec.Struct, frozen=True):
    dry_run: bool
    events: int


class Became(msgspec.Struct, frozen=True):
    """One item an endpoint that wanted the event."""

    items: list[Delivery]


async def list_(call: Call) -> Webhooks:
    """Endpoints, oldest first, without their secrets."""
    return Webhooks(await call.read(webhooks.every))


async def add(call: Call, body: Wanted) -> Added:
    """Adds an endpoint; it is told of what happens from now on."""
    store, told = call.context.store, False

    def tell(_: object) -> None:
        nonlocal told
        told = True

    intent = Intent("webhook.add", "webhooks")
    made = await call.change(intent, lambda db: webhooks.add(db, body, store.clock()), Webhook, tell)
    return Added(made, webhooks.told(store.secret, made) if told else None)


async def rotate(call: Call, webhook: str, query: Trial, body: Rotation) -> Rotated:
    """Gives an endpoint another secret; for a time what it is told is signed with both."""
    check_reason(body.reason)
    store, told = call.context.store, False

    def tell(_: object) -> None:
        nonlocal told
        told = True

    def work(db: Connection) -> Webhook:
        return webhooks.rotate(db, webhook, store.clock(), body.keep_hours)

    intent = Intent("webhook.rotate", webhook, body.reason, query.dry_run)
    now = await call.change(intent, work, Webhook, tell)
    return Rotated(query.dry_run, now, webhooks.told(store.secret, now) if told else None)


async def remove(call: Call, webhook: str, query: Trial, body: Reason) -> Removed:
    """Removes an endpoint for ever; what waits for it is given up."""
    check_reason(body.reason)
    intent = Intent("webhook.remove", webhook, body.reason, query.dry_run)
    gone = await call.change(intent, lambda db: webhooks.end(db, webhook, "removed"), Webhook)
    return Removed(query.dry_run, gone)


async def test(call: Call, webhook: str) -> Tested:
    """Tells one endpoint of an event `webhook.test`, ahead of whatever else waits."""
    at = call.context.store.clock()

    def work(db: Connection) -> str:
        return outbox.put_to(db, webhook, "webhook.test", {"webhook": webhook}, at)

    return Tested(await call.change(Intent("webhook.test", webhook), work, str))


async def deliveries(call: Call, webhook: str, query: Filter) -> Deliveries:
    """What an endpoint was told of, oldest first."""

    def found(db: Connection) -> list[Delivery]:
        webhooks.get(db, webhook)
        return outbox.page(db, webhook, query.state, query.after, query.limit)

    items = await call.read(found)
    return Deliveries(items, items[-1].event if len(items) == query.limit else "")


async def replay(call: Call, webhook: str, query: Trial, body: Replay) -> Replayed:
    """Sends an endpoint again what it missed, in order, each with the id that it had."""
    check_reason(body.reason)
    if not body.since:
        raise Invalid("since is missing: from when on, as 2026-07-09T00:00:00+08:00", param="since")
    try:
        since, _ = period(body.since, "")
    except Invalid as error:
        raise Invalid(error.message.replace("from", "since", 1), param="since") from None
    at = call.context.store.clock()

    def work(db: Connection) -> int:
        return outbox.replay(db, webhook, since, at, delivered_too=body.delivered)

    intent = Intent("webhook.replay", webhook, body.reason, query.dry_run)
    return Replayed(query.dry_run, await call.change(intent, work, int))


async def event(call: Call, event: str) -> Became:
    """What became of one event at each endpoint that wanted it."""
    return Became(await call.read(lambda db: outbox.of(db, event)))


OPERATIONS = (
    Operation("GET", "/webhooks", ("webhook.read",), list_),
    Operation("POST", "/webhooks", ("webhook.write",), add, status=201),
    Operation("POST", "/webhooks/{webhook}/rotate", ("webhook.write",), rotate),
    Operation("POST", "/webhooks/{webhook}/remove", ("webhook.write",), remove),
    Operation("POST", "/webhooks/{webhook}/test", ("webhook.write",), test),
    Operation("GET", "/webhooks/{webhook}/deliveries", ("webhook.read",), deliveries),
    Operation("POST", "/webhooks/{webhook}/replay", ("webhook.write",), replay),
    Operation("GET", "/events/{event}", ("webhook.read",), event),
)
