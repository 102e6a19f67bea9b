"""What is decided on claims: vetted by the program, decided by people, approved in bulk, taken back."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.console.accounts import Trial
from gapura.console.keys import Reason, check_reason
from gapura.console.operations import Call, Intent, Operation
from gapura.console.problems import Invalid
from gapura.programme import pipeline
from gapura.store import accounts, claims, jobs
from gapura.store.base import Conflict, Connection
from gapura.store.claims import Claim
from gapura.store.courtesy import in_turns
from gapura.store.rulebooks import By
from gapura.terms import ids
from gapura.terms.programme import UNDECIDED

PIECE = 100
LATER = 5_000_000


class Vetted(msgspec.Struct, frozen=True):
    """`moved`: claims that came into a state by it; `signals`: how many claims have each; `groups`: of claims that are
    tied together, and how many claims are in one."""

    dry_run: bool
    claims: int
    moved: dict[str, int]
    signals: dict[str, int]
    groups: int
    grouped: int


class Decided(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    claims: Annotated[list[str], Meta(min_length=1, max_length=10_000)]
    state: Literal["clear", "review", "refused", "withdrawn"]


class Done(msgspec.Struct, frozen=True):
    dry_run: bool
    claims: int


class Approval(Reason, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which claims: those named, or all that are clear, the oldest `limit` (0: all) of them.  `expect`: how many, and
    what they come to, as a dry run has said; another answer now is a conflict, and nothing is done."""

    claims: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    limit: Annotated[int, Meta(ge=0)] = 0
    expect: tuple[int, int] | None = None


class Approved(msgspec.Struct, frozen=True):
    """`left`: in the wallet afterwards, less what is promised; `granted`: claims whose grants were made."""

    dry_run: bool
    approval: str
    claims: int
    amount: int
    unit: str
    left: int
    granted: int


class Revoked(msgspec.Struct, frozen=True):
    dry_run: bool
    claim: Claim


async def vet(call: Call, programme: str, query: Trial) -> Vetted:
    """Looks for what speaks against each claim, alone and beside others, and moves those that nobody has decided."""
    verdicts = await call.read(lambda db: pipeline.judge(db, programme))
    states = {one.id: one for one in await call.read(lambda db: _all(db, programme))}
    moved: dict[str, int] = {}
    if query.dry_run:
        for name, verdict in verdicts.items():
            now = states[name]
            if now.state in UNDECIDED and not now.by_hand and now.state != verdict.state:
                moved[verdict.state] = moved.get(verdict.state, 0) + 1
    else:
        who = by(call, "vetted")
        for piece in in_turns(verdicts.items(), PIECE):
            work = partial(pipeline.apply, verdicts=piece, by=who)
            intent = Intent("claim.vet", programme, f"{len(piece)} claims")
            for state, number in (await _bare(call).change(intent, work, dict[str, int])).items():  # type: ignore[arg-type]  # states are text
                moved[state] = moved.get(state, 0) + number
    signals: dict[str, int] = {}
    for verdict in verdicts.values():
        for signal in {one.signal for one in verdict.found}:
            signals[signal] = signals.get(signal, 0) + 1
    grouped = [verdict.group for verdict in verdicts.values() if verdict.group]
    return Vetted(query.dry_run, len(verdicts), moved, signals, len(set(grouped)), len(grouped))


async def decide(call: Call, programme: str, query: Trial, body: Decided) -> Done:
    """A person's word on claims; vetting leaves them alone from then on."""
    check_reason(body.reason)
    who = by(call, body.reason)

    def work(db: Connection) -> int:
        for name in body.claims:
            _of(db, programme, name)
        return pipeline.decide(db, body.claims, body.state, who)

    intent = Intent(f"claim.{body.state}", programme, body.reason, query.dry_run)
    return Done(query.dry_run, await call.change(intent, work, int))


async def approve(call: Call, programme: str, query: Trial, body: Approval) -> Approved:
    """Approves claims in bulk, and makes their grants; each is made once, however often this is asked for."""
    check_reason(body.reason)
    of = await call.read(lambda db: pipeline.plan(db, programme, body.claims, body.limit))
    would = Approved(query.dry_run, "", len(of.claims), of.amount, of.unit, of.left - of.amount, 0)
    if query.dry_run:
        return would
    if body.expect is None:
        raise Invalid("expect is missing: how many claims, and what they come to, as a dry run says", param="expect")
    if body.expect != (len(of.claims), of.amount):
        raise Conflict(
            f"it would be {len(of.claims)} claims and {of.amount} {of.unit} by now, not {body.expect[0]} and"
            f" {body.expect[1]}; look again, and confirm that",
            param="expect",
        )
    who = by(call, body.reason)
    approval = ids.new("apr", who.at)
    pipeline.check(of)
    for piece in in_turns(of.claims, PIECE):

        def work(db: Connection, rows: list[tuple[str, int]] = piece) -> int:
            jobs.ring(db, pipeline.JOB, "all", who.at + LATER)
            return pipeline.approve(db, programme, rows, approval, who)

        await _bare(call).change(Intent("claim.approve", programme, body.reason), work, int)
    return msgspec.structs.replace(would, approval=approval, granted=await _granted(call, who))


async def revoke(call: Call, claim: str, query: Trial, body: Reason) -> Revoked:
    """Takes the grants of a claim back, as far as they are not spent."""
    check_reason(body.reason)
    who = by(call, body.reason)
    intent = Intent("claim.revoke", claim, body.reason, query.dry_run)
    done = await call.change(intent, lambda db: pipeline.revoke(db, claim, who), Claim)
    if not query.dry_run:
        await publish(call, [done.account])
        for grant in await call.read(lambda db: claims.granted(db, claim)):
            call.context.recall(f"gr:{grant}")
    return Revoked(query.dry_run, done)


def by(call: Call, reason: str) -> By:
    return By(call.who.id, reason, call.context.store.clock())


async def publish(call: Call, names: Iterable[str]) -> None:
    """Gates hear of grants with the accounts that have them."""
    wanted = list(names)
    found = await call.read(lambda db: {name: accounts.get(db, None, name) for name in wanted})
    if found:
        call.context.publish({}, found)


async def _granted(call: Call, who: By) -> int:
    """Piece by piece, so that gates that ask for tokens wait for a piece alone."""
    total = 0
    while True:
        intent = Intent("grant.make", "claims", who.reason)
        names = await _bare(call).change(intent, partial(pipeline.make, by=who), list[str])
        if not names:
            return total
        total += len(names)
        await publish(call, names)


def _bare(call: Call) -> Call:
    """For the pieces of one request: its key is of the whole, and doing a piece again changes nothing."""
    return call._replace(idempotency_key="", detail="")


def _all(db: Connection, programme: str) -> list[Claim]:
    found, after = [], ""
    while page := claims.page(db, programme, after=after, limit=1000):
        found += page
        after = page[-1].id
    return found


def _of(db: Connection, programme: str, name: str) -> Claim:
    one = claims.get(db, None, name)
    if one.programme != programme:
        raise Invalid(f"{name} is of {one.programme}", param="claims")
    return one


OPERATIONS = (
    Operation("POST", "/programmes/{programme}/vet", ("programme.vet",), vet),
    Operation("POST", "/programmes/{programme}/decide", ("programme.vet",), decide),
    Operation("POST", "/programmes/{programme}/approve", ("programme.approve",), approve),
    Operation("POST", "/claims/{claim}/revoke", ("programme.approve",), revoke),
)
