"""Anthropic's own SDK against its simulator: it is the judge of every shape."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from gapura.sandbox import Live

HELLO: Any = [{"role": "user", "content": "Selamat pagi"}]
TOOLS: Any = [
    {
        "name": name,
        "description": "Tells of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    for name in ("weather", "traffic")
]
TEXT = "The Anthropic sandbox, claude-haiku-4-5, heard: Selamat pagi"


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[Anthropic]:
    url = live.more["anthropic"].removesuffix("/v1")
    with Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        yield client


def ask(client: Anthropic, **more: Any) -> Any:
    given: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 2000, "messages": HELLO}
    return client.messages.create(**{**given, **more})


def test_plain(client: Anthropic) -> None:
    said = ask(client)
    assert (said.content[0].text, said.stop_reason) == (TEXT, "end_turn")
    assert said.usage.output_tokens > 5
    assert ask(client, max_tokens=3).stop_reason == "max_tokens"


def test_a_stream_is_the_same_message(client: Anthropic) -> None:
    with client.messages.stream(model="claude-haiku-4-5", max_tokens=2000, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().usage == ask(client).usage


def test_thinking_and_tools(client: Anthropic) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    said = ask(client, tools=TOOLS, thinking=thinking)
    assert [block.type for block in said.content] == ["thinking", "tool_use", "tool_use"]
    assert said.stop_reason == "tool_use" and said.content[1].input == {"city": "Selamat pagi"}
    given: Any = {"model": "claude-haiku-4-5", "max_tokens": 2000, "messages": HELLO, "tools": TOOLS}
    with client.messages.stream(**given, thinking=thinking) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "tool_use", "tool_use"]
    one = ask(client, tools=TOOLS, tool_choice={"type": "any", "disable_parallel_tool_use": True})
    assert len(one.content) == 1
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "rain"}
        for block in said.content
        if block.type == "tool_use"
    ]
    turns = [*HELLO, {"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
    assert "read the tool's answer: rain" in ask(client, messages=turns, tools=TOOLS).content[0].text


@pytest.mark.parametrize(
    ("change", "raised", "told"),
    [
        ({"messages": [{"role": "assistant", "content": "x"}]}, anthropic.BadRequestError, "first message"),
        ({"messages": [{"role": "user", "content": " "}]}, anthropic.BadRequestError, "non-empty"),
        ({"extra_body": {"temperature": 1.5}}, anthropic.BadRequestError, "temperature"),
        ({"extra_body": {"kuda": 1}}, anthropic.BadRequestError, "kuda: Extra inputs"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, anthropic.BadRequestError, "budget_tokens"),
        ({"model": "sandbox-429"}, anthropic.RateLimitError, "rate limit"),
        ({"model": "sandbox-503"}, anthropic.InternalServerError, "Overloaded"),
        ({"model": "sandbox-region"}, anthropic.PermissionDeniedError, "Request not allowed"),
    ],
)
def test_what_it_refuses(client: Anthropic, change: dict[str, Any], raised: type[Exception], told: str) -> None:
    with pytest.raises(raised, match=told):
        ask(client, **change)


def test_overloaded_is_529(client: Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, model="sandbox-503")
    assert caught.value.status_code == 529
