"""One policy, asked about one request: its effect, the reason, and what was passed over on the way.

    own egress → exception → allow rules → block, review, warn rules → the pack's coverage, with the phase in force

Egress comes first because no exception of ours changes what the provider sees of us.  A place that the sources do
not know, or not for sure, is never treated more strictly than one that is known not to be covered.
"""

import msgspec

from gapura.clock import text
from gapura.rulebook.conditions import Holds, ask, evidence, for_everybody, in_time, over
from gapura.rulebook.facts import Facts, names
from gapura.rulebook.shelf import Shelf, in_turn
from gapura.terms.caller import Account, Lifted
from gapura.terms.rulebook import STRICTNESS, Coverage, Effect, Exemption, Phase, Policy, Rule

RESERVED = ("egress", "exception", "coverage", "partial", "unknown", "disagreement", "absent", "account", "error")
"""What a Ruling's `rule` says where no rule of the policy decided; rules cannot be called so."""

RANK: dict[Effect, int] = {effect: rank for rank, effect in enumerate(STRICTNESS)}


class Passed(msgspec.Struct, frozen=True):
    """A rule or an exception that did not decide, and why."""

    rule: str
    why: str


class Ruling(msgspec.Struct, frozen=True):
    """`evidence`: what the conditions of the rule that decided found."""

    effect: Effect
    rule: str
    because: str
    certain: bool = True
    passed: tuple[Passed, ...] = ()
    evidence: tuple[str, ...] = ()


def weigh(policy: Policy, facts: Facts, shelf: Shelf | None = None) -> Ruling:
    """With the policy's `shelf` it looks only at what may apply: the same answer, and less that was passed over."""
    passed: list[Passed] = []
    ruling = _egress(policy, facts) or _exception(policy, facts, shelf, passed)
    partly: list[tuple[Rule, str]] = []
    for rule in shelf.rules(facts) if shelf else in_turn(policy.rules):
        if ruling is not None:
            if shelf:
                break
            passed.append(Passed(rule.id, f"{ruling.rule} decided before it"))
            continue
        holds, why = ask(rule, facts)
        if holds is Holds.YES:
            because = rule.note or f"rule {rule.id} of {policy.name}"
            ruling = Ruling(rule.effect, rule.id, because, evidence=tuple(evidence(rule, facts)))
        elif holds is Holds.FAILED:
            ruling = _failed(policy, rule, why)
        else:
            passed.append(Passed(rule.id, why))
            if holds is Holds.PARTLY:
                partly.append((rule, why))
    ruling = _spared(policy, facts, passed, _in_part(policy, partly, ruling or _coverage(policy, facts)))
    return msgspec.structs.replace(ruling, passed=tuple(passed))


def exempt(policy: Policy, account: Account, at: int) -> bool:
    """Whether anything lifts the policy for the account, for whatever reason."""
    named = (one for one in policy.exceptions if one.account in names(account))
    return any(not over(one, at) for one in named) or any(
        one.policy == policy.name and not _untimely(one, at) for one in account.lifted
    )


def released(account: Account, policy: str, at: int) -> bool:
    """Whether a person has lifted the policy for the account at that instant: what is announced does not befall it."""
    kinds = {"exception", "release"}
    return any(one.policy == policy and one.kind in kinds and not _untimely(one, at) for one in account.lifted)


def announced(policy: Policy) -> set[int]:
    """Every instant at which phases and rules may change the policy's answer."""
    rules = {instant for rule in policy.rules for instant in (rule.starts, rule.ends)}
    return ({phase.starts for phase in policy.phases} | rules) - {0}


def turning_points(policy: Policy) -> set[int]:
    """Every instant at which the policy's answer to anybody may change."""
    return announced(policy) | {exemption.ends for exemption in policy.exceptions} - {0}


def phase_in_force(policy: Policy, at: int, account: Account | None = None) -> Phase | None:
    """The phase that says what becomes of places that are not covered: of the account's requests, or of those that are
    nobody's in particular.  None: none has begun."""
    if not policy.phases:
        return Phase(effect="block", starts=0)
    begun = (phase for phase in reversed(policy.phases) if phase.starts <= at)
    return next((phase for phase in begun if not phase.told_only or is_told(account, policy.name, at)), None)


def is_told(account: Account | None, policy: str, at: int) -> bool:
    """Whether the day that a notice named to the account has come.  Where there is no account, nobody can be told."""
    if account is None or not account.id:
        return True
    return any(one.policy == policy and one.effective_at <= at for one in account.notices)


def coverage(policy: Policy, territory: str, subdivision: str = "") -> Coverage:
    """What the policy's list says of a place, by way of its sovereign where the policy lets it follow."""
    return policy.pack.coverage(policy.follows.get(territory, territory), subdivision)


def covers(policy: Policy, territory: str, at: int) -> bool:
    """Whether the policy covers a place as such, whoever calls.  Phases give people time; they cover nothing."""
    for effect in ("allow", "block"):
        for rule in policy.rules:
            if rule.effect == effect and territory in rule.territories and for_everybody(rule) and in_time(rule, at):
                return effect == "allow"
    return coverage(policy, territory) != "not_listed"


def _egress(policy: Policy, facts: Facts) -> Ruling | None:
    for territory in facts.egress:
        if not covers(policy, territory, facts.at):
            return Ruling(
                "block", "egress", f"this gateway calls from {territory}, which {_list(policy)} does not cover"
            )
    return None


def _exception(policy: Policy, facts: Facts, shelf: Shelf | None, passed: list[Passed]) -> Ruling | None:
    """Those under the account's external id come before those under its own, and the document's before the store's."""
    for name in names(facts.account):
        named = shelf.exceptions(name) if shelf else (one for one in policy.exceptions if one.account == name)
        for exemption in named:
            if not over(exemption, facts.at):
                return _lifted(policy, exemption)
            passed.append(Passed("exception", f"ended {text(exemption.ends)}"))
    for lifted in facts.account.lifted:
        if lifted.policy == policy.name and lifted.kind != "no_notice":
            if not (why := _untimely(lifted, facts.at)):
                return _lifted(policy, lifted)
            passed.append(Passed("exception", f"{lifted.id} {why}"))
    return None


def _untimely(lifted: Lifted, at: int) -> str:
    if at < lifted.starts:
        return f"begins {text(lifted.starts)}"
    return f"ended {text(lifted.ends)}" if over(lifted, at) else ""


def _spared(policy: Policy, facts: Facts, passed: list[Passed], ruling: Ruling) -> Ruling:
    """Nobody is shut out by a date that it was not told of: it is warned instead."""
    if RANK[ruling.effect] <= RANK["warn"] or ruling.rule == "egress":
        return ruling
    for lifted in facts.account.lifted:
        if lifted.policy == policy.name and lifted.kind == "no_notice" and not _untimely(lifted, facts.at):
            passed.append(Passed(ruling.rule, f"{ruling.because}; {lifted.id} spares this account"))
            because = f"{policy.name} only warns this account: {lifted.reason}"
            return Ruling("warn", "exception", because, evidence=_granted(lifted))
    return ruling


def _lifted(policy: Policy, exemption: Exemption | Lifted) -> Ruling:
    """Without the account's name: a hundred thousand accounts with one reason are one answer to remember."""
    because = f"{policy.name} is lifted for this account: {exemption.reason}"
    return Ruling("allow", "exception", because, evidence=_granted(exemption))


def _granted(what: Exemption | Lifted) -> tuple[str, ...]:
    until = (f"until {text(what.ends)}",) if what.ends else ()
    if isinstance(what, Lifted):
        return (f"{what.kind} {what.id}", *until)
    return (*((f"granted by {what.owner}",) if what.owner else ()), *until)


def _failed(policy: Policy, rule: Rule, why: str) -> Ruling:
    effect: Effect = "block" if policy.on_error == "deny" else "warn"
    told = f"the expression of rule {rule.id} failed: {why}; {policy.name} says {policy.on_error}"
    return Ruling(effect, "error", told, certain=False, evidence=(f"when: {rule.when}",))


def _in_part(policy: Policy, partly: list[tuple[Rule, str]], ruling: Ruling) -> Ruling:
    """A rule on parts of a territory, where only the whole is known, is no reason to block; nor is it nothing."""
    for rule, why in partly:
        effect = _milder(policy.on_partial, rule.effect)
        if RANK[effect] > RANK[ruling.effect]:
            ruling = Ruling(effect, "partial", f"rule {rule.id} {why}; {policy.name} says {policy.on_partial}")
    return ruling


def _coverage(policy: Policy, facts: Facts) -> Ruling:
    if facts.certainty == "absent":
        return Ruling(
            "block",
            "absent",
            "the caller's address is private, missing or malformed, so it has no place; "
            "set GAPURA_SITE_TERRITORY to say where such callers are",
        )
    phase = phase_in_force(policy, facts.at, facts.account)
    gap: Effect = phase.effect if phase else "allow"
    if facts.certainty != "certain":
        return _uncertain(policy, facts, gap)
    where = f"{_list(policy)} as of {policy.pack.as_of}"
    place = facts.subdivision if facts.subdivision and facts.territory in policy.pack.partial else facts.territory
    if sovereign := policy.follows.get(facts.territory):
        where, place = f"{where} does not name {facts.territory}, which follows {sovereign}; it", sovereign
    match coverage(policy, facts.territory, facts.subdivision):
        case "supported":
            return Ruling("allow", "coverage", f"{where} covers {place}")
        case "partial":
            whole = policy.follows.get(facts.territory, facts.territory)
            excepted = policy.pack.partial[whole] or "with exceptions"
            effect = _milder(policy.on_partial, gap)
            return Ruling(effect, "partial", f"{where} covers {whole} in part: {excepted}")
    if phase is None:
        first = policy.phases[0]
        since = f"; {first.effect} begins {text(first.starts)}"
    else:
        since = f"; {gap} since {text(phase.starts)}" if phase.starts else ""
        if (general := phase_in_force(policy, facts.at)) != phase and general is not None:
            since += f", and {general.effect} since {text(general.starts)} for those who were told of it"
    return Ruling(gap, "coverage", f"{where} does not cover {place}{since}")


def _uncertain(policy: Policy, facts: Facts, gap: Effect) -> Ruling:
    rule, choice, told = {
        "unknown": ("unknown", policy.on_unknown, "no source knows where the address is"),
        "uncertain": ("disagreement", policy.on_disagreement, "the sources are not sure where the address is"),
    }[facts.certainty]
    effect = _milder("block" if choice == "deny" else "warn", gap)
    # Where even a place that is not covered would be served, it is certain that this one may be.
    return Ruling(effect, rule, f"{told}; {policy.name} says {choice}", certain=gap != "block")


def _milder(one: Effect, other: Effect) -> Effect:
    return min(one, other, key=RANK.__getitem__)


def _list(policy: Policy) -> str:
    return f"the list {policy.pack.name}"
