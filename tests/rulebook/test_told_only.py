"""A date that holds for those who were told of it: for others, what was before it."""

import pytest
from tests.rulebook.test_lifted import HERE, ROUTE, effect
from tests.rulebook.test_weigh import AT, policy

from gapura.request.decide import decide
from gapura.request.notice import Notices
from gapura.rulebook.compile import Rules
from gapura.rulebook.explain import explain
from gapura.terms.caller import Account, Caller, Key, Notice
from gapura.terms.rulebook import Effect, Endpoint, Phase, Rulebook

DAY = 86_400_000_000
PHASES = (Phase(effect="warn", starts=1), Phase(effect="block", starts=AT, told_only=True))


def rules(*phases: Phase) -> Rules:
    openai = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
    return Rules(Rulebook(version="v", endpoints=(openai,), routes={}, policies=(policy(phases=phases),)))


def told(day: int, of: str = "p", *, silent: bool = False) -> Account:
    return Account("acc_1", "a", "org", notices=(Notice("ntc_1", "june", of, "T-14", "block", day, 1, silent),))


@pytest.mark.parametrize(
    ("account", "at", "expected"),
    [
        (told(AT), AT, "block"),
        (told(AT), AT - 1, "warn"),
        (told(AT + DAY), AT + DAY - 1, "warn"),
        (told(AT + DAY), AT + DAY, "block"),
        (told(AT, of="another"), AT + DAY, "warn"),
        (Account("acc_1", "a", "org"), AT + 400 * DAY, "warn"),
        # Where there is no account, there is nobody who could be told.
        (Account("", "", ""), AT, "block"),
    ],
)
def test_it_holds_from_the_day_that_the_account_was_told_of(account: Account, at: int, expected: Effect) -> None:
    assert effect(rules(*PHASES), account, at) == expected


def test_what_is_remembered_of_one_account_is_not_said_of_another() -> None:
    """The same rules, the same callers, asked before and after."""
    used = rules(*PHASES)
    callers = [
        Caller(Key("key_1", "acc_1", "sk"), one) for one in (told(AT), told(AT + DAY), Account("acc_1", "a", "org"))
    ]
    for at, expected in (
        (AT - 1, ["warn"] * 3),
        (AT, ["block", "warn", "warn"]),
        (AT + DAY, ["block", "block", "warn"]),
    ):
        assert [decide(used, ROUTE, one, HERE, at, "dec_1").effect for one in callers] == expected


def test_another_day_for_everybody_may_follow() -> None:
    used = rules(*PHASES, Phase(effect="block", starts=AT + DAY))
    nobody = Account("acc_1", "a", "org")
    assert (effect(used, nobody, AT + DAY - 1), effect(used, nobody, AT + DAY)) == ("warn", "block")


def test_an_explanation_says_why_it_is_not_blocked() -> None:
    found = explain(rules(*PHASES), "openai", "gpt-4o", HERE, Account("acc_1", "a", "org"), AT)
    assert "for those who were told of it" in str(found)


def test_answers_name_the_accounts_own_day_unless_they_are_to_be_silent() -> None:
    used = rules(*PHASES)
    for account, expected in (
        (told(AT + DAY), True),
        (told(AT + DAY, silent=True), True),
        (Account("acc_1", "a", "o"), False),
    ):
        caller = Caller(Key("key_1", "acc_1", "sk"), account)
        headers = dict(Notices().of(used, decide(used, ROUTE, caller, HERE, AT, "d"), caller, HERE, AT))
        assert (b"sunset" in headers) is expected
        assert (b'campaign="june"' in headers.get(b"gapura-notice", b"")) is (
            expected and not account.notices[0].silent
        )
