"""OpenAI's SDK against its own simulator, and against those whose vendors tell their users to use it."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from gapura.sandbox import Live

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Selamat pagi, json"}]
CITY: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": name, "description": "Tells of a city", "parameters": CITY}}
    for name in ("weather", "traffic")
]
MODELS = {"openai": "gpt-4o-mini", "qwen": "qwen-plus", "ernie": "ernie-4.5-turbo-128k", "glm": "glm-4-plus"}


@pytest.fixture(params=MODELS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(live: Live, vendor: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=live.urls[vendor], api_key="id.secret", max_retries=0) as client:
        yield client


def streamed(client: OpenAI, **more: Any) -> list[Any]:
    return list(client.chat.completions.create(stream=True, **{"messages": HELLO, **more}))


def test_plain_and_streamed_say_the_same(client: OpenAI, vendor: str) -> None:
    plain = client.chat.completions.create(model=MODELS[vendor], messages=HELLO)
    chunks = streamed(client, model=MODELS[vendor], stream_options={"include_usage": True})
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert plain.choices[0].message.content == text
    assert text.endswith(f"{MODELS[vendor]}, heard: Selamat pagi, json")
    assert plain.choices[0].finish_reason == "stop"
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == 1 and usages[0] == plain.usage
    assert plain.usage and plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens


def test_tools_go_round(client: OpenAI, vendor: str) -> None:
    first = client.chat.completions.create(
        model=MODELS[vendor], messages=HELLO, tools=TOOLS, parallel_tool_calls=True, tool_choice="auto"
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls" and message.tool_calls
    names = [call.function.name for call in message.tool_calls if call.type == "function"]
    assert names == ["weather", "traffic"]
    results: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": "24 degrees"} for call in message.tool_calls
    ]
    asked: Any = message.model_dump(exclude_none=True, exclude={"reasoning_content"})
    second = client.chat.completions.create(model=MODELS[vendor], messages=[*HELLO, asked, *results], tools=TOOLS)
    assert (second.choices[0].message.content or "").endswith("read the tool's answer: 24 degrees")


def test_streamed_tool_calls_can_be_put_together(client: OpenAI, vendor: str) -> None:
    """By index, keeping the first id that is not empty: what DashScope's fragments force upon everybody."""
    found: dict[int, dict[str, str]] = {}
    for chunk in streamed(client, model=MODELS[vendor], tools=TOOLS, parallel_tool_calls=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            kept = found.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
            kept["id"] = kept["id"] or call.id
            kept["name"] += call.function.name or ""
            kept["arguments"] += call.function.arguments or ""
    assert [call["name"] for call in found.values()] == ["weather", "traffic"]
    assert {call["arguments"] for call in found.values()} == {'{"city":"Selamat pagi, json"}'}
    assert all(call["id"].startswith("call_") for call in found.values())


def test_limits_end_an_answer_early(client: OpenAI, vendor: str) -> None:
    short = client.chat.completions.create(model=MODELS[vendor], messages=HELLO, max_tokens=4)
    assert short.choices[0].finish_reason == "length"
    assert short.usage and short.usage.completion_tokens == 4
    stopped = client.chat.completions.create(model=MODELS[vendor], messages=HELLO, stop=["heard"])
    assert (stopped.choices[0].message.content or "").endswith(f"{MODELS[vendor]}, ")


def test_json_mode(client: OpenAI, vendor: str) -> None:
    answer = client.chat.completions.create(
        model=MODELS[vendor], messages=HELLO, response_format={"type": "json_object"}
    )
    assert '"heard":"Selamat pagi, json"' in (answer.choices[0].message.content or "")


def test_pictures_are_seen(client: OpenAI, vendor: str) -> None:
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    answer = client.chat.completions.create(model=MODELS[vendor], messages=[{"role": "user", "content": parts}])
    assert "and saw 1 images: What is this?" in (answer.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("vendor", "model", "body", "thinks"),
    [
        ("openai", "gpt-5", {}, False),
        ("qwen", "qwen-plus", {"enable_thinking": True}, True),
        ("qwen", "qwen3.5-plus", {"enable_thinking": False}, False),
        ("qwen", "qwen3.5-plus", {}, True),
        ("ernie", "ernie-x1-turbo-32k", {}, True),
        ("ernie", "deepseek-v3.1", {"thinking": {"type": "enabled"}}, True),
        ("glm", "glm-4.5", {}, True),
        ("glm", "glm-4.5", {"thinking": {"type": "disabled"}}, False),
        ("glm", "glm-4.7", {"thinking": {"type": "disabled"}}, True),
    ],
)
def test_thoughts_are_shown_where_the_vendor_shows_them(
    live: Live, vendor: str, model: str, body: dict[str, Any], thinks: bool
) -> None:
    with OpenAI(base_url=live.urls[vendor], api_key="id.secret", max_retries=0) as client:
        plain = client.chat.completions.create(model=model, messages=HELLO, extra_body=body)
        chunks = streamed(client, model=model, extra_body=body)
    reasoning = getattr(plain.choices[0].message, "reasoning_content", None)
    assert bool(reasoning) == thinks
    assert "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in chunks) == (reasoning or "")
    assert plain.usage
    details = plain.usage.completion_tokens_details
    thought = (details.reasoning_tokens or 0) if details else 0
    assert bool(thought) == (thinks or vendor == "openai")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("401", openai.AuthenticationError),
        ("404", openai.NotFoundError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("region", openai.PermissionDeniedError),
        ("quota", openai.RateLimitError),
        ("context-length", openai.BadRequestError),
        ("reset", openai.APIConnectionError),
        ("cut", openai.APIConnectionError),
        ("html", openai.InternalServerError),
    ],
)
def test_every_error_class(live: Live, fault: str, kind: type[Exception]) -> None:
    with (
        OpenAI(base_url=live.urls["openai"], api_key="k", max_retries=0) as client,
        pytest.raises(kind) as caught,
    ):
        client.chat.completions.create(model=f"sandbox-{fault}", messages=HELLO)
    if fault == "region":
        assert isinstance(caught.value, openai.APIStatusError)
        assert (caught.value.code, caught.value.type) == ("unsupported_country_region_territory", "request_forbidden")


def test_an_error_in_mid_stream_is_raised_and_one_in_a_200_is_not(live: Live) -> None:
    with OpenAI(base_url=live.urls["openai"], api_key="k", max_retries=0) as client:
        with pytest.raises(openai.APIError, match="The server had an error"):
            streamed(client, model="sandbox-error-in-stream")
        assert streamed(client, model="sandbox-error-in-200") == []  # why a gateway must look at the first bytes


def test_choices_and_logprobs(live: Live) -> None:
    with OpenAI(base_url=live.urls["openai"], api_key="k", max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3, logprobs=True, top_logprobs=2)
        chunks = streamed(client, model="gpt-4o", n=3, logprobs=True)
        listed = client.models.list().data
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    for choice in answer.choices:
        assert choice.logprobs and choice.logprobs.content
        assert "".join(entry.token for entry in choice.logprobs.content) == choice.message.content
        assert {len(entry.top_logprobs) for entry in choice.logprobs.content} == {2}
        said = [c.choices[0] for c in chunks if c.choices[0].index == choice.index]
        assert "".join(part.delta.content or "" for part in said) == choice.message.content
        assert all(part.logprobs for part in said if part.delta.content)
    assert "gpt-4o" in {model.id for model in listed}
