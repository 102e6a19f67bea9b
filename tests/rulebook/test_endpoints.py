"""Where providers are reached, and what is known of where they process."""

import pytest

from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.endpoints import endpoints
from gapura.rulebook.read import read
from gapura.terms.rulebook import Endpoint


def one(base_url: str = "", **fields: str) -> Endpoint:
    documents = {"providers": {"qwen": fields}} if fields else {}
    (endpoint,) = endpoints(documents, configured={"qwen"}, base_urls={"qwen": base_url} if base_url else {})
    return endpoint


def test_only_those_with_a_key_and_where_the_vendor_says() -> None:
    found = endpoints({}, configured=["glm", "openai"], base_urls={})
    assert [(endpoint.provider, endpoint.processing_territory) for endpoint in found] == [
        ("openai", "US"),
        ("glm", "CN"),
    ]
    assert found[0].base_url == "https://api.openai.com/v1"


def test_the_environment_wins_over_the_file() -> None:
    assert one(base_url="http://a.example/v1", processing_territory="sg") == Endpoint(
        provider="qwen", base_url="http://a.example/v1", processing_territory="SG"
    )
    documents = {"providers": {"qwen": {"base_url": "http://b.example/v1/"}}}
    assert endpoints(documents, configured=["qwen"], base_urls={})[0].base_url == "http://b.example/v1"
    by_variable = endpoints(documents, configured=["qwen"], base_urls={"qwen": "http://c.example"})
    assert by_variable[0].base_url == "http://c.example"


@pytest.mark.parametrize(
    ("url", "territory"),
    [
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "SG"),
        ("http://127.0.0.1:9000/v1", "CN"),
        ("http://localhost/v1", "CN"),
        ("http://[fd00::1]/v1", "CN"),
        ("https://8.8.8.8/v1", ""),
        ("https://relay.example.com/v1", ""),
    ],
)
def test_a_host_of_our_own_leads_to_the_vendor_and_a_strange_one_nobody_knows_where(url: str, territory: str) -> None:
    assert one(base_url=url).processing_territory == territory


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ({"providers": []}, "providers: expected tables"),
        ({"providers": {"qwem": {}}}, "providers.qwem: there is no provider 'qwem' (did you mean qwen?)"),
        ({"providers": {"qwen": 3}}, "providers.qwen: expected a table"),
        (
            {"providers": {"qwen": {"base": "x"}}},
            "providers.qwen.base: there is no such field (did you mean base_url?)",
        ),
        ({"providers": {"qwen": {"provider": "x"}}}, "providers.qwen.provider: there is no such field"),
        ({"providers": {"qwen": {"base_url": 3}}}, "providers.qwen.base_url: expected a string"),
        ({"providers": {"qwen": {"base_url": "ftp://x"}}}, "providers.qwen: base_url: expected http(s)://"),
        (
            {"providers": {"qwen": {"processing_territory": "ZZ"}}},
            "providers.qwen.processing_territory: no territory is called 'ZZ'",
        ),
    ],
)
def test_mistakes(documents: dict[str, object], message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        endpoints(documents, configured=["qwen"], base_urls={})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "kind", "url", "policies"),
    [
        ("zai", "", "https://api.z.ai/api/paas/v4", ["z.ai/api"]),
        ("glm", "", "https://open.bigmodel.cn/api/paas/v4", []),
        ("anthropic", "", "https://api.anthropic.com/v1", ["anthropic/api"]),
        ("mine", "openai", "https://relay.example/v1", ["openai/api"]),
        ("mine", "compatible", "https://api.openai.com/v1", ["openai/api"]),
        ("mine", "anthropic", "https://relay.example/v1", ["anthropic/api"]),
        ("gemini", "", "https://generativelanguage.googleapis.com/v1beta/openai", ["google/gemini-api"]),
        ("mine", "compatible", "https://api.mistral.ai/v1", ["mistral/api"]),
        ("mine", "vllm", "http://10.0.0.7/v1", []),
    ],
)
def test_a_provider_is_not_another_one_for_being_called_otherwise(
    name: str, kind: str, url: str, policies: list[str]
) -> None:
    """The lists of its vendor hold, whatever the operator calls it."""
    table = {"base_url": url} | ({"kind": kind} if kind else {})
    reached = endpoints({"providers": {name: table}}, configured={name}, base_urls={})
    book = read({}, endpoints=reached, models={})
    assert [policy.name for policy in book.policies] == policies
    assert Rules(book).is_guarded(name) == bool(policies)


@pytest.mark.parametrize("name", ["a/b", "a b", "", "-a", "ä", "a" * 65])
def test_a_name_that_cannot_stand_in_a_target_is_refused(name: str) -> None:
    with pytest.raises(BadDocument, match="a name has letters"):
        endpoints(
            {"providers": {name: {"kind": "vllm", "base_url": "http://10.0.0.7/v1"}}}, configured=(), base_urls={}
        )
