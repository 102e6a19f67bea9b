"""Where customers are: kept up to date from the record, and acted on where a policy says so (`account_place`).

A request is refused for where it comes from; an account is warned or suspended for where it always comes from.  What
is done to an account here is undone here, as soon as its visits, its exceptions or the policy say otherwise; what a
person decided is left alone.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog

from gapura.clock import Clock, text
from gapura.errors import NotFound
from gapura.rulebook.compile import Rules
from gapura.rulebook.residence import residence, turns_on
from gapura.rulebook.weigh import covers, exempt, phase_in_force
from gapura.store import accounts, audit, visits
from gapura.store.audit import Change
from gapura.store.base import Connection, StoreFailed, Work, mark, marked
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.store.visits import DAY, PERSON, Found, Given
from gapura.terms.caller import Account, Key, Status
from gapura.terms.rulebook import Policy

T = TypeVar("T")

log = structlog.get_logger()

# An account that came from nowhere else for days is not in a hurry to be told.
PAUSE_S = 30.0
# So many in one transaction, then others may write.
BATCH = 200
JUDGED = "residence_judged_by"

Publish = Callable[[Mapping[str, Key], Mapping[str, Account]], None]


class Residing:
    """`run` it, or `step` through it."""

    def __init__(
        self, store: Store, secret: Secret, rules: Callable[[], Rules], publish: Publish, clock: Clock
    ) -> None:
        self._store, self._secret, self._rules, self._publish, self._clock = store, secret, rules, publish, clock

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                while await self.step():
                    pass
            except (StoreFailed, OSError) as error:
                log.warning("where customers are is not judged yet", error=str(error))
            await asyncio.sleep(PAUSE_S)

    async def step(self) -> int:
        """Take in a batch of visits and judge whom they, the time or other rules concern; how many visits were new."""
        at = self._clock()
        taken, moved = await self._do(lambda db: self._take_in(db, at))
        self._tell(moved)
        await self._these(lambda db: visits.turning(db, at // DAY), at)
        before = self._store.read(lambda db: marked(db, JUDGED))
        judged = f"{self._rules().book.version}@{at // DAY}"
        if before != judged:
            if before.partition("@")[0] != self._rules().book.version:
                await self._everybody(at)
            else:
                await self._these(visits.outside, at)
            await self._do(lambda db: mark(db, JUDGED, judged))
        return taken

    def _take_in(self, db: Connection, at: int) -> tuple[int, dict[str, Account]]:
        """Visits and what follows from them, in one transaction: a keeper that dies has done both or neither."""
        taken, touched = visits.take_in(db)
        return taken, self._judge_each(db, touched, at)

    async def _everybody(self, at: int) -> None:
        after = ""

        def following(db: Connection) -> list[str]:
            return visits.everybody(db, after, BATCH)

        while batch := await self._do(following):
            await self._judge_all(batch, at)
            after = batch[-1]

    async def _these(self, due: Work[list[str]], at: int) -> None:
        for batch in _batches(self._store.read(due)):
            await self._judge_all(batch, at)

    async def _judge_all(self, batch: Sequence[str], at: int) -> None:
        self._tell(await self._do(lambda db: self._judge_each(db, batch, at)))

    def _judge_each(self, db: Connection, batch: Sequence[str], at: int) -> dict[str, Account]:
        """Those whose status changed."""
        moved = {}
        for name in batch:
            try:
                after = self._judge(db, accounts.get(db, None, name), at)
            except NotFound:  # the record may name an account that a restored directory does not have
                continue
            if after is not None:
                moved[name] = after
        return moved

    def _tell(self, moved: Mapping[str, Account]) -> None:
        if moved:
            self._publish({}, moved)

    def _judge(self, db: Connection, account: Account, at: int) -> Account | None:
        """What is concluded is kept; the account, if its status changed."""
        before = {one.given for one in visits.known(db, account.id)}
        policies = [policy for policy in self._rules().book.policies if policy.account_place is not None]
        found = [_conclude(db, policy, account, at) for policy in policies]
        if PERSON in before or account.status != _strictest(before):
            visits.keep(db, account.id, [_left_alone(one) for one in found])
            return None
        visits.keep(db, account.id, found)
        wanted = _strictest({one.given for one in found})
        if wanted == account.status:
            return None
        after = accounts.set_status(db, None, account.id, wanted)
        why = "; ".join(_told(one) for one in found) or "no policy judges where accounts are"
        by = Change(actor="system", action="account.status", subject=account.id, reason=f"{wanted}: {why}")
        audit.append(db, self._secret, at, by)
        return after

    async def _do(self, work: Work[T]) -> T:
        return await asyncio.wrap_future(self._store.write(work))


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), BATCH):
        yield names[start : start + BATCH]


def _strictest(given: Collection[str]) -> Status:
    if "suspended" in given:
        return "suspended"
    return "warned" if "warned" in given else "active"


def _conclude(db: Connection, policy: Policy, account: Account, at: int) -> Found:
    place = policy.account_place
    assert place is not None  # noqa: S101 - its caller chose those that have one
    seen = visits.visits(db, account.id, since=-(-place.starts // DAY))
    found = residence(
        seen,
        lambda territory: covers(policy, territory, at),
        enough_days=place.days,
        enough_months=place.months,
        today=at // DAY,
    )
    return Found(
        account=account.id,
        policy=policy.name,
        residence=found,
        turns_on=turns_on(found, enough_months=place.months),
        given=_action(policy, account, at) if found.state == "outside" else "",
        at=at,
    )


def _action(policy: Policy, account: Account, at: int) -> Given:
    """Never sooner or stricter than what befalls a single request by the phase in force; nothing for who is exempt."""
    if exempt(policy, account, at):
        return ""
    phase = phase_in_force(policy, at, account)
    if phase is None or phase.effect == "allow" or policy.account_place is None:
        return ""
    return "suspended" if policy.account_place.action == "suspend" and phase.effect == "block" else "warned"


def _left_alone(found: Found) -> Found:
    """A person decided otherwise, and that stands as long as what it was decided about."""
    return msgspec.structs.replace(found, given=PERSON if found.residence.state == "outside" else "")


def _told(found: Found) -> str:
    """As people read it in the audit.  Territories and days only: an entry's text names no address."""
    seen = found.residence
    if seen.state == "covered" and seen.reset is not None:
        return f"{found.policy}: seen from {seen.reset[1]} on {_day(seen.reset[0])}"
    if not seen.days:
        return f"{found.policy}: not seen"
    places = ", ".join(f"{territory} on {days} days" for territory, days in seen.territories.items())
    return f"{found.policy}: {seen.state} since {_day(seen.since)} ({places})"


def _day(day: int) -> str:
    return text(day * DAY)[:10]
