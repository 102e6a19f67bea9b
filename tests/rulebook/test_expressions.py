"""`when`: what is refused when a document is read, what can only fail later, and what is remembered."""

import sys
from typing import Any

import msgspec
import pytest

from gapura.rulebook import expressions
from gapura.rulebook.compile import Rules
from gapura.rulebook.expressions import ACCOUNT, VARIABLES, BadExpression, Expression, Failed, compiled
from gapura.rulebook.facts import Facts
from gapura.rulebook.weigh import weigh
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import Endpoint, Pack, Policy, Rule, Rulebook

ACME = Account("acc_1", "acme", "org_1", declared_territory="SG", ownership="CN, HK", contract="gold")
FACTS = Facts(
    provider="openai",
    model="gpt-4o",
    territory="UA",
    certainty="certain",
    subdivision="UA-30",
    network="vpn",
    account=ACME,
    at=1_720_500_000_000_000,  # 2024-07-09T04:40:00Z
)
PACK = Pack(name="p", as_of="2024", source="s", guards=("openai",), supported=frozenset({"UA"}))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('territory == "UA" && subdivision != "UA-43"', True),
        ('certainty == "certain" && network in ["vpn", "tor"]', True),
        ('provider + "/" + product + "/" + model == "openai/api/gpt-4o"', True),
        ('account.ownership.exists(owner, owner in ["HK", "MO"])', True),
        ('account.contract.startsWith("free") || account.phone_territory != ""', False),
        ('account.id == "acc_1" && account.external_id == "acme" && account.organisation == "org_1"', True),
        ('account.status == "active" && account.declared_territory == "SG"', True),
        ('at >= timestamp("2024-07-08T16:00:00Z") && at.getHours() == 4', True),
        ('(at + duration("8h")).getHours() == 12', True),
        ('model.matches("^gpt-5")', False),
        ("size(account.ownership) == 2 ? true : false", True),
        ('"account.nothing" != territory', True),
    ],
)
def test_what_they_say(source: str, expected: bool) -> None:
    assert Expression(source).holds(FACTS) is expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("territory ==", "line 1, column 13: mismatched input '<EOF>'"),
        ('territory = "CN"', "line 1, column 11: token recognition error"),
        ("", "line 1, column 1: "),
        ("(" * 500 + "true" + ")" * 500, "it is nested too deeply"),
        ("true" + " && true" * 300, "an expression has at most 2000 characters"),
        ("country == 'CN'", "there is no variable 'country'; did you mean"),
        ("ip == 'x'", "there is no variable 'ip'; there are account, at, certainty"),
        ("account.contracts == 'x'", "there is no field of account 'contracts'; did you mean contract?"),
        ("account.contacts.size() > 0", "there is no field of account 'contacts'; did you mean contract?"),
        ('account["contract"] == "x"', "name a field of the account, as account.contract"),
        ("account == account", "name a field of the account"),
        ("lower(territory) == 'cn'", "there is no function 'lower'"),
        ("now() > at", "there is no function 'now'"),
        ("['a'].exists(territory, territory == 'a')", "territory has a meaning already"),
    ],
)
def test_what_is_refused(source: str, message: str) -> None:
    with pytest.raises(BadExpression) as caught:
        compiled(source)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0 == 1", "division by zero"),
        ("territory + 1 == 'x'", "Unsupported operation"),
        ("territory", "it gives 'UA', neither true nor false"),
        ("account.ownership[7] == 'x'", "index out of bounds"),
        ("model.matches('[')", "Function 'matches' error"),
        ("timestamp(model) < at", "Function 'timestamp' error"),
    ],
)
def test_what_fails_later_counts_as_the_policy_says(source: str, message: str) -> None:
    with pytest.raises(Failed) as caught:
        Expression(source).holds(FACTS)
    assert message in str(caught.value)
    failing = Rule(id="odd", effect="warn", when=source)
    choices: list[tuple[Any, str]] = [("deny", "block"), ("warn", "warn")]
    for choice, effect in choices:
        ruling = weigh(Policy(name="p", pack=PACK, rules=(failing,), on_error=choice), FACTS)
        assert (ruling.effect, ruling.rule, ruling.certain) == (effect, "error", False)
        assert ruling.because.startswith("the expression of rule odd failed: ") and message in ruling.because
        assert ruling.because.endswith(f"; p says {choice}") and ruling.evidence == (f"when: {source}",)


def test_it_is_told_when_it_is_false() -> None:
    (passed,) = weigh(Policy(name="p", pack=PACK, rules=(Rule(id="r", effect="warn", when="1 > 2"),)), FACTS).passed
    assert passed.why == "its expression is false: 1 > 2"


class Counted:
    """The program of an expression that counts how often it is evaluated."""

    def __init__(self, program: Any) -> None:
        self.program, self.count = program, 0

    def execute(self, values: dict[str, object]) -> object:
        self.count += 1
        return self.program.execute(values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.program, name)


def counting(source: str) -> Counted:
    expression = compiled(source)
    program = Counted(expression._program)
    expression._program = program
    return program


def rules(*found: Rule) -> Rules:
    openai = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
    policy = Policy(name="p", pack=PACK, rules=found)
    return Rules(Rulebook(version="v", endpoints=(openai,), routes={}, policies=(policy,)))


def asked(used: Rules, account: Account = ACME, *, at: int = 1, territory: str = "UA", model: str = "gpt-4o") -> str:
    return used.judge("openai", model, Origin(territory, "certain", "peer"), account, at).rule


def test_it_is_evaluated_once_for_what_it_looks_at_and_never_where_another_condition_misses() -> None:
    program = counting('account.contract == "gold" && 21 > 20')
    used = rules(
        Rule(id="r", effect="warn", when='account.contract == "gold" && 21 > 20', territories=frozenset({"UA"}))
    )
    for number in range(20):
        assert asked(used, msgspec.structs.replace(ACME, external_id=f"a{number}")) == "r"
    assert program.count == 1
    assert asked(used, msgspec.structs.replace(ACME, contract="free")) == "coverage"
    assert program.count == 2
    assert asked(used, territory="SG") == "coverage"
    assert asked(used, model="gpt-4.1") == "r"
    assert program.count == 3
    assert not used.fleeting


def test_what_looks_at_the_time_is_evaluated_anew() -> None:
    source = 'at < timestamp("1970-01-01T00:00:10Z")'
    program = counting(source)
    used = rules(Rule(id="r", effect="warn", when=source))
    heard = [asked(used, at=at) for at in (1, 1, 9_999_999, 10_000_000, 1)]
    assert heard == ["r", "r", "r", "coverage", "r"]
    assert (program.count, used.fleeting) == (5, True)


def test_a_machine_without_the_extra_says_so_and_judges_by_on_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel", None)
    source = 'account.contract == "nobody has compiled this before"'
    with pytest.raises(BadExpression, match=r"need the extra cel .*pip install 'gapura\[cel\]'"):
        expressions.compiled(source)
    used = rules(Rule(id="r", effect="warn", when=source))
    verdict = used.judge("openai", "gpt-4o", Origin("UA", "certain", "peer"), ACME, 1)
    assert (verdict.effect, verdict.rule) == ("block", "error") and "gapura[cel]" in verdict.because


def test_every_variable_is_there() -> None:
    for name in VARIABLES.keys() - {"account"}:
        assert Expression(f"{name} == {name}").variables == {name}
    for field in ACCOUNT:
        assert Expression(f"account.{field} == account.{field}").fields == {field}
