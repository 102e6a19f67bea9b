"""What a rule may ask about: each condition once, how it is looked up, and how it is told when it does not hold.

A condition holds where what the rule names and what the facts say have something in common; one that names nothing
holds always.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import NamedTuple

from gapura.clock import text
from gapura.rulebook.expressions import BadExpression, Failed, compiled
from gapura.rulebook.facts import Facts, names, owners
from gapura.terms.caller import Account, Lifted
from gapura.terms.rulebook import Exemption, Rule


class Holds(Enum):
    """`PARTLY`: the rule names parts of a territory of which the sources know only the whole."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"
    FAILED = "failed"


class Answer(NamedTuple):
    """Whether a rule holds, and why it does not, or what could not be said."""

    holds: Holds
    why: str = ""


class Condition(NamedTuple):
    """`said`: what the facts say, without empty values.  `other`: what is said of a rule that is for others."""

    said: Callable[[Facts], tuple[str, ...]]
    other: str


def _of_account(field: str, other: str) -> Condition:
    def said(facts: Facts) -> tuple[str, ...]:
        value: str = getattr(facts.account, field)
        return (value,) if value else ()

    return Condition(said, other)


def _place(facts: Facts) -> tuple[str, ...]:
    """Nobody is blocked, or let in, for a guess."""
    if facts.certainty != "certain":
        return ()
    return (facts.territory, facts.subdivision) if facts.subdivision else (facts.territory,)


CONDITIONS: dict[str, Condition] = {
    "accounts": Condition(lambda facts: names(facts.account), "is for other accounts"),
    "territories": Condition(_place, ""),
    "networks": Condition(lambda facts: (facts.network,) if facts.network else (), "is for other networks"),
    "declared_territory": _of_account("declared_territory", "is for accounts that declare another territory"),
    "phone_territory": _of_account("phone_territory", "is for accounts with a telephone elsewhere"),
    "ownership": Condition(lambda facts: owners(facts.account.ownership), "is for accounts of other owners"),
    "contract": _of_account("contract", "is for other contracts"),
    "organisation": _of_account("organisation", "is for other organisations"),
    "status": _of_account("status", "is for accounts in another state"),
}

OF_ACCOUNTS = tuple(name for name in CONDITIONS if name in Account.__struct_fields__)
"""The conditions that bear the name of the account's field which they ask about."""


def ask(rule: Rule, facts: Facts) -> Answer:
    """Whether all conditions of the rule hold.  The expression comes last, and is left alone if another does not."""
    if why := _untimely(rule, facts.at):
        return Answer(Holds.NO, why)
    partly = False
    for name, condition in CONDITIONS.items():
        named: frozenset[str] = getattr(rule, name)
        if named and named.isdisjoint(condition.said(facts)):
            partly = name == "territories" and _in_part(rule, facts)
            if not partly:
                return Answer(Holds.NO, condition.other or _elsewhere(facts))
    if not for_model(rule.models, facts):
        return Answer(Holds.NO, "is for other models")
    if partly:
        return Answer(Holds.PARTLY, f"names parts of {facts.territory}, and the sources know only the whole")
    return _expression(rule, facts) if rule.when else Answer(Holds.YES)


def for_model(patterns: Sequence[str], facts: Facts) -> bool:
    """Whether any of the patterns is for the model, by its name or as provider/model; without any, all are."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns for name in model_names(facts))


def model_names(facts: Facts) -> tuple[str, str]:
    return facts.model, f"{facts.provider}/{facts.model}"


def over(what: Rule | Exemption | Lifted, at: int) -> bool:
    return 0 < what.ends <= at


def for_everybody(rule: Rule) -> bool:
    """Whether it asks for nothing but a place and a time."""
    others = (getattr(rule, name) for name in CONDITIONS if name != "territories")
    return not any(others) and not rule.models and not rule.when


def in_time(rule: Rule, at: int) -> bool:
    return not _untimely(rule, at)


def evidence(rule: Rule, facts: Facts) -> Iterator[str]:
    """What it was that each stated condition found."""
    for name, condition in CONDITIONS.items():
        named: frozenset[str] = getattr(rule, name)
        if named:
            yield f"{name}: {', '.join(value for value in condition.said(facts) if value in named)}"
    if rule.models:
        yield f"models: {facts.model}"
    if rule.when:
        yield f"when: {rule.when}"


def _untimely(rule: Rule, at: int) -> str:
    if at < rule.starts:
        return f"begins {text(rule.starts)}"
    return f"ended {text(rule.ends)}" if over(rule, at) else ""


def _in_part(rule: Rule, facts: Facts) -> bool:
    return (
        facts.certainty == "certain"
        and not facts.subdivision
        and any(place.startswith(f"{facts.territory}-") for place in rule.territories)
    )


def _elsewhere(facts: Facts) -> str:
    if facts.certainty != "certain":
        return "names territories, and this place is not certain"
    return f"does not name {facts.subdivision or facts.territory}"


def _expression(rule: Rule, facts: Facts) -> Answer:
    try:
        held = compiled(rule.when).holds(facts)
    except (BadExpression, Failed) as error:
        return Answer(Holds.FAILED, str(error))
    return Answer(Holds.YES) if held else Answer(Holds.NO, f"its expression is false: {rule.when}")
