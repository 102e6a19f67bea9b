"""The river, walked once a day for each campaign, and as often as letters are due.

    day     survey → select → exempt → arm → schedule → act      once a day, hourly before the day, and on it
    send    compose → deliver → track                            when a notice is due

Each is a job of the keeper: what a kill cuts off is done again, and every stage bears that.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, TypeVar

import msgspec
import structlog

from gapura.campaign import act, compose, deliver, hear, plan, schedule, select, survey, track, webhook
from gapura.campaign.act import Acting, Why
from gapura.campaign.compose import Said
from gapura.campaign.deliver import Sender
from gapura.campaign.plan import DAY
from gapura.campaign.schedule import Spread, Step
from gapura.campaign.select import Selected
from gapura.clock import SECOND, Clock
from gapura.store import accounts, audiences, campaigns, deliveries, evidence, grounds, jobs, members, outbox, returned
from gapura.store.audiences import Member, Question, Spared
from gapura.store.base import Connection, Work
from gapura.store.campaigns import Kept
from gapura.store.deliveries import Delivery
from gapura.store.jobs import Job
from gapura.store.members import Next
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.campaign import Campaign
from gapura.terms.letter import Arrived, Letter, Receipt, Way
from gapura.terms.rulebook import Policy

T = TypeVar("T")

log = structlog.get_logger()

DAILY, SENDING = "campaign.day", "campaign.send"
HOUR = 3600 * SECOND
STOPPED = 60 * SECOND
"""Until a relay that took nothing from us is asked again."""
SENDS = frozenset({"running", "recalled", "finished"})
"""States in which what is planned goes out: afterwards, that is corrections and releases alone."""


class Around(Protocol):
    """What the river needs of the process that it runs in."""

    def policy(self, kept: Kept) -> Policy:
        """As it is in force, or as it would be.  Raises BadDocument, NotFound."""

    def spared(self, policy: Policy, at: int) -> Callable[[str, str], bool] | None:
        """None where no rule of it asks about accounts."""

    def locate(self, address: str) -> str:
        """The territory, "" where it is not certain."""

    def place_data(self) -> str: ...

    def territories(self) -> tuple[str, ...]: ...

    def page(self, account: str, at: int) -> tuple[str, str]:
        """Of its status, and of the form where it objects; "": there is none."""

    def ways(self, territories: Iterable[str], also: Policy | None = None) -> tuple[Way, ...]:
        """Who serves all of these places, by what is in force and by this policy."""

    def publish(self, accounts: Iterable[str]) -> None: ...

    def against(self, kept: Kept) -> list[str]:
        """What keeps its dates from being put in force, in words.  Raises BadDocument, NotFound, Conflict."""

    async def arm(self, kept: Kept, by: By) -> tuple[str, str]:
        """Puts the campaign's dates in force: the policy version, and the one before."""

    async def for_everybody(self, kept: Kept, starts: int, by: By) -> str:
        """From then on they hold for whoever was told of nothing, too; the policy version, "" where nothing of it is in
        force."""

    async def disarm(self, kept: Kept, by: By) -> None:
        """Puts the former version back, if the campaign's is still in force."""


class Done(NamedTuple):
    """What a day brought."""

    selected: Selected
    planned: int


class River:
    """`sender` and what is `around` are the keeper's."""

    def __init__(self, store: Store, around: Around, sender: Sender, clock: Clock) -> None:
        self._store, self._around, self._sender, self._clock = store, around, sender, clock
        self._acting = Acting(store.secret, lambda kept, told_at, at: plan.day(kept.spec, told_at, at))
        self._told = track.Told(self._acting.since, self._acting.no_more)
        self._spreads: dict[str, Spread] = {}
        self._touched: set[str] = set()
        self.stopped = ""
        """Why the relay takes nothing from us; "": it does."""

    async def day(self, job: Job) -> int | None:
        """A job's handler; `job.key` is the campaign."""
        kept = self._get(job.key)
        if kept.state != "running":
            return None  # whoever resumes it rings
        await self.walk(kept)
        return self._next(kept.spec, self._clock())

    async def send(self, job: Job) -> int | None:
        """A job's handler; `job.key` is the campaign."""
        try:
            await deliver.run(self._store, self._sender, self, job.key, self._clock, lambda: self._may(job.key))
            self.stopped = ""
        except deliver.StillBusy:
            return self._clock() + SECOND
        except deliver.Stopped as error:
            self.stopped = f"no letters go out: {error}"
            log.warning("no letters go out", error=str(error))
            return self._clock() + STOPPED
        finally:
            self._publish()
        if self._get(job.key).state not in SENDS:
            return None
        return self._store.read(lambda db: deliveries.next_due(db, job.key))

    async def walk(self, kept: Kept) -> Done:
        """Everything that a day asks for, as of now."""
        at, policy = self._clock(), self._around.policy(kept)
        asked = self.question(kept, policy, at)
        spared = self._around.spared(policy, asked.due_at)
        moved = await survey.relocate(self._store, kept, self._around.locate, self._around.place_data(), at)
        await survey.gather(self._store, self._get(kept.id), asked.outside, at)
        selected = await select.select(
            self._store, asked, self._due(kept, at), spared, self._releasing(kept, asked, at)
        )
        await survey.renew(self._store, kept, moved, asked.outside)
        await self._in_batches(lambda db, after: self._acting.exempt(db, kept, after, at))
        if not kept.armed:
            await self._arm(kept, at)
        await self._beside(kept, asked, spared)
        days = kept.spec.fallback.header_days
        await self._write(lambda db: track.by_header(db, kept.id, days, at, self._told))
        until = self._next(kept.spec, at) + HOUR
        spread = self._spreads.setdefault(kept.id, Spread(kept.spec.pace))
        planned = await schedule.plan(self._store, kept.id, until, at, self._walker(kept.spec, at), spread)
        await self._in_batches(lambda db, after: self._acting.on_the_day(db, kept, after, at))
        self._publish()
        await self._write(lambda db: jobs.ring(db, SENDING, kept.id, at))
        return Done(selected, planned)

    def look_again(self, db: Connection) -> None:
        """Place data or a policy are others now: whoever is not affected any more is released at once."""
        for kept in campaigns.under_way(db):
            jobs.ring(db, DAILY, kept.id, self._clock())

    async def preview(self, kept: Kept) -> Selected:
        """Who would be affected; nothing is written."""
        policy = self._around.policy(kept)
        asked = self.question(kept, policy, self._clock())
        return await select.preview(self._store, asked, self._around.spared(policy, asked.due_at))

    async def sample(self, kept: Kept, most: int) -> list[Letter]:
        """First letters as they would be, to some of those who would be affected."""
        policy, at = self._around.policy(kept), self._clock()
        asked = self.question(kept, policy, at)
        found = await select.sample(self._store, asked, self._around.spared(policy, asked.due_at), most)
        stage = plan.stages(kept.spec)[0]
        said = self._said(kept)

        def work(db: Connection) -> list[Letter]:
            return [self._shown(db, said, member, stage, asked, at) for member in found]

        return await asyncio.to_thread(self._store.read, work)

    def _shown(self, db: Connection, said: Said, member: Member, stage: plan.Stage, asked: Question, at: int) -> Letter:
        account = accounts.get(db, None, member.account)
        seen = grounds.listed(db, member) or evidence.against(
            db, account.id, lambda code: code not in asked.outside, at, said.spec.audience.days
        )
        role = compose.contact(account.contacts, said.spec.fallback, ())
        notice = deliveries.unplanned(member.campaign, account.id, stage.name, stage.kind, role)
        return compose.letter(said, account, member, notice, seen, at)

    async def recall(self, kept: Kept, reason: str, by: By) -> int:
        """Undoes what was done, and tells those who were told; how many those were.  It is `recalled` already."""
        await self._around.disarm(kept, by)
        at, undone = self._clock(), 0

        def batch(db: Connection, after: str) -> list[str]:
            found = members.acted_on(db, kept.id, after, act.BATCH)
            for member in found:
                self._acting.release(db, kept, member, Why("release", reason), at)
                self._touched.add(member.account)
            members.release(db, kept.id, [member.account for member in found], at)
            return [member.account for member in found]

        undone = await self._in_batches(batch)
        await self._in_batches(lambda db, after: self._acting.all_beside(db, kept, after))
        await self._write(lambda db: deliveries.cancel_notices(db, kept.id, at, reason))
        await self._write(lambda db: jobs.ring(db, SENDING, kept.id, at))
        self._publish()
        return undone

    async def finish(self, kept: Kept, by: By) -> None:
        """Nobody is looked for any more, so the dates hold for everybody, once the last who was told has had its
        days."""
        starts = self._clock() + kept.spec.notice_days * DAY
        if version := await self._around.for_everybody(kept, starts, by):
            await self._write(lambda db: campaigns.armed(db, kept.id, version, kept.former))

    def question(self, kept: Kept, policy: Policy, at: int) -> Question:
        """Who is affected, as the store is asked."""
        return select.question(kept.id, kept.spec, policy, self._around.territories(), at)

    # What `deliver` asks of the river, in the store's transaction.

    def draft(self, db: Connection, notice: Delivery, at: int) -> tuple[Delivery, Letter | None]:
        """The notice and its letter; None where there is nobody left to write to."""
        if notice.state != "planned" and (letter := deliveries.letter(db, notice.id)) is not None:
            return notice, letter
        kept = campaigns.get(db, notice.campaign)
        role = notice.contact or self._contact(db, notice)
        if not role or "mail" not in kept.spec.channels:
            self.announce(db, notice, self.letter(db, kept, notice, at))
            self._unreachable(db, kept, notice, at)
            return notice, None
        addressed = deliveries.address(db, notice, role)
        return addressed, self.letter(db, kept, addressed, at)

    def announce(self, db: Connection, notice: Delivery, letter: Letter) -> None:
        """To programs, once, whomever the letter goes to."""
        if not notice.tried and "webhook" in campaigns.get(db, notice.campaign).spec.channels:
            outbox.put(db, f"campaign.{letter.kind}", notice.account, webhook.told(letter), letter.written_at)

    def settle(self, db: Connection, notice: Delivery, receipt: Receipt) -> Delivery:
        """What an attempt brought."""
        self._touched.add(notice.account)
        after = track.settle(db, notice, receipt, self._contact, self._told)
        if after.state == "unreachable":
            self._tell_by_header(db, campaigns.get(db, notice.campaign), after, receipt.at)
        return after

    def bounced(self, db: Connection, message_id: str, answer: str, at: int) -> bool:
        """It came back; whether it was one of ours, and that was not known yet."""
        notice = deliveries.of_message(db, message_id)
        if notice is None:
            return False
        self._touched.add(notice.account)
        after = track.bounce(db, notice, answer, at, self._contact, self._told)
        if after is not None and after.state == "unreachable":
            self._tell_by_header(db, campaigns.get(db, notice.campaign), after, at)
        if after is not None:
            jobs.ring(db, SENDING, notice.campaign, at)
        return after is not None

    def hear(self, db: Connection, arrived: Arrived, at: int) -> int:
        """What a message that came back says; how many notices it moved."""
        return hear.take(db, arrived, self.bounced, at)

    def letter(self, db: Connection, kept: Kept, notice: Delivery, at: int) -> Letter:
        """What this notice says."""
        account = accounts.get(db, None, notice.account)
        member = members.get(db, kept.id, account.id)
        assert member is not None  # noqa: S101 - only members are planned for
        return compose.letter(self._said(kept), account, member, notice, grounds.of_member(db, member), at)

    def publish(self) -> None:
        """Gates hear of every account that was touched since."""
        self._publish()

    def _said(self, kept: Kept) -> Said:
        policy = self._around.policy(kept)
        return Said(
            spec=kept.spec,
            source=policy.pack.source,
            page=self._around.page,
            ways=lambda places: self._around.ways(places, policy),
            day=lambda told_at, at: plan.day(kept.spec, told_at, at),
        )

    def _contact(self, db: Connection, notice: Delivery) -> str:
        """Whoever could not be reached with one notice is not written to with the next."""
        account = returned.reachable(db, accounts.get(db, None, notice.account), self._clock())
        others = deliveries.of_account(db, notice.account, notice.campaign)
        tried = {*notice.tried, *(role for one in others for role in one.tried)}
        return compose.contact(account.contacts, campaigns.get(db, notice.campaign).spec.fallback, tried)

    def _unreachable(self, db: Connection, kept: Kept, notice: Delivery, at: int) -> None:
        deliveries.move(db, notice, "give_up", at)
        self._tell_by_header(db, kept, notice, at)

    def _tell_by_header(self, db: Connection, kept: Kept, notice: Delivery, at: int) -> None:
        member = members.get(db, kept.id, notice.account)
        if member is not None and member.state == "affected" and notice.kind in track.TELLING:
            self._acting.post(db, kept, notice.account, notice.stage, plan.day(kept.spec, member.told_at, at), at)
            self._touched.add(notice.account)

    def _due(self, kept: Kept, at: int) -> Callable[[str], tuple[int, int]]:
        return lambda zone: plan.following(kept.spec, 0, zone, plan.day(kept.spec, 0, at), at)

    def _walker(self, spec: Campaign, at: int) -> Callable[[Next], Step]:
        stages = plan.stages(spec)

        def walk(one: Next) -> Step:
            stage = stages[one.stage]
            now = max(at, one.at)
            day = plan.day(spec, one.told_at, now)
            following, due = plan.following(spec, one.stage + 1, one.zone, day, now)
            return Step(stage.name, stage.kind, following, due)

        return walk

    def _releasing(self, kept: Kept, asked: Question, at: int) -> Callable[[Connection, list[Member]], None]:
        def then(db: Connection, released: list[Member]) -> None:
            for member in released:
                self._acting.release(db, kept, member, act.why(db, asked, member), at)
                self._touched.add(member.account)

        return then

    async def _beside(self, kept: Kept, asked: Question, spared: Spared | None) -> None:
        """All who were seen from any place that the policy does not cover, whomever the campaign is about."""
        if not act.blocks(kept):
            return
        everywhere = tuple(set(self._around.territories()) - set(asked.inside))
        record = msgspec.structs.replace(asked.audience, source="record")
        asked = msgspec.structs.replace(asked, audience=record, outside=everywhere)
        async for of in select.slices(self._store, asked):
            self._touched.update(
                await self._write(lambda db, of=of: self._acting.beside(db, kept, asked, of, spared))  # type: ignore[misc]
            )

    async def _arm(self, kept: Kept, at: int) -> None:
        by = By(kept.approved_by, f"campaign {kept.name}: {kept.spec.reason or kept.id}", at)
        version, former = await self._around.arm(kept, by)
        await self._write(lambda db: campaigns.armed(db, kept.id, version, former))

    async def _in_batches(self, work: Callable[[Connection, str], list[str]]) -> int:
        """`work` is given the account behind which it goes on, and gives those that it looked at."""
        after, count = "", 0
        while found := await self._write(lambda db, after=after: work(db, after)):  # type: ignore[misc]
            self._touched.update(found)
            after, count = found[-1], count + len(found)
        return count

    def _next(self, spec: Campaign, at: int) -> int:
        """When the day is walked next: daily, hourly on the last one, and whenever something happens."""
        left = spec.effective_at - at
        pause = HOUR if 0 < left <= DAY else DAY
        acts = (spec.effective_at + one.after_days * DAY for one in spec.acts)
        return min([at + pause, *(instant for instant in acts if instant > at)])

    def _get(self, name: str) -> Kept:
        return self._store.read(lambda db: campaigns.get(db, name))

    def _may(self, name: str) -> bool:
        self._publish()
        return self._get(name).state in SENDS

    def _publish(self) -> None:
        touched, self._touched = self._touched, set()
        if touched:
            self._around.publish(sorted(touched))

    async def _write(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))


__all__ = ["DAILY", "SENDING", "Around", "Done", "River", "audiences"]
