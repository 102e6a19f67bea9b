"""What changes between two rulebooks: for whom, from when, and what was written to bring it about.

For whom is not read from the documents but asked of them: every place is judged by both, at the instant that is asked
about and at every later one at which a difference begins or ends.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from gapura.atlas.territories import CODES, NAMES
from gapura.clock import text
from gapura.rulebook.altered import Altered, altered, lines
from gapura.rulebook.compile import Rules
from gapura.rulebook.weigh import RANK
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import Effect, Rulebook

ANYBODY = Account("", "", "")
MOST_INSTANTS = 100
MOST_NAMES = 6


class Change(msgspec.Struct, frozen=True):
    """What `product` is to callers from `places` (territories, or parts such as UA-43) who are nobody in particular.
    `model` is "" for every model, or a pattern that a rule or a policy names."""

    product: str
    model: str
    before: Effect
    after: Effect
    places: tuple[str, ...]


class Moment(msgspec.Struct, frozen=True):
    """All differences of the two from this instant on, until the next moment."""

    at: int
    changes: tuple[Change, ...]


class Difference(msgspec.Struct, frozen=True):
    """From one rulebook to another, by their versions.  The first moment is the instant that was asked about."""

    before: str
    after: str
    same: bool
    moments: tuple[Moment, ...]
    policies: tuple[Altered, ...]


def difference(before: Rules, after: Rules, at: int) -> Difference:
    """What the second says that the first does not, from `at` on (UTC microseconds)."""
    written = tuple(altered(before.book, after.book))
    moments: list[Moment] = []
    for instant in (at, *_later(before.book, after.book, at)) if written else (at,):
        changes = tuple(_changes(before, after, instant)) if written else ()
        if not moments or changes != moments[-1].changes:
            moments.append(Moment(instant, changes))
    same = not written and before.book.policies == after.book.policies
    return Difference(before.book.version, after.book.version, same, tuple(moments), written)


def words(found: Difference) -> list[str]:
    """The difference as lines for people."""
    if found.same:
        return ["no policy changes"]
    told = []
    for moment in found.moments:
        if moment.changes or len(found.moments) > 1:
            told.append(f"from {text(moment.at)}{': nobody gains or loses anything' * (not moment.changes)}")
        told += [f"  {tell(change)}" for change in moment.changes]
    if not any(moment.changes for moment in found.moments):
        told = ["no territory gains or loses anything"]
    return told + [line for policy in found.policies for line in lines(policy)]


def tell(change: Change) -> str:
    """One change in words.

    >>> tell(Change("openai/api", "", "allow", "block", ("HK",)))
    'openai/api: allow → block, so lost to Hong Kong (HK)'
    >>> tell(Change("openai/api", "gpt-5*", "block", "warn", ("HK", "MO")))
    'openai/api gpt-5*: block → warn, so gained by Hong Kong (HK), Macao (MO)'
    """
    what = f"{change.product}{f' {change.model}' * bool(change.model)}: {change.before} → {change.after}"
    if change.after == "block":
        return f"{what}, so lost to {_named(change.places)}"
    return f"{what}, {'so gained by' if change.before == 'block' else 'for'} {_named(change.places)}"


def _named(places: Sequence[str]) -> str:
    """A few with their names; many with their number."""
    if len(places) > MOST_NAMES:
        return f"{len(places)} places: {', '.join(places)}"
    return ", ".join(f"{NAMES[place]} ({place})" if place in NAMES else place for place in places)


def _changes(before: Rules, after: Rules, at: int) -> Iterator[Change]:
    """For a pattern of models only what is not so for every model."""
    origins = list(_origins(before.book, after.book))
    for product in sorted(before.products | after.products):
        everywhere = [_effects(before, after, product, origin, at, "") for origin in origins]
        for model in ("", *_patterns(before.book, after.book)):
            places: defaultdict[tuple[Effect, Effect], list[str]] = defaultdict(list)
            for origin, general in zip(origins, everywhere, strict=True):
                effects = _effects(before, after, product, origin, at, model) if model else general
                if effects[0] != effects[1] and (not model or effects != general):
                    places[effects].append(origin.subdivision or origin.territory)
            for was, becomes in sorted(places, key=_weight):
                yield Change(product, model, was, becomes, tuple(places[was, becomes]))


def _weight(effects: tuple[Effect, Effect]) -> tuple[bool, bool, int, int]:
    """What is lost comes first, then what is gained."""
    was, becomes = effects
    return becomes != "block", was != "block", -RANK[becomes], RANK[was]


def _effects(before: Rules, after: Rules, product: str, origin: Origin, at: int, model: str) -> tuple[Effect, Effect]:
    was, becomes = (rules.judge_product(product, origin, ANYBODY, at, model) for rules in (before, after))
    return was.effect, becomes.effect


def _origins(*books: Rulebook) -> Iterator[Origin]:
    """Every territory, and the parts that any policy tells apart."""
    for code in sorted(CODES):
        yield Origin(code, "certain", "asserted-territory")
    policies = [policy for book in books for policy in book.policies]
    named = {part for policy in policies for part in policy.pack.excepted}
    named |= {place for policy in policies for rule in policy.rules for place in rule.territories}
    for part in sorted(named - CODES):
        yield Origin(part.partition("-")[0], "certain", "asserted-territory", subdivision=part)


def _patterns(before: Rulebook, after: Rulebook) -> list[str]:
    """Of models: those of policies, and of rules that only one of the two has."""
    old, new = ({(policy.name, rule) for policy in book.policies for rule in policy.rules} for book in (before, after))
    of_rules = {pattern for _, rule in old ^ new for pattern in rule.models}
    return sorted(of_rules.union(*(policy.models for book in (before, after) for policy in book.policies)))


def _later(before: Rulebook, after: Rulebook, at: int) -> list[int]:
    """When a phase begins, or a rule for a place begins or ends.  Of very many only the first."""
    policies = [policy for book in (before, after) for policy in book.policies]
    found = {phase.starts for policy in policies for phase in policy.phases}
    found |= {
        instant
        for policy in policies
        for rule in policy.rules
        if rule.territories
        for instant in (rule.starts, rule.ends)
    }
    return sorted(instant for instant in found if instant > at)[:MOST_INSTANTS]
