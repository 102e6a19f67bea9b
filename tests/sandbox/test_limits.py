"""What each vendor refuses that another takes: the reason for having simulators at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., tuple[int, dict[str, str], bytes]]

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {}}}
NAMED = {"type": "function", "function": {"name": "weather"}}
JSON_MODE = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
STRAY = [USER, {"role": "tool", "tool_call_id": "call_1", "content": "24"}]

EVERYBODY = ("openai", "qwen", "native", "ernie", "glm")

# fields → who refuses them; all others answer
RULES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set()),
    ({"messages": []}, set(EVERYBODY)),
    ({"messages": [{"role": "narrator", "content": "hi"}]}, set(EVERYBODY)),
    ({"messages": [{"role": "developer", "content": "be kind"}, USER]}, {"qwen", "native", "ernie", "glm"}),
    ({"messages": STRAY}, set(EVERYBODY)),
    ({"messages": [USER, {"role": "assistant", "content": "well"}]}, {"native"}),
    ({"model": ""}, set(EVERYBODY)),
    ({"temperature": 0}, {"ernie"}),
    ({"temperature": 1}, set()),
    ({"temperature": 1.5}, {"ernie", "glm"}),
    ({"temperature": 2}, {"qwen", "native", "ernie", "glm"}),
    ({"temperature": 2.1}, set(EVERYBODY)),
    ({"top_p": 0}, {"qwen", "native", "glm"}),
    ({"top_p": 0.005}, {"glm"}),
    ({"top_p": 1.1}, set(EVERYBODY)),
    ({"n": 4}, set()),
    ({"n": 5}, {"qwen", "native"}),
    ({"n": 129}, {"openai", "qwen", "native"}),
    ({"presence_penalty": 3}, {"openai", "qwen", "native"}),
    ({"frequency_penalty": 3}, {"openai"}),
    ({"penalty_score": 0.5}, {"ernie"}),
    ({"seed": -1}, {"qwen", "native"}),
    ({"logprobs": True, "top_logprobs": 6}, {"qwen", "native"}),
    ({"top_logprobs": 3}, {"openai"}),
    ({"max_tokens": 0}, set(EVERYBODY)),
    ({"max_tokens": 131073}, {"glm"}),
    ({"stop": ["a"]}, set()),
    ({"stop": "a"}, {"glm"}),
    ({"stop": ["a", "b"]}, {"glm"}),
    ({"stop": list("abcde")}, {"openai", "glm"}),
    ({"tools": [TOOL], "tool_choice": "auto", "result_format": "message"}, set()),
    ({"tools": [TOOL], "tool_choice": "none", "result_format": "message"}, {"glm"}),
    ({"tools": [TOOL], "tool_choice": "required", "result_format": "message"}, {"qwen", "native", "glm"}),
    ({"tools": [TOOL], "tool_choice": NAMED, "result_format": "message"}, {"glm"}),
    ({"tools": [TOOL]}, {"native"}),
    ({"tool_choice": NAMED}, set(EVERYBODY)),
    ({"tools": [TOOL] * 129, "result_format": "message"}, {"glm"}),
    (
        {"tools": [{"type": "function", "function": {"name": "search"}}], "result_format": "message"},
        {"qwen", "native"},
    ),
    ({"response_format": JSON_MODE}, {"openai", "qwen", "native"}),
    ({"response_format": JSON_MODE, "messages": [{"role": "user", "content": "in JSON"}]}, set()),
    ({"response_format": SCHEMA}, {"glm"}),
    ({"stream_options": {"include_usage": True}}, {"openai"}),
    ({"user_id": "short"}, {"glm"}),
    ({"result_format": "markdown"}, {"native"}),
    ({"temperature": None, "thinking": None, "response_format": None}, set()),
    ({"messages": "hi"}, set(EVERYBODY)),
    ({"n": "two"}, set(EVERYBODY)),
]


@pytest.mark.parametrize("vendor", EVERYBODY)
@pytest.mark.parametrize(
    ("fields", "refusers"), RULES, ids=lambda value: None if isinstance(value, set) else str(value)
)
def test_a_vendor_refuses_what_its_documents_say(
    ask: Ask, vendor: str, fields: dict[str, Any], refusers: set[str]
) -> None:
    status, _, body = ask(vendor, **fields)
    assert status == (400 if vendor in refusers else 200), body


@pytest.mark.parametrize("vendor", EVERYBODY)
def test_a_body_that_is_no_json_is_refused(ask: Ask, vendor: str) -> None:
    for raw in (b"", b"{", b'{"model": "\xff"}', b"[]"):
        assert ask(vendor, raw=raw)[0] == 400


@pytest.mark.parametrize(
    ("vendor", "fields", "code", "param"),
    [
        ("openai", {"model": "gpt-5", "max_tokens": 9}, "unsupported_parameter", "max_tokens"),
        ("openai", {"model": "o3", "stop": "a"}, "unsupported_parameter", "stop"),
        ("openai", {"n": "two"}, None, "n"),
        ("openai", {"messages": STRAY}, None, "messages[1].tool_call_id"),
        ("qwen", {"temperature": 2}, "invalid_parameter_error", "temperature"),
        (
            "qwen",
            {"enable_thinking": True, "response_format": JSON_MODE, "messages": [{"role": "user", "content": "json"}]},
            "invalid_parameter_error",
            "response_format",
        ),
    ],
)
def test_the_error_names_the_field(ask: Ask, vendor: str, fields: dict[str, Any], code: str | None, param: str) -> None:
    error = json.loads(ask(vendor, **fields)[2])["error"]
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("vendor", "fields", "code"),
    [
        ("ernie", {"model": ""}, "invalid_model"),
        ("ernie", {"messages": STRAY}, "invalid_messages"),
        ("ernie", {"model": "ernie-5.5-flash-preview", "temperature": 0.5}, "invalid_argument"),
        ("glm", {"model": ""}, "1213"),
        ("glm", {"messages": []}, "1214"),
        ("glm", {"temperature": 2}, "1210"),
        ("glm", {"model": "glm-5.3", "thinking": {"type": "disabled"}}, "1210"),
    ],
)
def test_the_code_is_the_vendors(ask: Ask, vendor: str, fields: dict[str, Any], code: str) -> None:
    assert json.loads(ask(vendor, **fields)[2])["error"]["code"] == code


def test_a_model_of_the_multimodal_path_is_sent_away(ask: Ask) -> None:
    status, _, body = ask("native", model="qwen3.7-plus")
    assert (status, json.loads(body)["code"]) == (400, "InvalidParameter")
    assert ask("qwen", model="qwen3.7-plus")[0] == 200
