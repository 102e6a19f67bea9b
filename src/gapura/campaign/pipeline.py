"""The river, walked once a day for each campaign, and as often as letters are due.

    day     survey → select → exempt → arm → schedule → act      once a day, hourly before the day, and on it
    send    compose → deliver → track                            when a notice is due

Each is a job of the keeper: what a kill cuts off is done again, and every stage bears that.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from gapura.campaign import act, compose, deliver, plan, schedule, select, survey, track, webhook
from gapura.campaign.act import Acting, Batch, Why
from gapura.campaign.around import Around
from gapura.campaign.compose import Said
from gapura.campaign.deliver import Sender
from gapura.campaign.notice.pipeline import SENDING, Notices
from gapura.campaign.plan import DAY
from gapura.campaign.schedule import Spread, Step
from gapura.campaign.select import Selected
from gapura.clock import SECOND, Clock
from gapura.store import accounts, appeals, audiences, campaigns, deliveries, evidence, grounds, jobs, members
from gapura.store.audiences import Member, Question, Spared
from gapura.store.base import Connection, Work
from gapura.store.campaigns import Kept
from gapura.store.jobs import Job
from gapura.store.members import Next
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.campaign import Campaign
from gapura.terms.letter import Arrived, Letter
from gapura.terms.rulebook import Policy

T = TypeVar("T")

log = structlog.get_logger()

DAILY = "campaign.day"
HOUR = 3600 * SECOND
STOPPED = 60 * SECOND
"""Until a relay that took nothing from us is asked again."""
SENDS = frozenset({"running", "recalled", "finished"})
"""States in which what is planned goes out: afterwards, that is corrections and releases alone."""


class Done(NamedTuple):
    """What a day brought."""

    selected: Selected
    planned: int


class River:
    """`sender` and what is `around` are the keeper's."""

    def __init__(self, store: Store, around: Around, sender: Sender, clock: Clock) -> None:
        self._store, self._around, self._sender, self._clock = store, around, sender, clock
        self._acting = Acting(store.secret, lambda kept, told_at, at: plan.day(kept.spec, told_at, at))
        self.notices = Notices(around, self._acting, clock)
        self._spreads: dict[str, Spread] = {}
        self._swept = False
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
            if not self._swept:
                await deliver.sweep(self._store, self._sender)
                self._swept = True
            await deliver.run(self._store, self._sender, self.notices, job.key, self._clock, lambda: self._may(job.key))
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
        await self._write(lambda db: track.by_header(db, kept.id, kept.spec, at, self.notices.told))
        until = self._next(kept.spec, at) + HOUR
        spread = self._spreads.setdefault(kept.id, Spread(kept.spec.pace))
        planned = await schedule.plan(self._store, kept.id, until, at, self._walker(kept.spec, at), spread)
        await self._in_batches(lambda db, after: self._acting.on_the_day(db, kept, after, at))
        self._publish()
        await self._write(lambda db: jobs.ring(db, SENDING, kept.id, at))
        return Done(selected, planned)

    async def heard(self, job: Job) -> None:
        """A job's handler; `job.key` is an objection under which the policy was lifted: it was filed, or decided."""
        at = self._clock()

        def work(db: Connection) -> None:
            about = appeals.get(db, None, job.key)
            for member in members.of_account(db, about.account):
                kept = campaigns.get(db, member.campaign)
                if kept.spec.policy == about.policy and kept.state != "recalled":
                    if about.state in appeals.OPEN:
                        self._acting.put_off(db, kept, about.account, at)
                    elif about.state != "granted":
                        self._acting.put_back(db, kept, about.account, at)
            self.notices.touched.add(about.account)

        await self._write(work)
        self._publish()

    def hear(self, db: Connection, arrived: Arrived, at: int) -> int:
        """What a message that came back says; how many notices it moved."""
        return self.notices.hear(db, arrived, at)

    def took(self, db: Connection, endpoint: str, payload: str, code: int, at: int) -> None:
        """An endpoint took an event of the outbox.  In the store's transaction; `publish` afterwards."""
        if (found := webhook.taken(payload, endpoint, code, at)) is not None:
            self.notices.took(db, *found)

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
        said = self.notices.said(kept)

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

        def batch(db: Connection, after: str) -> Batch:
            found = members.acted_on(db, kept.id, after, act.BATCH)
            for member in found:
                self._acting.release(db, kept, member, Why("release", reason), at)
            members.release(db, kept.id, [member.account for member in found], at)
            return Batch.of([member.account for member in found])

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

    def publish(self) -> None:
        """Gates hear of every account that was touched since."""
        self._publish()

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
                self.notices.touched.add(member.account)

        return then

    async def _beside(self, kept: Kept, asked: Question, spared: Spared | None) -> None:
        """All who were seen from any place that the policy does not cover, whomever the campaign is about."""
        if not act.blocks(kept):
            return
        everywhere = tuple(set(self._around.territories()) - set(asked.inside))
        record = msgspec.structs.replace(asked.audience, source="record")
        asked = msgspec.structs.replace(asked, audience=record, outside=everywhere)
        async for of in select.slices(self._store, asked):
            self.notices.touched.update(
                await self._write(lambda db, of=of: self._acting.beside(db, kept, asked, of, spared))  # type: ignore[misc]
            )

    async def _arm(self, kept: Kept, at: int) -> None:
        by = By(kept.approved_by, f"campaign {kept.name}: {kept.spec.reason or kept.id}", at)
        version, former = await self._around.arm(kept, by)
        await self._write(lambda db: campaigns.armed(db, kept.id, version, former))

    async def _in_batches(self, work: Callable[[Connection, str], Batch]) -> int:
        """`work` is given the account behind which it goes on; for how many something changed."""
        after, count = "", 0
        while (done := await self._write(lambda db, after=after: work(db, after))).last:  # type: ignore[misc]
            self.notices.touched.update(done.changed)
            after, count = done.last, count + len(done.changed)
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
        touched, self.notices.touched = self.notices.touched, set()
        if touched:
            self._around.publish(sorted(touched))

    async def _write(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))


__all__ = ["DAILY", "SENDING", "Around", "Done", "River", "audiences"]
