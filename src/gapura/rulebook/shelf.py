"""A policy's rules and exceptions, put where they are found: of thousands, those few that may apply to a request."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate

from gapura.rulebook.conditions import CONDITIONS, model_names
from gapura.rulebook.facts import Facts
from gapura.terms.rulebook import Effect, Exemption, Policy, Rule

_TURN: dict[Effect, int] = {"allow": 0, "block": 1, "review": 2, "warn": 3}


def in_turn(rules: Iterable[Rule]) -> Sequence[Rule]:
    """In the order in which they are asked."""
    return sorted(rules, key=lambda rule: _TURN[rule.effect])


class Shelf:
    """Every rule stands under what one of its conditions names, since it can hold for nothing else.  Those that name
    nothing but models are handed out together, if any of their patterns fits; one without conditions always."""

    def __init__(self, policy: Policy) -> None:
        self._rules = in_turn(policy.rules)
        self._places: dict[tuple[str, str], list[int]] = {}
        self._always: list[int] = []
        self._of_models: list[int] = []
        for place, rule in enumerate(self._rules):
            keys = _keys(rule)
            for key in keys:
                self._places.setdefault(key, []).append(place)
            if not keys:
                (self._of_models if rule.models else self._always).append(place)
        patterns = {pattern for place in self._of_models for pattern in self._rules[place].models}
        self._fits = re.compile("|".join(map(translate, sorted(patterns)))).match
        self._conditions = [
            (name, CONDITIONS[name].said) for name in CONDITIONS if name in {key for key, _ in self._places}
        ]
        self._exceptions: dict[str, list[Exemption]] = {}
        for exemption in policy.exceptions:
            self._exceptions.setdefault(exemption.account, []).append(exemption)

    def rules(self, facts: Facts) -> list[Rule]:
        """All that may hold, in the order in which they are asked."""
        found = set(self._always)
        if self._of_models and any(map(self._fits, model_names(facts))):
            found.update(self._of_models)
        for name, said in self._conditions:
            for value in said(facts):
                found.update(self._places.get((name, value), ()))
        return [self._rules[place] for place in sorted(found)]

    def exceptions(self, account: str) -> Sequence[Exemption]:
        return self._exceptions.get(account, ())


def _keys(rule: Rule) -> set[tuple[str, str]]:
    """The first condition that it states, by what it names.  A rule on a part of a territory may concern the whole."""
    for name in CONDITIONS:
        if named := getattr(rule, name):
            return {(name, value) for value in named} | {(name, value[:2]) for value in named if name == "territories"}
    return set()
