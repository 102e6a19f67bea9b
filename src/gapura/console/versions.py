"""Policy versions: proposed, compared, tried, put in force, and run beside what is in force.

A document is refused where it cannot be meant.  One that can be is kept as it was written, also where its tests fail:
only being put in force asks that nothing speaks against it.
"""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.clock import instant
from gapura.console import proposals
from gapura.console.operations import Call, Intent, Operation, Page
from gapura.console.problems import Invalid
from gapura.console.proposals import CURRENT, DEFAULT, Findings, Proposal, Side, Written
from gapura.rulebook import papers
from gapura.rulebook.diff import Difference, difference, words
from gapura.rulebook.documents import BadDocument
from gapura.store import rulebooks
from gapura.store.base import Conflict, Connection, StoreFailed, mark
from gapura.store.rulebooks import By, Step, Version

Reason = Annotated[str, Meta(min_length=1, max_length=500)]

FILE_DECIDES = (
    "gapura.toml has policies of its own, which decide; take [[policies]] and [packs] out of it and reload it "
    "(gapura policy reload), then put a version in force"
)


class Versions(msgspec.Struct, frozen=True):
    """`decides`: what is in force, `file` (gapura.toml), `default` (the packs as they stand) or a version."""

    items: list[Version]
    next: str
    decides: str
    shadow: str


class Kept(msgspec.Struct, frozen=True):
    """A version with its document as it was written, and everything that became of it."""

    version: Version
    document: str
    history: list[Step]


class Proposing(Written, forbid_unknown_fields=True, kw_only=True):
    """`reason`: why it is proposed; it is kept with the document."""

    reason: Reason


class Proposed(msgspec.Struct, frozen=True):
    """A version that is kept now.  `rulebook` is what it would be in force, as decisions name it."""

    version: Version
    rulebook: str
    findings: Findings


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From `before` to `after`, at this instant (RFC 3339 with offset; "": now) and later."""

    before: Side
    after: Side
    at: str = ""


class Compared(msgspec.Struct, frozen=True):
    """The difference, and the same in words, line by line.  None where what is in force cannot be read."""

    difference: Difference | None
    words: list[str]


class Activation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`confirm` is the version once more; without it nothing is done, and what would change is told."""

    reason: Annotated[str, Meta(max_length=500)] = ""
    confirm: str = ""


class Activated(msgspec.Struct, frozen=True):
    """`dry_run`: nothing has been done.  `former` is what was in force.  `against`: what keeps it from being put in
    force, in words."""

    dry_run: bool
    version: str
    former: str
    rulebook: str
    compared: Compared
    findings: Findings
    against: list[str]


async def list_(call: Call, query: Page) -> Versions:
    """Policy versions, newest first, with the state of each."""

    def work(db: Connection) -> Versions:
        found = rulebooks.page(db, query.after, query.limit)
        shadow = rulebooks.now(db, "shadow")
        more = found[-1].id if len(found) == query.limit else ""
        return Versions(found, more, _decides(call, db), shadow.id if shadow else "")

    return await call.read(work)


async def show(call: Call, version: str) -> Kept:
    """One version: its document as it was written, and what became of it."""

    def work(db: Connection) -> Kept:
        found = rulebooks.get(db, version)
        return Kept(found, rulebooks.document(db, found.id).text, rulebooks.history(db, found.id))

    return await call.read(work)


async def propose(call: Call, query: Proposing, body: bytes) -> Proposed:
    """Keeps a policy document as a version, without putting it in force."""
    proposal = await proposals.read(call, body, query.format)
    findings = await proposals.look(call, proposal)
    text, by = body.decode("utf-8-sig"), By(call.who.id, query.reason, call.context.store.clock())
    version = await call.change(
        Intent("policy.propose", rulebooks.digest(text, query.format)[: rulebooks.ID_LENGTH], query.reason),
        lambda db: rulebooks.propose(db, text, query.format, by),
        Version,
    )
    return Proposed(version, proposal.rules.book.version, findings)


async def compare(call: Call, body: Comparison) -> Compared:
    """What changes from one version or document to another: for whom, from when, and how it is written."""
    before = await proposals.side(call, body.before, "before")
    after = await proposals.side(call, body.after, "after")
    try:
        at = instant(body.at) if body.at else call.context.store.clock()
    except ValueError as error:
        raise Invalid(f"at: {error}", param="at") from error
    found = await asyncio.to_thread(difference, before, after, at)
    return Compared(found, words(found))


async def test(call: Call, query: Written, body: bytes) -> Findings:
    """Runs the tests that stand in a document, and looks for what is wrong with it."""
    return await proposals.look(call, await proposals.read_any(call, body, query.format))


async def test_version(call: Call, version: str) -> Findings:
    """Runs the tests of a version that was proposed."""
    _, document = await proposals.stored(call, version)
    return await proposals.look(call, await proposals.read(call, *document.content))


async def activate(call: Call, version: str, body: Activation) -> Activated:
    """Puts a version in force in every gate within a second; without `confirm` it says what would change."""
    if version == CURRENT:
        raise Invalid("version: that is in force already", param="version")
    documents = call.context.documents()
    name, proposal = await _named(call, version)
    findings = await proposals.look(call, proposal)
    former = await call.read(lambda db: _decides(call, db))
    compared = await _against_current(call, proposal)
    against = [FILE_DECIDES] * papers.decides(documents) + findings.against()
    told = Activated(not body.confirm, name, former, proposal.rules.book.version, compared, findings, against)
    if not body.confirm or former == name:
        return told
    if body.confirm not in {version, name}:
        raise Invalid(f"confirm: write {name} once more", param="confirm")
    if not body.reason.strip():
        raise Invalid("reason is missing: those whom it hits are owed one", param="reason")
    if against:
        raise Conflict("; ".join(against), code="policy_refused")
    by = By(call.who.id, body.reason, call.context.store.clock())

    def work(db: Connection) -> str:
        if name == DEFAULT:
            rulebooks.retire(db, by)
        else:
            rulebooks.activate(db, name, proposal.rules.book.version, by)
        mark(db, "rulebook", proposal.rules.book.version)
        return name

    def then(_: str) -> None:
        call.context.renew(proposal.rules, proposal.paper.limits, documents)

    await call.change(Intent("policy.activate", name, body.reason), work, str, then)
    return told


async def _named(call: Call, version: str) -> tuple[str, Proposal]:
    if version == DEFAULT:
        return DEFAULT, await proposals.unwritten(call)
    found, document = await proposals.stored(call, version)
    return found.id, await proposals.read(call, *document.content)


async def _against_current(call: Call, proposal: Proposal) -> Compared:
    try:
        current = call.context.rules()
    except (BadDocument, StoreFailed) as error:  # the way out of it must not need it
        return Compared(None, [str(error)])
    found = await asyncio.to_thread(difference, current, proposal.rules, call.context.store.clock())
    return Compared(found, words(found))


def _decides(call: Call, db: Connection) -> str:
    if papers.decides(call.context.documents()):
        return "file"
    active = rulebooks.now(db, "active")
    return active.id if active else DEFAULT


OPERATIONS = (
    Operation("GET", "/policies/versions", ("rulebook.read",), list_),
    Operation("POST", "/policies/versions", ("rulebook.write",), propose, takes=proposals.MEDIA),
    Operation("GET", "/policies/versions/{version}", ("rulebook.read",), show),
    Operation("POST", "/policies/versions/{version}/test", ("rulebook.read",), test_version),
    Operation("POST", "/policies/versions/{version}/activate", ("rulebook.activate",), activate),
    Operation("POST", "/policies/test", ("rulebook.read",), test, takes=proposals.MEDIA),
    Operation("POST", "/policies/diff", ("rulebook.read",), compare),
)
