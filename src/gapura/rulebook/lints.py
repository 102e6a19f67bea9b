"""What is wrong with policies that can be meant: each finding with a code, and a way to accept it by name.

What `refuse`s keeps a document from being put in force until it is accepted in the document itself, with a reason:

    [lints]
    minimum_notice_days = 30
    accept = [{ lint = "splits-eu", policy = "openai/api", reason = "counsel's advice of 2 November" }]
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from gapura.clock import SECOND, instant, text
from gapura.rulebook.conditions import for_everybody, over
from gapura.rulebook.documents import BadDocument, table, tables, term
from gapura.rulebook.facts import Facts
from gapura.rulebook.overlap import contradicts, covered
from gapura.rulebook.shelf import Shelf, in_turn
from gapura.rulebook.weigh import weigh
from gapura.terms.caller import Account
from gapura.terms.rulebook import Effect, Phase, Policy, Rule

DAY = 86_400 * SECOND
ANYBODY = Account("", "", "")

Code = Literal[
    "splits-eu", "short-notice", "unreachable-rule", "contradicting-rules", "two-phases", "old-list",
    "endless-exception", "ownerless-exception", "ended-exception",
]  # fmt: skip
REFUSE: frozenset[Code] = frozenset({"splits-eu", "short-notice"})


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A finding that somebody has looked at.  `policy` "": of every policy."""

    lint: Code
    reason: Annotated[str, Meta(min_length=1)]
    policy: str = ""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a document says of its own lints: days of warning before a block, days that a list may be old."""

    minimum_notice_days: Annotated[int, Meta(ge=0, le=3650)] = 14
    list_age_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    accept: tuple[Accepted, ...] = ()


class Lint(msgspec.Struct, frozen=True):
    """One finding in `policy`.  `accepted` is the reason that the document gives, "" where it gives none."""

    code: Code
    severity: Literal["refuse", "warn"]
    policy: str
    message: str
    accepted: str = ""

    @property
    def refuses(self) -> bool:
        return self.severity == "refuse" and not self.accepted

    def __str__(self) -> str:
        told = f"{self.policy}: {self.message} [{self.code}]"
        return f"{told}, accepted: {self.accepted}" if self.accepted else told


def read(raw: object, path: str = "lints") -> Limits:
    """The table `lints` of a document.  Raises BadDocument."""
    fields = table(raw, path, Limits)
    accepted = [_accepted(one, where) for where, one in tables(fields.get("accept", ()), f"{path}.accept")]
    return term(fields | {"accept": [msgspec.to_builtins(one) for one in accepted]}, path, Limits)


def lints(policies: Sequence[Policy], limits: Limits, at: int) -> list[Lint]:
    """All findings, those that refuse first.  `at`: UTC microseconds."""
    found = [
        _judged(code, policy, message, limits)
        for policy in policies
        for code, message in (
            *_splits(policy, at),
            *_notice(policy, limits),
            *_rules(policy, at),
            *_age(policy, limits, at),
            *_exceptions(policy, at),
        )
    ]
    found += [_judged("two-phases", policy, message, limits) for policy, message in _two_phases(policies, at)]
    return sorted(found, key=lambda lint: not lint.refuses)


def standing(policies: Sequence[Policy], limits: Limits, at: int) -> list[str]:
    """Of what is in force and nobody has accepted: the findings that come with time, and exceptions that will stay."""
    found = [
        _judged(code, policy, message, limits)
        for policy in policies
        for code, message in (*_age(policy, limits, at), *_exceptions(policy, at))
    ]
    return [str(lint) for lint in found if not lint.accepted]


def _accepted(raw: object, path: str) -> Accepted:
    fields = table(raw, path, Accepted)
    if not str(fields.get("reason", "")).strip():
        raise BadDocument(f"{path}.reason", "say why it is accepted")
    return term(fields, path, Accepted)


def _judged(code: Code, policy: Policy, message: str, limits: Limits) -> Lint:
    reasons = (one.reason for one in limits.accept if one.lint == code and one.policy in {"", policy.name})
    return Lint(code, "refuse" if code in REFUSE else "warn", policy.name, message, next(reasons, ""))


def _splits(policy: Policy, at: int) -> Iterator[tuple[Code, str]]:
    """Where one member state of the EU is served and another is not, by anything but who asks."""
    members = eu()
    shelf = Shelf(policy)
    questions = {(at, "")} | {(phase.starts, "") for phase in policy.phases if phase.starts > at}
    for rule in policy.rules:
        if _concerns(rule, members):
            questions |= {(max(at, rule.starts), model) for model in rule.models or ("",)}
    seen: set[tuple[str, ...]] = set()
    for instant_, model in sorted(questions):
        effects = {member: _effect(policy, shelf, member, model, instant_) for member in sorted(members)}
        shut = tuple(member for member, effect in effects.items() if effect == "block")
        if 0 < len(shut) < len(members) and shut not in seen:
            seen.add(shut)
            what, since = f" {model}" * bool(model), f" from {text(instant_)}" * (instant_ > at)
            yield (
                "splits-eu",
                f"blocks{what} in {', '.join(shut)}{since}, and serves other member states of the EU; "
                "see Regulation (EU) 2018/302",
            )


def _concerns(rule: Rule, members: frozenset[str]) -> bool:
    """Whether it says something of a member state as such."""
    return for_everybody(msgspec.structs.replace(rule, models=())) and not rule.territories.isdisjoint(members)


def _effect(policy: Policy, shelf: Shelf, territory: str, model: str, at: int) -> Effect:
    provider = next(iter(policy.pack.guards), "")
    facts = Facts(provider=provider, model=model, territory=territory, certainty="certain", account=ANYBODY, at=at)
    return weigh(policy, facts, shelf).effect


def _notice(policy: Policy, limits: Limits) -> Iterator[tuple[Code, str]]:
    """A block has to be announced: by a phase that warns, long enough before it."""
    warned = 0
    former: Effect = "allow"
    for phase in policy.phases:
        if phase.effect in {"warn", "review"}:
            warned = warned if former in {"warn", "review"} else phase.starts
        elif phase.effect == "block" and former != "block":
            notice = (phase.starts - warned) / DAY if former in {"warn", "review"} else 0
            if notice < limits.minimum_notice_days:
                yield "short-notice", _too_short(phase, notice, limits)
        former = phase.effect


def _too_short(phase: Phase, notice: float, limits: Limits) -> str:
    given = f"only {notice:.3g} days after the first warning" if notice else "without a phase that warns before it"
    return f"blocks from {text(phase.starts)} {given}; the minimum is {limits.minimum_notice_days} days"


def _rules(policy: Policy, at: int) -> Iterator[tuple[Code, str]]:
    """Rules that never decide, and pairs of which each takes something from the other."""
    rules = in_turn(policy.rules)
    for place, rule in enumerate(rules):
        if over(rule, at):
            yield "unreachable-rule", f"rule {rule.id} ended {text(rule.ends)}"
            continue
        before = [one for one in rules[:place] if not over(one, at)]
        if stronger := next((one for one in before if covered(rule, one)), None):
            yield "unreachable-rule", f"rule {rule.id} never decides: {stronger.id} is asked before it and always holds"
            continue
        for one in before:
            if both := contradicts(one, rule):
                where = ", ".join(sorted(both))
                yield (
                    "contradicting-rules",
                    f"rules {one.id} ({one.effect}) and {rule.id} ({rule.effect}) both name {where}; {one.id} decides",
                )


def _two_phases(policies: Sequence[Policy], at: int) -> Iterator[tuple[Policy, str]]:
    """Two policies that guard the same, of which one warns about a place while the other blocks it."""
    for number, policy in enumerate(policies):
        for other in policies[:number]:
            if not _guard_the_same(policy, other):
                continue
            instants = sorted({at, *(phase.starts for phase in (*policy.phases, *other.phases) if phase.starts > at)})
            for instant_ in instants:
                one, two = _gap(policy, instant_), _gap(other, instant_)
                if one != two and "allow" not in {one, two}:
                    yield (
                        policy,
                        f"from {text(instant_)} what its list does not cover is {one}, and {other.name}, which guards "
                        f"the same, says {two}; the stricter counts",
                    )
                    break


def _guard_the_same(one: Policy, other: Policy) -> bool:
    same_product = (one.product or one.pack.product) == (other.product or other.pack.product)
    return same_product and one.models == other.models and not set(one.pack.guards).isdisjoint(other.pack.guards)


def _gap(policy: Policy, at: int) -> Effect:
    if not policy.phases:
        return "block"
    return next((phase.effect for phase in reversed(policy.phases) if phase.starts <= at), "allow")


def _age(policy: Policy, limits: Limits, at: int) -> Iterator[tuple[Code, str]]:
    """A date that is a year or a month counts from its first day."""
    as_of = policy.pack.as_of
    try:
        since = instant(f"{date.fromisoformat((as_of + '-01-01')[:10])}T00:00:00+00:00")
    except ValueError:
        yield "old-list", f"its list {policy.pack.name} does not say from when it is ({as_of!r})"
        return
    if (days := (at - since) // DAY) > limits.list_age_days:
        yield (
            "old-list",
            f"its list {policy.pack.name} is of {as_of}, {days} days old; more than {limits.list_age_days} are stale",
        )


def _exceptions(policy: Policy, at: int) -> Iterator[tuple[Code, str]]:
    standing = [one for one in policy.exceptions if not over(one, at)]
    findings: tuple[tuple[Code, str, list[str]], ...] = (
        ("endless-exception", "have no end", [one.account for one in standing if not one.ends]),
        ("ownerless-exception", "have no owner", [one.account for one in standing if not one.owner.strip()]),
        ("ended-exception", "have ended", [one.account for one in policy.exceptions if over(one, at)]),
    )
    for code, what, accounts in findings:
        if accounts:
            yield code, f"exceptions that {what}: {_few(accounts)}"


def _few(names: Iterable[str], most: int = 5) -> str:
    listed = sorted(set(names))
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


@cache
def eu() -> frozenset[str]:
    """The member states, as of the date in `data/eu.toml`."""
    found = msgspec.toml.decode((files(__package__) / "data/eu.toml").read_bytes())
    return frozenset(found["members"])


CODES: tuple[Code, ...] = get_args(Code)
