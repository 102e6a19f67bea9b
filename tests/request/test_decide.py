"""Which targets may serve whom: place, scope, where data may go, and what a caller hears when nothing is left."""

from itertools import product
from typing import Any

import pytest

from gapura.errors import Forbidden, GapuraError, NotFound, RegionBlocked, Unready
from gapura.request.decide import Servable, decide, servable
from gapura.rulebook.compile import Rules
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Certainty, Origin
from gapura.terms.rulebook import Endpoint, Exemption, Pack, Phase, Policy, Route, Rulebook, Target

PACK = Pack(name="p", as_of="2024", source="s", guards=("openai",), supported=frozenset({"SG"}), partial={"UA": ""})
STRICT = Pack(name="q", as_of="2024", source="s", guards=("glm",), kind="deny", excluded=frozenset({"SG"}))
ENDPOINTS = (
    Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US"),
    Endpoint(provider="qwen", base_url="https://dashscope.aliyuncs.com/v1", processing_territory="CN"),
    Endpoint(provider="glm", base_url="https://relay.example.com", processing_territory=""),
)
OPENAI, QWEN, GLM, ERNIE = (Target(name, "m") for name in ("openai", "qwen", "glm", "ernie"))


def rules(**of_policy: Any) -> Rules:
    policies = (Policy(name="p", pack=PACK, **of_policy), Policy(name="q", pack=STRICT))
    return Rules(Rulebook(version="v1", endpoints=ENDPOINTS, routes={}, policies=policies))


def route(*targets: Target, **more: Any) -> Route:
    return Route(model="m", targets=targets, **more)


def caller(*, status: Any = "active", data: tuple[str, ...] = (), **of_key: Any) -> Caller:
    return Caller(Key("k", "a", "gp", **of_key), Account("a", "acme", "o", status=status, data_may_go_to=data))


def origin(territory: str, certainty: Certainty = "certain") -> Origin:
    return Origin(territory, certainty, "peer")


@pytest.mark.parametrize(
    ("where", "targets", "open_to", "effect"),
    [
        (origin("SG"), [OPENAI, QWEN], [OPENAI, QWEN], "allow"),
        (origin("CN"), [OPENAI, QWEN], [QWEN], "allow"),
        (origin("CN"), [OPENAI], [], "block"),
        (origin("UA"), [OPENAI, QWEN], [OPENAI, QWEN], "review"),
        (origin("SG"), [GLM, OPENAI], [OPENAI], "allow"),
        (origin("SG"), [ERNIE, QWEN], [QWEN], "allow"),
        # the next that certainly may serve is used first
        (origin("", "uncertain"), [OPENAI, QWEN], [QWEN, OPENAI], "allow"),
        (origin("", "uncertain"), [OPENAI], [OPENAI], "warn"),
        (origin("", "unknown"), [OPENAI, QWEN], [QWEN], "allow"),
        (origin("", "absent"), [OPENAI], [], "block"),
        (origin("", "absent"), [OPENAI, QWEN], [QWEN], "allow"),
    ],
)
def test_by_place(where: Origin, targets: list[Target], open_to: list[Target], effect: str) -> None:
    decision = decide(rules(), route(*targets), caller(), where, 1, "dec_1")
    assert (list(decision.open_to), decision.effect) == (open_to, effect)
    assert (decision.id, decision.policy_version) == ("dec_1", "v1")
    assert [verdict.target for verdict in decision.verdicts] == [str(target) for target in targets]


@pytest.mark.parametrize(
    ("who", "more", "open_to", "rule"),
    [
        (caller(providers=("qwen", "glm")), {}, [QWEN, GLM], "scope"),
        (caller(data=("CN", "SG")), {}, [QWEN], "data"),
        (caller(), {"data_may_go_to": ("US",)}, [OPENAI], "data"),
        (caller(data=("CN",)), {"data_may_go_to": ("US",)}, [], "data"),
        (caller(providers=("openai",), data=("CN",)), {}, [], "data"),
        (caller(status="suspended"), {}, [], "account"),
    ],
)
def test_whatever_the_place(who: Caller, more: dict[str, Any], open_to: list[Target], rule: str) -> None:
    """A processing territory that is not known (here glm's) is none that data may go to."""
    decision = decide(rules(), route(OPENAI, QWEN, GLM, **more), who, origin("IR"), 1, "dec_1")
    covered = decide(rules(), route(OPENAI, QWEN, GLM, **more), who, origin("UA"), 1, "dec_1")
    assert list(covered.open_to) == open_to
    assert rule in {verdict.rule for verdict in covered.verdicts if verdict.effect == "block"}
    assert OPENAI not in decision.open_to


@pytest.mark.parametrize(
    ("targets", "who", "where", "kind", "code"),
    [
        ([OPENAI], caller(), origin("CN"), RegionBlocked, "unsupported_country_region_territory"),
        ([OPENAI], caller(), origin("", "absent"), RegionBlocked, "unsupported_country_region_territory"),
        (
            [OPENAI, QWEN],
            caller(providers=("openai",)),
            origin("CN"),
            RegionBlocked,
            "unsupported_country_region_territory",
        ),
        ([ERNIE], caller(), origin("SG"), NotFound, "model_not_found"),
        ([QWEN], caller(providers=("openai",)), origin("SG"), Forbidden, "permission_denied"),
        ([QWEN], caller(data=("DE",)), origin("SG"), Forbidden, "data_may_not_go_there"),
        ([QWEN], caller(status="suspended"), origin("SG"), Forbidden, "account_suspended"),
    ],
)
def test_what_is_said_when_nothing_is_left(
    targets: list[Target], who: Caller, where: Origin, kind: type[GapuraError], code: str
) -> None:
    used = rules()
    decision = decide(used, route(*targets), who, where, 1, "dec_1")
    with pytest.raises(kind) as caught:
        servable(decision, used, fresh=True)
    assert caught.value.code == code


def test_uncertain_targets_are_a_tier_of_their_own() -> None:
    used = rules()
    decision = decide(used, route(OPENAI, QWEN, ERNIE), caller(), origin("", "uncertain"), 1, "dec_1")
    assert servable(decision, used, fresh=True) == Servable([QWEN], [OPENAI])
    certain = decide(used, route(OPENAI, QWEN), caller(), origin("SG"), 1, "dec_1")
    assert [list(tier) for tier in servable(certain, used, fresh=True)] == [[OPENAI, QWEN], []]


def test_stale_rules_are_not_trusted_with_guarded_providers() -> None:
    used = rules()
    both = decide(used, route(OPENAI, QWEN), caller(), origin("SG"), 1, "dec_1")
    assert list(servable(both, used, fresh=False).certain) == [QWEN]
    with pytest.raises(Unready):
        servable(decide(used, route(OPENAI), caller(), origin("SG"), 1, "dec_1"), used, fresh=False)


def test_a_remembered_decision_ends_with_the_phase() -> None:
    used = rules(phases=(Phase(effect="warn", starts=10), Phase(effect="block", starts=20)))
    one = route(OPENAI)
    heard = [decide(used, one, caller(), origin("CN"), at, f"dec_{at}") for at in (9, 10, 19, 20, 19)]
    assert [decision.effect for decision in heard] == ["allow", "warn", "warn", "block", "warn"]
    assert [decision.id for decision in heard] == ["dec_9", "dec_10", "dec_19", "dec_20", "dec_19"]


def test_a_route_of_the_same_name_is_not_mistaken() -> None:
    used = rules()
    assert decide(used, route(OPENAI), caller(), origin("SG"), 1, "d").open_to == (OPENAI,)
    assert decide(used, route(QWEN), caller(), origin("SG"), 1, "d").open_to == (QWEN,)


CALLERS = [
    caller(status=status, data=data, providers=providers)
    for status in ("active", "warned", "suspended")
    for data in ((), ("CN",), ("US", "CN"))
    for providers in ((), ("openai",), ("qwen", "glm"))
]
PLACES: list[tuple[str, Certainty]] = [
    ("SG", "certain"),
    ("UA", "certain"),
    ("CN", "certain"),
    ("SG", "uncertain"),
    ("CN", "uncertain"),
    ("", "uncertain"),
    ("", "unknown"),
    ("", "absent"),
]
ORIGINS = [origin(territory, certainty) for territory, certainty in PLACES]
ROUTES = [
    route(*some) for some in ([OPENAI], [OPENAI, QWEN], [QWEN, GLM, OPENAI], [ERNIE, OPENAI], [ERNIE], [GLM, QWEN])
]


def test_a_blocked_target_is_never_served_and_memory_changes_nothing() -> None:
    phases = (Phase(effect="warn", starts=10), Phase(effect="block", starts=20))
    used = rules(phases=phases)
    for one, who, where, at in product(ROUTES, CALLERS, ORIGINS, (5, 15, 25)):
        decision = decide(used, one, who, where, at, "dec")
        assert decision == decide(rules(phases=phases), one, who, where, at, "dec")
        effects = {verdict.target: verdict.effect for verdict in decision.verdicts}
        served = {name for name, effect in effects.items() if effect != "block"}
        assert {str(target) for target in decision.open_to} == served
        if decision.open_to:
            assert decision.effect == effects[str(decision.open_to[0])] != "block"
            tiers = servable(decision, used, fresh=True)
            assert [*tiers.certain, *tiers.uncertain] == list(decision.open_to)
        else:
            with pytest.raises(GapuraError):
                servable(decision, used, fresh=True)


def test_what_is_noted_of_a_caller_is_for_these_rules_alone() -> None:
    lifted = (Exemption(account="acme", reason="contract"),)
    without, lifting = rules(), rules(exceptions=lifted)
    somebody = Caller(Key("k2", "a2", "gp"), Account("a2", "globex", "o"))
    who, one = caller(), route(OPENAI)
    for _ in range(2):
        for used, effect in ((without, "block"), (lifting, "allow")):
            assert decide(used, one, somebody, origin("CN"), 1, "d").effect == "block"
            assert decide(used, one, who, origin("CN"), 1, "d").effect == effect
    assert who == caller() and hash(who.noted) == hash(caller().noted)
