"""Two rules side by side: whether one leaves nothing to the other, and where they want different things."""

from collections.abc import Collection
from fnmatch import fnmatchcase

from gapura.rulebook.conditions import CONDITIONS
from gapura.terms.rulebook import Rule


def covered(rule: Rule, by: Rule) -> bool:
    """Whether `by` holds wherever and whenever `rule` does."""
    if rule.starts < by.starts or (by.ends and not 0 < rule.ends <= by.ends):
        return False
    if by.when and by.when != rule.when:
        return False
    return all(_within(getattr(rule, name), getattr(by, name)) for name in CONDITIONS) and _models(rule, by)


def contradicts(one: Rule, other: Rule) -> frozenset[str]:
    """The territories in which both hold for the same callers with different effects, where neither rule is a special
    case of the other: somebody wrote two lists and meant them to be apart."""
    both = one.territories & other.territories
    if one.effect == other.effect or not both or not _meet(one, other):
        return frozenset()
    special = one.territories <= other.territories or other.territories <= one.territories
    return frozenset() if special else both


def _within(named: Collection[str], by: Collection[str]) -> bool:
    """Naming nothing is naming all; a territory holds its parts."""
    return not by or (bool(named) and all(name in by or name.partition("-")[0] in by for name in named))


def _models(rule: Rule, by: Rule) -> bool:
    if not by.models:
        return True
    return bool(rule.models) and all(any(_includes(wide, narrow) for wide in by.models) for narrow in rule.models)


def _includes(wide: str, narrow: str) -> bool:
    """Sure for equal patterns, and where `wide` has no other sign than `*`."""
    return wide == narrow or (not set(wide) & set("?[") and fnmatchcase(narrow, wide))


def _meet(one: Rule, other: Rule) -> bool:
    """Whether there is a caller and an instant for which both may hold; expressions and patterns are taken to."""
    apart = 0 < one.ends <= other.starts or 0 < other.ends <= one.starts
    named = ((getattr(one, name), getattr(other, name)) for name in CONDITIONS)
    return not apart and all(not first or not second or not first.isdisjoint(second) for first, second in named)
