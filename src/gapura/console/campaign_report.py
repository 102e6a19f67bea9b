"""What a campaign has done: counts, cases, and each account with the proof of what it was told."""

from importlib.resources import files

import msgspec
from starlette.responses import Response

from gapura.clock import text
from gapura.console.campaigns import Standing, standing
from gapura.console.operations import Call, Operation, Page
from gapura.store import accounts, campaigns, deliveries, members
from gapura.store.audiences import Member
from gapura.store.base import Connection
from gapura.store.deliveries import Delivery

POLICY = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Proof(msgspec.Struct, frozen=True):
    """A notice, and how it is known what became of it: the hash of the exact message, its id, the server's answer.
    `copies`: how often it may have arrived once more."""

    stage: str
    kind: str
    state: str
    contact: str
    due_at: int
    delivered_at: int
    message_id: str
    sha256: str
    code: int
    answer: str
    copies: int
    complained_at: int


class Person(msgspec.Struct, frozen=True):
    """An account of the campaign.  `day`: from when it holds for it, as long as it is affected."""

    account: str
    external_id: str
    state: str
    days: int
    requests: int
    told_at: int
    told_by: str
    acted: str
    reason: str
    notices: list[Proof]


class People(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Person]
    next: str


class Case(msgspec.Struct, frozen=True):
    """A notice that may have arrived more than once: its sender was cut off between the text and the answer."""

    account: str
    stage: str
    message_id: str
    copies: int
    state: str


class Report(msgspec.Struct, frozen=True):
    """`hours`: how many notices went out in each hour (UTC, RFC 3339 to the hour).  `cases`: each that may have arrived
    twice."""

    standing: Standing
    hours: dict[str, int]
    cases: list[Case]


async def report(call: Call, campaign: str) -> Report:
    """How far it is, when its notices went out, and which may have arrived twice."""
    found = await standing(call, campaign)

    def work(db: Connection) -> tuple[dict[int, int], list[Delivery]]:
        return deliveries.by_hour(db, found.campaign.id), deliveries.copies(db, found.campaign.id)

    hours, cases = await call.read(work)
    return Report(
        found,
        {text(hour)[:13]: count for hour, count in hours.items()},
        [Case(one.account, one.stage, one.message_id, one.copies, one.state) for one in cases],
    )


async def page(call: Call, campaign: str) -> Response:
    """The report for people, as one HTML page that needs no network."""
    return Response(render(await report(call, campaign)), media_type="text/html", headers=POLICY)


def render(found: Report) -> str:
    import jinja2  # noqa: PLC0415 - gates are forked from a process that has this module

    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = made.from_string((files(__package__) / "campaign_report.html").read_text("utf-8"))
    most = max([1, *found.hours.values()])
    return template.render(report=found, standing=found.standing, text=text, most=most)


async def people(call: Call, campaign: str, query: Page) -> People:
    """Accounts of the campaign, each with what it was told and the proof of that."""

    def work(db: Connection) -> list[Person]:
        kept = campaigns.get(db, campaign)
        return [_person(db, one) for one in members.page(db, kept.id, query.after, query.limit)]

    found = await call.read(work)
    return People(found, found[-1].account if len(found) == query.limit else "")


def _person(db: Connection, member: Member) -> Person:
    return Person(
        member.account, accounts.get(db, None, member.account).external_id, member.state, member.days, member.requests,
        member.told_at, member.told_by, member.acted, member.reason,
        [_proof(one) for one in deliveries.of_account(db, member.account, member.campaign)],
    )  # fmt: skip


def _proof(one: Delivery) -> Proof:
    return Proof(
        one.stage, one.kind, one.state, one.contact, one.due_at, one.delivered_at, one.message_id, one.sha256, one.code,
        one.answer, one.copies, one.complained_at,
    )  # fmt: skip


OPERATIONS = (
    Operation("GET", "/campaigns/{campaign}/report", ("campaign.read",), report),
    Operation("GET", "/campaigns/{campaign}/report.html", ("campaign.read",), page, media="text/html"),
    Operation("GET", "/campaigns/{campaign}/accounts", ("campaign.read", "account.read"), people),
)
