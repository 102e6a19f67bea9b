"""GLM's own ways: keys as tokens, chunks without `object`, numbers for errors."""

import json
from collections.abc import Callable
from typing import Any

from gapura.sandbox import Sandbox
from gapura.sandbox.shape import Call

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Chunks = Callable[..., list[dict[str, Any]]]


def test_chunks_have_no_object_a_role_each_and_one_finish(chunks: Chunks) -> None:
    found = chunks("glm", model="glm-4.5")
    assert all(set(chunk) == {"id", "created", "model", "choices"} for chunk in found[:-1])
    assert set(found[-1]) == {"id", "created", "model", "choices", "usage"}
    choices = [chunk["choices"] for chunk in found]
    assert all(isinstance(choice, list) and choice[0]["delta"]["role"] == "assistant" for choice in choices)
    assert [isinstance(choice, list) and "finish_reason" in choice[0] for choice in choices].count(True) == 1
    assert str(found[0]["id"]).startswith("20240709080000")


def test_a_tool_call_comes_whole_unless_streamed(chunks: Chunks) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    whole = chunks("glm", tools=tools)
    pieces = chunks("glm", tools=tools, tool_stream=True)
    assert len(whole) == 2 and len(pieces) > 2


def test_usage_comes_unasked_and_the_request_keeps_its_name(ask: Ask) -> None:
    body = json.loads(ask("glm", request_id="mine-1")[2])
    assert body["request_id"] == "mine-1" and body["usage"]["total_tokens"] > 0
    assert json.loads(ask("glm")[2])["request_id"].startswith("20240709080000")


def test_an_error_has_a_code_and_a_message_only(ask: Ask) -> None:
    assert json.loads(ask("glm", temperature=2)[2]) == {
        "error": {"code": "1210", "message": "'temperature' must be in [0, 1], got 2.0."}
    }


def test_a_token_of_zhipu_expires(sandbox: Sandbox) -> None:
    """The session's clock stands at 2026-11-22T00:00:00Z; the token's claims are {"api_key": "id", "exp": …}."""
    # base64url of {"api_key":"id","exp":1795305600001,"timestamp":1795305390001}, and of one a second before
    late = "eyJhcGlfa2V5IjoiaWQiLCJleHAiOjE3OTUzMDU2MDAwMDEsInRpbWVzdGFtcCI6MTc5NTMwNTM5MDAwMX0"
    past = "eyJhcGlfa2V5IjoiaWQiLCJleHAiOjE3OTUzMDU1OTk5OTksInRpbWVzdGFtcCI6MTc5NTMwNTM4OTk5OX0"
    path = "/bigmodel/api/paas/v4/chat/completions"
    outcomes: dict[str, list[str]] = {}
    for key in (f"h.{late}.s", f"h.{past}.s", "h.notjson.s", "id.secret", "secret", "id.", "a.b.c.d"):
        for header in (key, f"Bearer {key}"):
            reply = sandbox.answer(Call("POST", path, {"authorization": header}, b"{}")).reply
            assert isinstance(reply.body, bytes)
            outcomes.setdefault(key, []).append(reply.body.decode().split('"')[5] if reply.status == 401 else "in")
    assert outcomes == {
        f"h.{late}.s": ["in", "in"],
        f"h.{past}.s": ["1003", "1003"],
        "h.notjson.s": ["1002", "1002"],
        "id.secret": ["in", "in"],
        "secret": ["1002", "1002"],
        "id.": ["1002", "1002"],
        "a.b.c.d": ["1002", "1002"],
    }
