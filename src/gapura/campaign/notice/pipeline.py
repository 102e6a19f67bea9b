"""A notice's way, in the store's transactions: draft → announce → settle → bounced; what `deliver` asks of the river.

Whoever it changes something for is among the `touched`, and gates hear of them.
"""

from gapura.campaign import compose, hear, plan, track, webhook
from gapura.campaign.act import Acting
from gapura.campaign.around import Around
from gapura.campaign.compose import Said
from gapura.campaign.webhook import Posted
from gapura.clock import Clock
from gapura.store import accounts, campaigns, deliveries, grounds, jobs, members, outbox, returned, taken
from gapura.store.base import Connection
from gapura.store.campaigns import Kept
from gapura.store.deliveries import Delivery
from gapura.store.taken import Taken
from gapura.terms.letter import Arrived, Letter, Receipt

SENDING = "campaign.send"


class Notices:
    def __init__(self, around: Around, acting: Acting, clock: Clock) -> None:
        self._around, self._acting, self._clock = around, acting, clock
        self.told = track.Told(acting.since, acting.no_more)
        self.touched: set[str] = set()

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
        self.touched.add(notice.account)
        spec = campaigns.get(db, notice.campaign).spec
        after = track.settle(db, notice, receipt, spec, track.Then(self._contact, self.told))
        if after.state == "unreachable":
            self._tell_by_header(db, campaigns.get(db, notice.campaign), after, receipt.at)
        return after

    def bounced(self, db: Connection, message_id: str, answer: str, at: int) -> bool:
        """It came back; whether it was one of ours, and that was not known yet."""
        notice = deliveries.of_message(db, message_id)
        if notice is None:
            return False
        self.touched.add(notice.account)
        after = track.bounce(db, notice, answer, at, track.Then(self._contact, self.told))
        if after is not None and (other := taken.first(db, notice.campaign, notice.account)) is not None:
            self._counts(db, other)
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
        return compose.letter(self.said(kept), account, member, notice, grounds.of_member(db, member), at)

    def said(self, kept: Kept) -> Said:
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
            self.touched.add(notice.account)

    def took(self, db: Connection, posted: Posted, by: Taken) -> None:
        """An endpoint took what it was posted: that is proof, and counts where the campaign says so."""
        if posted.kind not in track.TELLING or not taken.keep(db, by):
            return
        self._counts(db, by)

    def _counts(self, db: Connection, by: Taken) -> None:
        if "webhook" in campaigns.get(db, by.campaign).spec.counts_as_told:
            self.told.since(db, by.campaign, by.account, by.way, by.at)
            self.touched.add(by.account)
