"""From where providers are called, as it is stated, found and judged."""

import pytest

from gapura.atlas.packs import pack
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.egress import everywhere, judged, nowhere, stated
from gapura.rulebook.endpoints import endpoints
from gapura.terms.caller import Account
from gapura.terms.place import Located, Origin
from gapura.terms.rulebook import Endpoint, Policy, Rule, Rulebook

PLACES = {"8.8.8.8": "US", "9.9.9.9": "HK", "2a00::1": "SG"}
SETTLED = ("8.8.8.8", "SG")


def locate(address: str) -> Located:
    if address == "1.1.1.1":
        return Located("AU", "uncertain")
    return Located(PLACES[address], "certain") if address in PLACES else Located("", "unknown")


def made(table: dict[str, object], *egress: str) -> dict[str, Endpoint]:
    reached = endpoints({"providers": table}, configured={"openai", "qwen"}, base_urls={}, egress=egress)
    return {endpoint.provider: endpoint for endpoint in reached}


def book(*reached: Endpoint, territory: str = "", **more: object) -> Rulebook:
    policy = Policy(name="openai/api", pack=pack("openai/api"), **more)  # type: ignore[arg-type]  # fields of a policy
    return Rulebook(version="v", endpoints=reached, routes={}, policies=(policy,), egress_territory=territory)


def test_what_is_stated_for_one_takes_the_place_of_what_is_stated_for_all() -> None:
    found = made({"openai": {"egress": ["9.9.9.9", "Singapore", "2a00:0::1"]}}, *SETTLED)
    assert (found["openai"].egress, found["qwen"].egress) == (("9.9.9.9", "SG", "2a00::1"), SETTLED)
    rules = Rules(book(*found.values()), locate)
    assert (rules.called_from("openai"), rules.called_from("qwen")) == (("HK", "SG"), ("US", "SG"))


def test_without_place_data_an_address_has_no_place() -> None:
    assert Rules(book(made({}, "8.8.8.8", "SG")["openai"])).called_from("openai") == ("SG",)
    assert nowhere("8.8.8.8").certainty == "unknown"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"openai": {"egress": "8.8.8.8"}}, r"providers\.openai\.egress: expected a list"),
        ({"openai": {"egress": ["8.8.8.8:443"]}}, r"egress\[0\]: .* without port"),
        ({"openai": {"egress": ["8.8.8.8", "10.0.0.1"]}}, r"egress\[1\]: 10\.0\.0\.1 is not public"),
        ({"openai": {"egress": ["Singapur"]}}, r"egress\[0\]: .*did you mean Singapore"),
        ({"openai": {"egress": [7]}}, r"egress\[0\]: expected an address or a territory"),
        ({"openai": {"egres": []}}, r"did you mean egress"),
        ({"openai": {"base_url": 7}}, r"base_url: expected a string"),
        ({"openai": {"called_from": ["SG"]}}, r"called_from: there is no such field"),
    ],
)
def test_what_cannot_be_meant_names_its_field(table: dict[str, object], words: str) -> None:
    with pytest.raises(BadDocument, match=words):
        made(table)


@pytest.mark.parametrize(
    ("egress", "blocked"),
    [
        (("8.8.8.8",), False),
        (("9.9.9.9",), True),
        (("8.8.8.8", "9.9.9.9"), True),
        (("HK",), True),
        (("1.1.1.1",), False),
    ],
)
def test_a_provider_is_not_used_from_where_it_may_not_be_called(egress: tuple[str, ...], blocked: bool) -> None:
    reached = made({}, *egress)["openai"]
    verdict = Rules(book(reached), locate).judge(
        "openai", "gpt", Origin("SG", "certain", "peer"), Account("acc_1", "a", "o"), 1
    )
    assert (verdict.effect, verdict.rule) == (("block", "egress") if blocked else ("allow", "coverage"))


def test_the_deployments_territory_is_for_those_who_say_nothing() -> None:
    silent, speaking = made({})["openai"], made({}, "8.8.8.8")["openai"]
    assert Rules(book(silent, territory="HK"), locate).called_from("openai") == ("HK",)
    assert Rules(book(speaking, territory="HK"), locate).called_from("openai") == ("US",)
    assert Rules(book(silent), locate).called_from("openai") == ()


@pytest.mark.parametrize(
    ("egress", "may", "words"),
    [
        ("8.8.8.8", "yes", "openai/api covers US"),
        ("HK", "no", "openai/api does not cover HK"),
        ("9.9.9.9", "no", "openai/api does not cover HK"),
        ("1.1.1.1", "unknown", "not sure"),
        ("3.3.3.3", "unknown", "no source knows"),
    ],
)
def test_each_place_is_judged(egress: str, may: str, words: str) -> None:
    reached = made({})["openai"]
    found = judged(book(reached), reached, egress, locate, 1)
    assert found.may == may and words in found.because


def test_a_provider_that_nobody_guards_may_be_called_from_anywhere() -> None:
    reached = made({})["qwen"]
    assert judged(book(reached), reached, "HK", locate, 1).because == "no policy guards it"


def test_a_rule_that_covers_the_place_counts() -> None:
    reached = made({})["openai"]
    ours = Rule(id="ours", effect="allow", territories=frozenset({"HK"}))
    assert judged(book(reached, rules=(ours,)), reached, "HK", locate, 1).may == "yes"


def test_every_provider_is_judged_from_everywhere() -> None:
    reached = made({"openai": {"egress": ["SG"]}}, "9.9.9.9")
    found = everywhere(book(*reached.values()), ["8.8.8.8", "9.9.9.9"], locate, 1)
    assert [(one.provider, one.egress, one.may) for one in found] == [
        ("openai", "SG", "yes"),
        ("openai", "8.8.8.8", "yes"),
        ("openai", "9.9.9.9", "no"),
        ("qwen", "9.9.9.9", "yes"),
        ("qwen", "8.8.8.8", "yes"),
    ]


@pytest.mark.parametrize(("written", "told"), [("2a00:0:0::1", "2a00::1"), ("hk", "HK"), (" Hong Kong ", "HK")])
def test_what_is_stated_is_written_in_one_way(written: str, told: str) -> None:
    assert stated(written) == told
