"""The documented order of a policy, read literally and slowly, from the document as it is written.

Nothing of `gapura.rulebook` is used here: this is what docs/reference/policy-documents.md and decisions 3 and 12 say,
written down a second time, so that the two can be compared.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from gapura.terms.caller import Account
from gapura.terms.place import Origin

Document = Mapping[str, Any]

STRICT = ["allow", "warn", "review", "block"]
SOVEREIGNS = {"PR": "US", "HK": "CN"}
NAMES = {"Hong Kong": "HK", "Puerto Rico": "PR", "Crimea": "UA-43", "Ukraine (with certain exceptions)": "UA"}
EXPRESSIONS: dict[str, Callable[["Question"], bool | None]] = {
    "true": lambda asked: True,
    "false": lambda asked: False,
    'account.contract == "gold" && territory != "HK"': lambda asked: (
        asked.account.contract == "gold" and asked.origin.territory != "HK"
    ),
    'size(account.ownership) > 1 || subdivision == "UA-43"': lambda asked: (
        "," in asked.account.ownership or asked.origin.subdivision == "UA-43"
    ),
    "1 / 0 == 1": lambda asked: None,
    "model": lambda asked: None,
}
"""Expressions, and what they say; None: they fail."""

BY_THE_CLOCK = 'at >= timestamp("1970-01-01T00:00:20Z")'


class Question(NamedTuple):
    """`product` "api": what the gateway itself calls; otherwise the whole name."""

    model: str
    origin: Origin
    account: Account
    egress: str
    second: int
    product: str = "api"


class Answer(NamedTuple):
    policy: str
    effect: str
    rule: str
    certain: bool = True


def instant(second: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).isoformat()


def answers(document: Document, asked: Question) -> Iterator[Answer]:
    """Of each policy that has a say, and of the account's own state."""
    for policy in document["policies"]:
        if _has_a_say(policy, document["packs"][policy["pack"]], asked):
            yield _policy(policy, document["packs"][policy["pack"]], asked)
    if asked.account.status == "warned":
        yield Answer("", "warn", "account")
    if asked.account.status == "suspended":
        yield Answer("", "block", "account")


def total(found: list[Answer]) -> tuple[str, bool]:
    """The strictest; whoever is served is served for certain only if nobody doubts it."""
    strictest = max((STRICT.index(one.effect) for one in found), default=0)
    if STRICT[strictest] == "block":
        return "block", any(one.certain for one in found if one.effect == "block")
    return STRICT[strictest], all(one.certain for one in found)


def _has_a_say(policy: Document, pack: Document, asked: Question) -> bool:
    models = policy.get("models", [])
    if models and not any(_model(pattern, asked) for pattern in models):
        return False
    name = policy.get("product", policy["pack"])
    if asked.product != "api":
        return bool(name == asked.product)
    own = name == policy["pack"]
    product = pack.get("product", "api") if own else name.partition("/")[2]
    return product == "api" and "openai" in pack.get("guards", [])


def _model(pattern: str, asked: Question) -> bool:
    provider = "openai" if asked.product == "api" else asked.product.partition("/")[0]
    names = (asked.model, f"{provider}/{asked.model}")
    return any(name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for name in names)


def _policy(policy: Document, pack: Document, asked: Question) -> Answer:
    name, second = policy["name"], asked.second
    rules = [
        rule
        for effect in ("allow", "block", "review", "warn")
        for rule in policy.get("rules", [])
        if rule["effect"] == effect
    ]
    egress = asked.egress if asked.product == "api" else ""
    if egress and not _covers(policy, pack, rules, egress, second):
        return Answer(name, "block", "egress")
    for account in (asked.account.external_id, asked.account.id):
        for lifted in policy.get("exceptions", []):
            if lifted["account"] == account and ("until" not in lifted or second < _second(lifted["until"])):
                return Answer(name, "allow", "exception")
    in_part = "allow"
    for rule in rules:
        holds = _holds(rule, asked)
        if holds == "partly" and rule["effect"] != "allow":
            in_part = max(in_part, _milder(policy.get("on_partial", "review"), rule["effect"]), key=STRICT.index)
        if holds in {"yes", "failed"}:
            answer = Answer(name, rule["effect"], rule["id"]) if holds == "yes" else _failed(policy)
            break
    else:
        answer = _list(policy, pack, asked.origin, second)
    return Answer(name, in_part, "partial") if STRICT.index(in_part) > STRICT.index(answer.effect) else answer


def _failed(policy: Document) -> Answer:
    effect = "block" if policy.get("on_error", "deny") == "deny" else "warn"
    return Answer(policy["name"], effect, "error", certain=False)


def _list(policy: Document, pack: Document, place: Origin, second: int) -> Answer:
    name = policy["name"]
    if place.certainty == "absent":
        return Answer(name, "block", "absent")
    begun = [phase for phase in policy.get("phases", []) if _second(phase["from"]) <= second]
    gap = max(begun, key=lambda phase: _second(phase["from"]))["effect"] if begun else "allow"
    if not policy.get("phases"):
        gap = "block"
    if place.certainty != "certain":
        field, default, rule = (
            ("on_unknown", "deny", "unknown")
            if place.certainty == "unknown"
            else ("on_disagreement", "warn", "disagreement")
        )
        said = "block" if policy.get(field, default) == "deny" else "warn"
        return Answer(name, _milder(said, gap), rule, certain=gap != "block")
    match _coverage(policy, pack, place.territory, place.subdivision):
        case "supported":
            return Answer(name, "allow", "coverage")
        case "partial":
            return Answer(name, _milder(policy.get("on_partial", "review"), gap), "partial")
    return Answer(name, gap, "coverage")


def _coverage(policy: Document, pack: Document, territory: str, subdivision: str) -> str:
    literally = _literally(pack, territory, subdivision)
    sovereign = SOVEREIGNS.get(territory)
    if policy.get("territories") != "with_sovereign" or not sovereign or territory in _mentioned(pack):
        return literally
    return _literally(pack, sovereign, "")


def _literally(pack: Document, territory: str, subdivision: str) -> str:
    parts = _parts(pack)
    if territory in _partial(pack):
        mine = {part for part in parts if part.startswith(territory)}
        if subdivision and mine:
            return "not_listed" if subdivision in mine else "supported"
        return "partial"
    deny = pack.get("kind") == "deny"
    return "supported" if (territory in _mentioned(pack)) != deny else "not_listed"


def _entries(pack: Document) -> list[str]:
    return [NAMES.get(entry, entry) for entry in pack.get("supported", pack.get("excluded", []))]


def _mentioned(pack: Document) -> set[str]:
    return {entry for entry in _entries(pack) if len(entry) == 2} | _partial(pack)


def _parts(pack: Document) -> set[str]:
    named = {NAMES.get(part, part) for part in pack.get("excepted", [])} | {
        entry for entry in _entries(pack) if len(entry) > 2
    }
    return named | ({"UA-40"} if "UA-43" in named else set())


def _partial(pack: Document) -> set[str]:
    worded = {NAMES[entry] for entry in pack.get("supported", []) if "exceptions" in entry}
    return worded | {part[:2] for part in _parts(pack)}


def _covers(policy: Document, pack: Document, rules: list[Document], territory: str, second: int) -> bool:
    for effect in ("allow", "block"):
        for rule in rules:
            for_everybody = not rule.keys() - {"id", "effect", "territories", "from", "until"}
            named = {NAMES.get(entry, entry) for entry in rule.get("territories", [])}
            if rule["effect"] == effect and for_everybody and territory in named and _in_time(rule, second):
                return effect == "allow"
    return _coverage(policy, pack, territory, "") != "not_listed"


def _holds(rule: Document, asked: Question) -> str:
    if not _in_time(rule, asked.second) or not _is_for(rule, asked):
        return "no"
    if "territories" in rule and (there := _there(rule, asked.origin)) != "yes":
        return there
    if "when" not in rule:
        return "yes"
    said_so = asked.second >= 20 if rule["when"] == BY_THE_CLOCK else EXPRESSIONS[rule["when"]](asked)
    return {True: "yes", False: "no", None: "failed"}[said_so]


def _is_for(rule: Document, asked: Question) -> bool:
    account, place = asked.account, asked.origin
    said: dict[str, set[str]] = {
        "accounts": {account.external_id, account.id},
        "networks": {place.network},
        "declared_territory": {account.declared_territory},
        "phone_territory": {account.phone_territory},
        "ownership": {owner.strip() for owner in account.ownership.split(",")},
        "contract": {account.contract},
        "organisation": {account.organisation},
        "status": {account.status},
    }
    for condition, values in said.items():
        if condition in rule and not values & set(rule[condition]):
            return False
    return "models" not in rule or any(_model(pattern, asked) for pattern in rule["models"])


def _there(rule: Document, place: Origin) -> str:
    named = {NAMES.get(entry, entry) for entry in rule["territories"]}
    if place.certainty != "certain":
        return "no"
    if named & {place.territory, place.subdivision}:
        return "yes"
    partly = not place.subdivision and any(entry.startswith(f"{place.territory}-") for entry in named)
    return "partly" if partly else "no"


def _in_time(rule: Document, second: int) -> bool:
    begun = "from" not in rule or _second(rule["from"]) <= second
    return begun and ("until" not in rule or second < _second(rule["until"]))


def _second(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())


def _milder(one: str, other: str) -> str:
    return min(one, other, key=STRICT.index)
