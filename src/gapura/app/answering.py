"""Letters about objections: a job of the keeper for each, sent by the process that sends campaigns' letters.

The same letter has the same Message-ID and the same bytes each time it is made.  One that was under way when a keeper
died is looked up in the sender's journal before it is sent once more.
"""

import asyncio
from collections.abc import Callable

import msgspec

from gapura.campaign import compose
from gapura.campaign.deliver import Draft, Sender, StillBusy
from gapura.clock import SECOND, Clock
from gapura.keeper.jobs import Jobs
from gapura.rulebook.compile import Rules
from gapura.rulebook.opinions import product_name
from gapura.rulebook.weigh import phase_in_force
from gapura.settings import Settings
from gapura.store import accounts, answers, appeals, links
from gapura.store.answers import Answer
from gapura.store.appeals import LETTER, Appeal
from gapura.store.base import Connection
from gapura.store.jobs import Job
from gapura.store.sqlite import Store
from gapura.terms.caller import Account
from gapura.terms.campaign import Fallback
from gapura.terms.letter import Letter, Receipt
from gapura.terms.rulebook import Policy

AGAIN = 900 * SECOND
# After so long nobody waits for it any more, and what became of the objection stands on its page.
PATIENCE = 2 * 86_400 * SECOND


class Answering:
    """Its handler is in `jobs` as soon as it is there."""

    def __init__(
        self, store: Store, settings: Callable[[], Settings], rules: Callable[[], Rules], mail: Sender, jobs: Jobs
    ) -> None:
        self._store, self._settings, self._rules, self._mail = store, settings, rules, mail
        self._clock: Clock = store.clock
        jobs.register(LETTER, self.answer)

    async def answer(self, job: Job) -> int | None:
        """When it is tried again; None: it is settled."""
        name, kind = job.payload["appeal"], job.payload["kind"]
        row, about, letter = self._store.read(lambda db: self._draft(db, name, kind))
        if row.state in {"sent", "failed"}:
            return None
        if isinstance(letter, str):
            await self._failed(row, letter)
            return None
        (made,) = await self._mail.compose([Draft(letter, another=False)])
        if made.error:
            await self._failed(row, made.error)
            return None
        letter = msgspec.structs.replace(letter, message_id=made.message_id)
        receipt = await self._known(made.message_id) if row.state == "sending" else None
        if receipt is None:
            at = self._clock()
            row = await self._do(
                lambda db: answers.move(db, row, "sending", at, message_id=made.message_id, sha256=made.sha256)
            )
            receipt = await self._mail.send(letter)
        after = await self._do(lambda db: answers.settle(db, row, about.account, receipt))
        await self._mail.stored([made.message_id])
        if after.state != "sending":
            return None
        if self._clock() > row.planned_at + PATIENCE:
            await self._failed(after, after.answer)
            return None
        return self._clock() + AGAIN

    async def _known(self, message_id: str) -> Receipt | None:
        """What a sender that is gone was answered.  Raises StillBusy while it may still be at it."""
        left = await self._mail.left()
        if (found := left.receipts.get(message_id)) is None and left.busy:
            raise StillBusy("the sender of a keeper that is gone has not ended yet")
        return found

    def _draft(self, db: Connection, name: str, kind: str) -> tuple[Answer, Appeal, Letter | str]:
        """What is written, or why nothing is."""
        row, about = answers.get(db, name, kind), appeals.get(db, None, name)
        account = accounts.get(db, None, about.account)
        if not self._settings().documents.get("mail"):
            return row, about, "nobody writes letters: there is no table [mail]"
        role = compose.contact(account.contacts, Fallback(), ())
        if not role:
            return row, about, "the account has no contact"
        return row, about, self._letter(db, row, about, account, account.contacts[role])

    def _letter(self, db: Connection, row: Answer, about: Appeal, account: Account, to: str) -> Letter:
        texts = appeals.texts(db, about.id)
        policy = next((one for one in self._rules().book.policies if one.name == about.policy), None)
        public = self._settings().public_url
        status, _ = links.pages(self._store.secret, public, about.account, row.planned_at)
        return Letter(
            campaign=about.id,
            account=about.account,
            external_id=account.external_id,
            stage=row.kind,
            kind=row.kind,
            message_id="",
            to=to,
            name=account.name,
            language=account.language or about.language,
            zone=account.zone,
            provider=product_name(policy) if policy else about.policy,
            product="",
            policy=about.policy,
            effective_at=_date(policy, account, about),
            written_at=row.planned_at,
            status_url=status,
            reason=texts.decision if texts and row.kind == "decision" else "",
            granted=about.state == "granted",
            answer_by=about.due_at,
        )

    async def _failed(self, row: Answer, why: str) -> None:
        at = self._clock()
        await self._do(lambda db: answers.move(db, row, "failed", at, answer=why[: answers.ANSWER]))

    async def _do(self, work: Callable[[Connection], Answer]) -> Answer:
        return await asyncio.wrap_future(self._store.write(work))


def _date(policy: Policy | None, account: Account, about: Appeal) -> int:
    """The change that the objection is about: what it was told, else what holds or comes next."""
    told = [one.effective_at for one in account.notices if one.policy == about.policy]
    if told:
        return min(told)
    if policy is not None:
        phase = phase_in_force(policy, about.made_at)
        blocks = [one.starts for one in policy.phases if one.effect == "block" and one.starts > about.made_at]
        if (phase is None or phase.effect != "block") and blocks:
            return min(blocks)
        if phase is not None and phase.starts:
            return phase.starts
    return about.made_at
