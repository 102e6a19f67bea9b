"""A document's own tests: what they may say, and that they pass and fail where they should."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gapura.atlas import sources
from gapura.clock import instant
from gapura.rulebook import trials
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.lints import CODES, Limits
from gapura.rulebook.read import read
from gapura.rulebook.trials import Outcome, Trial
from gapura.terms.rulebook import Endpoint

NOW = instant("2026-11-22T12:00:00+00:00")
ENDPOINTS = (
    Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US"),
    Endpoint(provider="qwen", base_url="https://dashscope.aliyuncs.com/v1", processing_territory="CN"),
)
DOCUMENTS = {
    "routes": {"both": {"targets": ["openai/gpt-4o", "qwen/qwen-plus"]}},
    "policies": [
        {
            "pack": "openai/api",
            "phases": [
                {"effect": "warn", "from": "2026-11-01T00:00:00Z"},
                {"effect": "block", "from": "2027-01-01T00:00:00Z"},
            ],
            "rules": [{"id": "no-vpn", "effect": "block", "networks": ["vpn"]}],
            "exceptions": [{"account": "acme", "reason": "contract"}],
        },
        {"pack": "openai/chatgpt"},
    ],
}
RULES = Rules(read(DOCUMENTS, endpoints=ENDPOINTS, models={}))
LATE = "2027-01-01T00:00:00Z"


def outcome(**said: Any) -> Outcome:
    (found,) = trials.run(RULES, trials.read([said]), sources.load().locate, NOW)
    return found


@pytest.mark.parametrize(
    ("said", "effect", "rule"),
    [
        ({"territory": "Hong Kong", "model": "openai/gpt-4o"}, "warn", "coverage"),
        ({"territory": "HK", "model": "openai/gpt-4o", "at": LATE}, "block", "coverage"),
        ({"territory": "HK", "model": "openai/gpt-4o", "at": LATE, "account": "acme"}, "allow", "exception"),
        ({"territory": "HK", "model": "both", "at": LATE}, "allow", ""),  # by qwen
        ({"territory": "HK", "product": "openai/api"}, "warn", "coverage"),
        ({"territory": "HK", "product": "openai/api", "model": "gpt-4o"}, "warn", "coverage"),
        ({"territory": "HK"}, "block", "coverage"),  # chatgpt's, without phases
        ({"address": "114.114.114.114", "product": "openai/chatgpt"}, "block", "coverage"),
        ({"address": "165.21.83.88"}, "allow", "coverage"),
        ({"certainty": "unknown", "product": "openai/api", "at": LATE}, "block", "unknown"),
        ({"certainty": "uncertain", "product": "openai/api", "at": LATE}, "warn", "disagreement"),
        ({"subdivision": "UA-43", "product": "openai/api", "at": LATE}, "block", "coverage"),
        ({"territory": "UA", "product": "openai/api", "at": LATE}, "review", "partial"),
        ({"territory": "SG", "network": "vpn", "product": "openai/api"}, "block", "no-vpn"),
        ({"territory": "SG", "account": {"status": "suspended"}}, "block", "account"),
    ],
)
def test_what_is_decided(said: dict[str, Any], effect: str, rule: str) -> None:
    found = outcome(expect=effect, rule=rule, **said)
    assert found.passed, str(found)
    for other in {"allow", "warn", "review", "block"} - {effect}:
        assert not outcome(expect=other, **said).passed
    assert not outcome(expect=effect, rule="another", **said).passed


def test_a_failure_says_what_was_decided_and_why() -> None:
    failed = outcome(expect="allow", name="HK is ours", territory="HK", product="openai/api")
    assert str(failed).startswith("tests[0] HK is ours: allow was expected, and it is warn by coverage: the list")


def test_a_route_that_is_not_there_serves_nobody() -> None:
    assert outcome(expect="block", territory="SG", model="bothh").verdict.because == "no route is called bothh"
    assert outcome(expect="allow", territory="SG", model="glm/glm-4.6").passed  # not set up, and not guarded


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({}, "tests[0]"),
        ({"territory": "HK", "address": "8.8.8.8"}, "tests[0]"),
        ({"territory": "HK", "certainty": "unknown"}, "tests[0]"),
        ({"territory": "Hongkonk"}, "tests[0].territory"),
        ({"territory": "HK", "expcet": "block"}, "tests[0].expcet"),
        ({"territory": "HK", "expect": "bloc"}, "tests[0].expect"),
        ({"territory": "HK", "account": {"statsu": "active"}}, "tests[0].account.statsu"),
        ({"territory": "HK", "at": "2026-07-09"}, "tests[0].at"),
        ({"territory": "HK", "product": "openai/api", "model": "openai/gpt-4o"}, "tests[0].model"),
        ({"territory": "HK", "product": "openai/chatgbt"}, "tests[0].product"),
    ],
)
def test_what_cannot_be_meant(said: dict[str, Any], path: str) -> None:
    with pytest.raises(BadDocument) as refused:
        outcome(**{"expect": "block"} | said)
    assert refused.value.path == path
    with pytest.raises(BadDocument):
        trials.read({"not": "a list"})


@pytest.mark.parametrize("kind", [Trial, Limits])
def test_every_field_is_in_the_manual(kind: type[msgspec.Struct]) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "reference" / "policy-documents.md").read_text("utf-8")
    _, _, told = manual.partition("\n## Tests\n")
    assert [name for name in kind.__struct_fields__ if f"`{name}`" not in told] == []
    assert [code for code in CODES if f"| `{code}` |" not in told] == []
