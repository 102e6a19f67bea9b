"""Each finding on a document that has it, and on its nearest neighbour that has not; and how it is accepted."""

from typing import Any

import pytest

from gapura.clock import instant
from gapura.rulebook import lints
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.lints import Limits, Lint, eu
from gapura.rulebook.overlap import covered
from gapura.rulebook.read import read
from gapura.terms.rulebook import Rule

LONG = Limits(list_age_days=3650)
NOW = instant("2026-11-22T12:00:00+00:00")


def found(*policies: dict[str, Any], limits: Limits = LONG, at: int = NOW) -> list[Lint]:
    written = [{"pack": "openai/api", "name": f"p{number}", **policy} for number, policy in enumerate(policies)]
    return lints.lints(read({"policies": written}, endpoints=(), models={}).policies, limits, at)


def codes(*policies: dict[str, Any], **more: Any) -> list[str]:
    return [lint.code for lint in found(*policies, **more)]


def rule(name: str, effect: str, **conditions: Any) -> dict[str, Any]:
    return {"id": name, "effect": effect, **conditions}


def phase(effect: str, start: str) -> dict[str, str]:
    return {"effect": effect, "from": f"{start}T00:00:00+08:00"}


LIFTED = {"account": "acme", "reason": "contract", "until": "2027-01-01T00:00:00Z"}


def test_nothing_is_found_in_a_plain_policy() -> None:
    assert found({}) == []
    assert len(eu()) == 27 and "GB" not in eu()


@pytest.mark.parametrize(
    ("rules", "shut"),
    [
        ([rule("no-de", "block", territories=["DE"])], "DE"),
        ([rule("no-de", "block", territories=["DE"], models=["gpt-5*"])], "gpt-5* in DE"),
        ([rule("no-de", "block", territories=["DE", "FR"], **{"from": "2027-01-01T00:00:00Z"})], "from 2027-01-01"),
        ([rule("no-gb", "block", territories=["GB"])], ""),
        ([rule("no-eu", "block", territories=sorted(eu()))], ""),
        ([rule("all-but-one", "block", territories=sorted(eu() - {"MT"}))], "AT, BE"),
        ([rule("no-de", "block", territories=["DE"], accounts=["acme"])], ""),
        ([rule("ended", "block", territories=["DE"], until="2026-01-01T00:00:00Z")], ""),
        ([rule("warned", "warn", territories=["DE"])], ""),
    ],
)
def test_the_member_states_of_the_eu_are_not_told_apart(rules: list[Any], shut: str) -> None:
    split = [lint for lint in found({"rules": rules}) if lint.code == "splits-eu"]
    assert bool(split) == bool(shut) and all(shut in lint.message and lint.refuses for lint in split)


@pytest.mark.parametrize(
    ("phases", "short"),
    [
        ([phase("block", "2027-07-09")], "without a phase that warns"),
        ([phase("warn", "2027-06-25"), phase("block", "2027-07-09")], ""),
        ([phase("warn", "2027-06-26"), phase("block", "2027-07-09")], "only 13 days"),
        ([phase("review", "2027-06-01"), phase("warn", "2027-07-01"), phase("block", "2027-07-09")], ""),
        ([phase("warn", "2027-06-01"), phase("allow", "2027-07-01"), phase("block", "2027-07-09")], "without"),
        ([phase("warn", "2027-06-01"), phase("block", "2027-07-01"), phase("block", "2027-07-09")], ""),
        ([phase("warn", "2027-06-01")], ""),
    ],
)
def test_a_block_is_announced_long_enough_before_it(phases: list[Any], short: str) -> None:
    told = [lint for lint in found({"phases": phases}) if lint.code == "short-notice"]
    assert bool(told) == bool(short) and all(short in lint.message and lint.refuses for lint in told)
    assert "short-notice" not in codes({"phases": phases}, limits=Limits(minimum_notice_days=0))


@pytest.mark.parametrize(
    ("first", "second", "reached"),
    [
        (rule("a", "block", territories=["HK", "MO"]), rule("b", "block", territories=["HK"]), False),
        (rule("a", "block", territories=["HK"]), rule("b", "block", territories=["HK", "MO"]), True),
        (rule("a", "allow", territories=["HK"]), rule("b", "block", territories=["HK"], models=["x"]), False),
        (rule("a", "allow", territories=["HK"], models=["x"]), rule("b", "block", territories=["HK"]), True),
        (rule("a", "block"), rule("b", "warn", networks=["vpn"]), False),
        (rule("a", "block", networks=["tor"]), rule("b", "warn", networks=["vpn"]), True),
        (rule("a", "warn"), rule("b", "block"), True),  # blocks are asked first
        (rule("a", "block", models=["gpt-4*"]), rule("b", "warn", models=["gpt-4o*"]), False),
        (rule("a", "block", models=["gpt-?"]), rule("b", "warn", models=["gpt-*"]), True),
        (rule("a", "block", until="2027-01-01T00:00:00Z"), rule("b", "warn"), True),
        (rule("a", "block"), rule("b", "warn", until="2027-01-01T00:00:00Z"), False),
        (rule("a", "block", **{"from": "2027-01-01T00:00:00Z"}), rule("b", "warn"), True),
        (rule("a", "block", contract=["x"]), rule("b", "warn", contract=["x"], accounts=["acme"]), False),
    ],
)
def test_a_rule_that_never_decides(first: Any, second: Any, reached: bool) -> None:
    never = [lint.message for lint in found({"rules": [first, second]}) if lint.code == "unreachable-rule"]
    assert any("rule b never decides: a is" in message for message in never) != reached


def test_a_territory_holds_its_parts() -> None:
    crimea = Rule(id="a", effect="review", territories=frozenset({"UA-43"}))
    ukraine = Rule(id="b", effect="block", territories=frozenset({"UA"}))
    assert covered(crimea, ukraine) and not covered(ukraine, crimea)


def test_a_rule_that_has_ended() -> None:
    (lint,) = found({"rules": [rule("old", "block", territories=["HK"], until="2026-01-01T00:00:00Z")]})
    assert lint.code == "unreachable-rule" and "rule old ended 2026-01-01" in lint.message and not lint.refuses


def test_rules_that_contradict_each_other() -> None:
    first, second = rule("a", "allow", territories=["HK", "SG"]), rule("b", "block", territories=["HK", "MO"])
    (lint,) = found({"rules": [first, second]})
    assert lint.code == "contradicting-rules" and "both name HK; a decides" in lint.message
    assert codes({"rules": [first, second | {"accounts": ["acme"]}]}) == ["contradicting-rules"]
    assert codes({"rules": [first | {"accounts": ["globex"]}, second | {"accounts": ["acme"]}]}) == []
    assert codes({"rules": [first | {"until": LIFTED["until"]}, second | {"from": LIFTED["until"]}]}) == []


def test_a_place_in_two_phases() -> None:
    warns = {"phases": [phase("warn", "2026-01-01")]}
    (lint,) = found({}, warns)
    assert (lint.code, lint.policy) == ("two-phases", "p1") and "p0, which guards the same, says block" in lint.message
    assert codes(warns, warns) == []
    assert codes({}, warns | {"pack": "openai/chatgpt"}) == []
    later = {"phases": [phase("warn", "2026-01-01"), phase("block", "2027-01-01")]}
    assert "from 2026-12-31T16:00:00Z" in found(warns, later)[0].message


def test_how_old_a_list_may_be() -> None:
    of = instant("2026-09-26T00:00:00+00:00")
    assert codes({}, limits=Limits(), at=of + 90 * lints.DAY) == []
    assert codes({}, limits=Limits(), at=of + 91 * lints.DAY) == ["old-list"]
    assert codes({}, limits=Limits(list_age_days=91), at=of + 91 * lints.DAY) == []
    assert "is of 2026, 325 days" in found({"pack": "anthropic/api"}, limits=Limits())[0].message


def test_exceptions_that_end_never_or_did_or_are_nobodys() -> None:
    lifted = [LIFTED, *({"account": f"a{number}", "reason": "contract", "owner": "ops"} for number in range(7))]
    ended = LIFTED | {"until": "2026-11-22T12:00:00Z", "account": "globex"}
    told = {lint.code: lint.message for lint in found({"exceptions": [*lifted, ended]})}
    assert told == {
        "endless-exception": "exceptions that have no end: a0, a1, a2, a3, a4 and 2 more",
        "ownerless-exception": "exceptions that have no owner: acme",
        "ended-exception": "exceptions that have ended: globex",
    }


def test_what_stands_in_force_is_told_until_it_is_accepted() -> None:
    book = read({"policies": [{"pack": "openai/api", "exceptions": [LIFTED]}]}, endpoints=(), models={})
    late = NOW + 365 * lints.DAY
    assert [line.rpartition("[")[2] for line in lints.standing(book.policies, Limits(), late)] == [
        "old-list]",
        "ended-exception]",
    ]
    accepted = lints.read({"accept": [{"lint": "old-list", "reason": "checked"}]})
    assert [line.rpartition("[")[2] for line in lints.standing(book.policies, accepted, late)] == ["ended-exception]"]


def test_what_is_accepted_refuses_nothing_and_is_still_told() -> None:
    german = {"rules": [rule("no-de", "block", territories=["DE"])]}
    accept = [{"lint": "splits-eu", "policy": "p1", "reason": "counsel"}]
    first, second = found(german, german, limits=lints.read({"accept": accept, "list_age_days": 900}))
    assert (first.policy, first.refuses, first.accepted) == ("p0", True, "")
    assert (second.policy, second.refuses, second.accepted) == ("p1", False, "counsel")
    everywhere = lints.read({"accept": [{"lint": "splits-eu", "reason": "counsel"}], "list_age_days": 900})
    assert not any(lint.refuses for lint in found(german, german, limits=everywhere))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"accept": [{"lint": "splits-ue", "reason": "x"}]}, "lints.accept[0].lint"),
        ({"accept": [{"lint": "splits-eu", "reason": " "}]}, "lints.accept[0].reason"),
        ({"accept": [{"lint": "splits-eu"}]}, "lints.accept[0].reason"),
        ({"minimum_notice": 3}, "lints.minimum_notice"),
        ({"minimum_notice_days": -1}, "lints.minimum_notice_days"),
    ],
)
def test_what_cannot_be_meant(raw: object, path: str) -> None:
    with pytest.raises(BadDocument) as refused:
        lints.read(raw)
    assert refused.value.path == path


def test_a_thousand_rules_are_looked_at_in_time() -> None:
    rules = [rule(f"r{number}", "block", territories=["DE", "HK"], accounts=[f"a{number}"]) for number in range(1000)]
    assert found({"rules": rules}) == []
