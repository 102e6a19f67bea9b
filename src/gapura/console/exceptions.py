"""Exceptions beside those in policy documents: made, ended, and looked at again."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.clock import instant
from gapura.console.accounts import Trial
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.console.problems import Invalid
from gapura.store import accounts, exceptions
from gapura.store.base import Connection, Work
from gapura.store.exceptions import Exempt, Wanted
from gapura.terms.caller import Account, Lifting
from gapura.terms.rulebook import Policy

State = Literal["planned", "in force", "ended", "expired"]


class Shown(msgspec.Struct, frozen=True):
    """`state` is as of now.  `due`: somebody has to look at it.  Times are UTC microseconds, 0 for none."""

    id: str
    account: str
    external_id: str
    policy: str
    kind: Lifting
    reason: str
    owner: str
    starts: int
    ends: int
    review_at: int
    state: State
    due: bool
    made_at: int


class Filter(Page, forbid_unknown_fields=True):
    """`account`: only its exceptions; `due`: only those that have to be looked at by now."""

    account: str = ""
    due: bool = False


class Exceptions(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Shown]
    next: str


class New(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`starts`, `ends` and `review_at` as RFC 3339 with an offset; "": now, never, and at its end (or in 90 days)."""

    account: str
    policy: str
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    kind: Lifting = "exception"
    owner: Annotated[str, Meta(max_length=200)] = ""
    starts: str = ""
    ends: str = ""
    review_at: str = ""


class Review(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`ends` (RFC 3339, or `never`): it goes on until then, also one that has expired; "": its end stays.  `review_at`:
    when it is looked at next."""

    ends: str = ""
    review_at: str = ""


class Done(msgspec.Struct, frozen=True):
    """`account` is as it is afterwards."""

    dry_run: bool
    exception: Shown
    account: Account


async def list_(call: Call, query: Filter) -> Exceptions:
    """Exceptions, oldest first, a page at a time; those of one account all at once."""
    at = call.context.store.clock()

    def work(db: Connection) -> list[Shown]:
        if query.account:
            found = [one for one in exceptions.of_account(db, query.account) if not query.due or _due(one, at)]
        elif query.due:
            found = exceptions.due(db, at, query.after, query.limit)
        else:
            found = exceptions.page(db, query.after, query.limit)
        return [_shown(db, one, at) for one in found]

    items = await call.read(work)
    more = not query.account and len(items) == query.limit
    return Exceptions(items, items[-1].id if more else "")


async def show(call: Call, exception: str) -> Shown:
    """One exception."""
    at = call.context.store.clock()
    return await call.read(lambda db: _shown(db, exceptions.get(db, exception), at))


async def add(call: Call, query: Trial, body: New) -> Done:
    """Lifts a policy for an account; every gate knows it within a second."""
    at = call.context.store.clock()
    wanted = Wanted(
        account=body.account,
        policy=named(call, body.policy).name,
        kind=body.kind,
        reason=body.reason,
        owner=body.owner or call.who.id,
        starts=when(body.starts, "starts"),
        ends=when(body.ends, "ends"),
        review_at=when(body.review_at, "review_at"),
    )
    intent = Intent("exception.add", body.account, body.reason, query.dry_run)
    return await _changed(call, intent, lambda db: exceptions.put(db, wanted, at))


async def end(call: Call, exception: str, query: Trial, body: Reason) -> Done:
    """Ends one before its time: the policy holds for the account again within a second."""
    check_reason(body.reason)
    at = call.context.store.clock()
    intent = Intent("exception.end", exception, body.reason, query.dry_run)
    return await _changed(call, intent, lambda db: exceptions.end(db, exception, at))


async def review(call: Call, exception: str, query: Trial, body: Review) -> Done:
    """Says that somebody has looked at it: it goes on as it is, goes on until another date, or is done with."""
    check_reason(body.reason)
    at = call.context.store.clock()
    ends = None if not body.ends else 0 if body.ends == "never" else when(body.ends, "ends")
    review_at = when(body.review_at, "review_at")
    intent = Intent("exception.review", exception, body.reason, query.dry_run)
    return await _changed(call, intent, lambda db: exceptions.review(db, exception, at, ends=ends, review_at=review_at))


def named(call: Call, policy: str) -> Policy:
    """The policy in force of this name.  Raises Invalid, saying which there are."""
    policies = {one.name: one for one in call.context.rules().book.policies}
    if policy not in policies:
        raise Invalid(f"there is no policy {policy}; there are {', '.join(policies) or 'none'}", param="policy")
    return policies[policy]


def when(written: str, field: str) -> int:
    """UTC microseconds; 0 for "".  Raises Invalid."""
    try:
        return instant(written) if written else 0
    except ValueError as error:
        raise Invalid(f"{field}: {error}", param=field) from error


async def _changed(call: Call, intent: Intent, work: Work[Exempt]) -> Done:
    at = call.context.store.clock()

    def whole(db: Connection) -> Done:
        done = work(db)
        return Done(intent.rehearsal, _shown(db, done, at), accounts.get(db, None, done.account))

    return await call.change(
        intent, whole, Done, lambda done: call.context.publish({}, {done.account.id: done.account})
    )


def _shown(db: Connection, one: Exempt, at: int) -> Shown:
    said = msgspec.structs.asdict(one) | {"state": _state(one, at), "due": _due(one, at)}
    del said["moved_at"]
    return Shown(**said, external_id=accounts.get(db, None, one.account).external_id)


def _due(one: Exempt, at: int) -> bool:
    return 0 < one.review_at <= at


def _state(one: Exempt, at: int) -> State:
    if one.state == "ended":
        return "ended"
    if one.state == "expired" or 0 < one.ends <= at:
        return "expired"
    return "planned" if at < one.starts else "in force"


OPERATIONS = (
    Operation("GET", "/exceptions", ("exception.read",), list_),
    Operation("POST", "/exceptions", ("exception.write",), add),
    Operation("GET", "/exceptions/{exception}", ("exception.read",), show),
    Operation("POST", "/exceptions/{exception}/end", ("exception.write",), end),
    Operation("POST", "/exceptions/{exception}/review", ("exception.write",), review),
)
