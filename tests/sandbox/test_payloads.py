"""The simulators' shapes against answers of the real services, where the folder of collected payloads is there.

Compared are the key sets: what every real one has, ours has; what ours has, a real one has (or the list says why not).
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., tuple[int, dict[str, str], bytes]]

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
pytestmark = pytest.mark.skipif(not PAYLOADS.is_dir(), reason="the collected payloads are not here")

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"properties": {"c": {"type": "string"}}}}}]


def keys(value: Any, path: str = "") -> set[str]:
    """Every key by its path, list positions left out: {"choices", "choices.delta", …}; bodies of schemas are opaque."""
    if isinstance(value, list):
        return set().union(*(keys(item, path) for item in value))
    if not isinstance(value, dict):
        return set()
    return set().union(*({f"{path}{key}"} | keys(item, f"{path}{key}.") for key, item in value.items()))


def collected(name: str) -> list[dict[str, Any]]:
    return (
        events((PAYLOADS / name).read_bytes())
        if name.endswith(".sse")
        else [json.loads((PAYLOADS / name).read_bytes())]
    )


def events(body: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data:").strip() for line in body.decode().split("\n") if line.startswith("data:")]
    return [json.loads(line) for line in lines if line and line != "[DONE]"]


def said(ask: Ask, vendor: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
    _, headers, body = ask(vendor, **fields)
    return events(body) if headers["content-type"].startswith("text/event-stream") else [json.loads(body)]


def all_keys(objects: Iterable[dict[str, Any]]) -> set[str]:
    return set().union(*(keys(one) for one in objects))


USAGE_DETAILS = {
    "usage.prompt_tokens_details",
    "usage.prompt_tokens_details.cached_tokens",
    "usage.prompt_tokens_details.audio_tokens",
    "usage.completion_tokens_details.audio_tokens",
    "usage.completion_tokens_details.accepted_prediction_tokens",
    "usage.completion_tokens_details.rejected_prediction_tokens",
}
# OpenAI's specification has them, and captures of 2024 are older than they are
NEWER = USAGE_DETAILS | {
    "service_tier",
    "obfuscation",
    "choices.message.annotations",
    "choices.message.refusal",
    "choices.logprobs.refusal",
    "choices.delta.refusal",
}

# vendor, request, payload, what only we have, what only the payload has
SAME: list[tuple[str, dict[str, Any], str, set[str], set[str]]] = [
    ("openai", {}, "openai/chat_completion.json", {"system_fingerprint"}, set()),
    (
        "openai",
        {"stream": True, "stream_options": {"include_usage": True}},
        "openai/stream_text_usage.sse",
        NEWER,
        set(),
    ),
    (
        "openai",
        {"stream": True, "tools": TOOLS, "stream_options": {"include_usage": True}},
        "openai/stream_tool_call.sse",
        NEWER,
        set(),
    ),
    ("openai", {"tools": TOOLS}, "openai/chat_tool_call_captured.json", NEWER, set()),
    ("openai", {"logprobs": True, "top_logprobs": 2}, "openai/chat_completion_logprobs.json", NEWER, set()),
    ("openai", {"model": "sandbox-401"}, "openai/error_invalid_api_key.json", set(), set()),
    ("openai", {"model": "sandbox-region"}, "openai/error_unsupported_country_region_territory.json", set(), set()),
    ("openai", {"model": "sandbox-429"}, "openai/error_rate_limit_tpm.json", set(), set()),
    ("openai", {"model": "sandbox-quota"}, "openai/error_insufficient_quota.json", set(), set()),
    ("openai", {"model": "sandbox-context-length"}, "openai/error_context_length_exceeded.json", set(), set()),
    ("qwen", {}, "dashscope/compat_chat_completion.json", set(), set()),
    (
        "qwen",
        {"stream": True, "stream_options": {"include_usage": True}},
        "dashscope/compat_stream_text_usage.sse",
        USAGE_DETAILS,
        set(),
    ),
    ("qwen", {"model": "sandbox-401"}, "dashscope/compat_error_invalid_api_key.json", set(), set()),
    (
        "native",
        {},
        "dashscope/native_text_format_response.json",
        USAGE_DETAILS | {"output.finish_reason", "usage.total_tokens"},
        set(),
    ),
    (
        "native",
        {"tools": TOOLS, "result_format": "message"},
        "dashscope/native_tool_response.json",
        USAGE_DETAILS,
        set(),
    ),
    (
        "native",
        {"stream": True, "result_format": "message", "incremental_output": True},
        "dashscope/native_stream_frame_2024.sse",
        USAGE_DETAILS,
        set(),
    ),
    ("native", {"stream": True, "temperature": 2}, "dashscope/native_error_preprocessor.sse", set(), set()),
    (
        "ernie",
        {},
        "baidu/v2_chat_completion.json",
        {"choices.finish_reason", "choices.flag", "choices.ban_round"},
        {"choices.need_clear_history"},
    ),
    ("ernie", {"model": "sandbox-401"}, "baidu/v2_error_invalid_iam_token.json", set(), set()),
    (
        "glm",
        {"model": "glm-4.6", "stream": True},
        "zhipu/stream_doc_usage_on_finish.sse",
        {
            "choices.delta.reasoning_content",
            "usage.completion_tokens_details",
            "usage.completion_tokens_details.reasoning_tokens",
        },
        set(),
    ),
    (
        "glm",
        {"model": "glm-4.7-flash", "stream": True, "tools": TOOLS},
        "zhipu/stream_glm47flash_reasoning_to_tool.sse",
        set(),
        {"object"},
    ),
    ("glm", {"model": "sandbox-401"}, "zhipu/error_1002_invalid_token.json", set(), set()),
    ("glm", {"model": "sandbox-429"}, "zhipu/error_1302_concurrency.json", set(), set()),
]


@pytest.mark.parametrize(
    ("vendor", "fields", "name", "ours", "theirs"), SAME, ids=lambda value: value if isinstance(value, str) else ""
)
def test_shapes_are_the_real_ones(
    ask: Ask, vendor: str, fields: dict[str, Any], name: str, ours: set[str], theirs: set[str]
) -> None:
    mine, real = all_keys(said(ask, vendor, fields)), all_keys(collected(name))
    assert mine - real <= ours, f"invented: {sorted(mine - real - ours)}"
    assert real - mine <= theirs, f"missing: {sorted(real - mine - theirs)}"


def test_native_frames_are_written_as_the_real_ones(ask: Ask) -> None:
    """Line by line: no space after `data:`, the status in a comment, the string "null", no [DONE]."""
    real = (PAYLOADS / "dashscope/native_stream_frame_2024.sse").read_text().strip("\n").split("\n")
    body = ask("native", stream=True, result_format="message")[2].decode()
    mine = body.split("\n\n")[0].split("\n")
    assert mine[:3] == real[:3]
    assert mine[3].startswith('data:{"output"') and real[3].startswith('data:{"output"')
    for line in (mine[3], real[3]):
        assert json.loads(line.removeprefix("data:"))["output"]["choices"][0]["finish_reason"] == "null"
    assert "[DONE]" not in body and body.endswith("\n\n")


def test_a_real_glm_chunk_and_ours_lack_the_same(ask: Ask) -> None:
    (real,) = collected("zhipu/stream_chunk_no_object.json")
    mine = said(ask, "glm", {"stream": True})[0]
    assert keys(mine) == keys(real)


def test_a_tool_call_of_qwen_has_an_index_and_text_beside_it(ask: Ask) -> None:
    turns = json.loads((PAYLOADS / "dashscope/compat_tool_result_messages.json").read_bytes())["messages"]
    (mine,) = said(ask, "qwen", {"tools": TOOLS})
    assert keys(mine["choices"][0]["message"]) == keys(turns[1])
    assert mine["choices"][0]["message"]["content"] == turns[1]["content"] == ""


def test_real_conversations_are_understood(ask: Ask) -> None:
    turns = json.loads((PAYLOADS / "dashscope/compat_tool_result_messages.json").read_bytes())
    assert b"read the tool's answer: 24" in ask("qwen", **turns)[2]
    thinking = json.loads((PAYLOADS / "zhipu/thinking_request.json").read_bytes())
    assert ask("glm", **thinking)[0] == 200
