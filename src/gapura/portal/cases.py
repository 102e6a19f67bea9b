"""What an account is shown, as values: each policy that concerns it, what that rests on, and its objections.

Nothing in here says who decided, or anything of another account; times are UTC microseconds, 0 for none.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from gapura.rulebook.conditions import over
from gapura.rulebook.opinions import product_name
from gapura.rulebook.weigh import covers, phase_in_force, released
from gapura.store import accounts, appeals, grounds, visits
from gapura.store.appeals import OPEN, Appeal, Move, State
from gapura.store.base import Connection
from gapura.terms.caller import Account, Lifted, Notice, Status
from gapura.terms.letter import Evidence, Way
from gapura.terms.rulebook import Effect, Policy

Ahead = Literal["", "warn", "block", "suspend"]
Standing = Literal["served", "warned", "stopped"]
STANDING: dict[Effect, Standing] = {"allow": "served", "warn": "warned", "review": "warned", "block": "stopped"}
LONGEST_REASON = 4_000


class Told(msgspec.Struct, frozen=True):
    """A notice: at which stage, when, and what happens from `effective_at` on."""

    stage: str
    at: int
    effect: Literal["warn", "block", "suspend"]
    effective_at: int


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One policy.  `standing`: what becomes of requests from places that it does not cover, and since when.  `ahead`:
    what happens next, from `effective_at` on.  `lifted`: what is lifted for the account now, by kind of reason, and
    until when.  `ways`: where applications may go from these places instead.  `days`, `interim`: how an objection is
    heard."""

    policy: str
    service: str
    source: str
    as_of: str
    standing: Standing
    since: int
    ahead: Ahead
    effective_at: int
    evidence: Evidence | None
    told: tuple[Told, ...]
    lifted: dict[str, int]
    ways: tuple[Way, ...]
    may_object: bool
    days: int
    interim: bool


class Step(msgspec.Struct, frozen=True):
    move: Move
    at: int


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` null: its texts are not kept any more; `decision` "": there is none."""

    id: str
    policy: str
    service: str
    state: State
    due_at: int
    late: bool
    made_at: int
    reason: str | None
    decision: str
    history: tuple[Step, ...]


class Overview(msgspec.Struct, frozen=True):
    """The account by the operator's own name for it, and everything that it is shown."""

    account: str
    status: Status
    cases: tuple[Case, ...]
    objections: tuple[Objection, ...]


Ways = Callable[[Iterable[str]], tuple[Way, ...]]
"""Places → the providers of this gateway that serve all of them."""


def overview(db: Connection, policies: tuple[Policy, ...], ways: Ways, account: str, at: int) -> Overview:
    """Raises NotFound where there is no such account (any more)."""
    found = accounts.get(db, None, account)
    made = appeals.of_account(db, account)
    services = {policy.name: product_name(policy) for policy in policies}
    return Overview(
        found.external_id,
        found.status,
        tuple(_with_ways(one, ways) for one in _cases(db, policies, found, made, at)),
        tuple(_objection(db, one, services.get(one.policy, one.policy), at) for one in reversed(made)),
    )


def _cases(
    db: Connection, policies: tuple[Policy, ...], account: Account, made: list[Appeal], at: int
) -> Iterator[Case]:
    judged = {one.policy for one in visits.known(db, account.id) if one.given}
    for policy in policies:
        seen = grounds.against(db, account.id, policy.name, _covering(policy, at), at)
        objecting = any(one.policy == policy.name and one.state in OPEN for one in made)
        case = _case(policy, account, seen, at, objecting=objecting)
        if seen or case.told or case.lifted or policy.name in judged:
            yield case


def _covering(policy: Policy, at: int) -> Callable[[str], bool]:
    return lambda place: covers(policy, place, at)


def _with_ways(case: Case, ways: Ways) -> Case:
    """For who has to go elsewhere."""
    hit = case.ahead in {"block", "suspend"} or case.standing == "stopped"
    if case.evidence is None or case.lifted or not hit:
        return case
    return msgspec.structs.replace(case, ways=ways([place.territory for place in case.evidence.places]))


def _case(policy: Policy, account: Account, seen: Evidence | None, at: int, *, objecting: bool) -> Case:
    told = [one for one in account.notices if one.policy == policy.name]
    lifted = [one for one in account.lifted if one.policy == policy.name and _stands(one, at)]
    phase = phase_in_force(policy, at, account)
    ahead, effective_at = _ahead(policy, account, told, at)
    return Case(
        policy=policy.name,
        service=product_name(policy),
        source=policy.pack.source if policy.pack.source.startswith("https://") else "",
        as_of=policy.pack.as_of,
        standing=STANDING[phase.effect] if phase else "served",
        since=phase.starts if phase else 0,
        ahead=ahead,
        effective_at=effective_at,
        evidence=seen,
        told=tuple(Told(one.stage, one.at, one.effect, one.effective_at) for one in told),
        lifted={one.kind: one.ends for one in lifted},
        ways=(),
        may_object=not objecting and _hits(lifted),
        days=policy.appeals.days,
        interim=policy.appeals.interim,
    )


def _ahead(policy: Policy, account: Account, told: list[Notice], at: int) -> tuple[Ahead, int]:
    """What the account was told, else the next phase that blocks; nothing that a person has lifted for it by then."""
    stated: list[tuple[Ahead, int]] = sorted(((one.effect, one.effective_at) for one in told), key=lambda one: one[1])
    blocks: list[tuple[Ahead, int]] = [("block", one.starts) for one in policy.phases if one.effect == "block"]
    for effect, date in (*stated, *blocks):
        if date > at and not released(account, policy.name, date):
            return effect, date
    return "", 0


def _hits(lifted: list[Lifted]) -> bool:
    """Whether there is anything to object to."""
    return not any(one.kind in {"exception", "release"} for one in lifted)


def _stands(one: Lifted, at: int) -> bool:
    return one.starts <= at and not over(one, at)


def _objection(db: Connection, one: Appeal, service: str, at: int) -> Objection:
    texts = appeals.texts(db, one.id)
    return Objection(
        id=one.id,
        policy=one.policy,
        service=service,
        state=one.state,
        due_at=one.due_at,
        late=one.state in OPEN and one.due_at <= at,
        made_at=one.made_at,
        reason=texts.reason if texts else None,
        decision=texts.decision if texts else "",
        history=tuple(Step(step.move, step.at) for step in appeals.moves(db, one.id)),
    )
