"""Which of a route's targets may serve this caller from this place.  Every answer carries its reason.

The same caller from the same place asks again and again, so the answer is remembered with the rules, for the stretch
of time in which it holds; only the decision's id is new.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gapura.errors import Forbidden, GapuraError, NotFound, RegionBlocked, Unready
from gapura.rulebook.compile import Rules
from gapura.terms.caller import Caller
from gapura.terms.place import Origin
from gapura.terms.rulebook import Route, Target
from gapura.terms.verdict import Decision, Verdict


class Freshness(Protocol):
    """Until when (UTC microseconds) rules and directory may be trusted without a word of the keeper."""

    fresh_until: int


class Servable(NamedTuple):
    """Targets in the route's order: those that certainly may serve, and those to be used only if none of these can."""

    certain: Sequence[Target]
    uncertain: Sequence[Target] = ()


def decide(rules: Rules, route: Route, caller: Caller, origin: Origin, at: int, decision_id: str) -> Decision:
    """One verdict for each target, in the route's order.  It never raises: a block is an answer, too."""
    # Looked up among a hundred thousand names, this would cost more than all the rest: it is noted where we are anyway.
    noted = caller.noted
    if noted.rules != rules.number:
        noted.standing = rules.standing(caller.account, at)
        if rules.lasts(caller.account, at):  # whoever has days of its own is asked each time
            noted.rules = rules.number
    key = (
        route.model,
        origin.territory,
        origin.certainty,
        rules.part(origin),
        origin.network,
        noted.standing,
        caller.key.providers,
        caller.account.data_may_go_to,
        rules.stretch(at),
    )
    known = rules.decisions.get(key)
    if known is None or known[0] is not route:
        known = rules.shared(route, _decide(rules, route, caller, origin, at))
        if not rules.fleeting:
            rules.decisions.keep(key, known)
    same = known[1]
    return Decision(decision_id, same.policy_version, same.effect, same.verdicts, same.open_to)


def servable(decision: Decision, rules: Rules, *, fresh: bool) -> Servable:
    """What of it may be used now.  `fresh`: whether the rules are young enough to be trusted with guarded providers.

    Raises RegionBlocked where a policy leaves nothing, Unready where only stale rules do, and Forbidden or NotFound
    where the reason is not the place.
    """
    if not decision.open_to:
        raise _refusal(decision)
    targets = decision.open_to if fresh else [one for one in decision.open_to if not rules.is_guarded(one.provider)]
    if not targets:
        raise Unready("This gateway's rules are out of date, so providers with rules of place wait. Try again later.")
    if all(verdict.certain for verdict in decision.verdicts):
        return Servable(targets)
    doubtful = {verdict.target for verdict in decision.verdicts if not verdict.certain}
    return Servable(
        [one for one in targets if str(one) not in doubtful], [one for one in targets if str(one) in doubtful]
    )


def _decide(rules: Rules, route: Route, caller: Caller, origin: Origin, at: int) -> Decision:
    verdicts = tuple(
        _not_ours(rules, route, caller, target)
        or rules.judge(target.provider, target.model, origin, caller.account, at)
        for target in route.targets
    )
    open_to = [
        (target, verdict) for target, verdict in zip(route.targets, verdicts, strict=True) if verdict.effect != "block"
    ]
    open_to.sort(key=lambda pair: not pair[1].certain)
    return Decision(
        id="",
        policy_version=rules.book.version,
        effect=open_to[0][1].effect if open_to else "block",
        verdicts=verdicts,
        open_to=tuple(target for target, _ in open_to),
    )


def _not_ours(rules: Rules, route: Route, caller: Caller, target: Target) -> Verdict | None:
    """Why the target is out of the question whatever the place: no key for it, the key's scope, where data may go."""
    name, provider = str(target), target.provider
    endpoint = rules.endpoints.get(provider)
    if endpoint is None:
        return Verdict(name, "block", "", "endpoint", f"{provider} is not set up on this gateway")
    if caller.key.providers and provider not in caller.key.providers:
        return Verdict(name, "block", "", "scope", f"this key may not use {provider}")
    where = endpoint.processing_territory
    for owner, allowed in (("account", caller.account.data_may_go_to), ("route", route.data_may_go_to)):
        if allowed and where not in allowed:
            place = where or "a territory that is not known"
            return Verdict(
                name, "block", "", "data", f"{provider} processes in {place}, where the {owner}'s data may not go"
            )
    return None


def _refusal(decision: Decision) -> GapuraError:
    """One error for several reasons: a suspended account is told so, and a place is never blamed on anything else."""
    reasons = {verdict.rule: verdict.because for verdict in reversed(decision.verdicts) if not verdict.policy}
    if "account" in reasons:
        return Forbidden(f"Refused: {reasons['account']}.", code="account_suspended")
    if any(verdict.policy for verdict in decision.verdicts):
        return RegionBlocked()
    if "data" in reasons:
        return Forbidden(f"No provider of this model may be used: {reasons['data']}.", code="data_may_not_go_there")
    if "scope" in reasons:
        return Forbidden(f"No provider of this model may be used: {reasons['scope']}.")
    return NotFound(f"This model cannot be served: {reasons['endpoint']}.", param="model", code="model_not_found")
