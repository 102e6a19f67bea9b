"""What changes from one rulebook to another, against the verdicts of both; and how it is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.territories import CODES
from gapura.clock import instant
from gapura.rulebook.compile import Rules
from gapura.rulebook.diff import ANYBODY, Difference, difference, words
from gapura.rulebook.read import read
from gapura.terms.place import Origin

NOW = instant("2026-11-22T12:00:00+00:00")
LATER = instant("2027-01-01T00:00:00+00:00")
HK = {"id": "hk", "effect": "block", "territories": ["Hong Kong"]}
SG = {"id": "sg", "effect": "block", "territories": ["SG"], "from": "2027-01-01T00:00:00Z"}


def rules(*policies: dict[str, Any]) -> Rules:
    return Rules(read({"policies": [{"pack": "openai/api", **policy} for policy in policies]}, endpoints=(), models={}))


def changes(found: Difference, moment: int = 0) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    return [(one.product, one.model, one.before, one.after, one.places) for one in found.moments[moment].changes]


def test_the_same_document_changes_nothing() -> None:
    found = difference(rules({"rules": [HK]}), rules({"rules": [HK]}), NOW)
    assert found.same and words(found) == ["no policy changes"] and changes(found) == []


def test_who_gains_and_who_loses() -> None:
    found = difference(
        rules({}), rules({"rules": [HK | {"effect": "allow"}, SG | {"from": "2026-01-01T00:00:00Z"}]}), NOW
    )
    assert changes(found) == [
        ("openai/api", "", "allow", "block", ("SG",)),
        ("openai/api", "", "block", "allow", ("HK",)),
    ]
    told = words(found)
    assert told[:5] == [
        "from 2026-11-22T12:00:00Z",
        "  openai/api: allow → block, so lost to Singapore (SG)",
        "  openai/api: block → allow, so gained by Hong Kong (HK)",
        "policy openai/api: changed",
        "  + rule hk: effect allow, territories HK",
    ]
    back = difference(rules({"rules": [HK | {"effect": "allow"}]}), rules({}), NOW)
    assert changes(back) == [("openai/api", "", "allow", "block", ("HK",))] and "  - rule hk:" in words(back)[3]


def test_what_comes_later_is_told_with_its_instant() -> None:
    found = difference(rules({}), rules({"rules": [SG]}), NOW)
    assert [moment.at for moment in found.moments] == [NOW, LATER] and changes(found) == []
    assert changes(found, 1) == [("openai/api", "", "allow", "block", ("SG",))]
    assert words(found)[:3] == [
        "from 2026-11-22T12:00:00Z: nobody gains or loses anything",
        "from 2027-01-01T00:00:00Z",
        "  openai/api: allow → block, so lost to Singapore (SG)",
    ]
    assert [moment.at for moment in difference(rules({}), rules({"rules": [SG]}), LATER).moments] == [LATER]
    ends = SG | {"until": "2027-02-01T00:00:00Z"}
    assert [bool(moment.changes) for moment in difference(rules({}), rules({"rules": [ends]}), NOW).moments] == [
        False, True, False,
    ]  # fmt: skip


def test_a_phase_that_is_put_off() -> None:
    early, late = (
        {"phases": [{"effect": "block", "from": f"2027-0{month}-01T00:00:00+08:00", "zone": "Asia/Shanghai"}]}
        for month in (1, 2)
    )
    found = difference(rules(early), rules(late), NOW)
    assert [len(moment.changes) for moment in found.moments] == [0, 2, 0]
    gained, partly = found.moments[1].changes
    assert (gained.before, gained.after) == ("block", "allow") and {"CN", "HK", "RU"} <= set(gained.places)
    assert (partly.before, partly.after) == ("review", "allow") and "UA" in partly.places
    assert "  + phase 2027-01-31T16:00:00Z: block (Asia/Shanghai)" in words(found)


def test_a_pattern_of_models_is_told_apart() -> None:
    found = difference(rules({}), rules({"rules": [SG | {"from": "2026-01-01T00:00:00Z", "models": ["gpt-5*"]}]}), NOW)
    assert changes(found) == [("openai/api", "gpt-5*", "allow", "block", ("SG",))]
    limited = difference(rules({}), rules({"models": ["gpt-5*"]}), NOW)
    assert {change.model for change in limited.moments[0].changes} == {""}  # all others are free now


def test_policies_that_come_and_go() -> None:
    found = difference(rules({}), rules({}, {"pack": "openai/chatgpt"}), NOW)
    assert [(one.policy, one.kind) for one in found.policies] == [("openai/chatgpt", "added")]
    assert {change.product for change in found.moments[0].changes} == {"openai/chatgpt"}
    gone = difference(rules({}), rules(), NOW)
    assert {change.after for change in gone.moments[0].changes} == {"allow"}
    assert any("so gained by" in line and " places: " in line for line in words(gone))


def test_what_concerns_no_place_is_told_as_it_is_written() -> None:
    lifted = [
        {"account": "acme", "reason": "contract", "until": "2027-01-01T00:00:00Z"},
        {"account": "acme", "reason": "b"},
    ]
    found = difference(rules({}), rules({"exceptions": lifted, "on_unknown": "warn"}), NOW)
    assert words(found) == [
        "no territory gains or loses anything",
        "policy openai/api: changed",
        "  ~ on_unknown: deny → warn",
        "  + exception acme: contract, until 2027-01-01T00:00:00Z",
        "  + exception acme again: b",
    ]
    assert not found.same
    many = [{"account": f"a{number}", "reason": "x"} for number in range(30)]
    assert words(difference(rules({}), rules({"exceptions": many}), NOW))[-1] == "  + exception and 10 more"


codes = st.sampled_from(sorted(CODES))
some_rules = st.lists(
    st.builds(
        lambda effect, places, start: {"effect": effect, "territories": places, "from": f"{start}-01-01T00:00:00Z"},
        st.sampled_from(["allow", "warn", "block"]),
        st.lists(codes, min_size=1, max_size=3),
        st.sampled_from(["2026", "2027", "2028"]),
    ),
    max_size=3,
)


@given(first=some_rules, second=some_rules, at=st.sampled_from([NOW, LATER, LATER + 1]))
def test_every_place_is_told_as_both_judge_it(first: list[Any], second: list[Any], at: int) -> None:
    one, two = (
        rules({"rules": [{"id": f"r{number}"} | rule for number, rule in enumerate(written)]})
        for written in (first, second)
    )
    found = difference(one, two, at)
    told = {place: (change.before, change.after) for change in found.moments[0].changes for place in change.places}
    for code in CODES:
        origin = Origin(code, "certain", "peer")
        was, becomes = (rules.judge_product("openai/api", origin, ANYBODY, at).effect for rules in (one, two))
        assert told.get(code, (was, was)) == (was, becomes)


@pytest.mark.parametrize("swapped", [False, True])
def test_both_ways_say_the_same(swapped: bool) -> None:
    one, two = rules({"rules": [HK | {"effect": "warn"}]}), rules({"rules": [SG]})
    found = difference(*((two, one) if swapped else (one, two)), NOW)
    assert {(change.before, change.after) for change in found.moments[0].changes} == (
        {("block", "warn")} if swapped else {("warn", "block")}
    )
