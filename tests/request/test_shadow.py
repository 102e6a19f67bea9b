"""A next version beside the live one: what it says otherwise is told and counted, and changes nothing."""

from typing import Any

import msgspec
import pytest

from gapura.request.decide import decide
from gapura.request.shadow import Shadow
from gapura.rulebook.compile import Rules
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Origin
from gapura.terms.record import Context
from gapura.terms.rulebook import Endpoint, Exemption, Pack, Phase, Policy, Route, Rulebook, Target
from gapura.terms.verdict import Decision, Shadowed

PACK = Pack(name="p", as_of="2024", source="s", guards=("openai",), supported=frozenset({"SG"}))
ENDPOINTS = tuple(
    Endpoint(provider=name, base_url="https://vendor.example.com", processing_territory="US")
    for name in ("openai", "qwen")
)
OPENAI, QWEN = Target("openai", "m"), Target("qwen", "m")
ALONE, BOTH = Route(model="alone", targets=(OPENAI,)), Route(model="both", targets=(OPENAI, QWEN))
WHO = Caller(Key("k", "a", "gp"), Account("a", "acme", "o"))


def rules(version: str, **of_policy: Any) -> Rules:
    policy = Policy(name="p", pack=PACK, **of_policy)
    return Rules(Rulebook(version=version, endpoints=ENDPOINTS, routes={}, policies=(policy,)))


WARNS = rules("live", phases=(Phase(effect="warn", starts=1),))
BLOCKS = rules("next", phases=(Phase(effect="warn", starts=1), Phase(effect="block", starts=100)))


def both(shadow: Shadow, route: Route, territory: str, at: int = 200) -> tuple[Decision, Shadowed | None]:
    origin = Origin(territory, "certain", "peer")
    live = decide(WARNS, route, WHO, origin, at, "dec_1")
    return live, shadow.beside(decide, live, route, WHO, origin, at)


@pytest.mark.parametrize(
    ("route", "territory", "at", "told", "count"),
    [
        (ALONE, "HK", 200, Shadowed("block", "next"), ("warn", "block", True, "HK")),
        (ALONE, "HK", 99, None, ("warn", "warn", False, "HK")),
        (ALONE, "SG", 200, None, ("allow", "allow", False, "SG")),
        (BOTH, "HK", 200, Shadowed("allow", "next"), ("warn", "allow", True, "HK")),
        (BOTH, "SG", 200, None, ("allow", "allow", False, "SG")),
    ],
)
def test_what_differs_is_told_and_all_is_counted(
    route: Route, territory: str, at: int, told: Shadowed | None, count: tuple[Any, ...]
) -> None:
    shadow = Shadow(BLOCKS)
    for _ in range(3):
        live, found = both(shadow, route, territory, at)
        assert found == told and live.policy_version == "live"
    assert shadow.counts == {count: 3}


def test_who_is_moved_to_another_provider_is_told_too() -> None:
    """The same effect, by another target: whoever looks at effects alone would see nothing change."""
    shadow = Shadow(rules("next", phases=(Phase(effect="warn", starts=1),), models=("other",)))
    _, found = both(shadow, BOTH, "SG")
    assert found is None
    lifted = Shadow(rules("next", exceptions=(Exemption(account="acme", reason="r"),)))
    live = decide(rules("live"), BOTH, WHO, Origin("HK", "certain", "peer"), 1, "dec_1")
    assert live.open_to == (QWEN,)
    assert lifted.beside(decide, live, BOTH, WHO, Origin("HK", "certain", "peer"), 1) == Shadowed("allow", "next")
    assert lifted.counts == {("allow", "allow", True, "HK"): 1}


def test_products_that_others_serve_are_counted_too() -> None:
    shadow, origin = Shadow(Rules(BLOCKS.book)), Origin("HK", "certain", "peer")
    for at in (99, 200, 200):
        live = WARNS.judge_product("p", origin, WHO.account, at)
        shadow.beside_product(live, "p", origin, WHO.account, at, "")
    assert shadow.counts == {("warn", "warn", False, "HK"): 1, ("warn", "block", False, "HK"): 2}


def test_a_decision_is_made_once() -> None:
    shadow = Shadow(Rules(BLOCKS.book))
    for _ in range(50):
        both(shadow, BOTH, "HK")
    assert len(shadow.rules.decisions) == 1


def test_an_older_entry_has_no_shadow_and_a_new_one_keeps_it() -> None:
    """Positional: what a gate wrote before there were shadows is still read."""
    fields = ("a", "k", "o", "m", False, False, "HK", "certain", "peer", "", "", "", "dec_1", "live", "warn", (), ())
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields), type=Context)
    assert old.shadow is None
    new = msgspec.structs.replace(old, shadow=Shadowed("block", "next"))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(new), type=Context) == new
