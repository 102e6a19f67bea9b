"""A next version of the rules beside the live one: what it would decide, counted; nothing is decided by it."""

from collections import Counter
from collections.abc import Callable

from gapura.rulebook.compile import Rules
from gapura.terms.caller import Account, Caller
from gapura.terms.place import Origin
from gapura.terms.rulebook import Effect, Route
from gapura.terms.verdict import Decision, Shadowed, Verdict

Decide = Callable[[Rules, Route, Caller, Origin, int, str], Decision]


class Shadow:
    """`counts`: how many requests, by (live effect, next effect, whether other targets may serve, territory)."""

    __slots__ = ("counts", "rules")

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.counts: Counter[tuple[Effect, Effect, bool, str]] = Counter()

    def beside(
        self, decide: Decide, live: Decision, route: Route, caller: Caller, origin: Origin, at: int
    ) -> Shadowed | None:
        """What the next version says where it says something else.  It remembers its decisions as the live one does."""
        found = decide(self.rules, route, caller, origin, at, "")
        moved = found.open_to != live.open_to
        self.counts[live.effect, found.effect, moved, origin.territory] += 1
        return Shadowed(found.effect, found.policy_version) if moved or found.effect != live.effect else None

    def beside_product(
        self, live: Verdict, product: str, origin: Origin, account: Account, at: int, model: str
    ) -> None:
        """The same for a product that others serve: counted, and in no record, since no request passes here."""
        found = self.rules.judge_product(product, origin, account, at, model)
        self.counts[live.effect, found.effect, False, origin.territory] += 1
