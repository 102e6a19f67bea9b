"""Objections: listed, taken up, decided; and filed for an account that wrote by another way."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.console.accounts import Trial
from gapura.console.exceptions import named, when
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.console.problems import Invalid
from gapura.rulebook.weigh import covers
from gapura.store import accounts, appeals, grounds
from gapura.store.appeals import OPEN, Appeal, Decision, Filed, Moved, State, Texts
from gapura.store.base import Connection, Work
from gapura.terms.caller import Account


class Shown(msgspec.Struct, frozen=True):
    """`late`: it is open and past its due date.  Times are UTC microseconds."""

    id: str
    account: str
    external_id: str
    policy: str
    campaign: str
    state: State
    language: str
    due_at: int
    late: bool
    made_at: int
    moved_at: int
    handler: str
    interim: str
    exception: str


class Whole(msgspec.Struct, frozen=True):
    """With what was said, and every move.  `texts` null: retention has taken them."""

    appeal: Shown
    account: Account
    texts: Texts | None
    moves: list[Moved]


class Filter(Page, forbid_unknown_fields=True):
    """`state` "": in any.  `account`: only its objections.  `overdue`: only open ones that are past their due date."""

    state: Literal["", "received", "under_review", "granted", "denied", "withdrawn"] = ""
    account: str = ""
    overdue: bool = False


class Appeals(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Shown]
    next: str


class New(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`reason` is the account's own; `language`: in which it wrote."""

    account: str
    policy: str
    reason: Annotated[str, Meta(min_length=1, max_length=4000)]
    language: Annotated[str, Meta(max_length=35)] = ""


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`reason` is what the account is told.  Of a grant: until when the policy is lifted (RFC 3339; "": for good), and
    whether an account that is warned or suspended becomes active."""

    verdict: Literal["grant", "deny"]
    reason: Annotated[str, Meta(min_length=1, max_length=4000)]
    ends: str = ""
    reinstate: bool = False


class Done(msgspec.Struct, frozen=True):
    """`account` is as it is afterwards."""

    dry_run: bool
    appeal: Shown
    account: Account


async def list_(call: Call, query: Filter) -> Appeals:
    """Objections, oldest first, a page at a time; those of one account, and late ones, all at once."""
    at = call.context.store.clock()

    def work(db: Connection) -> list[Shown]:
        if query.account:
            accounts.get(db, call.who.scope, query.account)
            found = appeals.of_account(db, query.account)
        elif query.overdue:
            found = [one for one in appeals.overdue(db, at) if _is_ours(db, call, one)]
        else:
            found = appeals.page(db, call.who.scope, query.after, query.limit, query.state)
        kept = [one for one in found if query.state in {"", one.state}]
        return [_shown(db, one, at) for one in kept]

    items = await call.read(work)
    more = not query.account and not query.overdue and len(items) == query.limit
    return Appeals(items, items[-1].id if more else "")


async def show(call: Call, appeal: str) -> Whole:
    """One objection: what was said on both sides, what the account was shown, and every move."""
    at = call.context.store.clock()

    def work(db: Connection) -> Whole:
        found = appeals.get(db, call.who.scope, appeal)
        account = accounts.get(db, None, found.account)
        return Whole(_shown(db, found, at), account, appeals.texts(db, appeal), appeals.moves(db, appeal))

    return await call.read(work)


async def file(call: Call, body: New) -> Done:
    """Files an objection for an account, as its own page does."""
    at = call.context.store.clock()
    policy = named(call, body.policy)

    def work(db: Connection) -> Appeal:
        accounts.get(db, call.who.scope, body.account)
        seen = grounds.against(db, body.account, body.policy, lambda place: covers(policy, place, at), at)
        filed = Filed(
            account=body.account, policy=body.policy, reason=body.reason, language=body.language, evidence=seen
        )
        return appeals.file(db, filed, policy.appeals, call.who.id, at)

    return await _changed(call, Intent("appeal.file", body.account, "filed for the account"), work)


async def take(call: Call, appeal: str) -> Done:
    """Takes it up: from now on somebody looks at it."""
    at = call.context.store.clock()
    return await _changed(call, Intent("appeal.take", appeal), lambda db: appeals.take(db, appeal, call.who.id, at))


async def decide(call: Call, appeal: str, query: Trial, body: Verdict) -> Done:
    """Grants or denies it; the account is told, and every gate knows within a second."""
    at = call.context.store.clock()
    by = Decision(actor=call.who.id, reason=body.reason, ends=when(body.ends, "ends"), reinstate=body.reinstate)
    if body.verdict == "deny" and (body.ends or body.reinstate):
        raise Invalid("ends and reinstate are of a grant", param="ends" if body.ends else "reinstate")
    decided = appeals.grant if body.verdict == "grant" else appeals.deny
    intent = Intent(f"appeal.{body.verdict}", appeal, body.reason, query.dry_run)
    return await _changed(call, intent, lambda db: decided(db, appeal, by, at))


async def withdraw(call: Call, appeal: str) -> Done:
    """The account does not object any more."""
    at, who = call.context.store.clock(), call.who
    intent = Intent("appeal.withdraw", appeal)
    return await _changed(call, intent, lambda db: appeals.withdraw(db, who.scope, appeal, who.id, at))


async def _changed(call: Call, intent: Intent, work: Work[Appeal]) -> Done:
    at = call.context.store.clock()

    def whole(db: Connection) -> Done:
        done = work(db)
        return Done(intent.rehearsal, _shown(db, done, at), accounts.get(db, None, done.account))

    def tell(done: Done) -> None:
        call.context.publish({}, {done.account.id: done.account})
        call.context.wake()

    return await call.change(intent, whole, Done, tell)


def _shown(db: Connection, one: Appeal, at: int) -> Shown:
    late = one.state in OPEN and one.due_at <= at
    external_id = accounts.get(db, None, one.account).external_id
    return Shown(**msgspec.structs.asdict(one), late=late, external_id=external_id)


def _is_ours(db: Connection, call: Call, one: Appeal) -> bool:
    return call.who.scope in {None, accounts.get(db, None, one.account).organisation}


OPERATIONS = (
    Operation("GET", "/appeals", ("appeal.read",), list_),
    Operation("POST", "/appeals", ("appeal.write",), file),
    Operation("GET", "/appeals/{appeal}", ("appeal.read",), show),
    Operation("POST", "/appeals/{appeal}/take", ("appeal.decide",), take),
    Operation("POST", "/appeals/{appeal}/decide", ("appeal.decide",), decide),
    Operation("POST", "/appeals/{appeal}/withdraw", ("appeal.write",), withdraw),
)
