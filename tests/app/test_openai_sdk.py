"""OpenAI's own SDK, unchanged but for base URL and key, with routes to all four providers."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
from openai import AsyncOpenAI, OpenAI
from tests.app.running import HELLO, KEY, Gateway, serving, until

MODELS = {"openai": "gpt-4o-mini", "qwen": "qwen-plus", "ernie": "ernie-4.5-turbo-128k", "glm": "glm-4.6"}
SEEING = {"openai": "gpt-4o", "qwen": "qwen3-vl-plus", "ernie": "ernie-4.5-turbo-vl", "glm": "glm-4.6v"}

# Applications ask for names of their own; which vendor answers is the operator's choice.
ROUTES = "".join(
    f'[routes."{name}"]\ntargets = ["{target}"]\n'
    for provider, model in MODELS.items()
    for name, target in [
        (f"app-{provider}", f"{provider}/{model}"),
        (f"eyes-{provider}", f"{provider}/{SEEING[provider]}"),
    ]
)
STRICT = '[routes.strict]\ntargets = ["ernie/ernie-4.5-turbo-128k"]\nstrict = true\n'

CITY: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": "Tells of a city", "parameters": CITY}}
    for name in ("weather", "traffic")
]


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with serving(folder / "sdk", ROUTES + STRICT, GAPURA_SITE_TERRITORY="SG", GAPURA_WORKERS="2") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with gateway.client() as client:
        yield client


@pytest.fixture(params=MODELS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def streamed(client: OpenAI, model: str, **more: Any) -> list[Any]:
    with client.chat.completions.create(model=model, stream=True, **{"messages": HELLO, **more}) as chunks:
        return list(chunks)


def text(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_plain(client: OpenAI, provider: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=f"app-{provider}", messages=HELLO)
    answer = raw.parse()
    assert (answer.object, answer.choices[0].finish_reason) == ("chat.completion", "stop")
    assert (answer.choices[0].message.content or "").endswith(f"{MODELS[provider]}, heard: Selamat pagi, dunia")
    assert answer.usage and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert raw.headers["gapura-provider"] == f"{provider}/{MODELS[provider]}"
    assert re.fullmatch(r"req_[0-9a-f]{32}", raw.headers["gapura-request-id"])
    assert raw.headers["gapura-request-id"] == raw.request_id
    assert re.fullmatch(r"allow;id=dec_[0-9a-f]{32}", raw.headers["gapura-decision"])
    assert raw.headers["gapura-sandbox"] == "1"


def test_streamed(client: OpenAI, provider: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=f"app-{provider}", messages=HELLO, stream=True)
    assert raw.headers["gapura-provider"] == f"{provider}/{MODELS[provider]}"
    assert raw.headers["gapura-decision"].startswith("allow;id=dec_") and raw.headers["gapura-sandbox"] == "1"
    chunks = list(raw.parse())
    assert text(chunks).endswith("heard: Selamat pagi, dunia")
    assert len(chunks) > 5 and all(chunk.choices for chunk in chunks)
    assert [chunk.usage for chunk in chunks if chunk.usage] == []  # it was asked for upstream, and withheld
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_tells_its_usage_to_those_who_ask(client: OpenAI, provider: str) -> None:
    plain = client.chat.completions.create(model=f"app-{provider}", messages=HELLO)
    chunks = streamed(client, f"app-{provider}", stream_options={"include_usage": True})
    assert text(chunks) == plain.choices[0].message.content
    assert chunks[-1].choices == []
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert usages == [chunks[-1].usage] and plain.usage
    assert (usages[0].prompt_tokens, usages[0].completion_tokens) == (
        plain.usage.prompt_tokens,
        plain.usage.completion_tokens,
    )


def test_tools_go_round(client: OpenAI, provider: str) -> None:
    first = client.chat.completions.create(model=f"app-{provider}", messages=HELLO, tools=TOOLS)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls" and message.tool_calls
    calls = [(call.function.name, call.function.arguments) for call in message.tool_calls if call.type == "function"]
    arguments = '{"city":"Selamat pagi, dunia"}'
    assert calls == [("weather", arguments), ("traffic", arguments)]  # parallel calls are OpenAI's default
    results = [{"role": "tool", "tool_call_id": call.id, "content": "24 degrees"} for call in message.tool_calls]
    said: Any = [*HELLO, message.model_dump(exclude_none=True), *results]
    second = client.chat.completions.create(model=f"app-{provider}", messages=said, tools=TOOLS)
    assert (second.choices[0].message.content or "").endswith("read the tool's answer: 24 degrees")


def test_parallel_calls_in_a_stream_are_put_together_by_their_index(client: OpenAI, provider: str) -> None:
    found: dict[int, dict[str, str]] = {}
    chunks = streamed(client, f"app-{provider}", tools=TOOLS, parallel_tool_calls=True)
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or []:
            if call.index not in found:
                assert call.id and call.function.name  # as with OpenAI: the first piece names it
            kept = found.setdefault(call.index, {"id": call.id, "name": "", "arguments": ""})
            kept["name"] += call.function.name or ""
            kept["arguments"] += call.function.arguments or ""
    assert [call["name"] for call in found.values()] == ["weather", "traffic"]
    assert {call["arguments"] for call in found.values()} == {'{"city":"Selamat pagi, dunia"}'}
    assert len({call["id"] for call in found.values()}) == 2
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_sdks_own_accumulation_of_a_stream(client: OpenAI, provider: str) -> None:
    with client.chat.completions.stream(model=f"app-{provider}", messages=HELLO, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    assert [call.function.name for call in final.choices[0].message.tool_calls or []] == ["weather", "traffic"]


def test_one_call_at_a_time(client: OpenAI, provider: str) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=f"app-{provider}", messages=HELLO, tools=TOOLS, parallel_tool_calls=False
    )
    if provider == "glm":  # cannot be told so, and says that it was not
        assert "parallel_tool_calls" in raw.headers["gapura-losses"].split(", ")
    else:
        assert len(raw.parse().choices[0].message.tool_calls or []) == 1
        assert "gapura-losses" not in raw.headers


def test_json_mode(client: OpenAI, provider: str) -> None:
    wanted: Any = [{"role": "user", "content": "Selamat pagi as JSON"}]
    answer = client.chat.completions.create(
        model=f"app-{provider}", messages=wanted, response_format={"type": "json_object"}
    )
    assert '"heard":"Selamat pagi as JSON"' in (answer.choices[0].message.content or "")


class Place(pydantic.BaseModel):
    city: str
    days: int


def test_structured_output(client: OpenAI, provider: str) -> None:
    raw = client.chat.completions.with_raw_response.parse(
        model=f"app-{provider}", messages=HELLO, response_format=Place
    )
    assert raw.parse().choices[0].message.parsed == Place(city="Selamat pagi, dunia", days=1)
    # GLM has no schemas: it is asked in words, and the answer is checked.
    assert ("response_format" in raw.headers.get("gapura-losses", "")) == (provider == "glm")


def test_pictures(client: OpenAI, provider: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    message: Any = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}]
    answer = client.chat.completions.create(model=f"eyes-{provider}", messages=message)
    assert "saw 1 images: What is this?" in (answer.choices[0].message.content or "")
    if provider != "openai":
        with pytest.raises(openai.BadRequestError, match="image_url") as refused:
            client.chat.completions.create(model=f"app-{provider}", messages=message)
        assert refused.value.code == "unsupported_parameter"


@pytest.mark.parametrize(("provider", "can"), [("openai", True), ("qwen", True), ("ernie", False), ("glm", False)])
def test_choices_where_the_vendor_gives_them(client: OpenAI, provider: str, can: bool) -> None:
    if can:
        answer = client.chat.completions.create(model=f"app-{provider}", messages=HELLO, n=3)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        chunks = streamed(client, f"app-{provider}", n=2)
        assert {chunk.choices[0].index for chunk in chunks} == {0, 1}
    else:
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=f"app-{provider}", messages=HELLO, n=3)
        assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "n")


def test_logprobs_where_the_vendor_gives_them(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="app-openai", messages=HELLO, logprobs=True, top_logprobs=2)
    found = answer.choices[0].logprobs
    assert found and found.content and {len(entry.top_logprobs) for entry in found.content} == {2}
    assert "".join(entry.token for entry in found.content) == answer.choices[0].message.content
    chunks = streamed(client, "app-openai", logprobs=True)
    assert all(chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].delta.content)
    with pytest.raises(openai.BadRequestError, match="logprobs"):
        client.chat.completions.create(model="app-glm", messages=HELLO, logprobs=True)


def test_losses_are_told_and_refused_where_strict(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="app-ernie", messages=HELLO, logit_bias={"5": 1}, temperature=1.9
    )
    assert set(raw.headers["gapura-losses"].split(", ")) == {"logit_bias", "temperature"}
    with pytest.raises(openai.BadRequestError, match="logit_bias") as refused:
        client.chat.completions.create(model="strict", messages=HELLO, logit_bias={"5": 1})
    assert refused.value.code == "unsupported_parameter"
    assert client.chat.completions.create(model="strict", messages=HELLO).choices


def test_models(client: OpenAI, gateway: Gateway) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {f"app-{provider}" for provider in MODELS} <= set(listed)
    assert listed["app-qwen"].owned_by == "qwen" and client.models.retrieve("app-qwen") == listed["app-qwen"]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing-like-it")
    with gateway.client(gateway.key("default", "--models", "app-q*")) as narrow:
        until(lambda: _ids(narrow) == ["app-qwen"])
        with pytest.raises(openai.NotFoundError):
            narrow.chat.completions.create(model="app-glm", messages=HELLO)


def _ids(client: OpenAI) -> list[str]:
    try:
        return [model.id for model in client.models.list()]
    except openai.AuthenticationError:  # this gate does not have the key yet
        return []


def test_asynchronously(gateway: Gateway) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as client:
            asked = [
                client.chat.completions.create(model=f"app-{name}", messages=HELLO) for name in MODELS for _ in "12345"
            ]
            return [answer.choices[0].message.content or "" for answer in await asyncio.gather(*asked)]

    assert all("heard: Selamat pagi" in said for said in asyncio.run(ask()))
