"""What tells one question from another, to a rulebook: the less of it there is, the more answers are shared."""

from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from itertools import count
from operator import attrgetter

from gapura.atlas.territories import CODES
from gapura.rulebook.conditions import OF_ACCOUNTS, over
from gapura.rulebook.expressions import BadExpression, Expression, compiled
from gapura.rulebook.facts import OURS, owners
from gapura.rulebook.weigh import is_told
from gapura.terms.caller import Account, Lifting, Status
from gapura.terms.place import Origin
from gapura.terms.rulebook import Rulebook

Lifts = tuple[tuple[str, Lifting, str, int, int], ...]
Said = str | tuple[str, ...]
"""What an account says in the fields that the rules ask about: attrgetter gives one value, or a tuple of several."""
Seen = tuple[int, int, Status, Said, Lifts, tuple[str, ...]]

LIMIT = 65_536


class Distinct:
    """`fleeting`: an expression looks at the time, so that no answer lasts."""

    def __init__(self, book: Rulebook) -> None:
        used = list(_expressions(book))
        self.fleeting = any(expression.fleeting for expression in used)
        self._groups = _groups(book)
        self._by_id = {name: group for name, group in self._groups.items() if name.startswith(OURS)}
        self._asked = _asked(book, used)
        self._fields = attrgetter(*self._asked) if self._asked else None
        self._divided = _divided(book, used)
        self._policies = frozenset(policy.name for policy in book.policies)
        self._told_only = frozenset(one.name for one in book.policies if any(phase.told_only for phase in one.phases))
        self._seen: dict[Seen, int] = {}
        self._kinds: dict[Seen, int] = {}
        self._numbers = count(1)

    def standing(self, account: Account, at: int) -> int:
        """A number that tells an account from others, to these rules: by what names it, its state, what rules ask
        about, what is lifted for it and what it was told.  Accounts that differ in nothing else have the same.  It
        changes with the time only where it does not `last`."""
        said: Said = self._fields(account) if self._fields else ""
        by_id = self._by_id.get(account.id, 0) if self._by_id else 0
        lifts = self._lifts(account, at) if account.lifted else ()
        told = self._told(account, at) if account.notices and self._told_only else ()
        seen = self._groups.get(account.external_id, 0), by_id, account.status, said, lifts, told
        return self._seen.get(seen) or self._number(seen)

    def lasts(self, account: Account, at: int) -> bool:
        """Whether the account's standing stays as it is, whatever the time."""
        return not account.lifted and all(one.effective_at <= at for one in account.notices)

    def _told(self, account: Account, at: int) -> tuple[str, ...]:
        """The policies of which the day that it was told of has come."""
        return tuple(sorted(name for name in self._told_only if is_told(account, name, at)))

    def _lifts(self, account: Account, at: int) -> Lifts:
        """What is lifted now, and what is going to be."""
        return tuple(
            (one.policy, one.kind, one.reason, one.starts if one.starts > at else 0, one.ends)
            for one in account.lifted
            if one.policy in self._policies and not over(one, at)
        )

    def _number(self, seen: Seen) -> int:
        """Whoever sets an account's fields must not set our memory; a number is never given twice."""
        kind = *seen[:3], self._alike(seen[3]), *seen[4:]
        for known in (self._seen, self._kinds):
            if len(known) >= LIMIT:
                known.clear()
        if kind not in self._kinds:
            self._kinds[kind] = next(self._numbers)
        return self._seen.setdefault(seen, self._kinds[kind])

    def _alike(self, said: Said) -> Said:
        """What no rule names is all the same."""
        values = said if isinstance(said, tuple) else (said,)
        return tuple(
            value if named is None else ",".join(sorted(named.intersection(_values(name, value))))
            for value, (name, named) in zip(values, self._asked.items(), strict=False)
        )

    def part(self, origin: Origin) -> str:
        """The subdivision, in territories of which any policy tells parts apart."""
        return origin.subdivision if origin.territory in self._divided else ""


def _values(field: str, value: str) -> tuple[str, ...]:
    return owners(value) if field == "ownership" else (value,)


def _groups(book: Rulebook) -> dict[str, int]:
    """Name of an account → a number; names with the same number are treated alike."""
    named: dict[str, list[Hashable]] = {}
    for policy in book.policies:
        for rule in policy.rules:
            for account in rule.accounts:
                named.setdefault(account, []).append((policy.name, rule.id))
        for lifted in policy.exceptions:
            named.setdefault(lifted.account, []).append((policy.name, lifted.reason, lifted.ends))
    numbers: dict[tuple[Hashable, ...], int] = {}
    return {account: numbers.setdefault(tuple(what), len(numbers) + 1) for account, what in named.items()}


def _expressions(book: Rulebook) -> Iterator[Expression]:
    for rule in (rule for policy in book.policies for rule in policy.rules if rule.when):
        with suppress(BadExpression):  # on a machine without the extra: `on_error` says what becomes of it
            yield compiled(rule.when)


def _asked(book: Rulebook, used: Iterable[Expression]) -> dict[str, frozenset[str] | None]:
    """The account's fields that any rule asks about, and the values that are named; None: an expression looks at it,
    so any value may count.  Its names and its state are looked at in any case."""
    rules = [rule for policy in book.policies for rule in policy.rules]
    asked: dict[str, frozenset[str] | None] = {}
    for name in OF_ACCOUNTS:
        asked[name] = frozenset[str]().union(*(getattr(rule, name) for rule in rules))
    for field in frozenset[str]().union(*(expression.fields for expression in used)):
        asked[field] = None
    return {name: named for name, named in sorted(asked.items()) if named != frozenset() and name != "status"}


def _divided(book: Rulebook, used: Iterable[Expression]) -> frozenset[str]:
    """The territories of which any policy tells parts apart."""
    if any("subdivision" in expression.variables for expression in used):
        return CODES
    parts = {place[:2] for policy in book.policies for rule in policy.rules for place in rule.territories if place[2:]}
    return frozenset(parts.union(*(policy.pack.partial for policy in book.policies)))
