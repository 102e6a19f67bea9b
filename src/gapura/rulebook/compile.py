"""A rulebook made ready: whatever can be decided before a request is, and what was decided once is remembered.

Between two turning points (the begin of a phase, the begin or end of a rule or exception) the same question has the
same answer, so answers are remembered by the stretch of time that they hold for, and never outlive it.
"""

import sys
from bisect import bisect_right
from collections.abc import Mapping
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from gapura.providers import catalogue
from gapura.rulebook.weigh import RANK, Facts, Ruling, turning_points, weigh
from gapura.terms.caller import Account, Status
from gapura.terms.place import Origin
from gapura.terms.rulebook import Effect, Endpoint, Policy, Route, Rulebook, Target
from gapura.terms.verdict import Decision, Verdict

LIMIT = 65_536

K = TypeVar("K")
V = TypeVar("V")


class Memo(dict[K, V]):
    """Answers, at most `LIMIT`: callers choose model names, so without a limit they would choose our memory."""

    def keep(self, key: K, value: V) -> V:
        if len(self) >= LIMIT:
            self.clear()
        self[key] = value
        return value


class Opinion(msgspec.Struct, frozen=True):
    """What one policy says of a target.  `pack`, `as_of` and `source` are "" where it is the account's own state."""

    policy: str
    pack: str
    as_of: str
    source: str
    ruling: Ruling


STATES: Mapping[Status, tuple[Effect, str]] = {
    "warned": ("warn", "the account has been warned"),
    "suspended": ("block", "the account is suspended"),
}


class Rules:
    """A rulebook in force.  Immutable but for what it remembers; a request uses one from its start to its end.

    `decisions` is where the stage `decide` keeps its own, so that they go when these rules go.
    """

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.endpoints: dict[str, Endpoint] = {endpoint.provider: endpoint for endpoint in book.endpoints}
        providers = {*self.endpoints, *(provider for policy in book.policies for provider in policy.pack.guards)}
        self._guards = {provider: guarding(book, provider) for provider in sorted(providers)}
        self._named = {
            account
            for policy in book.policies
            for names in (*(rule.accounts for rule in policy.rules), {lifted.account for lifted in policy.exceptions})
            for account in names
        }
        self.turning_points = sorted(set().union(*(turning_points(policy) for policy in book.policies)))
        self._stretch = (0, 0, 0)
        self._routes: Memo[str, Route] = Memo()
        self._ceilings: Memo[str, int] = Memo()
        self.decisions: Memo[tuple[object, ...], tuple[Route, Decision]] = Memo()
        self._verdicts: Memo[tuple[str, str, str, str, tuple[str, str, Status], int], Verdict] = Memo()

    def is_guarded(self, provider: str) -> bool:
        """Whether any policy has a say about this provider."""
        return bool(self._guards.get(provider))

    def route(self, model: str) -> Route | None:
        """The route of a model name.  `provider/model` is one of its own for each provider with an endpoint."""
        route = self.book.routes.get(model) or self._routes.get(model)
        if route is None:
            provider, _, rest = model.partition("/")
            if rest and provider in self.endpoints:
                return self._routes.keep(model, Route(model=model, targets=(Target(provider, rest),)))
        return route

    def ceiling(self, route: Route) -> int:
        """The most output tokens that one choice of any of the route's models may have."""
        known = self._ceilings.get(route.model)
        if known is None:
            limits = (catalogue.model(target.provider, target.model).max_output for target in route.targets)
            known = self._ceilings.keep(route.model, max(limit or _most_output() for limit in limits))
        return known

    def stretch(self, at: int) -> int:
        """A number for the stretch between two turning points in which `at` is."""
        since, until, number = self._stretch
        if not since <= at < until:
            points = self.turning_points
            number = bisect_right(points, at)
            since = points[number - 1] if number else 0
            until = points[number] if number < len(points) else sys.maxsize
            self._stretch = since, until, number
        return number

    def standing(self, account: Account) -> tuple[str, str, Status]:
        """What tells an account from others, to these rules: both its names where they name it, and its state."""
        if account.external_id in self._named or account.id in self._named:
            return account.external_id, account.id, account.status
        return "", "", account.status

    def judge(self, provider: str, model: str, origin: Origin, account: Account, at: int) -> Verdict:
        """May this target serve this origin?  The strictest policy decides."""
        key = (provider, model, origin.territory, origin.certainty, self.standing(account), self.stretch(at))
        known = self._verdicts.get(key)
        if known is None:
            opinions = self.opinions(provider, model, origin, account, at)
            known = self._verdicts.keep(key, verdict(f"{provider}/{model}", opinions))
        return known

    def opinions(self, provider: str, model: str, origin: Origin, account: Account, at: int) -> list[Opinion]:
        """What each policy that guards the target says, and the account's own state where that has a say."""
        facts = Facts(
            provider=provider,
            model=model,
            territory=origin.territory,
            certainty=origin.certainty,
            account=account.external_id,
            account_id=account.id,
            egress=self.book.egress_territory,
            at=at,
        )
        found = [
            Opinion(policy.name, policy.pack.name, policy.pack.as_of, policy.pack.source, weigh(policy, facts))
            for policy in self._guards.get(provider, ())
        ]
        if state := STATES.get(account.status):
            found.append(Opinion("", "", "", "", Ruling(state[0], "account", state[1])))
        return found


def verdict(target: str, opinions: list[Opinion]) -> Verdict:
    """The strictest of them; among equals, one that is certain to block or uncertain to serve."""
    if not opinions:
        return Verdict(target, "allow", "", "", "no policy guards this provider")

    def weight(opinion: Opinion) -> tuple[int, bool]:
        ruling = opinion.ruling
        return RANK[ruling.effect], ruling.certain == (ruling.effect == "block")

    first = max(opinions, key=weight)
    blocks = first.ruling.effect == "block"
    certain = first.ruling.certain if blocks else all(opinion.ruling.certain for opinion in opinions)
    return Verdict(target, first.ruling.effect, first.policy, first.ruling.rule, first.ruling.because, certain)


@cache
def _most_output() -> int:
    """For a model of which no limit is known, the highest of those that are: a hold must not be too small."""
    vendors = catalogue.catalogue().vendors.values()
    return max(model.max_output for vendor in vendors for model in vendor.models.values())


def guarding(book: Rulebook, provider: str) -> tuple[Policy, ...]:
    """The policies whose pack guards this provider where it is reached."""
    endpoint = next((endpoint for endpoint in book.endpoints if endpoint.provider == provider), None)
    host = (urlsplit(endpoint.base_url).hostname or "") if endpoint else ""
    return tuple(
        policy
        for policy in book.policies
        if provider in policy.pack.guards and (not policy.pack.hosts or host in policy.pack.hosts)
    )
