"""Conditions of rules, each: when it holds, how its failing is told, and what is found by a shelf."""

from typing import Any

import msgspec
import pytest

from gapura.rulebook.compile import Rules
from gapura.rulebook.conditions import CONDITIONS, OF_ACCOUNTS
from gapura.rulebook.explain import explain, explain_product
from gapura.rulebook.facts import Facts
from gapura.rulebook.opinions import verdict
from gapura.rulebook.shelf import Shelf
from gapura.rulebook.weigh import weigh
from gapura.terms.caller import Account, Lifted
from gapura.terms.place import Origin
from gapura.terms.rulebook import Effect, Endpoint, Exemption, Pack, Phase, Policy, Rule, Rulebook

ACME = Account(
    "acc_1",
    "acme",
    "org_1",
    status="warned",
    declared_territory="SG",
    phone_territory="MY",
    ownership="CN, Hong Kong, somebody",
    contract="gold",
)
KYIV = Facts(
    provider="openai",
    model="gpt-4o",
    territory="UA",
    certainty="certain",
    subdivision="UA-30",
    network="vpn",
    account=ACME,
    at=10,
)
WHOLE = msgspec.structs.replace(KYIV, subdivision="")
PACK = Pack(
    name="p/api",
    as_of="2024",
    source="s",
    guards=("openai",),
    supported=frozenset({"SG", "US"}),
    partial={"UA": "without Crimea"},
    excepted=frozenset({"UA-43"}),
)


def policy(*rules: Rule, **more: Any) -> Policy:
    return Policy(name="p", pack=PACK, rules=rules, **more)


def rule(effect: Effect = "block", **conditions: Any) -> Rule:
    named: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value
        for name, value in conditions.items()
        if name != "models"
    }
    return Rule(id="r", effect=effect, models=tuple(conditions.get("models", ())), **named)


@pytest.mark.parametrize(
    ("conditions", "evidence", "otherwise", "why"),
    [
        ({"accounts": ["acme"]}, "accounts: acme", {"accounts": ["globex"]}, "is for other accounts"),
        ({"accounts": ["acc_1"]}, "accounts: acc_1", {"accounts": ["acc_2"]}, "is for other accounts"),
        ({"territories": ["UA", "SG"]}, "territories: UA", {"territories": ["SG"]}, "does not name UA-30"),
        ({"territories": ["UA-30"]}, "territories: UA-30", {"territories": ["UA-43"]}, "does not name UA-30"),
        ({"networks": ["vpn", "tor"]}, "networks: vpn", {"networks": ["tor"]}, "is for other networks"),
        (
            {"declared_territory": ["SG"]},
            "declared_territory: SG",
            {"declared_territory": ["UA"]},
            "is for accounts that declare another territory",
        ),
        (
            {"phone_territory": ["MY"]},
            "phone_territory: MY",
            {"phone_territory": ["SG"]},
            "is for accounts with a telephone elsewhere",
        ),
        ({"ownership": ["HK"]}, "ownership: HK", {"ownership": ["SG"]}, "is for accounts of other owners"),
        ({"contract": ["gold"]}, "contract: gold", {"contract": ["free"]}, "is for other contracts"),
        ({"organisation": ["org_1"]}, "organisation: org_1", {"organisation": ["o"]}, "is for other organisations"),
        ({"status": ["warned"]}, "status: warned", {"status": ["active"]}, "is for accounts in another state"),
        ({"models": ["gpt-*"]}, "models: gpt-4o", {"models": ["o1"]}, "is for other models"),
        ({"models": ["openai/gpt-4o"]}, "models: gpt-4o", {"models": ["qwen/*"]}, "is for other models"),
    ],
)
def test_each_condition(conditions: Any, evidence: str, otherwise: Any, why: str) -> None:
    held = weigh(policy(rule(**conditions)), KYIV)
    assert (held.effect, held.rule, held.evidence) == ("block", "r", (evidence,))
    missed = weigh(policy(rule(**otherwise)), KYIV)
    assert (missed.rule, [(one.rule, one.why) for one in missed.passed]) == ("coverage", [("r", why)])
    both = weigh(policy(rule(**(otherwise | {"accounts": ["acme"]} | conditions))), KYIV)
    assert both.rule == ("r" if conditions.keys() == otherwise.keys() else "coverage")


def test_nothing_known_is_in_no_condition() -> None:
    nobody = msgspec.structs.replace(KYIV, account=Account("", "", ""), network="", territory="", certainty="unknown")
    for name in CONDITIONS:
        if name != "status":
            conditions: dict[str, Any] = {name: ["", "x"]}
            assert weigh(policy(rule(**conditions)), nobody).rule == "unknown"
    assert set(OF_ACCOUNTS) <= set(Account.__struct_fields__)


@pytest.mark.parametrize(
    ("effect", "on_partial", "expected"),
    [
        ("block", "review", ("review", "partial")),
        ("block", "warn", ("warn", "partial")),
        ("block", "allow", ("allow", "partial")),
        ("warn", "review", ("review", "partial")),
        ("allow", "review", ("review", "partial")),
    ],
)
def test_a_rule_on_a_part_where_only_the_whole_is_known(effect: Effect, on_partial: Any, expected: Any) -> None:
    """As partial as the list; where the list covers the whole, no stricter than the rule, and never a block."""
    ruling = weigh(policy(rule(effect, territories=["UA-09"]), on_partial=on_partial), WHOLE)
    assert (ruling.effect, ruling.rule) == expected
    open_list = Policy(name="p", pack=Pack(name="p/api", as_of="2024", source="s", guards=(), kind="deny"))
    ruled = msgspec.structs.replace(open_list, rules=(rule(effect, territories=["UA-09"]),), on_partial=on_partial)
    told = weigh(ruled, WHOLE)
    milder: dict[tuple[Effect, Any], Effect] = {("warn", "review"): "warn"}
    assert told.effect == ("allow" if effect == "allow" else milder.get((effect, on_partial), on_partial))
    assert told.rule == ("coverage" if told.effect == "allow" else "partial")
    if told.rule == "partial":
        assert "names parts of UA, and the sources know only the whole" in told.because


def test_a_rule_on_a_part_makes_nothing_milder() -> None:
    """Neither what another rule says nor what the list says of a place that it does not cover."""
    part = rule("block", territories=["UA-09"])
    other = Rule(id="other", effect="block", accounts=frozenset({"acme"}))
    assert (weigh(policy(part, other), WHOLE).effect, weigh(policy(part, other), WHOLE).rule) == ("block", "other")
    absent = msgspec.structs.replace(PACK, partial={})
    assert weigh(Policy(name="p", pack=absent, rules=(part,)), WHOLE).effect == "block"


@pytest.mark.parametrize(
    ("subdivision", "excepted", "expected"),
    [
        ("", {"UA-43"}, ("review", "partial", "covers UA in part: without Crimea")),
        ("UA-43", {"UA-43"}, ("block", "coverage", "does not cover UA-43")),
        ("UA-30", {"UA-43"}, ("allow", "coverage", "covers UA-30")),
        ("UA-43", {"PL-14"}, ("review", "partial", "covers UA in part: without Crimea")),
        ("UA-43", set(), ("review", "partial", "covers UA in part: without Crimea")),
        ("UA-", {"UA-43"}, ("review", "partial", "covers UA in part: without Crimea")),
        ("RU-43", {"UA-43"}, ("review", "partial", "covers UA in part: without Crimea")),
    ],
)
def test_a_source_that_knows_the_part_decides(subdivision: str, excepted: set[str], expected: Any) -> None:
    pack = msgspec.structs.replace(PACK, excepted=frozenset(excepted))
    ruling = weigh(Policy(name="p", pack=pack), msgspec.structs.replace(KYIV, subdivision=subdivision))
    effect, by, because = expected
    assert (ruling.effect, ruling.rule) == (effect, by) and ruling.because.endswith(because)


def test_who_follows_its_sovereign_is_told() -> None:
    facts = msgspec.structs.replace(KYIV, territory="PR", subdivision="")
    assert weigh(policy(), facts).effect == "block"
    following = weigh(policy(territories="with_sovereign", follows={"PR": "US"}), facts)
    assert (following.effect, following.rule) == ("allow", "coverage")
    assert following.because == "the list p/api as of 2024 does not name PR, which follows US; it covers US"
    own = msgspec.structs.replace(facts, egress=("PR",))
    assert weigh(policy(follows={"PR": "US"}), own).rule == "coverage"
    assert weigh(policy(), own).rule == "egress"


def test_an_exception_tells_who_granted_it_and_until_when() -> None:
    lifted = Exemption(account="acme", reason="contract", owner="ops@example.com", ends=10**15)
    ruling = weigh(policy(exceptions=(lifted,)), KYIV)
    assert ruling.because == "p is lifted for this account: contract"
    assert ruling.evidence == ("granted by ops@example.com", "until 2001-09-09T01:46:40Z")


def test_of_a_thousand_rules_those_are_asked_that_may_apply() -> None:
    conditions: list[dict[str, Any]] = [
        {name: [f"{name}{number}"]} for name in ("accounts", "contract", "organisation") for number in range(300)
    ]
    rules = tuple(rule("warn", **one) for one in conditions)
    parts = tuple(
        Rule(id=f"part{number}", effect="block", territories=frozenset({f"UA-{number}"})) for number in range(99)
    )
    always = Rule(id="always", effect="review", models=("gpt-*",))
    mine = Rule(id="mine", effect="review", contract=frozenset({"gold"}))
    shelf = Shelf(policy(*rules, *parts, always, mine))
    elsewhere = msgspec.structs.replace(KYIV, territory="SG", subdivision="SG-01")
    assert [one.id for one in shelf.rules(elsewhere)] == ["always", "mine"]
    assert len(shelf.rules(WHOLE)) == 99 + 2


def book(*policies: Policy, **more: Any) -> Rules:
    openai = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
    return Rules(Rulebook(version="v", endpoints=(openai,), routes={}, policies=policies, **more))


HONG_KONG = Origin("HK", "certain", "peer")


def test_a_policy_on_another_product_guards_nothing_that_passes_through() -> None:
    chat = msgspec.structs.replace(PACK, name="p/chat", product="chat")
    rules = book(
        Policy(name="chat", pack=chat),
        Policy(name="assistant", pack=PACK, product="acme/assistant"),
        egress_territory="CN",
    )
    nobody = Account("", "", "")
    assert not rules.is_guarded("openai")
    assert rules.products == {"p/chat", "acme/assistant"}
    assert rules.judge("openai", "gpt-4o", HONG_KONG, nobody, 1).effect == "allow"
    assert rules.judge("openai", "", HONG_KONG, nobody, 1, product="chat").policy == "chat"
    asked = rules.judge_product("acme/assistant", HONG_KONG, nobody, 1)
    assert (asked.target, asked.effect, asked.policy) == ("acme/assistant", "block", "assistant")
    assert rules.judge_product("acme/other", HONG_KONG, nobody, 1).policy == ""
    told = explain_product(rules, "p/chat", HONG_KONG, nobody, 1)
    assert (told.verdict.effect, [one.policy for one in told.opinions]) == ("block", ["chat"])
    silent = {one.rule: one.why for one in explain(rules, "openai", "gpt-4o", HONG_KONG, nobody, 1).passed}
    assert silent == {"chat": "is about p/chat", "assistant": "is about acme/assistant"}


def test_a_policy_that_narrows_to_models_is_silent_on_others() -> None:
    rules = book(Policy(name="new", pack=PACK, models=("gpt-5.6-*", "openai/o9")))
    nobody = Account("", "", "")
    heard = [rules.judge("openai", model, HONG_KONG, nobody, 1).effect for model in ("gpt-5.6-luna", "o9", "gpt-4o")]
    assert heard == ["block", "block", "allow"]
    (passed,) = explain(rules, "openai", "gpt-4o", HONG_KONG, nobody, 1).passed
    assert (passed.rule, passed.why) == ("new", "is about gpt-5.6-*, openai/o9 alone")
    assert rules.judge_product("p/api", HONG_KONG, nobody, 1).effect == "allow"
    assert rules.judge_product("p/api", HONG_KONG, nobody, 1, model="gpt-5.6-luna").effect == "block"


def test_accounts_that_are_treated_alike_share_their_answers() -> None:
    lifted = tuple(Exemption(account=f"a{number}", reason="not told in time") for number in range(1000))
    rules = book(policy(rule("review", contract=["gold"]), exceptions=lifted))
    accounts = [Account(f"acc_{number}", f"a{number}", "o", contract="free") for number in range(1000)]
    assert {rules.judge("openai", "gpt-4o", HONG_KONG, account, 1).effect for account in accounts} == {"allow"}
    assert len({rules.standing(account, 1) for account in accounts}) == 1
    other = msgspec.structs.replace(accounts[0], contract="gold")
    assert rules.standing(other, 1) != rules.standing(accounts[0], 1)
    assert rules.standing(Account("acc_x", "x", "o", contract="free"), 1) != rules.standing(accounts[0], 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"external_id": "until_10"}, {"external_id": "until_20"}),
        ({"ownership": "SG, CN"}, {"ownership": "SG"}),
        ({"contract": "gold"}, {"contract": "free"}),
        ({"status": "warned"}, {"status": "active"}),
        ({"id": "acc_7"}, {"id": "acc_8"}),
        ({"organisation": "org_7"}, {"organisation": "org_8"}),
        ({"lifted": (Lifted("exc_1", "p", "exception", "r"),)}, {"lifted": (Lifted("exc_1", "p", "no_notice", "r"),)}),
        ({"lifted": (Lifted("exc_1", "p", "exception", "r"),)}, {"lifted": (Lifted("exc_1", "q", "exception", "r"),)}),
    ],
)
def test_accounts_that_are_not_treated_alike_share_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whoever is asked about first, and whatever was asked before."""
    rules = book(
        policy(
            rule("review", ownership=["CN"]),
            rule("review", contract=["gold"]),
            rule("review", accounts=["acc_7"]),
            rule("review", organisation=["org_7"]),
            exceptions=tuple(Exemption(account=f"until_{end}", reason="r", ends=end) for end in (10, 20)),
        )
    )
    plain = Account("acc_1", "acme", "org_1")
    for changes in (one, other, one):
        account = msgspec.structs.replace(plain, **changes)
        told = rules.judge("openai", "gpt-4o", HONG_KONG, account, 15)
        assert told == verdict(told.target, rules.opinions("openai", "gpt-4o", HONG_KONG, account, 15))
    assert rules.standing(msgspec.structs.replace(plain, **one), 15) != rules.standing(
        msgspec.structs.replace(plain, **other), 15
    )


def test_what_is_to_come_for_one_account_is_not_looked_for_among_all() -> None:
    ends = tuple(Exemption(account=f"a{number}", reason="r", ends=100 + number) for number in range(1000))
    rules = book(policy(exceptions=ends, phases=(Phase(effect="warn", starts=50), Phase(effect="block", starts=2000))))
    assert rules.instants_after(Account("acc_1", "a7", "o"), 50) == [107, 2000]
    assert rules.instants_after(Account("acc_1", "x", "o"), 0) == [50, 2000]
