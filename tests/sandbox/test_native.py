"""DashScope's own protocol to the frame."""

import json
from collections.abc import Callable
from typing import Any

Ask = Callable[..., tuple[int, dict[str, str], bytes]]

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"properties": {"c": {"type": "string"}}}}}
    for name in ("weather", "traffic")
]


def messages(ask: Ask, **parameters: Any) -> list[dict[str, Any]]:
    body = ask("native", stream=True, result_format="message", **parameters)[2].decode()
    frames = [frame.split("\n") for frame in body.removesuffix("\n\n").split("\n\n")]
    assert [frame[:3] for frame in frames] == [
        [f"id:{at}", "event:result", ":HTTP_STATUS/200"] for at in range(1, len(frames) + 1)
    ]
    outputs = [json.loads(frame[3].removeprefix("data:"))["output"]["choices"][0] for frame in frames]
    assert {output["finish_reason"] for output in outputs[:-1]} == {"null"}
    assert outputs[-1]["finish_reason"] in {"stop", "tool_calls"}
    return [output["message"] for output in outputs]


def test_text_is_cumulative_unless_told_otherwise(ask: Ask) -> None:
    whole = messages(ask)
    pieces = messages(ask, incremental_output=True)
    text = "The Alibaba DashScope sandbox, qwen-plus, heard: Selamat pagi, dunia"
    assert whole[-1]["content"] == "".join(message["content"] for message in pieces) == text
    assert [len(message["content"]) for message in whole] == sorted(len(message["content"]) for message in whole)


def test_thoughts_and_calls_are_cumulative_too(ask: Ask) -> None:
    whole = messages(ask, enable_thinking=True, tools=TOOLS, parallel_tool_calls=True)
    pieces = messages(ask, enable_thinking=True, tools=TOOLS, parallel_tool_calls=True, incremental_output=True)
    assert whole[-1]["reasoning_content"] == "".join(message.get("reasoning_content", "") for message in pieces)
    calls = whole[-1]["tool_calls"]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "weather"), (1, "traffic")]
    assert {call["function"]["arguments"] for call in calls} == {'{"c":"Selamat pagi, dunia"}'}
    ids = [message["tool_calls"][0]["id"] for message in pieces if "tool_calls" in message]
    assert [bool(one) for one in ids].count(True) == len(calls) == 2


def test_the_format_is_text_unless_the_model_or_the_caller_says_message(ask: Ask) -> None:
    text = json.loads(ask("native")[2])["output"]
    assert set(text) == {"finish_reason", "text"}
    assert "choices" in json.loads(ask("native", model="qwen3-max")[2])["output"]
    assert "choices" in json.loads(ask("native", result_format="message")[2])["output"]


def test_usage_runs_along_and_ends_as_in_the_plain_answer(ask: Ask) -> None:
    plain = json.loads(ask("native")[2])["usage"]
    body = ask("native", stream=True)[2].decode()
    usages = [json.loads(line[5:])["usage"] for line in body.split("\n") if line.startswith("data:")]
    spent = [usage["output_tokens"] for usage in usages]
    assert spent == sorted(spent) and usages[-1] == plain


def test_what_is_outside_parameters_is_dropped_without_a_word(ask: Ask) -> None:
    raw = json.dumps({"model": "qwen-plus", "tools": TOOLS, "stream": True, "input": {"prompt": "hi"}}).encode()
    status, headers, body = ask("native", raw=raw)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["output"]["text"].endswith("heard: hi")


def test_a_refused_stream_says_so_in_a_frame_under_a_200(ask: Ask) -> None:
    status, headers, body = ask("native", stream=True, messages=[])
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    assert body.startswith(b'id:1\nevent:error\n:HTTP_STATUS/400\ndata:{"code":"InvalidParameter"')
    assert ask("native", stream=True, model="sandbox-429")[0] == 429
