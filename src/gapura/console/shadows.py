"""A policy version in shadow: set beside what is in force, and what it has decided otherwise."""

import re
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gapura.console import proposals
from gapura.console.operations import Call, Intent, Operation
from gapura.console.places import ANYBODY
from gapura.errors import NotFound
from gapura.rulebook.compile import Rules
from gapura.store import accounts, records, rulebooks
from gapura.store.base import Connection
from gapura.store.rulebooks import By, Version
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.verdict import Verdict

OFF = "off"
COUNTED, LABEL = "gapura_shadow_decisions_total{", re.compile(r'(\w+)="([^"]*)"')


class Beside(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`version` is to run beside what is in force; `off`: none is."""

    version: str
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Sampled(msgspec.Struct, forbid_unknown_fields=True):
    """`limit`: so many requests, the newest."""

    limit: Annotated[int, Meta(ge=0, le=100)] = 10


class Count(msgspec.Struct, frozen=True, order=True):
    """So many requests from `territory` had `live` as their effect and would have had `next`; `moved`: other targets
    might have served them."""

    live: str
    next: str
    moved: bool
    territory: str
    requests: int


class Sample(msgspec.Struct, frozen=True):
    """A request of which the next version says something else: what it says of each target, and what was decided."""

    request: str
    decision: str
    at: int
    account: str
    model: str
    territory: str
    certainty: str
    effect: str
    next_effect: str
    verdicts: list[Verdict]
    next_verdicts: list[Verdict]


class Report(msgspec.Struct, frozen=True):
    """`version`: None where none runs.  `rulebook` is its name in the record.  What is counted is counted by the gates,
    since each of them began or was told of this version; `samples` are from the record."""

    version: Version | None
    rulebook: str
    compared: int
    differing: int
    counts: list[Count]
    samples: list[Sample]


async def show(call: Call, query: Sampled) -> Report:
    """How the version in shadow has decided beside what is in force, with examples."""
    version = await call.read(lambda db: rulebooks.now(db, "shadow"))
    rules = call.context.shadow()
    if version is None or rules is None:
        return Report(version, "", 0, 0, [], [])
    counts = sorted(_counts(call, rules.book.version), key=lambda count: (count.live == count.next, -count.requests))
    differing = sum(count.requests for count in counts if count.moved or count.live != count.next)
    samples = await call.read(lambda db: _samples(call, db, rules, query.limit))
    compared = sum(count.requests for count in counts)
    return Report(version, rules.book.version, compared, differing, counts, samples)


async def run(call: Call, body: Beside) -> Report:
    """Lets a version run beside what is in force, or none; it decides nothing, and its decisions are counted."""
    by = By(call.who.id, body.reason, call.context.store.clock())
    if body.version == OFF:
        subject, work = OFF, partial(_ended, by=by)
    else:
        version, document = await proposals.stored(call, body.version)
        proposal = await proposals.read(call, *document.content)
        subject, rulebook = version.id, proposal.rules.book.version
        work = partial(rulebooks.shadow, version=subject, rulebook=rulebook, by=by)
    await call.change(
        Intent("policy.shadow", subject, body.reason), work, Version, lambda _: call.context.renew_shadow()
    )
    return await show(call, Sampled())


def _ended(db: Connection, by: By) -> Version:
    found = rulebooks.unshadow(db, by)
    if found is None:
        raise NotFound("no policy version runs in shadow", param="version")
    return found


def _counts(call: Call, version: str) -> list[Count]:
    found = []
    for series, value in call.context.metrics().items():
        if series.startswith(COUNTED):
            told = dict(LABEL.findall(series))
            if told["version"] == version:
                moved = told["moved"] == "1"
                found.append(Count(told["live"], told["next"], moved, told["territory"], int(value)))
    return found


def _samples(call: Call, db: Connection, rules: Rules, limit: int) -> list[Sample]:
    rows = records.in_shadow(db, rules.book.version, call.who.scope, limit)
    return [_sample(call, db, rules, row) for row in rows]


def _sample(call: Call, db: Connection, rules: Rules, row: dict[str, Any]) -> Sample:
    """Judged again as it was then; of the place only what retention has left."""
    located = call.context.atlas().locate(row["address"] or "")
    known = located if located.territory == row["territory"] else None
    origin = Origin(
        row["territory"],
        row["certainty"],
        row["derivation"],
        subdivision=known.subdivision if known else "",
        network=known.network if known else "",
    )
    account, route = _account(db, row["account"]), rules.route(row["model"])
    targets = route.targets if route else ()
    said = [rules.judge(target.provider, target.model, origin, account, row["opened_at"]) for target in targets]
    return Sample(
        row["id"],
        row["decision"],
        row["opened_at"],
        account.external_id,
        row["model"],
        row["territory"],
        row["certainty"],
        row["effect"],
        row["shadow_effect"],
        msgspec.convert(row["verdicts"] or [], list[Verdict]),
        said,
    )


def _account(db: Connection, name: str) -> Account:
    try:
        return accounts.get(db, None, name)
    except NotFound:
        return ANYBODY


OPERATIONS = (
    Operation("GET", "/policies/shadow", ("rulebook.read", "record.read"), show),
    Operation("POST", "/policies/shadow", ("rulebook.write",), run),
)
