"""In which order the targets that may serve are tried, and what is known of their health.

A target that fails five times in a row, or asks for time, is left alone: its circuit is open, and a request for it
gets the failure that opened it and the time that is left, without a byte to the vendor.  Then one request goes to it
as a probe.  If that fails, the pause doubles; its first token lets the others in on trial, and a whole answer
forgives everything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from gapura.clock import SECOND
from gapura.errors import UpstreamFailed
from gapura.providers.catalogue import model
from gapura.terms.rulebook import Route, Rulebook, Target

TOO_LONG = "context_length_exceeded"
TOO_MANY, OURS = 429, 500

FAILURES = 5
SHORTEST, LONGEST = 1 * SECOND, 60 * SECOND

# A provider may ask for more time than our own back-off takes, but a stray number must not shut it out for a day.
LONGEST_ASKED = 3600 * SECOND


@dataclass(slots=True)
class Circuit:
    """Closed while `until` is 0, open before it, and from then on the next request is a probe.  Microseconds.

    `pause` is how long it was open last, `cause` the last failure, and `turn` when it opened, counted in openings.
    """

    failures: int = 0
    pause: int = 0
    until: int = 0
    turn: int = 0
    cause: UpstreamFailed | None = None


class Health:
    """What this gate has seen of each target, and what other gates told.  The time is an argument.

    A *turn* is what `admit` gave: by it a probe is told from a request that was under way before the circuit opened,
    whose end says nothing new.
    """

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}  # by name: several routes may list a target, with different weights
        self._elsewhere: dict[str, int] = {}
        self._told: set[tuple[str, int]] = set()
        self._turn = 0

    @property
    def knows_of_any(self) -> bool:
        """Whether any target has failed lately."""
        return bool(self._circuits or self._elsewhere)

    def is_open(self, target: Target, at: int) -> bool:
        """Whether the target is left alone."""
        if not self.knows_of_any:
            return False
        name = str(target)
        circuit = self._circuits.get(name)
        return (circuit is not None and at < circuit.until) or at < self._elsewhere.get(name, 0)

    def admit(self, target: Target, at: int) -> int:
        """The target is about to be tried; the turn.  Raises UpstreamFailed, with the time left, while it is open.

        If it was open until now this is the probe, and others wait for it: at most one pause, so that a probe of which
        nothing is heard again blocks nobody.
        """
        if not self.knows_of_any:
            return self._turn
        name = str(target)
        circuit, told = self._circuits.get(name), self._elsewhere.get(name, 0)
        until = max(told, circuit.until if circuit is not None else 0)
        if at < until:
            raise resting(circuit.cause if circuit is not None else None, (until - at) / SECOND)
        if told:
            del self._elsewhere[name]
            if circuit is None:
                circuit = self._circuits[name] = Circuit(pause=SHORTEST, until=told, turn=self._turn)
        if circuit is not None and circuit.until:
            circuit.until = at + circuit.pause
        return self._turn

    def began(self, target: Target, turn: int) -> None:
        """Its first token is there.  If it was a probe the others are let in; the next failure shuts them out."""
        circuit = self._circuits.get(str(target)) if self._circuits else None
        if circuit is not None and circuit.until and turn >= circuit.turn:
            circuit.until, circuit.failures = 0, FAILURES - 1

    def worked(self, target: Target, turn: int) -> None:
        """Its answer is whole.  What began before the circuit opened forgives nothing: time that a provider asked
        for is kept to, though answers from before that still come in."""
        circuit = self._circuits.get(str(target)) if self._circuits else None
        if circuit is not None and (not circuit.until or turn >= circuit.turn):
            del self._circuits[str(target)]

    def failed(self, target: Target, at: int, failure: UpstreamFailed, turn: int) -> float:
        """It did not answer, or not to the end.  The seconds for which it is left alone, if that is news."""
        if not failure.trips:
            self.left(target, at, turn)
            return 0.0
        circuit = self._circuits.setdefault(str(target), Circuit())
        circuit.failures += 1
        circuit.cause = failure
        asked, until = failure.retry_after, circuit.until
        probe = turn >= circuit.turn
        opens = probe if until else circuit.failures >= FAILURES or asked is not None
        if opens:
            circuit.pause = min(circuit.pause * 2, LONGEST) or SHORTEST
            until = at + circuit.pause
        if until and asked is not None and asked > 0:
            until = max(until, at + int(min(asked * SECOND, LONGEST_ASKED)))
        if not opens and until == circuit.until:
            return 0.0
        self._turn += 1
        circuit.until, circuit.turn = until, self._turn
        return (until - at) / SECOND

    def left(self, target: Target, at: int, turn: int) -> None:
        """Nothing was learnt: the caller hung up, or the fault was theirs.  If it was a probe, the next one is."""
        circuit = self._circuits.get(str(target)) if self._circuits else None
        if circuit is not None and circuit.until > at and turn >= circuit.turn:
            circuit.until = at

    def snapshot(self, at: int) -> dict[str, int]:
        """The targets whose circuit this gate holds open, and until when."""
        held = {name: circuit.until for name, circuit in self._circuits.items() if at < circuit.until}
        self._told = {said for said in self._told if at < said[1]} | set(held.items())
        return held

    def merge(self, elsewhere: Mapping[str, int], at: int) -> None:
        """What all gates know, in place of what they knew before.  It is never told on as one's own, and one's own is
        not heard back: this gate may know better by now."""
        self._elsewhere = {name: until for name, until in elsewhere.items() - self._told if at < until}


def resting(cause: UpstreamFailed | None, seconds: float) -> UpstreamFailed:
    """What a request gets instead of the vendor: the failure that opened the circuit, in our words, since the
    vendor's were for another caller.  Without a cause other gates found it failing."""
    cause = cause or UpstreamFailed("", status=503, code="server_is_overloaded")
    return UpstreamFailed(
        "The provider failed before, so nothing was sent to it now.",
        status=cause.status,
        kind=cause.kind,
        code=cause.code,
        retry_after=None if cause.should_retry is False else seconds,
        trips=False,
        retry=cause.should_retry,
    )


def told(before: UpstreamFailed | None, now: UpstreamFailed) -> UpstreamFailed:
    """Of the failures of two targets, the one that the caller gets: the later one, but one that may pass before one
    that will not; to be tried again as soon as the first of them allows it."""
    if before is None or not now.advance or not _may_pass(before):
        return now
    if not _may_pass(now):
        return before
    if now.retry_after is not None and before.retry_after is not None:
        now.retry_after = min(now.retry_after, before.retry_after)
    elif before.retry_after is None:
        now.retry_after = None
    return now


def _may_pass(failure: UpstreamFailed) -> bool:
    """Whether a client is right to try again."""
    return failure.should_retry is not False and (failure.status >= OURS or failure.status == TOO_MANY)


def order(
    tiers: Iterable[Sequence[Target]], health: Health, at: int, rng: Random, *, route: Route, book: Rulebook
) -> list[Target]:
    """The targets of each tier, in the order to be tried.

    Within a tier one is drawn by weight, where there are weights, and the others follow as the route lists them.  If
    the circuit of the one drawn is open, the next one is drawn of those that may take its place.  The ill one keeps
    its own: it is passed over when its turn comes, and what comes after it comes after a failure.
    """
    near = _jurisdiction(route, book) if health.knows_of_any else _one_for_all
    return [target for tier in tiers for target in _drawn(tier, health, at, rng, near)]


def next_after(error: UpstreamFailed, failed: Target, waiting: Sequence[Target]) -> Sequence[Target]:
    """Who may still be tried after this failure.  What was too long for one model may fit those that are known to
    take more; what one refuses for another reason of the request's own, all would."""
    if error.advance:
        return waiting
    least = model(failed.provider, failed.model).context if error.code == TOO_LONG else 0
    return [one for one in waiting if least and model(one.provider, one.model).context > least]


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
    if len(tier) <= 1 or not any(weights):
        return tier
    drawn = rng.choices(tier, weights)
    if health.is_open(drawn[0], at):
        shares = [one.weight * (near(one) == near(drawn[0]) and not health.is_open(one, at)) for one in tier]
        drawn += rng.choices(tier, shares) if any(shares) else []
    return [*drawn, *(target for target in tier if target not in drawn)]
