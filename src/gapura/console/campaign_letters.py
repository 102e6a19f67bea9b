"""What a campaign would say, before it says anything: to whom, in which words, and to somebody who asks for a test."""

from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.campaign import plan
from gapura.campaign.deliver import Draft, Stopped
from gapura.campaign.plan import Lint
from gapura.console.campaigns import against, running
from gapura.console.operations import Call, Intent, Operation
from gapura.console.problems import Invalid
from gapura.errors import Unready
from gapura.store import campaigns
from gapura.store.base import Connection
from gapura.store.campaigns import Kept
from gapura.store.rulebooks import By
from gapura.terms.letter import Letter, Receipt

Address = Annotated[str, Meta(min_length=3, max_length=254)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`samples`: so many letters are shown.  `language`: each as if its reader's were this one; "": their own."""

    samples: Annotated[int, Meta(ge=0, le=20)] = 3
    language: Annotated[str, Meta(max_length=35)] = ""


class Sample(msgspec.Struct, frozen=True):
    """A letter as it would be; `problem`: why it cannot be sent, "" where it can."""

    account: str
    to: str
    language: str
    subject: str = ""
    text: str = ""
    html: str = ""
    problem: str = ""


class Preview(msgspec.Struct, frozen=True):
    """A dry run: `people` would be affected, by `requests` of theirs.  Nothing was sent, and nobody enrolled."""

    campaign: str
    digest: str
    people: int
    requests: int
    lints: list[Lint]
    against: list[str]
    samples: list[Sample]


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`to` gets the first letter of the first person affected, or of `account`."""

    to: Address
    language: Annotated[str, Meta(max_length=35)] = ""


class Tested(msgspec.Struct, frozen=True):
    """What became of the test letter."""

    campaign: str
    to: str
    account: str
    receipt: Receipt


async def preview(call: Call, campaign: str, body: Wanted) -> Preview:
    """Who would be told and how, by what is known now; nothing is sent."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    campaigns.check(kept, "preview")
    river = running(call).river
    found = await river.preview(kept)
    letters = await river.sample(kept, body.samples)
    samples = [await _sample(call, _in(letter, body.language)) for letter in letters]
    by = By(call.who.id, "", call.context.store.clock())

    def work(db: Connection) -> Kept:
        campaigns.previewed(db, kept.id, found.affected)
        return campaigns.move(db, kept.id, "preview", by)

    await call.change(Intent("campaign.preview", kept.id), work, Kept)
    lints = plan.lints(kept.spec, by.at)
    return Preview(kept.name, kept.digest, found.affected, found.requests, lints, against(call, kept), samples)


async def test(call: Call, campaign: str, body: Trial) -> Tested:
    """Sends one letter to an address of yours, over the way that all will go; a campaign is approved only after it."""
    kept = await call.read(lambda db: campaigns.get(db, campaign))
    campaigns.check(kept, "test")
    it = running(call)
    letters = await it.river.sample(kept, 1)
    if not letters:
        raise Invalid("nobody is affected, so there is no letter to test; look at the audience", param="audience")
    at = call.context.store.clock()
    letter = msgspec.structs.replace(_in(letters[0], body.language), to=body.to, stage=f"test.{at}")
    try:
        (made,) = await it.mail.compose([Draft(letter, another=False)])
        if made.error:
            raise Invalid(made.error, param="to")
        receipt = await it.mail.send(msgspec.structs.replace(letter, message_id=made.message_id))
        await it.mail.stored([made.message_id])
    except Stopped as error:
        raise Unready(f"the test letter was not sent: {error}") from error
    if receipt.outcome != "delivered":
        raise Unready(f"the test letter was not taken: {receipt.outcome}, {receipt.code} {receipt.answer}")
    by = By(call.who.id, f"test letter to {body.to.rpartition('@')[2]}", at)
    await call.change(
        Intent("campaign.test", kept.id, by.reason), lambda db: campaigns.move(db, kept.id, "test", by), Kept
    )
    return Tested(kept.name, body.to, letter.account, receipt)


async def _sample(call: Call, letter: Letter) -> Sample:
    try:
        made = await running(call).mail.show(letter)
    except Unready as error:
        return Sample(letter.account, letter.to, letter.language, problem=error.message)
    return Sample(letter.account, letter.to, letter.language, made.subject, made.text, made.html)


def _in(letter: Letter, language: str) -> Letter:
    return msgspec.structs.replace(letter, language=language) if language else letter


OPERATIONS = (
    Operation("POST", "/campaigns/{campaign}/preview", ("campaign.write",), preview),
    Operation("POST", "/campaigns/{campaign}/test", ("campaign.write",), test),
)
