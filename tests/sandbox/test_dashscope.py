"""Qwen in compatible mode, to the fragment."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Chunks = Callable[..., list[dict[str, Any]]]

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"properties": {"c": {"type": "string"}}}}}
    for name in ("weather", "traffic")
]


def test_later_fragments_of_a_call_repeat_an_empty_id(chunks: Chunks) -> None:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks("qwen", tools=TOOLS)]
    fragments = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert fragments[0]["id"].startswith("call_")
    assert {(fragment["id"], fragment["type"], fragment["index"]) for fragment in fragments[1:]} == {
        ("", "function", 0)
    }


def test_calls_are_parallel_only_where_that_is_asked_for(ask: Ask) -> None:
    one, two = (
        json.loads(ask("qwen", tools=TOOLS, parallel_tool_calls=wanted)[2])["choices"][0]["message"]
        for wanted in (None, True)
    )
    assert len(one["tool_calls"]) == 1 and [call["index"] for call in two["tool_calls"]] == [0, 1]
    assert one["content"] == ""


def test_usage_is_null_until_the_end_and_the_id_is_the_requests(ask: Ask, chunks: Chunks) -> None:
    _, headers, _ = ask("qwen", stream=True, stream_options={"include_usage": True})
    found = chunks("qwen", stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in found[:-1])
    assert found[-1]["choices"] == [] and found[-1]["usage"]
    assert {chunk["id"] for chunk in found} == {f"chatcmpl-{headers['x-request-id']}"}
    assert not any("ratelimit" in name for name in headers)


def test_the_two_limits_count_differently(ask: Ask) -> None:
    def spent(**fields: Any) -> tuple[int, int]:
        usage = json.loads(ask("qwen", enable_thinking=True, **fields)[2])["usage"]
        thoughts = usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
        return thoughts, usage["completion_tokens"] - thoughts

    assert spent(max_tokens=5) == (12, 5)
    assert spent(max_completion_tokens=5) == (5, 0)
    assert spent(thinking_budget=3, max_tokens=2) == (3, 2)


FORCED = {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "weather"}}}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({**FORCED, "enable_thinking": True}, "thinking mode"),
        ({"model": "qwen3.7-plus", **FORCED}, "thinking mode"),
        ({"n": 2, "tools": TOOLS}, "n should be"),
        ({"n": 2, "enable_thinking": True}, "n should be"),
        ({"model": "qwq-plus"}, "stream mode"),
        ({"model": "qwen3-32b"}, "stream mode"),
        ({"model": "qwen3-omni-flash"}, "stream mode"),
        ({"model": "qwq-plus", "stream": True, "enable_thinking": False}, "restricted to True"),
    ],
)
def test_what_thinking_excludes(ask: Ask, fields: dict[str, Any], why: str) -> None:
    status, _, body = ask("qwen", **fields)
    assert status == 400 and why in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [
        FORCED,
        {"model": "qwen3.7-plus", **FORCED, "enable_thinking": False},
        {"n": 2},
        {"model": "qwq-plus", "stream": True},
        {"model": "qwen3-32b", "enable_thinking": False},
        {"model": "qwen3-30b-a3b-instruct-2507"},
    ],
)
def test_what_it_does_not(ask: Ask, fields: dict[str, Any]) -> None:
    assert ask("qwen", **fields)[0] == 200
