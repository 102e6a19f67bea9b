"""One policy, asked: the order in which it answers, and what it says of places that are not certain."""

from typing import Any

import msgspec
import pytest

from gapura.clock import instant
from gapura.rulebook.facts import Facts
from gapura.rulebook.weigh import Ruling, covers, turning_points, weigh
from gapura.terms.caller import Account
from gapura.terms.rulebook import Effect, Exemption, Pack, Phase, Policy, Rule

AT = instant("2024-07-01T00:00:00Z")
PACK = Pack(
    name="p", as_of="2024-06-25", source="s", guards=("openai",), supported=frozenset({"SG"}), partial={"UA": "x"}
)
SINGAPORE = Facts(
    provider="openai",
    model="gpt-4o",
    territory="SG",
    certainty="certain",
    account=Account("acc_1", "acme", "org_1"),
    egress=(),
    at=AT,
)
HONG_KONG = msgspec.structs.replace(SINGAPORE, territory="HK")
UKRAINE = msgspec.structs.replace(SINGAPORE, territory="UA")
UNKNOWN = msgspec.structs.replace(SINGAPORE, territory="", certainty="unknown")
UNCERTAIN = msgspec.structs.replace(SINGAPORE, territory="HK", certainty="uncertain")
ABSENT = msgspec.structs.replace(SINGAPORE, territory="", certainty="absent")


def policy(*rules: Rule, **more: Any) -> Policy:
    return Policy(name="p", pack=PACK, rules=rules, **more)


def rule(name: str, effect: Effect, **more: Any) -> Rule:
    return Rule(id=name, effect=effect, **more)


def phase(effect: Effect, starts: int = 1) -> Phase:
    return Phase(effect=effect, starts=starts)


def told(one: Policy, facts: Facts) -> tuple[Effect, str, bool]:
    ruling = weigh(one, facts)
    return ruling.effect, ruling.rule, ruling.certain


BLOCK = rule("no", "block", accounts=frozenset({"acme"}))
ALLOW = rule("yes", "allow", territories=frozenset({"HK"}))
REVIEW = rule("look", "review", models=("gpt-4*",))
WARN = rule("mind", "warn")
LIFTED = Exemption(account="acme", reason="contract")


@pytest.mark.parametrize(
    ("one", "facts", "expected"),
    [
        # exception → allow → block → review → warn → coverage
        (policy(WARN, REVIEW, BLOCK, ALLOW, exceptions=(LIFTED,)), HONG_KONG, ("allow", "exception", True)),
        (policy(WARN, REVIEW, BLOCK, ALLOW), HONG_KONG, ("allow", "yes", True)),
        (policy(WARN, REVIEW, BLOCK, ALLOW), SINGAPORE, ("block", "no", True)),
        (policy(WARN, REVIEW), SINGAPORE, ("review", "look", True)),
        (policy(WARN), SINGAPORE, ("warn", "mind", True)),
        (policy(), SINGAPORE, ("allow", "coverage", True)),
        (policy(), HONG_KONG, ("block", "coverage", True)),
        # an account is named by its external id or its own
        (policy(exceptions=(Exemption(account="acc_1", reason="r"),)), HONG_KONG, ("allow", "exception", True)),
        (policy(rule("no", "block", accounts=frozenset({"acc_1"}))), SINGAPORE, ("block", "no", True)),
        (policy(rule("no", "block", accounts=frozenset({"other"}))), SINGAPORE, ("allow", "coverage", True)),
        # models by name, by target, by pattern
        (policy(rule("m", "warn", models=("openai/gpt-4o",))), SINGAPORE, ("warn", "m", True)),
        (policy(rule("m", "warn", models=("gpt-4",))), SINGAPORE, ("allow", "coverage", True)),
        # what the list covers in part is never blocked, and never treated worse than what it does not cover
        (policy(), UKRAINE, ("review", "partial", True)),
        (policy(on_partial="allow"), UKRAINE, ("allow", "partial", True)),
        (policy(phases=(phase("warn"),)), UKRAINE, ("warn", "partial", True)),
        # unknown and disagreement
        (policy(), UNKNOWN, ("block", "unknown", False)),
        (policy(on_unknown="warn"), UNKNOWN, ("warn", "unknown", False)),
        (policy(phases=(phase("warn"),)), UNKNOWN, ("warn", "unknown", True)),
        (policy(phases=(phase("block", AT + 1),)), UNKNOWN, ("allow", "unknown", True)),
        (policy(), UNCERTAIN, ("warn", "disagreement", False)),
        (policy(on_disagreement="deny"), UNCERTAIN, ("block", "disagreement", False)),
        (policy(rule("hk", "block", territories=frozenset({"HK"}))), UNCERTAIN, ("warn", "disagreement", False)),
        (policy(ALLOW, on_disagreement="deny"), UNCERTAIN, ("block", "disagreement", False)),
        # no place at all: only an account can be let in
        (policy(), ABSENT, ("block", "absent", True)),
        (policy(phases=(phase("block", AT + 1),)), ABSENT, ("block", "absent", True)),
        (policy(exceptions=(LIFTED,)), ABSENT, ("allow", "exception", True)),
        (policy(rule("yes", "allow", accounts=frozenset({"acme"}))), ABSENT, ("allow", "yes", True)),
    ],
)
def test_what_decides(one: Policy, facts: Facts, expected: tuple[Effect, str, bool]) -> None:
    assert told(one, facts) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [(9, "allow"), (10, "warn"), (19, "warn"), (20, "block"), (29, "block"), (30, "review"), (10**16, "review")],
)
def test_phases_are_half_open_instants(at: int, expected: Effect) -> None:
    one = policy(phases=(phase("warn", 10), phase("block", 20), phase("review", 30)))
    assert weigh(one, msgspec.structs.replace(HONG_KONG, at=at)).effect == expected
    assert turning_points(one) == {10, 20, 30}


@pytest.mark.parametrize(("at", "expected"), [(9, "allow"), (10, "block"), (19, "block"), (20, "allow")])
def test_rules_are_half_open_too(at: int, expected: Effect) -> None:
    one = policy(rule("r", "block", starts=10, ends=20))
    assert weigh(one, msgspec.structs.replace(SINGAPORE, at=at)).effect == expected
    assert turning_points(one) == {10, 20}


@pytest.mark.parametrize(("at", "expected"), [(19, "allow"), (20, "block")])
def test_exceptions_end(at: int, expected: Effect) -> None:
    one = policy(exceptions=(Exemption(account="acme", reason="r", ends=20),))
    assert weigh(one, msgspec.structs.replace(HONG_KONG, at=at)).effect == expected
    assert turning_points(one) == {20}


def test_an_exception_that_ended_does_not_hide_one_that_holds() -> None:
    one = policy(exceptions=(Exemption(account="acme", reason="old", ends=20), LIFTED))
    assert weigh(one, HONG_KONG).rule == "exception"


@pytest.mark.parametrize(
    ("one", "egress", "blocked"),
    [
        (policy(), "", False),
        (policy(), "SG", False),
        (policy(), "UA", False),
        (policy(), "HK", True),
        (policy(exceptions=(LIFTED,)), "HK", True),
        (policy(phases=(phase("warn"),)), "HK", True),
        (policy(ALLOW), "HK", False),
        (policy(rule("yes", "allow", territories=frozenset({"HK"}), accounts=frozenset({"acme"}))), "HK", True),
        (policy(rule("no", "block", territories=frozenset({"SG"}))), "SG", True),
        (policy(rule("no", "block", territories=frozenset({"SG"}), starts=AT + 1)), "SG", False),
    ],
)
def test_the_gateways_own_egress_comes_before_everything(one: Policy, egress: str, blocked: bool) -> None:
    ruling = weigh(one, msgspec.structs.replace(SINGAPORE, egress=(egress,) if egress else ()))
    assert (ruling.rule == "egress") == blocked == (not covers(one, egress or "SG", AT))
    assert not blocked or (ruling.effect == "block" and f"calls from {egress}" in ruling.because)


def test_everything_passed_over_is_told_with_its_reason() -> None:
    one = policy(
        rule("later", "block", starts=instant("2024-07-09T00:00:00Z")),
        rule("over", "block", ends=AT),
        rule("others", "block", accounts=frozenset({"globex"})),
        rule("models", "block", models=("o1",)),
        rule("places", "block", territories=frozenset({"MO"})),
        rule("hit", "review", note="for the record"),
        rule("mild", "warn"),
        exceptions=(Exemption(account="acme", reason="r", ends=AT), Exemption(account="globex", reason="r")),
    )
    ruling = weigh(one, HONG_KONG)
    assert (ruling.rule, ruling.because) == ("hit", "for the record")
    assert {passed.rule: passed.why for passed in ruling.passed} == {
        "exception": "ended 2024-07-01T00:00:00Z",
        "later": "begins 2024-07-09T00:00:00Z",
        "over": "ended 2024-07-01T00:00:00Z",
        "others": "is for other accounts",
        "models": "is for other models",
        "places": "does not name HK",
        "mild": "hit decided before it",
    }
    doubtful = {passed.rule: passed.why for passed in weigh(one, UNCERTAIN).passed}
    assert doubtful["places"] == "names territories, and this place is not certain"


@pytest.mark.parametrize(
    ("one", "facts", "because"),
    [
        (policy(), SINGAPORE, "the list p as of 2024-06-25 covers SG"),
        (policy(), HONG_KONG, "the list p as of 2024-06-25 does not cover HK"),
        (policy(), UKRAINE, "the list p as of 2024-06-25 covers UA in part: x"),
        (policy(phases=(phase("warn", AT + 1),)), HONG_KONG, "HK; warn begins 2024-07-01T00:00:00.000001Z"),
        (policy(phases=(phase("block", AT),)), HONG_KONG, "HK; block since 2024-07-01T00:00:00Z"),
        (policy(), ABSENT, "set GAPURA_SITE_TERRITORY to say where such callers are"),
        (policy(exceptions=(LIFTED,)), HONG_KONG, "p is lifted for this account: contract"),
    ],
)
def test_reasons_are_sentences(one: Policy, facts: Facts, because: str) -> None:
    ruling: Ruling = weigh(one, facts)
    assert ruling.because.endswith(because)
