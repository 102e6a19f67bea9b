"""Anthropic's Messages on their way to chat and back: blocks, tools, choices, stop reasons, errors."""

import json
from typing import Any

import pytest

from gapura.errors import BadRequest, LimitReached, RegionBlocked, Unready, UpstreamFailed
from gapura.terms.usage import Usage
from gapura.wire import tokens
from gapura.wire.messages import MESSAGES
from gapura.wire.messages.answer import answer
from gapura.wire.messages.request import Carried, read

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGE="}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.png"}}
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGE="}}
TOOL = {"name": "weather", "description": "Tells", "input_schema": {"type": "object"}}
FUNCTION = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells", "parameters": {"type": "object"}},
}


def carried(**more: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The chat request, and the weight of each loss."""
    ask = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Halo"}]} | more
    done = Carried(json.dumps(ask).encode())
    return json.loads(done.body), {loss.field: loss.weight for loss in done.losses}


def turns(*messages: Any) -> tuple[list[Any], dict[str, str]]:
    body, losses = carried(messages=list(messages))
    return body["messages"], losses


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


BLOCKS: dict[str, tuple[Any, list[Any], dict[str, str]]] = {
    "texts": (user(text("a"), text("b")), [{"role": "user", "content": "a\nb"}], {}),
    "image": (user(text("a"), IMAGE), [{"role": "user", "content": [text("a"), SHOWN]}], {}),
    "cached": (
        user(text("a", cache_control={"type": "ephemeral"})),
        [{"role": "user", "content": "a"}],
        {"cache_control": "cosmetic"},
    ),
    "document": (
        user({"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}),
        [{"role": "user", "content": "T\n\nd"}],
        {},
    ),
    "pdf": (
        user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "d"}}),
        [{"role": "user", "content": ""}],
        {"messages.document": "contract"},
    ),
    "unknown": (user({"type": "video"}), [{"role": "user", "content": ""}], {"messages.video": "contract"}),
    "thought": (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, text("a")]},
        [{"role": "assistant", "content": "a"}],
        {"messages.thinking": "cosmetic"},
    ),
    "call": (
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            }
        ],
        {},
    ),
    "results": (
        user(
            {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
            {"type": "tool_result", "tool_use_id": "t2", "content": [text("two"), IMAGE], "is_error": True},
            text("and now?"),
        ),
        [
            {"role": "tool", "tool_call_id": "t1", "content": "one"},
            {"role": "tool", "tool_call_id": "t2", "content": "two"},
            {"role": "user", "content": [SHOWN, text("and now?")]},
        ],
        {"messages.tool_result.image": "behavioural", "messages.tool_result.is_error": "cosmetic"},
    ),
}


@pytest.mark.parametrize(("message", "found", "lost"), BLOCKS.values(), ids=BLOCKS)
def test_blocks(message: Any, found: list[Any], lost: dict[str, str]) -> None:
    assert turns(message) == (found, lost)


def test_the_system_stands_first() -> None:
    body, _ = carried(system=[text("a"), text("b")])
    assert body["messages"][0] == {"role": "system", "content": "a\n\nb"}


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tools_and_their_choice(given: Any, choice: Any) -> None:
    body, lost = carried(tools=[TOOL], tool_choice={**given, "disable_parallel_tool_use": True})
    assert (body["tools"], body["tool_choice"], body["parallel_tool_calls"], lost) == ([FUNCTION], choice, False, {})


def test_tools_of_anthropics_own_are_refused_by_name() -> None:
    body, lost = carried(tools=[{"type": "web_search_20250305", "name": "web_search"}, TOOL | {"type": "custom"}])
    assert (body["tools"], lost) == ([FUNCTION], {"tools.web_search_20250305": "contract"})


@pytest.mark.parametrize(
    ("thinking", "effort", "lost"),
    [
        ({"type": "disabled"}, None, set()),
        ({"type": "adaptive"}, "medium", set()),
        ({"type": "enabled", "budget_tokens": 1024}, "low", {"thinking.budget_tokens"}),
        ({"type": "enabled", "budget_tokens": 9000}, "medium", {"thinking.budget_tokens"}),
        ({"type": "enabled", "budget_tokens": 32_000}, "high", {"thinking.budget_tokens"}),
    ],
)
def test_thinking_becomes_a_degree(thinking: Any, effort: str | None, lost: set[str]) -> None:
    body, losses = carried(thinking=thinking)
    assert (body.get("reasoning_effort"), set(losses)) == (effort, lost)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "robot", "content": "a"}], "messages[0].role"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([user({"type": "image"})], "messages[0].content[0].source"),
        ([user({"type": "tool_result", "content": "a"})], "messages[0].content[0].tool_use_id"),
    ],
)
def test_what_is_wrong_is_named(messages: Any, param: str) -> None:
    with pytest.raises(BadRequest) as wrong:
        turns(*messages)
    assert wrong.value.param == param


def test_images_are_bounded_however_they_come() -> None:
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": [user(LINK, LINK, LINK)]}).encode()
    assert read(body).bound(body) >= 3 * tokens.IMAGE


CALL = {"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}
REASONS = [
    ({"content": "a"}, "stop", "end_turn"),
    ({"content": "a"}, "length", "max_tokens"),
    ({"content": "a"}, "content_filter", "refusal"),
    ({"refusal": "no"}, "stop", "refusal"),
    ({"tool_calls": [CALL]}, "tool_calls", "tool_use"),
    ({"tool_calls": [CALL]}, "stop", "tool_use"),  # OpenAI's word where the tool was forced
]


@pytest.mark.parametrize(("message", "finish", "reason"), REASONS)
def test_why_it_stopped(message: Any, finish: str, reason: str) -> None:
    chat = {"id": "chatcmpl-1", "model": "m", "choices": [{"message": message, "finish_reason": finish}]}
    said = json.loads(answer(json.dumps(chat).encode(), Usage(10, 5, cached=4), thinks=True))
    assert (said["id"], said["stop_reason"]) == ("msg_1", reason)
    assert (said["usage"]["input_tokens"], said["usage"]["cache_read_input_tokens"]) == (6, 4)


@pytest.mark.parametrize("thinks", [False, True])
def test_thoughts_are_for_those_who_asked(thinks: bool) -> None:
    message = {"content": "a", "reasoning_content": "hm"}
    chat = {"id": "1", "model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    kinds = [one["type"] for one in json.loads(answer(json.dumps(chat).encode(), Usage(), thinks=thinks))["content"]]
    assert kinds == (["thinking", "text"] if thinks else ["text"])


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (BadRequest("no"), 400, "invalid_request_error"),
        (RegionBlocked(), 403, "permission_error"),
        (LimitReached("no", retry_after=7), 429, "rate_limit_error"),
        (Unready("no"), 503, "overloaded_error"),
        (UpstreamFailed("no"), 502, "api_error"),
    ],
)
def test_errors(error: Any, status: int, kind: str) -> None:
    reply = MESSAGES.render(error)
    said = {"type": "error", "error": {"type": kind, "message": error.message}}
    assert (reply.status, json.loads(reply.body)) == (status, said)
    assert MESSAGES.render_event(error) == b"event: error\ndata: " + reply.body + b"\n\n"
    assert (b"retry-after" in dict(reply.headers)) is (status == 429)
