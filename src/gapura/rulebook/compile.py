"""A rulebook made ready: whatever can be decided before a request is, and what was decided once is remembered.

Between two turning points (the begin of a phase, the begin or end of a rule or exception) the same question has the
same answer, so answers are remembered by the stretch of time that they hold for, and never outlive it.
"""

import sys
from bisect import bisect_right
from functools import cache, cached_property
from itertools import count
from typing import TypeVar

from gapura.providers import catalogue
from gapura.providers.prices import Prices, of_book
from gapura.rulebook import stand_ins
from gapura.rulebook.distinct import Distinct
from gapura.rulebook.egress import Locate, called_from, nowhere
from gapura.rulebook.facts import Facts, names
from gapura.rulebook.opinions import Guard, Opinion, guarding, opinions, product_name, product_of, verdict
from gapura.rulebook.shelf import Shelf
from gapura.rulebook.weigh import announced, turning_points
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import Endpoint, Route, Rulebook, Target
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


Question = tuple[str, str, str, str, str, str, str, int, int]


_NUMBERS = count(1)


class Rules:
    """A rulebook in force.  Immutable but for what it remembers; a request uses one from its start to its end.

    `decisions` is where the stage `decide` keeps its own, so that they go when these rules go; nothing may be kept
    where `fleeting`: an expression looks at the time.  `products` are those that `judge_product` knows; `number` tells
    these rules from all others in this process.  `locate` places the addresses that the gateway calls from: where place
    data change, rules that name any are made anew.
    """

    def __init__(self, book: Rulebook, locate: Locate = nowhere) -> None:
        self.book = book
        self.number = next(_NUMBERS)
        self._elsewhere = (book.egress_territory,) if book.egress_territory else ()
        self._called_from = {one.provider: called_from(one, locate) for one in book.endpoints if one.egress}
        self.endpoints: dict[str, Endpoint] = {endpoint.provider: endpoint for endpoint in book.endpoints}
        self._stand_ins = tuple(self.endpoints) if book.stand_ins is None else book.stand_ins
        shelves = {policy.name: Guard(policy, Shelf(policy)) for policy in book.policies}
        providers = {endpoint.provider for endpoint in book.endpoints}
        guarded = {(name, product_of(policy)) for policy in book.policies for name in {*policy.pack.guards, *providers}}
        self._guards = {
            (provider, product): tuple(shelves[policy.name] for policy in guarding(book, provider, product))
            for provider, product in guarded
        }
        self._products: dict[str, tuple[Guard, ...]] = {}
        for guard in shelves.values():
            name = product_name(guard.policy)
            self._products[name] = (*self._products.get(name, ()), guard)
        self.products = frozenset(self._products)
        distinct = Distinct(book)
        self.fleeting = distinct.fleeting
        self.standing = distinct.standing
        self.lasts = distinct.lasts
        self.part = distinct.part
        self._all = tuple(shelves.values())
        self._announced = set().union(*(announced(policy) for policy in book.policies))
        self.turning_points = sorted(set().union(*(turning_points(policy) for policy in book.policies)))
        self._stretch = (0, 0, 0)
        self._routes: Memo[str, Route] = Memo()
        self._ceilings: Memo[str, int] = Memo()
        self.decisions: Memo[tuple[object, ...], tuple[Route, Decision]] = Memo()
        self._verdicts: Memo[Question, Verdict] = Memo()
        self._shared: Memo[tuple[str, Decision], tuple[Route, Decision]] = Memo()

    @cached_property
    def prices(self) -> Prices:
        """What models cost under these rules."""
        return of_book(self.book)

    def is_guarded(self, provider: str) -> bool:
        """Whether any policy has a say about this provider."""
        return bool(self._guards.get((provider, "api")))

    def called_from(self, provider: str) -> tuple[str, ...]:
        """The territories from which this gateway calls it, as far as they are known."""
        return self._called_from.get(provider, self._elsewhere)

    def route(self, model: str) -> Route | None:
        """The route of a model name.  `provider/model` is one of its own for each provider with an endpoint; for a name
        that nobody here has, its counterparts stand in."""
        route = self.book.routes.get(model) or self._routes.get(model)
        if route is None:
            provider, _, rest = model.partition("/")
            if rest and provider in self.endpoints:
                return self._routes.keep(model, Route(model=model, targets=(Target(provider, rest),)))
            if (stand_in := stand_ins.route(model, self._stand_ins)) is not None:
                return self._routes.keep(model, stand_in)
        return route

    def shared(self, route: Route, decision: Decision) -> tuple[Route, Decision]:
        """The same for all who get the same: many questions have few answers, and few stay at hand."""
        known = self._shared.get((route.model, decision))
        if known is None or known[0] is not route:
            known = self._shared.keep((route.model, decision), (route, decision))
        return known

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

    def instants_after(self, account: Account, at: int) -> list[int]:
        """Every instant to come at which an answer to this account may change."""
        lifted = (shelf.exceptions(name) for _, shelf in self._all for name in names(account))
        ends = {exemption.ends for exceptions in lifted for exemption in exceptions}
        ends.update(*((one.starts, one.ends) for one in account.lifted))
        ends.update(one.effective_at for one in account.notices)
        return sorted(instant for instant in self._announced | ends if instant > at)

    def judge(
        self, provider: str, model: str, origin: Origin, account: Account, at: int, *, product: str = "api"
    ) -> Verdict:
        """May this target serve this origin?  The strictest policy decides."""
        return self._judge(provider, product, model, origin, account, at)

    def judge_product(self, product: str, origin: Origin, account: Account, at: int, model: str = "") -> Verdict:
        """May this product, as `openai/chatgpt`, be used from this origin?  It is asked by front ends that serve it
        themselves, so this gateway's own egress has no say."""
        return self._judge("", product, model, origin, account, at)

    def opinions(
        self, provider: str, model: str, origin: Origin, account: Account, at: int, *, product: str = "api"
    ) -> list[Opinion]:
        """What each policy that guards the target says, with all that it passed over, and the account's own state
        where that has a say."""
        return opinions(*self._asked(provider, product, model, origin, account, at), told=True)

    def product_opinions(
        self, product: str, origin: Origin, account: Account, at: int, model: str = ""
    ) -> list[Opinion]:
        """The same of a product, as `openai/chatgpt`."""
        return opinions(*self._asked("", product, model, origin, account, at), told=True)

    def _judge(self, provider: str, product: str, model: str, origin: Origin, account: Account, at: int) -> Verdict:
        """Without `provider`, `product` is the whole name."""
        key = (
            provider,
            product,
            model,
            origin.territory,
            origin.certainty,
            self.part(origin),
            origin.network,
            self.standing(account, at),
            self.stretch(at),
        )
        known = self._verdicts.get(key)
        if known is None:
            said = opinions(*self._asked(provider, product, model, origin, account, at), told=False)
            known = verdict(f"{provider}/{model}" if provider else product, said)
            if not self.fleeting:
                self._verdicts.keep(key, known)
        return known

    def _asked(
        self, provider: str, product: str, model: str, origin: Origin, account: Account, at: int
    ) -> tuple[tuple[Guard, ...], Facts]:
        """Who is asked, and about what."""
        if provider:
            guards, egress = self._guards.get((provider, product), ()), self.called_from(provider)
        else:
            guards, egress = self._products.get(product, ()), ()
            provider, _, product = product.rpartition("/")
        facts = Facts(
            provider=provider,
            product=product,
            model=model,
            territory=origin.territory,
            certainty=origin.certainty,
            subdivision=origin.subdivision,
            network=origin.network,
            account=account,
            egress=egress,
            at=at,
        )
        return guards, facts


@cache
def _most_output() -> int:
    """For a model of which no limit is known, the highest of those that are: a hold must not be too small."""
    vendors = catalogue.catalogue().vendors.values()
    return max(model.max_output for vendor in vendors for model in vendor.models.values())
