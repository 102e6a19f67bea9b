"""OpenAI's stream to the chunk."""

import json
from collections.abc import Callable
from typing import Any

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Chunks = Callable[..., list[dict[str, Any]]]


def test_role_first_finish_last_and_usage_in_a_chunk_of_its_own(chunks: Chunks) -> None:
    found = chunks("openai", stream_options={"include_usage": True})
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert (found[-2]["choices"][0]["delta"], found[-2]["choices"][0]["finish_reason"]) == ({}, "stop")
    assert found[-1]["choices"] == [] and found[-1]["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in found[:-1])
    assert "usage" not in chunks("openai")[0]


def test_padding_can_be_turned_off(chunks: Chunks) -> None:
    padded, bare = (chunks("openai", stream_options={"include_obfuscation": wanted}) for wanted in (True, False))
    assert all("obfuscation" in chunk for chunk in padded) and not any("obfuscation" in chunk for chunk in bare)


def test_models_that_reason_bill_thoughts_and_hide_them(ask: Ask) -> None:
    usage = json.loads(ask("openai", model="gpt-5")[2])["usage"]
    quick = json.loads(ask("openai", model="gpt-5", reasoning_effort="none")[2])["usage"]
    thoughts = usage["completion_tokens_details"]["reasoning_tokens"]
    assert thoughts > 0 and usage["completion_tokens"] - thoughts == quick["completion_tokens"]
    assert b"reasoning_content" not in ask("openai", model="gpt-5", stream=True)[2]


def test_the_request_has_an_id(ask: Ask) -> None:
    _, headers, _ = ask("openai")
    assert headers["x-request-id"].startswith("req_") and headers["openai-version"]
