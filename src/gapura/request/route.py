"""In which order the targets that may serve are tried, and what is known of their health.

A target that fails five times in a row, or asks for time, is left alone: its circuit is open.  After a while one
request goes to it as a probe; if that fails, the while doubles.  Open means last, not never: where nothing else is
left, a target that may be ill is better than a refusal.  An open circuit is a failure, too: unless the route says
otherwise, only targets of the same jurisdiction take the place of one that is ill.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

from gapura.clock import SECOND
from gapura.errors import UpstreamFailed
from gapura.terms.rulebook import Route, Rulebook, Target

FAILURES = 5
SHORTEST, LONGEST = 1 * SECOND, 60 * SECOND

# A provider may ask for more time than our own back-off takes, but a stray number must not shut it out for a day.
LONGEST_ASKED = 3600 * SECOND


@dataclass(slots=True)
class Circuit:
    """Open before `until`, when `pause` is set; from then on the next request is a probe.  Microseconds."""

    failures: int = 0
    pause: int = 0
    until: int = 0
    probing: bool = False


class Health:
    """What this gate has seen of each target, and what other gates told.  The time is an argument."""

    def __init__(self) -> None:
        self._circuits: dict[Target, Circuit] = {}
        self._elsewhere: Mapping[str, int] = {}

    @property
    def knows_of_any(self) -> bool:
        """Whether any target has failed lately."""
        return bool(self._circuits or self._elsewhere)

    def is_open(self, target: Target, at: int) -> bool:
        """Whether the target should be left alone."""
        if not self.knows_of_any:
            return False
        circuit = self._circuits.get(target)
        return (circuit is not None and at < circuit.until) or at < self._elsewhere.get(str(target), 0)

    def claim(self, target: Target, at: int) -> None:
        """The target is about to be tried.  If it was open until now this is the probe, and others wait for it: at
        most one pause, so that a probe of which nothing is heard again blocks nobody."""
        circuit = self._circuits.get(target)
        if circuit is not None and circuit.pause and at >= circuit.until:
            circuit.probing, circuit.until = True, at + circuit.pause

    def failed(self, target: Target, at: int, failure: UpstreamFailed) -> None:
        if not failure.trips:
            return
        circuit = self._circuits.setdefault(target, Circuit())
        circuit.failures += 1
        if circuit.probing or (circuit.pause and at >= circuit.until):
            circuit.pause, circuit.probing = min(circuit.pause * 2, LONGEST), False
            circuit.until = at + circuit.pause
        elif circuit.failures == FAILURES or (failure.retry_after is not None and not circuit.pause):
            circuit.pause = SHORTEST
            circuit.until = at + circuit.pause
        if failure.retry_after is not None and failure.retry_after > 0:
            circuit.until = max(circuit.until, at + int(min(failure.retry_after * SECOND, LONGEST_ASKED)))

    def worked(self, target: Target) -> None:
        """The target answered: everything is forgiven."""
        if self._circuits:
            self._circuits.pop(target, None)

    def snapshot(self, at: int) -> dict[str, int]:
        """The targets whose circuit this gate holds open, and until when."""
        return {str(target): circuit.until for target, circuit in self._circuits.items() if at < circuit.until}

    def merge(self, elsewhere: Mapping[str, int]) -> None:
        """What all gates know, in place of what they knew before.  It is never told on as one's own."""
        self._elsewhere = dict(elsewhere)


def order(
    tiers: Iterable[Sequence[Target]], health: Health, at: int, rng: Random, *, route: Route, book: Rulebook
) -> list[Target]:
    """The targets of each tier, in the order to be tried; those whose circuit is open come after all others that may
    take their place.

    Within a tier one is drawn by weight, where there are weights, and the others follow as the route lists them.
    The first is claimed: if its circuit was open, it is the probe.
    """
    near = _jurisdiction(route, book) if health.knows_of_any else _one_for_all
    drawn = list(chain.from_iterable(_drawn(tier, health, at, rng, near) for tier in tiers))
    if health.knows_of_any and len(drawn) > 1:
        drawn = _well_first(drawn, health, at, near)
    if drawn:
        health.claim(drawn[0], at)
    return drawn


def may_follow(route: Route, failed: Target, candidate: Target, book: Rulebook) -> bool:
    """Whether a request that failed at one target may be sent to another: data that was on its way to one
    jurisdiction does not turn up in another by accident.  Where a territory is not known, they are not the same."""
    near = _jurisdiction(route, book)
    return near(failed) == near(candidate)


Near = Callable[[Target], str]


def _jurisdiction(route: Route, book: Rulebook) -> Near:
    """Target → what it shares with those that may take its place after a failure: where it processes, else itself."""
    if route.failover == "anywhere":
        return _one_for_all
    places = {endpoint.provider: endpoint.processing_territory for endpoint in book.endpoints}
    return lambda target: places.get(target.provider) or target.provider


def _one_for_all(_: Target) -> str:
    return ""


def _drawn(tier: Sequence[Target], health: Health, at: int, rng: Random, near: Near) -> Sequence[Target]:
    weights = [target.weight for target in tier]
    if not any(weights):
        return tier
    first = rng.choices(tier, weights)[0]
    if health.is_open(first, at):  # its share goes to those that may take its place, by their weights
        shares = [target.weight * (near(target) == near(first) and not health.is_open(target, at)) for target in tier]
        first = rng.choices(tier, shares)[0] if any(shares) else first
    return [first, *(target for target in tier if target is not first)]


def _well_first(drawn: Sequence[Target], health: Health, at: int, near: Near) -> list[Target]:
    """Each jurisdiction keeps its places in the order, and fills them with those first that are well."""
    waiting: dict[str, deque[Target]] = {}
    for target in sorted(drawn, key=lambda target: health.is_open(target, at)):
        waiting.setdefault(near(target), deque()).append(target)
    return [waiting[near(target)].popleft() for target in drawn]
