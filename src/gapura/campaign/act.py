"""act: what is done to accounts: the date is kept from whoever was not told, and from nobody else.

    affected, not told      an exception `no_notice`: the policy warns instead of blocking
    told                    that exception ends on the account's own day, which is the campaign's or later
    told, and it came back  the exception again
    after the day           suspended, where the campaign says so, and not while it is heard
    released                whatever was done is undone, and it is told
    not affected, but seen  its answers tell of its day, from which on only its requests from there are refused

All of it in the transaction of what it follows from, with an entry in the audit where a status changes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gapura.clock import SECOND, text
from gapura.rulebook.weigh import released
from gapura.store import accounts, audiences, audit, bystanders, campaigns, deliveries, exceptions, members, notices
from gapura.store.audiences import Member, Question
from gapura.store.audit import Change
from gapura.store.base import Connection
from gapura.store.campaigns import Kept
from gapura.store.deliveries import Planned
from gapura.store.exceptions import Wanted
from gapura.store.secrets import Secret
from gapura.terms import ids
from gapura.terms.caller import Notice, Status
from gapura.terms.campaign import Act
from gapura.terms.letter import Kind

DAY = 86_400 * SECOND
BATCH = 200
STATUS, SYSTEM = "account.status", "system"
THERE = "a request from a place that is not covered is refused all the same, once its answers have told the day"
ARRIVED = frozenset({"delivered", "unsure", "sending"})


class Why(NamedTuple):
    """Why somebody is released, and whether it was warned in error.  `lifted`: the date still stands for it behind an
    exception, and holds again where that ends."""

    kind: Kind
    reason: str
    lifted: bool = False


class Batch(NamedTuple):
    """Accounts that were looked at in one transaction, up to `last` ("": none), and those for whom something changed.
    The next batch is behind the last one."""

    last: str
    changed: Sequence[str]

    @classmethod
    def of(cls, names: Sequence[str]) -> "Batch":
        """Each of them changed."""
        return cls(names[-1] if names else "", names)


NOBODY = Batch("", ())


class Acting:
    """`day`: a campaign, when an account was told, and now → its day."""

    def __init__(self, secret: Secret, day: Callable[[Kept, int, int], int]) -> None:
        self._secret, self._day = secret, day

    def exempt(self, db: Connection, kept: Kept, after: str, at: int) -> Batch:
        """Those who were not told yet."""
        if not blocks(kept):
            return NOBODY
        waiting = members.unexempt(db, kept.id, after, BATCH)
        made = exceptions.put_all(db, [self._wanted(kept, one.account, at) for one in waiting], at)
        members.exempted(db, kept.id, [(one.account, one.id) for one in made])
        return Batch.of([one.account for one in waiting])

    def since(self, db: Connection, campaign: str, account: str, how: tuple[str, str], at: int) -> None:
        """It is told: `how` is the way, and the stage.  What keeps the date from it ends on its day."""
        kept = campaigns.get(db, campaign)
        members.told(db, campaign, account, at, how[0])
        member = members.get(db, campaign, account)
        if member is None or member.state != "affected":
            return
        day = self._day(kept, member.told_at, at)
        if member.exemption:
            _until(db, member.exemption, day, at)
        self.post(db, kept, account, how[1], day, at)

    def no_more(self, db: Connection, campaign: str, account: str, at: int) -> None:
        """What it was told came back."""
        kept = campaigns.get(db, campaign)
        members.untold(db, campaign, account)
        member = members.get(db, campaign, account)
        if member is None or member.state != "affected":
            return
        if member.exemption:
            _over(db, member.exemption, at)
        if blocks(kept):
            (made,) = exceptions.put_all(db, [self._wanted(kept, account, at)], at)
            members.note(db, campaign, account, exemption=made.id)

    def post(self, db: Connection, kept: Kept, account: str, stage: str, day: int, at: int) -> None:
        """Gates know its day from now on, and its answers tell of it, where that is a channel."""
        silent = "header" not in kept.spec.channels
        notices.post(db, {account: _notice(kept, stage, day, at, silent=silent)})
        if not silent:
            members.post(db, kept.id, account, at)

    def beside(
        self, db: Connection, kept: Kept, asked: Question, of: audiences.Slice, spared: audiences.Spared | None
    ) -> list[str]:
        """A slice of those whom the campaign is not about: whoever was seen from there is told of a day by its answers,
        whatever the channels are, since that is all that there is for it.  Which accounts that changes."""
        found = bystanders.weigh(db, asked, of, spared)
        day = self._day(kept, 0, asked.at)
        told = _notice(kept, "header", day, asked.at, silent=False)
        notices.post(db, dict.fromkeys(found.new, told))
        bystanders.add(db, kept.id, found.new, day, asked.at)
        self.forget(db, kept, found.gone)
        return [*found.new, *found.gone]

    def all_beside(self, db: Connection, kept: Kept, after: str) -> Batch:
        """Whom the campaign is not about: they are told of nothing more."""
        found = bystanders.page(db, kept.id, after, BATCH)
        self.forget(db, kept, found)
        return Batch.of(found)

    def forget(self, db: Connection, kept: Kept, gone: list[str]) -> None:
        """These are bystanders no more; whom the campaign is about now is told otherwise."""
        bystanders.drop(db, kept.id, gone)
        affected = {one for one in gone if (it := members.get(db, kept.id, one)) is not None and it.state == "affected"}
        notices.withdraw(db, kept.name, [one for one in gone if one not in affected])

    def on_the_day(self, db: Connection, kept: Kept, after: str, at: int) -> Batch:
        """Of those who were told long enough ago the status changes now, unless it has."""
        act = _due(kept, at)
        if act is None:
            return NOBODY
        told_before = at - (kept.spec.notice_days + act.after_days) * DAY
        found = members.to_act_on(db, kept.id, told_before, after, BATCH)
        heard = exceptions.waiting(db, kept.spec.policy, [member.account for member in found])
        done = [one.account for one in found if one.account not in heard and self._act(db, kept, act, one, at)]
        return Batch(found[-1].account if found else "", done)

    def put_off(self, db: Connection, kept: Kept, account: str, at: int) -> None:
        """Its objection is open and the policy is lifted until it is decided, so what was done to it is, too.  What a
        person did to it meanwhile stays."""
        member = members.get(db, kept.id, account)
        if member is None or not member.acted or audit.last_actor(db, STATUS, account) != SYSTEM:
            return
        self._status(db, kept, account, "active", at, "while its objection is open")
        members.note(db, kept.id, account, acted="")

    def put_back(self, db: Connection, kept: Kept, account: str, at: int) -> None:
        """Its objection was not granted: what had been put off is done."""
        member, act = members.get(db, kept.id, account), _due(kept, at)
        if member is None or act is None or member.state != "affected" or not member.told_at:
            return
        told_long_ago = member.told_at <= at - (kept.spec.notice_days + act.after_days) * DAY
        if told_long_ago and not released(accounts.get(db, None, account), kept.spec.policy, at):
            self._act(db, kept, act, member, at)

    def _act(self, db: Connection, kept: Kept, act: Act, member: Member, at: int) -> bool:
        """Unless it was done: whoever a person let in again is left alone.  What a person did before is not ours."""
        wanted: Status = "suspended" if act.effect == "suspend" else "warned"
        if member.acted == act.effect or not self._status(db, kept, member.account, wanted, at):
            return False
        members.note(db, kept.id, member.account, acted=act.effect)
        return True

    def release(self, db: Connection, kept: Kept, member: Member, why: Why, at: int) -> None:
        """Undone is what was done to it; whoever was told of the date is told of this."""
        deliveries.cancel(db, kept.id, member.account, at, why.reason)
        told = any(one.state in ARRIVED for one in deliveries.of_account(db, member.account, kept.id))
        if told:
            stage = why.kind if member.round == 1 else f"{why.kind}.{member.round}"
            notice = Planned(account=member.account, stage=stage, kind=why.kind, due_at=at, reason=why.reason)
            deliveries.plan(db, kept.id, [notice], at)
        if member.exemption:
            _over(db, member.exemption, at)
        if why.lifted:
            notices.silence(db, kept.name, [member.account])
        else:
            notices.withdraw(db, kept.name, [member.account])
        if member.acted:
            self._status(db, kept, member.account, "active", at)
        members.note(db, kept.id, member.account, exemption="", acted="")
        members.because(db, kept.id, member.account, why.reason)

    def _status(self, db: Connection, kept: Kept, account: str, wanted: Status, at: int, why: str = "") -> bool:
        """Whether that changes anything."""
        if accounts.get(db, None, account).status == wanted:
            return False
        accounts.set_status(db, None, account, wanted)
        reason = f"{wanted}: campaign {kept.name}, {kept.id}" + f"; {why}" * bool(why)
        audit.append(db, self._secret, at, Change(actor=SYSTEM, action=STATUS, subject=account, reason=reason))
        return True

    def _wanted(self, kept: Kept, account: str, at: int) -> Wanted:
        return Wanted(
            account=account,
            policy=kept.spec.policy,
            kind="no_notice",
            reason=f"campaign {kept.name}: not told yet",
            owner=kept.approved_by,
            starts=at,
        )


def _notice(kept: Kept, stage: str, day: int, at: int, *, silent: bool) -> Notice:
    effect = kept.spec.acts[0].effect if kept.spec.acts else "warn"
    return Notice(ids.new("ntc", at), kept.name, kept.spec.policy, stage, effect, day, at, silent)


def _due(kept: Kept, at: int) -> Act | None:
    """What is done to accounts by now."""
    begun = (act for act in kept.spec.acts if act.by == "account" and _begins(kept, act) <= at)
    return max(begun, key=lambda act: act.after_days, default=None)


def _begins(kept: Kept, act: Act) -> int:
    return kept.spec.effective_at + act.after_days * DAY


def blocks(kept: Kept) -> bool:
    """Whether places are blocked, so that whoever was not told has to be kept from it."""
    return any(act.by == "place" and act.effect == "block" for act in kept.spec.acts)


def why(db: Connection, asked: Question, member: Member) -> Why:
    """Why somebody is affected no more."""
    lifted = db.execute(
        "SELECT reason FROM exception WHERE account = ? AND policy = ? AND state = 'open'"
        " AND kind IN ('exception', 'release') AND starts <= ? AND (ends = 0 OR ends > ?)",
        (member.account, asked.policy, asked.due_at, asked.due_at),
    ).fetchone()
    if lifted is not None:
        return Why("release", f"an exception was granted: {lifted[0]}", lifted=True)
    outside = audiences.seen(db, member, asked.outside)
    reset = audiences.reset(db, member, asked.inside)
    if outside and reset is not None:
        return Why("release", f"seen from {reset[1]} on {text(reset[0] * DAY)[:10]}; {THERE}")
    if outside:
        return Why("release", f"exempt from {asked.policy} now")
    if member.last_day < asked.since:
        return Why("release", f"not seen from there since {text(member.last_day * DAY)[:10]}; {THERE}")
    noted = audiences.noted(db, member)
    if noted and noted <= set(asked.inside):
        return Why("release", f"{asked.policy} covers {', '.join(sorted(noted))} now")
    return Why("correction", "the place that was known of its addresses was wrong, and has been corrected")


def _until(db: Connection, exemption: str, day: int, at: int) -> None:
    """Until the day; at once where that is over."""
    if exceptions.get(db, exemption).state != "open":
        return
    if day > at:
        exceptions.review(db, exemption, at, ends=day)
    else:
        exceptions.end(db, exemption, at)


def _over(db: Connection, exemption: str, at: int) -> None:
    if exceptions.get(db, exemption).state == "open":
        exceptions.end(db, exemption, at)
