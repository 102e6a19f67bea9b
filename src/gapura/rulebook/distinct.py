"""What tells one question from another, to a rulebook: the less of it there is, the more answers are shared."""

from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress

from gapura.atlas.territories import CODES
from gapura.rulebook.conditions import OF_ACCOUNTS
from gapura.rulebook.expressions import BadExpression, Expression, compiled
from gapura.terms.caller import Account, Status
from gapura.terms.place import Origin
from gapura.terms.rulebook import Rulebook

Standing = tuple[int, int, Status, tuple[str, ...]]
"""What tells an account from others, to these rules: what names it by either name, its state, and what they look at.
Accounts that differ in nothing else share their answers."""


class Distinct:
    """`fleeting`: an expression looks at the time, so that no answer lasts."""

    def __init__(self, book: Rulebook) -> None:
        used = list(_expressions(book))
        self.fleeting = any(expression.fleeting for expression in used)
        self._groups = _groups(book)
        self._fields = _fields(book, used)
        self._divided = _divided(book, used)

    def standing(self, account: Account) -> Standing:
        groups, fields = self._groups, self._fields
        return (
            groups.get(account.external_id, 0),
            groups.get(account.id, 0),
            account.status,
            tuple([getattr(account, field) for field in fields]) if fields else (),
        )

    def part(self, origin: Origin) -> str:
        """The subdivision, in territories of which any policy tells parts apart."""
        return origin.subdivision if origin.territory in self._divided else ""


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


def _fields(book: Rulebook, used: Iterable[Expression]) -> tuple[str, ...]:
    """The account's fields that any rule asks about.  Its state is looked at in any case."""
    rules = [rule for policy in book.policies for rule in policy.rules]
    asked = {name for name in OF_ACCOUNTS if any(getattr(rule, name) for rule in rules)}
    return tuple(sorted(asked.union(*(expression.fields for expression in used)) - {"status"}))


def _divided(book: Rulebook, used: Iterable[Expression]) -> frozenset[str]:
    """The territories of which any policy tells parts apart."""
    if any("subdivision" in expression.variables for expression in used):
        return CODES
    parts = {place[:2] for policy in book.policies for rule in policy.rules for place in rule.territories if place[2:]}
    return frozenset(parts.union(*(policy.pack.partial for policy in book.policies)))
