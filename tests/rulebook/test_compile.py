"""All policies together: the strictest wins, nothing remembered outlives its time, and June 2024 told again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.clock import TurnableClock, instant
from gapura.rulebook import compile as compiled
from gapura.rulebook.compile import Rules
from gapura.rulebook.explain import explain
from gapura.rulebook.opinions import verdict
from gapura.rulebook.weigh import RANK
from gapura.terms.caller import Account
from gapura.terms.place import Certainty, Origin
from gapura.terms.rulebook import (
    STRICTNESS,
    Effect,
    Endpoint,
    Exemption,
    Pack,
    Phase,
    Policy,
    Route,
    Rule,
    Rulebook,
    Target,
)

OPENAI = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
QWEN = Endpoint(provider="qwen", base_url="https://dashscope.aliyuncs.com/v1", processing_territory="CN")
ACME = Account(id="acc_1", external_id="acme", organisation="org_1")
PLACES = ["SG", "HK", "UA", "CN"]
PACK = Pack(name="p", as_of="2024", source="s", guards=("openai",), supported=frozenset({"SG"}), partial={"UA": ""})


def rules(*policies: Policy, **more: Any) -> Rules:
    return Rules(Rulebook(version="v", endpoints=(OPENAI, QWEN), routes={}, policies=policies, **more))


def origin(territory: str, certainty: Certainty = "certain") -> Origin:
    return Origin(territory, certainty, "peer")


instants = st.integers(1, 40)
names = st.sampled_from(["acme", "acc_1", "globex"])
effects = st.sampled_from(STRICTNESS)
a_rule = st.builds(
    Rule,
    id=st.uuids().map(str),
    effect=effects,
    territories=st.frozensets(st.sampled_from(PLACES), max_size=2),
    accounts=st.frozensets(names, max_size=1),
    models=st.sampled_from([(), ("gpt-*",), ("o1",)]),
    starts=st.integers(0, 20),
    ends=st.sampled_from([0, 25, 35]),
)
a_policy = st.builds(
    Policy,
    name=st.uuids().map(str),
    pack=st.just(PACK),
    phases=st.lists(
        st.builds(Phase, effect=effects, starts=instants), max_size=3, unique_by=lambda phase: phase.starts
    ).map(lambda phases: tuple(sorted(phases, key=lambda phase: phase.starts))),
    rules=st.lists(a_rule, max_size=4).map(tuple),
    exceptions=st.lists(
        st.builds(Exemption, account=names, reason=st.just("r"), ends=st.sampled_from([0, 15])), max_size=2
    ).map(tuple),
    on_unknown=st.sampled_from(["warn", "deny"]),
    on_disagreement=st.sampled_from(["warn", "deny"]),
    on_partial=st.sampled_from(["allow", "warn", "review"]),
)
policies = st.lists(a_policy, max_size=3).map(tuple)
an_origin = st.one_of(
    st.builds(Origin, st.sampled_from(PLACES), st.sampled_from(["certain", "uncertain"]), st.just("peer")),
    st.builds(Origin, st.just(""), st.sampled_from(["unknown", "absent", "uncertain"]), st.just("peer")),
)
an_account = st.builds(
    Account,
    id=st.just("acc_1"),
    external_id=st.sampled_from(["acme", "other"]),
    organisation=st.just("o"),
    status=st.sampled_from(["active", "warned"]),
)


@given(policies, an_origin, an_account, instants)
def test_the_strictest_wins(given_policies: tuple[Policy, ...], where: Origin, account: Account, at: int) -> None:
    alone = [rules(one).judge("openai", "gpt-4o", where, account, at) for one in given_policies]
    both = rules(*given_policies).judge("openai", "gpt-4o", where, account, at)
    state: Effect = "warn" if account.status == "warned" else "allow"
    assert RANK[both.effect] == max([RANK[one.effect] for one in alone] + [RANK[state]])
    if both.effect != "block":
        assert both.certain == all(one.certain for one in alone)


@given(policies, an_origin, an_account, instants, st.data())
def test_an_exception_makes_no_other_policy_milder(
    given_policies: tuple[Policy, ...], where: Origin, account: Account, at: int, data: st.DataObject
) -> None:
    if not given_policies:
        return
    chosen = data.draw(st.integers(0, len(given_policies) - 1))
    more = Exemption(account=account.external_id, reason="r")
    lifted = list(given_policies)
    lifted[chosen] = msgspec.structs.replace(lifted[chosen], exceptions=(*lifted[chosen].exceptions, more))
    before = rules(*given_policies).opinions("openai", "gpt-4o", where, account, at)
    after = rules(*lifted).opinions("openai", "gpt-4o", where, account, at)
    assert after[chosen].ruling.effect == "allow"
    assert after[:chosen] + after[chosen + 1 :] == before[:chosen] + before[chosen + 1 :]


@given(policies, st.lists(st.tuples(an_origin, an_account, st.integers(0, 45)), max_size=30))
def test_what_is_remembered_is_what_would_be_said(
    given_policies: tuple[Policy, ...], questions: list[tuple[Origin, Account, int]]
) -> None:
    """Also when the clock is set back, and where an account is named by a rule."""
    used = rules(*given_policies)
    for where, account, at in questions:
        fresh = rules(*given_policies)
        told = verdict("openai/gpt-4o", fresh.opinions("openai", "gpt-4o", where, account, at))
        assert used.judge("openai", "gpt-4o", where, account, at) == told


@given(policies, an_origin, an_account, st.integers(0, 45))
def test_the_change_ahead_is_the_first(
    given_policies: tuple[Policy, ...], where: Origin, account: Account, at: int
) -> None:
    used = rules(*given_policies)
    told = explain(used, "openai", "gpt-4o", where, account, at)
    later = range(at + 1, 60)
    effects = {instant: used.judge("openai", "gpt-4o", where, account, instant).effect for instant in later}
    first = next((instant for instant, effect in effects.items() if effect != told.verdict.effect), None)
    assert (told.ahead.at if told.ahead else None) == first
    assert verdict("openai/gpt-4o", list(told.opinions)) == told.verdict


def test_the_story_of_2024() -> None:
    """The mails went out on 25 June; from 9 July the warning was a block.  Nobody has to be awake at midnight."""
    zone = "Asia/Shanghai"
    armed = Policy(
        name="openai",
        pack=PACK,
        phases=(
            Phase(effect="warn", starts=instant("2024-06-25T00:00:00+08:00"), zone=zone),
            Phase(effect="block", starts=instant("2024-07-09T00:00:00+08:00"), zone=zone),
        ),
        exceptions=(
            Exemption(account="acme", reason="was not told in time", ends=instant("2024-07-16T00:00:00+08:00")),
        ),
    )
    book = rules(armed)
    clock = TurnableClock(instant("2024-06-24T23:59:59.999999+08:00"))
    globex = Account(id="acc_2", external_id="globex", organisation="org_1")

    def heard(account: Account, place: str = "CN") -> Effect:
        return book.judge("openai", "gpt-4o", origin(place), account, clock()).effect

    assert (heard(globex), heard(globex, "SG")) == ("allow", "allow")
    clock.turn(seconds=0.000001)
    assert (heard(globex), heard(acme := ACME), heard(globex, "SG")) == ("warn", "allow", "allow")
    ahead = explain(book, "openai", "gpt-4o", origin("CN"), globex, clock()).ahead
    assert ahead and (ahead.at, ahead.zone, ahead.verdict.effect) == (instant("2024-07-08T16:00:00Z"), zone, "block")
    clock.turn(days=14, seconds=-0.000001)
    assert heard(globex) == "warn"
    clock.turn(seconds=0.000001)
    assert (heard(globex), heard(acme), heard(globex, "SG")) == ("block", "allow", "allow")
    assert book.judge("qwen", "qwen-plus", origin("CN"), globex, clock()).effect == "allow"
    clock.turn(days=7, seconds=-0.000001)
    assert heard(acme) == "allow"
    clock.turn(seconds=0.000001)
    assert heard(acme) == "block"
    assert explain(book, "openai", "gpt-4o", origin("CN"), acme, clock()).ahead is None


@pytest.mark.parametrize(
    ("status", "place", "effect", "rule"),
    [
        ("warned", "SG", "warn", "account"),
        ("warned", "HK", "block", "coverage"),
        ("suspended", "SG", "block", "account"),
    ],
)
def test_the_state_of_the_account_has_a_say(status: Any, place: str, effect: Effect, rule: str) -> None:
    account = msgspec.structs.replace(ACME, status=status)
    told = rules(Policy(name="p", pack=PACK)).judge("openai", "gpt-4o", origin(place), account, 1)
    assert (told.effect, told.rule) == (effect, rule)
    assert rules().judge("qwen", "m", origin(place), account, 1).rule == "account"


def test_accounts_of_two_organisations_with_one_external_id_are_told_apart() -> None:
    theirs = Account(id="acc_2", external_id="acme", organisation="org_2")
    lifted = Exemption(account="acc_2", reason="contract")
    used = rules(Policy(name="p", pack=PACK, exceptions=(lifted,)))
    heard = [used.judge("openai", "gpt-4o", origin("HK"), account, 1).effect for account in (theirs, ACME, theirs)]
    assert heard == ["allow", "block", "allow"]


def test_an_account_that_is_renamed_does_not_keep_the_exception_of_its_former_name() -> None:
    used = rules(Policy(name="p", pack=PACK, exceptions=(Exemption(account="acme", reason="contract"),)))
    renamed = msgspec.structs.replace(ACME, external_id="emca")
    block = Rule(id="r", effect="block", accounts=frozenset({"acc_1"}))
    both = rules(Policy(name="p", pack=PACK, rules=(block,), exceptions=used.book.policies[0].exceptions))
    for one in (used, both):
        heard = [one.judge("openai", "gpt-4o", origin("HK"), account, 1).effect for account in (ACME, renamed, ACME)]
        assert heard == ["allow", "block", "allow"]


def test_nothing_guards_it() -> None:
    told = rules().judge("openai", "gpt-4o", origin("KP"), ACME, 1)
    assert (told.effect, told.policy, told.certain) == ("allow", "", True)


@pytest.mark.parametrize(("url", "guarded"), [("https://api.z.ai/v4", True), ("https://open.bigmodel.cn/v4", False)])
def test_a_pack_with_hosts_guards_these_alone(url: str, guarded: bool) -> None:
    endpoint = Endpoint(provider="glm", base_url=url, processing_territory="SG")
    pack = Pack(
        name="z",
        as_of="2024",
        source="s",
        guards=("glm",),
        kind="deny",
        hosts=("api.z.ai",),
        excluded=frozenset({"IR"}),
    )
    book = Rulebook(version="v", endpoints=(endpoint,), routes={}, policies=(Policy(name="z", pack=pack),))
    assert Rules(book).is_guarded("glm") == guarded
    assert Rules(book).judge("glm", "m", origin("IR"), ACME, 1).effect == ("block" if guarded else "allow")


def test_routes() -> None:
    named = Route(model="gpt-4o-mini", targets=(Target("openai", "gpt-4o-mini"), Target("qwen", "qwen-plus")))
    used = Rules(Rulebook(version="v", endpoints=(QWEN,), routes={"gpt-4o-mini": named}))
    assert used.route("gpt-4o-mini") is named
    direct = used.route("qwen/org/some-model")
    assert direct and direct.targets == (Target("qwen", "org/some-model"),)
    assert used.route("qwen/org/some-model") is direct
    assert [used.route(model) for model in ("openai/gpt-4o", "qwen/", "qwen", "nothing", "")] == [None] * 5


def test_the_ceiling_is_the_highest_of_the_route() -> None:
    used = rules()
    one, other, unheard = Target("openai", "gpt-4o"), Target("openai", "gpt-4.1"), Target("qwen", "unheard-of")
    low, high = (used.ceiling(Route(model=str(target), targets=(target,))) for target in (one, other))
    assert (low, high) == (16_384, 32_768)
    assert used.ceiling(Route(model="both", targets=(one, other))) == high
    assert used.ceiling(Route(model="any", targets=(one, unheard))) >= 128_000


def test_callers_do_not_choose_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "LIMIT", 100)
    used = rules(Policy(name="p", pack=PACK))
    for number in range(1000):
        assert used.route(f"openai/m{number}")
        assert used.judge("openai", f"m{number}", origin("HK"), ACME, 1).target == f"openai/m{number}"
    assert max(len(value) for value in vars(used).values() if isinstance(value, compiled.Memo)) <= 100
