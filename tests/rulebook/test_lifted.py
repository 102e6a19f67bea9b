"""Exceptions that come with the account: what they lift, from when to when, and what is remembered of that."""

from itertools import permutations

import msgspec
import pytest
from tests.rulebook.test_weigh import HONG_KONG, SINGAPORE, policy, rule

from gapura.request.decide import decide
from gapura.rulebook.compile import Rules
from gapura.rulebook.explain import explain
from gapura.rulebook.facts import Facts
from gapura.rulebook.weigh import weigh
from gapura.terms.caller import Account, Caller, Key, Lifted, Lifting
from gapura.terms.place import Origin
from gapura.terms.rulebook import Effect, Endpoint, Route, Rulebook, Target

AT = HONG_KONG.at
HERE = Origin("HK", "certain", "peer")
ROUTE = Route(model="gpt-4o", targets=(Target("openai", "gpt-4o"),))


def lifted(kind: Lifting = "exception", policy: str = "p", starts: int = 0, ends: int = 0) -> Lifted:
    return Lifted("exc_1", policy, kind, "they asked", starts, ends)


def account(*lifts: Lifted) -> Account:
    return Account("acc_1", "acme", "org_1", lifted=lifts)


def rules() -> Rules:
    openai = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
    return Rules(Rulebook(version="v", endpoints=(openai,), routes={}, policies=(policy(),)))


def effect(of: Rules, who: Account, at: int) -> Effect:
    return decide(of, ROUTE, Caller(Key("key_1", who.id, "sk"), who), HERE, at, "dec_1").effect


@pytest.mark.parametrize(
    ("lifts", "facts", "expected"),
    [
        (lifted(), HONG_KONG, ("allow", "exception")),
        (lifted("interim"), HONG_KONG, ("allow", "exception")),
        (lifted("release"), HONG_KONG, ("allow", "exception")),
        (lifted("no_notice"), HONG_KONG, ("warn", "exception")),
        # who is served anyway is not warned for it
        (lifted("no_notice"), SINGAPORE, ("allow", "coverage")),
        # another policy; not yet; from then on; no more
        (lifted(policy="q"), HONG_KONG, ("block", "coverage")),
        (lifted("no_notice", policy="q"), HONG_KONG, ("block", "coverage")),
        (lifted(starts=AT + 1), HONG_KONG, ("block", "coverage")),
        (lifted(starts=AT), HONG_KONG, ("allow", "exception")),
        (lifted(ends=AT + 1), HONG_KONG, ("allow", "exception")),
        (lifted(ends=AT), HONG_KONG, ("block", "coverage")),
        (lifted("no_notice", ends=AT), HONG_KONG, ("block", "coverage")),
        # what the provider sees of us is no matter of an account
        (lifted(), msgspec.structs.replace(HONG_KONG, egress=("HK",)), ("block", "egress")),
        (lifted("no_notice"), msgspec.structs.replace(HONG_KONG, egress=("HK",)), ("block", "egress")),
    ],
)
def test_it_lifts_the_policy_that_it_names_while_it_stands(
    lifts: Lifted, facts: Facts, expected: tuple[Effect, str]
) -> None:
    ruling = weigh(policy(), msgspec.structs.replace(facts, account=account(lifts)))
    assert (ruling.effect, ruling.rule) == expected


def test_it_comes_before_rules_and_says_which_it_was() -> None:
    blocks = policy(rule("no", "block"))
    ruling = weigh(blocks, msgspec.structs.replace(SINGAPORE, account=account(lifted(ends=AT + 1))))
    assert ruling.because == "p is lifted for this account: they asked"
    assert ruling.evidence == ("exception exc_1", "until 2024-07-01T00:00:00.000001Z")
    spared = weigh(blocks, msgspec.structs.replace(SINGAPORE, account=account(lifted("no_notice"))))
    assert (spared.effect, spared.evidence) == ("warn", ("no_notice exc_1",))
    assert spared.passed[-1].why == "rule no of p; exc_1 spares this account"


def test_answers_that_are_remembered_follow_its_dates_in_any_order() -> None:
    """A caller is asked about again and again, at instants that the rulebook knows nothing of."""
    who = account(lifted(starts=AT, ends=AT + 10))
    expected: dict[int, Effect] = {AT - 1: "block", AT: "allow", AT + 9: "allow", AT + 10: "block"}
    for instants in permutations(expected):
        of = rules()
        caller = Caller(Key("key_1", who.id, "sk"), who)
        for at in instants:
            assert decide(of, ROUTE, caller, HERE, at, "dec_1").effect == expected[at]


def test_others_share_nothing_of_it() -> None:
    of = rules()
    assert effect(of, account(lifted()), AT) == "allow"
    assert effect(of, account(), AT) == "block"
    assert effect(of, account(lifted("no_notice")), AT) == "warn"
    assert effect(of, account(lifted(policy="q")), AT) == "block"


def test_whose_exception_it_is_tells_nobody_apart() -> None:
    of = rules()
    alike = [account(msgspec.structs.replace(lifted(ends=AT + 5), id=f"exc_{n}")) for n in range(100)]
    assert len({of.standing(one, AT) for one in alike}) == 1
    assert of.standing(account(lifted(policy="q")), AT) == of.standing(account(), AT), "these rules do not know q"
    assert of.standing(account(lifted(ends=AT)), AT) == of.standing(account(), AT), "it is over"


def test_an_explanation_foretells_its_end() -> None:
    who = account(lifted(starts=AT + 5, ends=AT + 10))
    told = explain(rules(), "openai", "gpt-4o", HERE, who, AT)
    assert [(one.at, one.verdict.effect) for one in told.later] == [(AT + 5, "allow"), (AT + 10, "block")]
    assert told.opinions[0].ruling.passed[0].why == "exc_1 begins 2024-07-01T00:00:00.000005Z"
