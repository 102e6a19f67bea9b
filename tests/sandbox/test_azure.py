"""Azure's simulator: OpenAI's SDK is the judge of its shapes, and the adapter makes OpenAI's of them."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AzureOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gapura.errors import UpstreamFailed
from gapura.providers.kinds import provider
from gapura.sandbox import Live, Sandbox
from gapura.sandbox.shape import Call
from gapura.wire import openai as dialect
from gapura.wire.sse import Decoder

HELLO: Any = [{"role": "user", "content": "Selamat pagi"}]
TEXT = "The Azure OpenAI sandbox, gpt-4o, heard: Selamat pagi"
VERSION = "2024-10-21"


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[AzureOpenAI]:
    url = live.more["azure"]
    with AzureOpenAI(azure_endpoint=url, api_key="any", api_version=VERSION, max_retries=0) as client:
        yield client


def ask(client: OpenAI, **more: Any) -> Any:
    given: dict[str, Any] = {"model": "gpt-4o", "messages": HELLO}
    return client.chat.completions.create(**{**given, **more})


def test_plain(client: AzureOpenAI) -> None:
    said = ask(client)
    assert said.choices[0].message.content == TEXT
    assert said.model_extra["prompt_filter_results"][0]["prompt_index"] == 0
    assert said.choices[0].model_extra["content_filter_results"]["hate"]["filtered"] is False


def test_the_path_without_dates(live: Live) -> None:
    with OpenAI(base_url=live.more["azure"] + "/openai/v1/", api_key="any", max_retries=0) as client:
        assert ask(client).choices[0].message.content == TEXT


def test_a_stream_begins_with_what_the_filter_thinks(client: AzureOpenAI) -> None:
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices == [] and chunks[0].model_extra["prompt_filter_results"]
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == TEXT
    assert chunks[-1].usage.total_tokens > 0


def test_a_filter_beside_the_answer_has_choices_without_words(client: AzureOpenAI) -> None:
    chunks = list(ask(client, model="gpt-4o-async", stream=True))
    assert chunks[-1].choices[0].delta is None and chunks[-1].choices[0].model_extra["content_filter_offsets"]


def test_tools_and_embeddings(client: AzureOpenAI) -> None:
    tool = {"type": "function", "function": {"name": "weather", "description": "Tells of a city"}}
    assert ask(client, tools=[tool]).choices[0].message.tool_calls[0].function.name == "weather"
    said = client.embeddings.create(model="text-embedding-3-small", input=["satu", "dua"])
    assert [len(one.embedding) for one in said.data] == [1536, 1536]


@pytest.mark.parametrize(
    ("model", "raised", "code"),
    [
        ("sandbox-404", openai.NotFoundError, "DeploymentNotFound"),
        ("sandbox-429", openai.RateLimitError, "RateLimitReached"),
        ("sandbox-503", openai.InternalServerError, "ServiceUnavailable"),
        ("sandbox-region", openai.PermissionDeniedError, "403"),
        ("sandbox-content-filter", openai.BadRequestError, "content_filter"),
        ("sandbox-context-length", openai.BadRequestError, "context_length_exceeded"),
    ],
)
def test_what_it_refuses(client: AzureOpenAI, model: str, raised: type[openai.APIStatusError], code: str) -> None:
    with pytest.raises(raised) as caught:
        ask(client, model=model)
    assert caught.value.code == code
    if code == "content_filter":
        assert caught.value.body["innererror"]["content_filter_result"]["violence"]["filtered"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("query", "headers", "status", "told"),
    [
        ("", {"api-key": "any"}, 404, "Resource not found"),
        ("api-version=yesterday", {"api-key": "any"}, 404, "Resource not found"),
        (f"api-version={VERSION}", {}, 401, "subscription key"),
    ],
)
def test_no_version_is_no_path_and_no_key_no_access(
    sandbox: Sandbox, query: str, headers: dict[str, str], status: int, told: str
) -> None:
    path = "/azure/openai/deployments/gpt-4o/chat/completions"
    reply = sandbox.answer(Call("POST", path, headers, json.dumps({"messages": HELLO}).encode(), query)).reply
    assert reply.status == status and told in str(reply.body)


AZURE = provider("azure")


def through(sandbox: Sandbox, version: str = VERSION, **more: Any) -> tuple[int, bytes]:
    """What the adapter sends for a request, put to the simulator."""
    vendor = provider("azure", "", {"version": version})
    body = json.dumps({"model": "gpt-4", "messages": HELLO, **more}).encode()
    sent = vendor.translate(body, dialect.read(body), more.get("deployment", "gpt-4o"), None)
    path, _, query = sent.path.partition("?")
    headers = {name.decode(): value.decode() for name, value in vendor.headers("any")}
    reply = sandbox.answer(Call("POST", "/azure" + path, headers, sent.body, query)).reply
    return reply.status, reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)


@pytest.mark.parametrize("version", [VERSION, "v1"])
def test_the_adapter_and_a_plain_answer(sandbox: Sandbox, version: str) -> None:
    status, body = through(sandbox, version)
    answer, usage = AZURE.answer(body, "gpt-4o")
    said = ChatCompletion.model_validate_json(answer, strict=True)
    assert status == 200 and said.choices[0].message.content == TEXT and usage is not None and usage.output > 5


@pytest.mark.parametrize(
    ("deployment", "finish"),
    [
        ("gpt-4o", "stop"),
        ("gpt-4o-async", "stop"),
        ("sandbox-content-filter", "content_filter"),
    ],
)
def test_the_adapter_and_a_stream(sandbox: Sandbox, deployment: str, finish: str) -> None:
    """Each chunk that comes out is OpenAI's, and has a choice or the usage."""
    _, body = through(sandbox, stream=True, deployment=deployment)
    reader = AZURE.reader("gpt-4o", include_usage=True)
    events = [one.data for one in Decoder().feed(reader.feed(body) + reader.close())]
    assert events[-1] == "[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(one, strict=True) for one in events[:-1]]
    assert all(one.choices or one.usage for one in chunks) and len({one.id for one in chunks}) == 1
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == finish
    assert reader.usage is not None and reader.usage.output > 5


@pytest.mark.parametrize(
    ("deployment", "status", "code"),
    [
        ("sandbox-404", 404, "model_not_found"),
        ("sandbox-429", 429, "rate_limit_exceeded"),
        ("sandbox-503", 503, "server_is_overloaded"),
        ("sandbox-500", 502, "upstream_failed"),
        ("sandbox-region", 403, "unsupported_country_region_territory"),
        ("sandbox-content-filter", 400, "content_policy_violation"),
        ("sandbox-context-length", 400, "context_length_exceeded"),
    ],
)
def test_the_adapter_and_a_refusal(sandbox: Sandbox, deployment: str, status: int, code: str) -> None:
    said, body = through(sandbox, deployment=deployment)
    failure = AZURE.fault(said, (), body)
    assert (failure.status, failure.code) == (status, code)


def test_an_error_in_the_middle_of_a_stream_is_one(sandbox: Sandbox) -> None:
    _, body = through(sandbox, stream=True, deployment="sandbox-error-in-stream")
    reader = AZURE.reader("gpt-4o", include_usage=True)
    with pytest.raises(UpstreamFailed):
        assert reader.feed(body) + reader.close()
