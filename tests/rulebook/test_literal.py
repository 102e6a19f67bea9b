"""The compiled rules against a literal reading of the documentation, on random documents and questions."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rulebook.documents import accounts, by_the_clock, documents, egresses, many, places, questions, rules
from tests.rulebook.literal import Answer, Question, answers, total

from gapura.clock import SECOND
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.opinions import Opinion, verdict
from gapura.rulebook.read import read, read_policies
from gapura.rulebook.weigh import RANK
from gapura.terms.place import Origin
from gapura.terms.rulebook import Endpoint
from gapura.terms.verdict import Verdict

pytest.importorskip("cel")

OPENAI = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")


def compiled(document: dict[str, Any], egress: str = "") -> Rules:
    return Rules(read(document, endpoints=[OPENAI], models={"openai": []}, egress_territory=egress))


def heard(used: Rules, asked: Question) -> tuple[Verdict, list[Opinion]]:
    about = (asked.origin, asked.account, asked.second * SECOND)
    if asked.product == "api":
        return used.judge("openai", asked.model, *about), used.opinions("openai", asked.model, *about)
    return (
        used.judge_product(asked.product, *about, model=asked.model),
        used.product_opinions(asked.product, *about, model=asked.model),
    )


def agree(document: dict[str, Any], used: Rules, asked: Question) -> None:
    told, opinions = heard(used, asked)
    literally = list(answers(document, asked))
    assert [Answer(one.policy, one.ruling.effect, one.ruling.rule, one.ruling.certain) for one in opinions] == literally
    assert (told.effect, told.certain) == total(literally)
    assert told == verdict(told.target, opinions)


@settings(max_examples=250, deadline=None)
@given(documents(), egresses, st.integers(0, 2**32))
def test_the_rules_say_what_the_documentation_says(document: dict[str, Any], egress: str, seed: int) -> None:
    """Also where the answer is remembered, and whatever was asked in between."""
    used = compiled(document, egress)
    for question in many(seed, 80):
        agree(document, used, question._replace(egress=egress))


@settings(max_examples=60, deadline=None)
@given(documents(by_the_clock), st.integers(0, 2**32))
def test_what_looks_at_the_time_is_not_remembered(document: dict[str, Any], seed: int) -> None:
    used = compiled(document)
    for question in many(seed, 30):
        for second in (19, 20, question.second):
            agree(document, used, question._replace(second=second))


@settings(max_examples=100, deadline=None)
@given(documents(), questions, st.data())
def test_strictness_is_monotone(document: dict[str, Any], asked: Question, data: st.DataObject) -> None:
    """A choice made stricter, a rule that blocks, or a policy added makes nobody's answer milder."""
    if not document["policies"]:
        return
    changed = {**document, "policies": list(document["policies"])}
    chosen = data.draw(st.integers(0, len(document["policies"]) - 1))
    one = changed["policies"][chosen]
    match data.draw(st.sampled_from(["choice", "partial", "phase", "rule", "policy"])):
        case "choice":
            name = data.draw(st.sampled_from(["on_unknown", "on_disagreement", "on_error"]))
            changed["policies"][chosen] = {**one, name: "deny"}
        case "partial":
            changed["policies"][chosen] = {**one, "on_partial": "review"}
        case "phase":
            changed["policies"][chosen] = {name: value for name, value in one.items() if name != "phases"}
        case "rule":
            (block,) = data.draw(rules(effects=["block"]).filter(lambda found: len(found) == 1))
            changed["policies"][chosen] = {**one, "rules": [*one["rules"], {**block, "id": "more"}]}
        case "policy":
            changed["policies"].append({**one, "name": "more", "exceptions": []})
    before, after = (heard(compiled(version), asked)[0] for version in (document, changed))
    assert RANK[after.effect] >= RANK[before.effect]


@settings(max_examples=100, deadline=None)
@given(
    documents(
        rules(
            {
                "territories": st.lists(
                    st.sampled_from(["UA-43", "Crimea", "UA-09", "HK"]), min_size=1, max_size=2, unique=True
                ).map(lambda named: ["CN", *named])
            },
            ["warn", "review", "block"],
        ).map(lambda found: [rule for rule in found if "territories" in rule])
    ),
    questions,
)
def test_ukraine_is_never_blocked_silently(document: dict[str, Any], asked: Question) -> None:
    """Known as a whole only, and excluded by no list as a whole: nobody there is blocked, whichever parts are."""
    whole = Origin("UA", "certain", "peer")
    asked = asked._replace(origin=whole, account=msgspec.structs.replace(asked.account, status="active"))
    told, opinions = heard(compiled(document), asked)
    assert told.effect != "block"
    for one in opinions:
        if one.ruling.rule == "partial" and one.ruling.effect != "allow":
            assert told.effect in {"warn", "review"}


FIELDS = """policies packs t/api pack name rules phases exceptions id effect territories models when from until
account reason on_partial supported excepted kind as_of source guards partial networks status account_place days product
owner appeals interim"""
fields = st.sampled_from(FIELDS.split())
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.datetimes(), st.dates(), fields,
    st.sampled_from(["UA", "UA-43", "Crimea", "block", "deny", "openai/api", "t/api", "2026", "vpn", "1 / 0 == 1"]),
)  # fmt: skip
garbage = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=5), max_leaves=20
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(fields, garbage, max_size=4), places, accounts)
def test_any_document_is_sound_or_refused_and_no_question_raises(
    document: dict[str, Any], where: Origin, account: Any
) -> None:
    try:
        policies = read_policies(document, ["openai"])
    except BadDocument:
        return
    used = compiled({"policies": []})
    used = Rules(msgspec.structs.replace(used.book, policies=policies))
    for at in (-(2**63), 0, 2**63 - 1):
        used.judge("openai", "gpt-4o", where, account, at)
        used.judge_product("t/api", where, account, at)


@settings(max_examples=200, deadline=None)
@given(documents(), st.data())
def test_a_document_with_one_thing_wrong_is_refused_or_read(document: dict[str, Any], data: st.DataObject) -> None:
    """Whatever stands in the place of one value, nothing but BadDocument is raised."""
    if not document["policies"]:
        return
    spoiled = msgspec.json.decode(msgspec.json.encode(document))
    where: Any = spoiled
    key: Any = data.draw(st.sampled_from(sorted(spoiled)))
    for _ in range(data.draw(st.integers(0, 5))):
        inner = where[key]
        keys: list[Any] = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
        if not isinstance(inner, dict | list) or not keys:
            break
        where, key = inner, data.draw(st.sampled_from(keys))
    where[key] = data.draw(garbage)
    with suppress(BadDocument):
        compiled(spoiled)
