"""How two rulebooks' policies differ as they are written: fields, phases, rules and exceptions, each told in words."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from gapura.clock import text
from gapura.terms.rulebook import Exemption, Phase, Policy, Rule, Rulebook

NO_SETTINGS = frozenset({"name", "pack", "follows", "phases", "rules", "exceptions"})
MOST_LINES = 20


class Part(msgspec.Struct, frozen=True):
    """What was added to, taken out of and changed in one part of a policy: name → in words."""

    added: dict[str, str] = {}
    removed: dict[str, str] = {}
    changed: dict[str, str] = {}


class Altered(msgspec.Struct, frozen=True):
    """A policy that is not the same.  `kind`: added, removed or changed.  `settings` are fields with one value, such
    as `on_unknown`, and `pack`, the list."""

    policy: str
    kind: str
    settings: Part
    phases: Part
    rules: Part
    exceptions: Part


def altered(before: Rulebook, after: Rulebook) -> Iterator[Altered]:
    olds = {policy.name: policy for policy in before.policies}
    news = {policy.name: policy for policy in after.policies}
    for name in dict.fromkeys((*olds, *news)):
        old, new = olds.get(name), news.get(name)
        if old != new:
            yield Altered(
                name,
                "added" if old is None else "removed" if new is None else "changed",
                _part(_settings(old, stated=new is None), _settings(new, stated=old is None), str),
                _part(_phases(old), _phases(new), _phase),
                _part(_rules(old), _rules(new), _rule),
                _part(_exceptions(old), _exceptions(new), _exemption),
            )


def lines(policy: Altered) -> Iterator[str]:
    """For people; of a long list only the beginning."""
    yield f"policy {policy.policy}: {policy.kind}"
    for name, part in (
        ("", policy.settings), ("phase ", policy.phases), ("rule ", policy.rules), ("exception ", policy.exceptions)
    ):  # fmt: skip
        for sign, entries in (("+", part.added), ("-", part.removed), ("~", part.changed)):
            for value in list(entries.values())[:MOST_LINES]:
                yield f"  {sign} {name}{value}"
            if (more := len(entries) - MOST_LINES) > 0:
                yield f"  {sign} {name}and {more} more"


def _part(old: Mapping[str, Any], new: Mapping[str, Any], say: Callable[[Any], str]) -> Part:
    return Part(
        {name: f"{name}: {say(value)}" for name, value in new.items() if name not in old},
        {name: f"{name}: {say(value)}" for name, value in old.items() if name not in new},
        {
            name: f"{name}: {say(old[name])} → {say(value)}"
            for name, value in new.items()
            if name in old and old[name] != value
        },
    )


def _settings(policy: Policy | None, *, stated: bool) -> dict[str, str]:
    """`stated`: only what is not as it is unless one says so.  Of a changed policy all, to tell what it was."""
    if policy is None:
        return {}
    found = {
        field.name: _value(getattr(policy, field.name))
        for field in msgspec.structs.fields(policy)
        if field.name not in NO_SETTINGS and not (stated and getattr(policy, field.name) == field.default)
    }
    return {"pack": f"{policy.pack.name} of {policy.pack.as_of}"} | {name: told for name, told in found.items() if told}


def _phases(policy: Policy | None) -> dict[str, Phase]:
    return {text(phase.starts): phase for phase in policy.phases} if policy else {}


def _rules(policy: Policy | None) -> dict[str, Rule]:
    return {rule.id: rule for rule in policy.rules} if policy else {}


def _exceptions(policy: Policy | None) -> dict[str, Exemption]:
    """One account may have several."""
    found: dict[str, Exemption] = {}
    for exemption in policy.exceptions if policy else ():
        name = exemption.account
        while name in found:
            name += " again"
        found[name] = exemption
    return found


def _phase(phase: Phase) -> str:
    return f"{phase.effect} ({phase.zone})" + ", for those who were told" * phase.told_only


def _rule(rule: Rule) -> str:
    return ", ".join(_said(rule, "id"))


def _exemption(exemption: Exemption) -> str:
    return ", ".join([exemption.reason, *_said(exemption, "account", "reason")])


def _said(struct: Rule | Exemption, *without: str) -> Iterator[str]:
    """Field by field, without those that say nothing."""
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.name in without or not (told := _value(value)):
            continue
        if field.name in {"starts", "ends"}:
            yield f"{'from' if field.name == 'starts' else 'until'} {text(value)}"
        else:
            yield f"{field.name} {told}"


def _value(value: object) -> str:
    match value:
        case frozenset():
            return _listed(sorted(value))
        case tuple():
            return _listed(value)
        case msgspec.Struct():
            return _listed(f"{name} {told}" for name, told in msgspec.structs.asdict(value).items() if told)
    return str(value) if value else ""


def _listed(values: Iterable[object]) -> str:
    return " ".join(str(value) for value in values)
