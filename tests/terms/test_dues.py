"""What applies to a caller at a target, and until when that is so."""

from gapura.clock import SECOND, instant
from gapura.providers.prices import Prices
from gapura.terms.budgets import Budget
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.dues import NEVER, Due, Minute, dues, once
from gapura.terms.grants import Terms
from gapura.terms.price import Dearest, Price, Rates
from gapura.terms.rulebook import Target

NOW = instant("2026-11-29T12:00:00Z")
MIDNIGHT, NEW_PRICE = instant("2026-11-30T00:00:00Z"), NOW + 3600 * SECOND
GLM = Target("glm", "glm-4.6")


def price(amount: int, starts: int = 0, model: str = "glm-4.6") -> Price:
    return Price(
        provider="glm", model=model, currency="CNY", tiers=(Rates(input=amount, output=amount),), starts=starts
    )


PRICES = Prices({}, [price(1), price(2, NEW_PRICE), price(3, NOW + 10, "glm-5")])


def who(*, budgets: tuple[Budget, ...] = (), grants: tuple[Terms, ...] = ()) -> Caller:
    return Caller(Key("key_1", "acc_1", "sk"), Account("acc_1", "acme", "org", budgets=budgets, grants=grants))


def budget(name: str, **said: object) -> Budget:
    return Budget(id=name, organisation="org", amount=7, **said)  # type: ignore[arg-type]


def test_it_is_good_until_time_alone_changes_it() -> None:
    day = budget("d", window="day")
    grant = Terms(id="g", account="acc_1", amount=1, effective=NOW + 5, expires=NOW + 9)
    money = budget("m", unit="CNY")
    for caller, until in (
        (who(), NEVER),
        (who(budgets=(budget("t"),)), NEVER),
        (who(budgets=(day,)), MIDNIGHT),
        (who(budgets=(day, money)), NEW_PRICE),
        (who(budgets=(day, money), grants=(grant,)), NOW + 5),
    ):
        assert dues(caller, GLM, "chat", "ID", NOW, PRICES).until == until
    caller = who(grants=(grant,))
    found = [dues(caller, GLM, "chat", "ID", NOW + after, PRICES) for after in (4, 5, 8, 9)]
    assert [bool(one.grants) for one in found] == [False, True, True, False]
    assert [one.until - NOW for one in found[:3]] == [5, 9, 9]


def test_each_purse_stands_where_it_is_asked() -> None:
    minute, other = budget("n", window="minute", unit="requests"), budget("o", key="another")
    caller = who(
        budgets=(minute, budget("t"), other, budget("m", unit="CNY")),
        grants=(Terms(id="1", account="acc_1", amount=1), Terms(id="2", account="acc_1", amount=1, unit="CNY")),
    )
    found = dues(caller, GLM, "chat", "ID", NOW, PRICES)
    tiers = price(1).tiers
    assert found.minutes == (Minute("rpm:n", 7, requests=True),)
    assert [(one.purse, one.tiers) for one in found.budgets] == [("bud:t:0", ()), ("bud:m:0", tiers)]
    grants = (Due("gr:1"), Due("gr:2", tiers, always=Dearest(1, 1)))
    assert (found.grants, found.first, found.unpriced) == (grants, (*found.budgets, Due("gr:1")), None)
    unpriced = dues(caller, Target("glm", "glm-9"), "chat", "ID", NOW, PRICES)
    assert unpriced.unpriced is not None and unpriced.unpriced.id == "m" and unpriced.grants == (Due("gr:1"),)


def test_the_limits_of_key_and_account() -> None:
    key = Key("key_1", "acc_1", "sk", requests_per_minute=2, tokens_per_minute=3)
    assert once(Caller(key, Account("acc_1", "acme", "org", tokens_per_minute=5))) == (
        Minute("rpm:key_1", 2, requests=True),
        Minute("tpm:key_1", 3, requests=False),
        Minute("tpm:acc_1", 5, requests=False),
    )
