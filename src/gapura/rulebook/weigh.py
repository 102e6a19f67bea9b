"""One policy, asked about one request: its effect, the reason, and what was passed over on the way.

    own egress → exception → allow rules → block, review, warn rules → the pack's coverage, with the phase in force

Egress comes first because no exception of ours changes what the provider sees of us.  A place that the sources do
not know, or not for sure, is never treated more strictly than one that is known not to be covered.
"""

from fnmatch import fnmatchcase

import msgspec

from gapura.clock import text
from gapura.terms.place import Certainty
from gapura.terms.rulebook import STRICTNESS, Effect, Exemption, Phase, Policy, Rule

RESERVED = ("egress", "exception", "coverage", "partial", "unknown", "disagreement", "absent", "account")
"""What a Ruling's `rule` says where no rule of the policy decided; rules cannot be called so."""

RANK: dict[Effect, int] = {effect: rank for rank, effect in enumerate(STRICTNESS)}
_TURN: dict[Effect, int] = {"allow": 0, "block": 1, "review": 2, "warn": 3}


class Facts(msgspec.Struct, frozen=True):
    """What a policy looks at.  `account` is the external id, by which policies name accounts; where organisations
    share one, `account_id` tells them apart.  `egress` is the gateway's own territory ("": not known)."""

    provider: str
    model: str
    territory: str
    certainty: Certainty
    account: str
    account_id: str
    egress: str
    at: int


class Passed(msgspec.Struct, frozen=True):
    """A rule or an exception that did not decide, and why."""

    rule: str
    why: str


class Ruling(msgspec.Struct, frozen=True):
    effect: Effect
    rule: str
    because: str
    certain: bool = True
    passed: tuple[Passed, ...] = ()


def weigh(policy: Policy, facts: Facts) -> Ruling:
    passed: list[Passed] = []
    ruling = _egress(policy, facts) or _exception(policy, facts, passed)
    for rule in sorted(policy.rules, key=lambda rule: _TURN[rule.effect]):
        if ruling is not None:
            passed.append(Passed(rule.id, f"{ruling.rule} decided before it"))
        elif why := _misses(rule, facts):
            passed.append(Passed(rule.id, why))
        else:
            ruling = Ruling(rule.effect, rule.id, rule.note or f"rule {rule.id} of {policy.name}")
    return msgspec.structs.replace(ruling or _coverage(policy, facts), passed=tuple(passed))


def turning_points(policy: Policy) -> set[int]:
    """Every instant at which the policy's answer to anybody may change."""
    rules = {instant for rule in policy.rules for instant in (rule.starts, rule.ends)}
    lifted = {exemption.ends for exemption in policy.exceptions}
    return ({phase.starts for phase in policy.phases} | rules | lifted) - {0}


def phase_in_force(policy: Policy, at: int) -> Phase | None:
    """The phase that says what becomes of places that are not covered.  None: none has begun."""
    if not policy.phases:
        return Phase(effect="block", starts=0)
    return next((phase for phase in reversed(policy.phases) if phase.starts <= at), None)


def covers(policy: Policy, territory: str, at: int) -> bool:
    """Whether the policy covers a place as such, whoever calls.  Phases give people time; they cover nothing."""
    for effect in ("allow", "block"):
        for rule in policy.rules:
            for_everybody = not rule.accounts and not rule.models and not _untimely(rule, at)
            if rule.effect == effect and for_everybody and territory in rule.territories:
                return effect == "allow"
    return policy.pack.coverage(territory) != "not_listed"


def _egress(policy: Policy, facts: Facts) -> Ruling | None:
    if not facts.egress or covers(policy, facts.egress, facts.at):
        return None
    return Ruling("block", "egress", f"this gateway calls from {facts.egress}, which {_list(policy)} does not cover")


def _exception(policy: Policy, facts: Facts, passed: list[Passed]) -> Ruling | None:
    for exemption in policy.exceptions:
        if exemption.account in (facts.account, facts.account_id):
            if not _over(exemption, facts.at):
                return Ruling("allow", "exception", f"{policy.name} is lifted for {facts.account}: {exemption.reason}")
            passed.append(Passed("exception", f"ended {text(exemption.ends)}"))
    return None


def _misses(rule: Rule, facts: Facts) -> str:
    """Why the rule does not apply; "" where it does."""
    if untimely := _untimely(rule, facts.at):
        return untimely
    if rule.accounts and rule.accounts.isdisjoint((facts.account, facts.account_id)):
        return "is for other accounts"
    if rule.models and not any(
        fnmatchcase(name, pattern)
        for name in (facts.model, f"{facts.provider}/{facts.model}")
        for pattern in rule.models
    ):
        return "is for other models"
    if rule.territories and facts.certainty != "certain":
        return "names territories, and this place is not certain"
    if rule.territories and facts.territory not in rule.territories:
        return f"does not name {facts.territory}"
    return ""


def _coverage(policy: Policy, facts: Facts) -> Ruling:
    if facts.certainty == "absent":
        return Ruling(
            "block",
            "absent",
            "the caller's address is private, missing or malformed, so it has no place; "
            "set GAPURA_SITE_TERRITORY to say where such callers are",
        )
    phase = phase_in_force(policy, facts.at)
    gap: Effect = phase.effect if phase else "allow"
    if facts.certainty != "certain":
        return _uncertain(policy, facts, gap)
    where = f"{_list(policy)} as of {policy.pack.as_of}"
    match policy.pack.coverage(facts.territory):
        case "supported":
            return Ruling("allow", "coverage", f"{where} covers {facts.territory}")
        case "partial":
            excepted = policy.pack.partial[facts.territory] or "with exceptions"
            effect = _milder(policy.on_partial, gap)
            return Ruling(effect, "partial", f"{where} covers {facts.territory} in part: {excepted}")
    if phase is None:
        first = policy.phases[0]
        since = f"; {first.effect} begins {text(first.starts)}"
    else:
        since = f"; {gap} since {text(phase.starts)}" if phase.starts else ""
    return Ruling(gap, "coverage", f"{where} does not cover {facts.territory}{since}")


def _uncertain(policy: Policy, facts: Facts, gap: Effect) -> Ruling:
    rule, choice, told = {
        "unknown": ("unknown", policy.on_unknown, "no source knows where the address is"),
        "uncertain": ("disagreement", policy.on_disagreement, "the sources are not sure where the address is"),
    }[facts.certainty]
    effect = _milder("block" if choice == "deny" else "warn", gap)
    # Where even a place that is not covered would be served, it is certain that this one may be.
    return Ruling(effect, rule, f"{told}; {policy.name} says {choice}", certain=gap != "block")


def _untimely(rule: Rule, at: int) -> str:
    if at < rule.starts:
        return f"begins {text(rule.starts)}"
    return f"ended {text(rule.ends)}" if _over(rule, at) else ""


def _over(what: Rule | Exemption, at: int) -> bool:
    return 0 < what.ends <= at


def _milder(one: Effect, other: Effect) -> Effect:
    return min(one, other, key=RANK.__getitem__)


def _list(policy: Policy) -> str:
    return f"the list {policy.pack.name}"
