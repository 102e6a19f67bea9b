"""ERNIE's stream to the chunk, and its list of models."""

import json
from collections.abc import Callable
from typing import Any

from gapura.sandbox import Sandbox
from gapura.sandbox.shape import Call

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Chunks = Callable[..., list[dict[str, Any]]]


def test_usage_rides_on_the_finish_chunk_where_it_is_asked_for(chunks: Chunks) -> None:
    found = chunks("ernie", stream_options={"include_usage": True})
    assert found[-1]["choices"][0]["finish_reason"] == "stop" and found[-1]["usage"]["total_tokens"] > 0
    assert not any("usage" in chunk or "finish_reason" in chunk["choices"][0] for chunk in found[:-1])
    assert "usage" not in chunks("ernie")[-1]


def test_choices_carry_a_flag_and_deltas_no_role(chunks: Chunks) -> None:
    found = chunks("ernie", model="ernie-x1.1")
    assert all(chunk["choices"][0]["flag"] == 0 for chunk in found)
    assert not any("role" in chunk["choices"][0]["delta"] for chunk in found)
    assert found[0]["choices"][0]["delta"] == {"content": None, "reasoning_content": "The"}


def test_an_error_has_an_id_beside_it(ask: Ask) -> None:
    _, headers, body = ask("ernie", temperature=2)
    assert set(json.loads(body)) == {"error", "id"} and json.loads(body)["id"].startswith("as-")
    assert set(json.loads(body)["error"]) == {"code", "message", "type"}
    assert headers["x-baidu-request-id"] and headers["x-ratelimit-limit-requests"]


def test_models_come_with_prices_for_a_thousand_tokens(sandbox: Sandbox) -> None:
    reply = sandbox.answer(Call("GET", "/qianfan/v2/models", {"authorization": "Bearer k"}, b"")).reply
    assert isinstance(reply.body, bytes)
    prices = {model["id"]: model["pricing"]["prompt"] for model in json.loads(reply.body)["data"]}
    assert prices["ernie-4.5-turbo-128k"] == "0.0008"
