"""Campaigns: written, approved by a second person, started, and undone.

What sends or blocks is a dry run until it is confirmed by what it is about: its name, and for the approval the number
of people whom the preview found.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.campaign import document, plan
from gapura.campaign.pipeline import DAILY, SENDING
from gapura.campaign.plan import Lint
from gapura.console.context import Campaigns
from gapura.console.operations import Call, Intent, Operation, Page, Upload
from gapura.console.problems import Invalid
from gapura.console.proposals import MEDIA, Written
from gapura.errors import Unready
from gapura.rulebook.documents import BadDocument
from gapura.store import campaigns, deliveries, jobs, listed, members
from gapura.store.base import Conflict, Connection
from gapura.store.campaigns import Kept, Step
from gapura.store.listed import Listed
from gapura.store.members import Tally
from gapura.store.rulebooks import By
from gapura.terms.campaign import Campaign, Move, State

Reason = Annotated[str, Meta(max_length=500)]


class Shown(msgspec.Struct, frozen=True):
    """A campaign as it stands; `people`: how many its last preview found.  Times are UTC microseconds, 0 for none."""

    id: str
    name: str
    state: State
    digest: str
    effective_at: int
    people: int
    changed_by: str
    approved_by: str
    made_at: int
    started_at: int
    armed: str


class All(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Shown]
    next: str


class Dated(msgspec.Struct, frozen=True):
    """A stage of the plan, and when it is due for somebody in the campaign's own zone."""

    stage: str
    at: int


class Standing(msgspec.Struct, frozen=True):
    """`against` is what keeps its dates from being put in force, in words.  `notices`: stage → state → how many."""

    campaign: Shown
    spec: Campaign
    lints: list[Lint]
    against: list[str]
    plan: list[Dated]
    people: Tally
    notices: dict[str, dict[str, int]]
    next_at: int
    history: list[Step]


class Doing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`confirm` is what it is about once more; without it nothing is done, and what would be is told."""

    reason: Reason = ""
    confirm: str = ""


class Told(msgspec.Struct, frozen=True):
    """`dry_run`: nothing has been done.  `confirm`: what to write to do it.  `undone`: accounts that were released."""

    dry_run: bool
    campaign: Shown
    confirm: str
    people: int
    undone: int = 0


async def list_(call: Call, query: Page) -> All:
    """Campaigns, oldest first."""
    found = await call.read(lambda db: campaigns.page(db, query.after, query.limit))
    return All([shown(one) for one in found], found[-1].id if len(found) == query.limit else "")


async def plan_(call: Call, query: Written, body: bytes) -> Standing:
    """Writes a campaign down, or changes it: what was previewed, tested and approved before is void then."""
    spec = document.read(body, query.format)
    at = call.context.store.clock()
    by = By(call.who.id, spec.reason, at)
    kept = await call.change(
        Intent("campaign.plan", spec.name, spec.reason), lambda db: campaigns.write(db, spec, by), Kept
    )
    return await standing(call, kept.id)


async def show(call: Call, campaign: str) -> Standing:
    """How it stands: what speaks against it, who is told what when, and how far that is."""
    return await standing(call, campaign)


async def audience(call: Call, campaign: str, body: Upload) -> Listed:
    """Whom a back-test names, as JSON lines of its table of accounts, in place of whom it named before."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    if kept.spec.audience.source != "backtest":
        raise Conflict('its audience is the record\'s; write source = "backtest" into it', param="audience.source")

    def work(db: Connection) -> Listed:
        if campaigns.get(db, kept.id).state not in {"draft", "previewed", "tested"}:
            raise Conflict(f"campaign {kept.name} is {kept.state}: its audience is what was approved", param="campaign")
        with body.path.open("rb") as lines:
            return listed.put(db, kept.id, lines, only_here=kept.spec.audience.only_here)

    return await call.change(Intent("campaign.audience", kept.id, kept.spec.reason), work, Listed)


async def approve(call: Call, campaign: str, body: Doing) -> Told:
    """Approves it as it was previewed and tested; who wrote it may not.  Nothing is sent by that."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    confirm = f"{kept.name} {kept.people}"
    campaigns.check(kept, "approve")
    if body.confirm:
        _confirmed(body.confirm, confirm)
        _sound(call, kept)
    return await _do(call, kept, "approve", body, lambda db, by: campaigns.approve(db, kept.id, by), confirm)


async def start(call: Call, campaign: str, body: Doing) -> Told:
    """Starts it: from now on letters go out, and its dates are in force."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    campaigns.check(kept, "start")
    if body.confirm:
        _confirmed(body.confirm, kept.name)
        _sound(call, kept)

    def work(db: Connection, by: By) -> Kept:
        jobs.ring(db, DAILY, kept.id, by.at)
        return campaigns.start(db, kept.id, by)

    return await _do(call, kept, "start", body, work, kept.name)


async def pause(call: Call, campaign: str, body: Doing) -> Told:
    """No letter goes out any more; what was told stays, and so do the dates."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    body = msgspec.structs.replace(body, confirm=kept.name)
    return await _do(call, kept, "pause", body, lambda db, by: campaigns.move(db, kept.id, "pause", by), kept.name)


async def resume(call: Call, campaign: str, body: Doing) -> Told:
    """Goes on where it was paused.  Whoever was not told in time is exempt until it was."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    if body.confirm:
        _confirmed(body.confirm, kept.name)

    def work(db: Connection, by: By) -> Kept:
        jobs.ring(db, DAILY, kept.id, by.at)
        jobs.ring(db, SENDING, kept.id, by.at)
        return campaigns.move(db, kept.id, "resume", by)

    return await _do(call, kept, "resume", body, work, kept.name)


async def recall(call: Call, campaign: str, body: Doing) -> Told:
    """Takes it back: its dates are out of force, who was suspended is not, and who was told is told of that."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    campaigns.check(kept, "recall")
    if body.confirm:
        _confirmed(body.confirm, kept.name)
        if not body.reason.strip():
            raise Invalid("reason is missing: those who were told are owed one", param="reason")
    told = await _do(call, kept, "recall", body, lambda db, by: campaigns.move(db, kept.id, "recall", by), kept.name)
    if told.dry_run:
        return told
    by = By(call.who.id, f"campaign {kept.name} recalled: {body.reason}", call.context.store.clock())
    undone = await running(call).river.recall(kept, body.reason, by)
    return msgspec.structs.replace(told, undone=undone)


async def finish(call: Call, campaign: str, body: Doing) -> Told:
    """Closes it: who is affected is not looked at any more; its dates stay in force, and hold for everybody once those
    who were told last have had their days."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    if body.confirm:
        _confirmed(body.confirm, kept.name)
    told = await _do(call, kept, "finish", body, lambda db, by: campaigns.move(db, kept.id, "finish", by), kept.name)
    if not told.dry_run:
        by = By(call.who.id, f"campaign {kept.name} finished: {body.reason}", call.context.store.clock())
        await running(call).river.finish(kept, by)
    return told


async def standing(call: Call, name: str) -> Standing:
    """Also of one that cannot be approved as it is: then it says why."""
    kept = await call.read(lambda db: campaigns.get(db, name))
    at = call.context.store.clock()

    def work(db: Connection) -> tuple[Tally, dict[str, dict[str, int]], int, list[Step]]:
        due = deliveries.next_due(db, kept.id)
        return members.tally(db, kept.id), deliveries.counts(db, kept.id), due or 0, campaigns.history(db, kept.id)

    people, notices, next_at, history = await call.read(work)
    day = plan.day(kept.spec, 0, kept.started_at or at)
    dates = [Dated(one.name, plan.due(kept.spec, one, kept.spec.zone, day, 0)) for one in plan.stages(kept.spec)]
    lints = plan.lints(kept.spec, at)
    return Standing(shown(kept), kept.spec, lints, against(call, kept), dates, people, notices, next_at, history)


def against(call: Call, kept: Kept) -> list[str]:
    """What keeps its dates from being put in force, in words."""
    if call.context.campaigns is None or kept.armed:
        return []
    try:
        return call.context.campaigns.around.against(kept)
    except (BadDocument, Conflict) as error:
        return [str(error)]


def running(call: Call) -> Campaigns:
    """Raises Unready where no keeper runs: nobody would send, or block."""
    if call.context.campaigns is None:
        raise Unready("no keeper runs on this home; start it (gapura serve), then say it again")
    return call.context.campaigns


def shown(kept: Kept) -> Shown:
    return Shown(
        kept.id, kept.name, kept.state, kept.digest, kept.spec.effective_at, kept.people, kept.changed_by,
        kept.approved_by, kept.made_at, kept.started_at, kept.armed,
    )  # fmt: skip


async def _do(
    call: Call, kept: Kept, verb: Move, body: Doing, work: Callable[[Connection, By], Kept], confirm: str
) -> Told:
    if not body.confirm:
        return Told(dry_run=True, campaign=shown(kept), confirm=confirm, people=kept.people)
    running(call)
    by = By(call.who.id, body.reason, call.context.store.clock())
    after = await call.change(
        Intent(f"campaign.{verb}", kept.id, body.reason), lambda db: work(db, by), Kept, lambda _: call.context.wake()
    )
    return Told(dry_run=False, campaign=shown(after), confirm=confirm, people=after.people)


def _confirmed(given: str, wanted: str) -> None:
    if given != wanted:
        raise Invalid(f"confirm: write {wanted!r} once more", param="confirm")


def _sound(call: Call, kept: Kept) -> None:
    """Raises Conflict where something speaks against it."""
    refused = [str(lint) for lint in plan.lints(kept.spec, call.context.store.clock()) if lint.severity == "refuse"]
    if problems := refused + against(call, kept):
        raise Conflict("; ".join(problems), code="campaign_refused")


OPERATIONS = (
    Operation("GET", "/campaigns", ("campaign.read",), list_),
    Operation("POST", "/campaigns", ("campaign.write",), plan_, takes=MEDIA),
    Operation("GET", "/campaigns/{campaign}", ("campaign.read",), show),
    Operation("POST", "/campaigns/{campaign}/audience", ("campaign.write",), audience, takes="application/jsonl"),
    Operation("POST", "/campaigns/{campaign}/approve", ("campaign.approve",), approve),
    Operation("POST", "/campaigns/{campaign}/start", ("campaign.write",), start),
    Operation("POST", "/campaigns/{campaign}/pause", ("campaign.write",), pause),
    Operation("POST", "/campaigns/{campaign}/resume", ("campaign.write",), resume),
    Operation("POST", "/campaigns/{campaign}/recall", ("campaign.write",), recall),
    Operation("POST", "/campaigns/{campaign}/finish", ("campaign.write",), finish),
)
